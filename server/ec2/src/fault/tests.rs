use super::*;

fn said(refusal: Refusal) -> (&'static str, u16, String) {
    let fault = Fault::from(refusal);
    (fault.code.as_str(), fault.status(), fault.message)
}

#[test]
fn a_denial_has_reasons_and_a_decision() {
    let reasons = vec![Reason::denial("too-big", "at most 8 vCPUs"), Reason::info("hour", "it is late.")];
    let (code, status, message) = said(Refusal::Denied { decision: DecisionId(7), reasons });
    assert_eq!((code, status), ("UnauthorizedOperation", 403));
    let expected = "You are not authorized to perform this operation. at most 8 vCPUs. it is late. \
                    Decision: decision-00000000000000007.";
    assert_eq!(message, expected);
    let offer = Amounts { instances: 2, ..Amounts::default() };
    let (_, status, message) = said(Refusal::Offered { decision: DecisionId(7), offer, reasons: Vec::new() });
    assert!(status == 403 && message.contains("2 instances"), "{message}");
}

#[test]
fn a_full_cloud_is_not_tried_again() {
    let (code, status, message) = said(Refusal::NoHost { decision: DecisionId(9), why: "all are full.".into() });
    assert_eq!((code, status), ("InsufficientInstanceCapacity", 400));
    assert!(message.ends_with("all are full. Decision: decision-00000000000000009."), "{message}");
    assert_eq!(said(Refusal::Exhausted("elastic IP")).0, "InsufficientAddressCapacity");
    assert_eq!(said(Refusal::Exhausted("room in the volume store of this class")).0, "InsufficientVolumeCapacity");
    assert_eq!(said(Refusal::Exhausted("address in the farm's subnet")).0, "InsufficientInstanceCapacity");
}

#[test]
fn each_limit_has_its_name() {
    for (resource, _) in Amounts::default().fields() {
        let scope = "tenant a".into();
        let (code, status, message) =
            said(Refusal::Quota { scope, resource, wanted: 8, used: 3, held: 1, limit: 10, decision: None });
        let expected = match resource {
            "vcpus" => "VcpuLimitExceeded",
            "addresses" => "AddressLimitExceeded",
            "disk_gib" => "VolumeLimitExceeded",
            "networks" => "VpcLimitExceeded",
            _ => "InstanceLimitExceeded",
        };
        assert_eq!((code, status), (expected, 400));
        assert!(message.contains("8 wanted") && message.contains("of 10"), "{message}");
    }
}

#[test]
fn what_is_not_there_is_told_by_its_kind() {
    for (noun, id, code) in [
        ("instance", "i-1", "InvalidInstanceID.NotFound"),
        ("image", "ami-1", "InvalidAMIID.NotFound"),
        ("address", "eipalloc-1", "InvalidAllocationID.NotFound"),
        ("address", "192.0.2.1", "InvalidAddress.NotFound"),
        ("security group", "web", "InvalidGroup.NotFound"),
        ("key pair", "mine", "InvalidKeyPair.NotFound"),
        ("volume", "vol-1", "InvalidVolume.NotFound"),
        ("security group rule", "sgr-1", "InvalidSecurityGroupRuleId.NotFound"),
        ("snapshot", "snap-1", "InvalidSnapshot.NotFound"),
        ("flavor", "m9", "InvalidInstanceType"),
        ("class", "moon", "InvalidZone.NotFound"),
        ("farm", "farm-1", "InvalidID"),
    ] {
        let (said, status, message) = said(Refusal::not_found(noun, id));
        assert_eq!((said, status), (code, 400), "{noun}");
        assert!(message.contains(id), "{message}");
    }
    assert_eq!(Noun::Instance.malformed("x").code, Code::InvalidInstanceIdMalformed);
    assert_eq!(Noun::KeyPair.malformed("x").code, Code::InvalidKeyPairNotFound);
}

#[test]
fn a_conflict_is_what_the_action_calls_it() {
    let conflict = || Refusal::Conflict("it is stopped".into());
    assert_eq!(said(conflict()), ("IncorrectState", 400, "it is stopped".into()));
    let fault = Fault::from_refusal(conflict(), Code::VolumeInUse);
    assert_eq!(fault.code.as_str(), "VolumeInUse");
}

#[test]
fn others() {
    let invalid = Refusal::invalid("min_count", 0, "1 to 100");
    let text = "Value (0) for parameter MinCount is invalid. It should be 1 to 100";
    assert_eq!(said(invalid), ("InvalidParameterValue", 400, text.into()));
    assert!(said(Refusal::invalid("tag.key", "", "1 to 128 characters")).2.contains("parameter Tag.Key is"));
    assert!(said(Refusal::invalid("class", "moon", "workers")).2.contains("parameter AvailabilityZone is"));
    assert_eq!(said(Refusal::invalid("flavor", "m9", "m1.small")).0, "InvalidInstanceType");
    assert_eq!(said(Refusal::KeyReused("t".into())).0, "IdempotentParameterMismatch");
    assert_eq!(said(Refusal::Protected("it is protected".into())).0, "OperationNotPermitted");
    assert_eq!(said(Refusal::Forbidden("viewers look".into())).1, 403);
}

#[test]
fn our_trouble_keeps_its_cause_to_itself() {
    use cascina_engine::Fault as Trouble;
    let secret = || "/secret/path".to_owned();
    for (trouble, code, status) in [
        (Trouble::Internal(secret()), "InternalError", 500),
        (Trouble::Unreadable(secret()), "InternalError", 500),
        (Trouble::Store(secret()), "Unavailable", 503),
        (Trouble::Unavailable(secret()), "Unavailable", 503),
    ] {
        let fault = Fault::from(EngineError::from(trouble));
        assert_eq!((fault.code.as_str(), fault.status()), (code, status));
        assert!(!fault.message.contains("secret"), "{fault}");
    }
}

#[test]
fn parameters() {
    let code = |error: ParamError| Fault::from(error).code.as_str();
    assert_eq!(code(ParamError::Unknown("X".into())), "UnknownParameter");
    assert_eq!(code(ParamError::Twice("X".into())), "InvalidParameterValue");
    assert_eq!(code(ParamError::Malformed("X".into())), "MalformedQueryString");
    assert_eq!(Fault::missing("X").to_string(), "MissingParameter: The request must contain the parameter X");
    let text = "InvalidParameterValue: Value (7) for parameter X is invalid. It is odd.";
    assert_eq!(Fault::invalid("X", "7", "It is odd.").to_string(), text);
}

#[test]
fn codes_are_written_once_each() {
    let mut texts: Vec<_> = Code::ALL.iter().map(|code| (code.as_str(), code.status())).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), Code::ALL.len());
    assert!(Code::ALL.iter().all(|code| (400..=503).contains(&code.status())));
}

//! Every no, as EC2 says it.

use cascina_core::decision::{Amounts, Reason};
use cascina_core::id::DecisionId;
use cascina_core::refusal::Refusal;
use cascina_engine::EngineError;

use crate::code::Code;
use crate::noun::Noun;
use crate::wire::{ParamError, xml};

/// Why a request failed: our trouble if the status is 500 or above, else the caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .code.as_str())]
pub struct Fault {
    pub code: Code,
    /// One or two sentences, for people.
    pub message: String,
}

impl Code {
    pub fn fault(self, message: impl Into<String>) -> Fault {
        Fault { code: self, message: message.into() }
    }
}

impl Fault {
    pub fn status(&self) -> u16 {
        self.code.status()
    }

    /// The body that goes with the status.
    pub fn xml(&self, request_id: &str) -> String {
        xml::error(self.code.as_str(), &self.message, request_id)
    }

    /// A parameter that should be there is not.
    pub fn missing(name: &str) -> Fault {
        ParamError::Missing(name.into()).into()
    }

    /// A parameter has a value that it cannot have; `why` is a sentence.
    pub fn invalid(name: &str, value: &str, why: &str) -> Fault {
        ParamError::invalid(name, value, why).into()
    }

    /// What was to be tried would have been done.
    pub fn dry_run() -> Fault {
        Code::DryRunOperation.fault("Request would have succeeded, but DryRun flag is set.")
    }

    /// All that is wrong with credentials is said in the same words.
    pub fn credentials() -> Fault {
        Code::AuthFailure.fault("The server was not able to validate the provided access credentials")
    }

    /// What the log says, clients do not hear.
    pub fn internal() -> Fault {
        Code::InternalError.fault("An internal error has occurred")
    }

    /// The engine's no; `conflict` is what this action says of things that are not in the right state.
    pub fn from_refusal(refusal: Refusal, conflict: Code) -> Fault {
        let message = refusal.to_string();
        match refusal {
            Refusal::Invalid { field, value, allowed } if field == "flavor" => Code::InvalidInstanceType
                .fault(format!("Invalid value '{value}' for InstanceType. It should be {allowed}")),
            Refusal::Invalid { field, value, allowed } => {
                ParamError::Invalid { name: parameter(&field), value, why: format!("It should be {allowed}") }.into()
            }
            Refusal::NotFound { noun, id } => Noun::of(noun).not_found(&id),
            Refusal::Conflict(_) | Refusal::Busy(_) => conflict.fault(message),
            Refusal::Protected(_) => Code::OperationNotPermitted.fault(message),
            Refusal::Forbidden(_) => Code::UnauthorizedOperation
                .fault(format!("You are not authorized to perform this operation: {message}")),
            Refusal::Denied { decision, reasons } => Code::UnauthorizedOperation.fault(denial(decision, &reasons)),
            Refusal::Offered { decision, offer, reasons } => Code::UnauthorizedOperation.fault(format!(
                "{} A smaller request would be granted: {}.",
                denial(decision, &reasons),
                amounts(offer)
            )),
            Refusal::Quota { resource, decision, .. } => {
                let made_by = decision.map(|id| format!(" The limit comes from decision {id}.")).unwrap_or_default();
                quota(resource).fault(format!("You have reached your limit: {message}.{made_by}"))
            }
            Refusal::NoHost { decision, why } => Code::InsufficientInstanceCapacity
                .fault(format!("There is not enough capacity for your request: {why} Decision: {decision}.")),
            Refusal::Exhausted(what) if what.contains("IP") => Code::InsufficientAddressCapacity.fault(message),
            Refusal::Exhausted(what) if what.contains("volume") => Code::InsufficientVolumeCapacity.fault(message),
            Refusal::Exhausted(_) => Code::InsufficientInstanceCapacity.fault(message),
            Refusal::KeyReused(_) => {
                Code::IdempotentParameterMismatch.fault("Client token already used before with different parameters.")
            }
        }
    }

    /// The same for all that the engine may say; what is ours is logged here, once.
    pub fn from_engine(error: EngineError, conflict: Code) -> Fault {
        use cascina_engine::Fault as Trouble;
        let trouble = match error {
            EngineError::Refusal(refusal) => return Fault::from_refusal(refusal, conflict),
            EngineError::Fault(trouble) => trouble,
        };
        tracing::error!(error = %trouble, "a request failed");
        match trouble {
            Trouble::Unavailable(_) => {
                Code::Unavailable.fault("The server is overloaded or stopping. Try again in a moment.")
            }
            Trouble::Store(_) => Code::Unavailable
                .fault("The change could not be stored, and nothing was changed. Try again in a moment."),
            // The cause may say what callers should not know.
            Trouble::Internal(_) | Trouble::Unreadable(_) => Fault::internal(),
        }
    }
}

/// Which policies said no and why, and where to read more.
fn denial(decision: DecisionId, reasons: &[Reason]) -> String {
    let mut text = "You are not authorized to perform this operation.".to_owned();
    for reason in reasons {
        let end = if reason.text.ends_with('.') { "" } else { "." };
        text.push_str(&format!(" {}{end}", reason.text));
    }
    text.push_str(&format!(" Decision: {decision}."));
    text
}

fn amounts(offer: Amounts) -> String {
    let fields = offer.fields().into_iter().map(|(name, amount)| format!("{amount} {name}"));
    fields.collect::<Vec<_>>().join(", ")
}

/// What clients call a field of the engine's.
fn parameter(field: &str) -> String {
    match field {
        "class" => "AvailabilityZone".into(),
        "flavor" => "InstanceType".into(),
        "groups" => "SecurityGroupId".into(),
        "image" => "ImageId".into(),
        "instance" | "instances" => "InstanceId".into(),
        "ports" => "IpPermissions".into(),
        _ => {
            let mut name = String::with_capacity(field.len());
            let mut begins = true;
            for c in field.chars() {
                match c {
                    '_' => {}
                    c if begins => name.push(c.to_ascii_uppercase()),
                    c => name.push(c),
                }
                begins = matches!(c, '_' | '.');
            }
            name
        }
    }
}

/// Which limit it is, by the engine's word for what is limited.
fn quota(resource: &str) -> Code {
    match resource {
        "vcpus" => Code::VcpuLimitExceeded,
        "addresses" => Code::AddressLimitExceeded,
        "networks" => Code::VpcLimitExceeded,
        "disk_gib" | "volumes" => Code::VolumeLimitExceeded,
        "snapshots" => Code::SnapshotLimitExceeded,
        "security_groups" => Code::SecurityGroupLimitExceeded,
        "key_pairs" => Code::KeyPairLimitExceeded,
        "tags" => Code::TagLimitExceeded,
        _ => Code::InstanceLimitExceeded,
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::from_refusal(refusal, Code::IncorrectState)
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Fault {
        Fault::from_engine(error, Code::IncorrectState)
    }
}

impl From<ParamError> for Fault {
    fn from(error: ParamError) -> Fault {
        let code = match &error {
            ParamError::Unknown(_) => Code::UnknownParameter,
            ParamError::Missing(_) => Code::MissingParameter,
            ParamError::Invalid { .. } | ParamError::Twice(_) | ParamError::TooLong { .. } => {
                Code::InvalidParameterValue
            }
            ParamError::Malformed(_) => Code::MalformedQueryString,
            ParamError::TooMany(_) => Code::RequestEntityTooLarge,
        };
        code.fault(error.to_string())
    }
}

#[cfg(test)]
mod tests;

//! Faults on purpose: which calls go wrong, how, and how often.

use cascina_core::id::FarmId;
use cascina_core::name::Name;
use cascina_core::state::Guest;
use serde::{Deserialize, Serialize};

use super::rng::Rng;
use crate::HostCall;

/// A call without its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallKind {
    DefineNetwork,
    RemoveNetwork,
    StageDisk,
    Boot,
    Stop,
    Reboot,
    Destroy,
    Migrate,
    Evict,
    ApplyRouter,
    ProbeRouter,
    ApplyFirewall,
    MakeVolume,
    ResizeVolume,
    RemoveVolume,
    AttachVolume,
    DetachVolume,
    MakeSnapshot,
    RemoveSnapshot,
    CheckImage,
    CopyImage,
    DropImage,
    Console,
    Stored,
    Inventory,
    Describe,
    Sample,
}

impl From<&HostCall> for CallKind {
    fn from(call: &HostCall) -> CallKind {
        match call {
            HostCall::DefineNetwork { .. } => CallKind::DefineNetwork,
            HostCall::RemoveNetwork { .. } => CallKind::RemoveNetwork,
            HostCall::StageDisk { .. } => CallKind::StageDisk,
            HostCall::Boot { .. } => CallKind::Boot,
            HostCall::Stop { .. } => CallKind::Stop,
            HostCall::Reboot { .. } => CallKind::Reboot,
            HostCall::Destroy { .. } => CallKind::Destroy,
            HostCall::Migrate { .. } => CallKind::Migrate,
            HostCall::Evict { .. } => CallKind::Evict,
            HostCall::ApplyRouter { .. } => CallKind::ApplyRouter,
            HostCall::ProbeRouter { .. } => CallKind::ProbeRouter,
            HostCall::ApplyFirewall { .. } => CallKind::ApplyFirewall,
            HostCall::MakeVolume { .. } => CallKind::MakeVolume,
            HostCall::ResizeVolume { .. } => CallKind::ResizeVolume,
            HostCall::RemoveVolume { .. } => CallKind::RemoveVolume,
            HostCall::AttachVolume { .. } => CallKind::AttachVolume,
            HostCall::DetachVolume { .. } => CallKind::DetachVolume,
            HostCall::MakeSnapshot { .. } => CallKind::MakeSnapshot,
            HostCall::RemoveSnapshot { .. } => CallKind::RemoveSnapshot,
            HostCall::CheckImage { .. } => CallKind::CheckImage,
            HostCall::CopyImage { .. } => CallKind::CopyImage,
            HostCall::DropImage { .. } => CallKind::DropImage,
            HostCall::Console { .. } => CallKind::Console,
            HostCall::Stored { .. } => CallKind::Stored,
            HostCall::Inventory => CallKind::Inventory,
            HostCall::Describe => CallKind::Describe,
            HostCall::Sample => CallKind::Sample,
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Fault {
    /// The host says no, and nothing happens.
    Refuse { why: String },
    /// The host never answers; the caller must give up by itself. `effect`: it does the work all
    /// the same.
    Hang {
        #[serde(default)]
        effect: bool,
    },
    /// The connection breaks. `effect`: after the work, else before it.
    Crash {
        #[serde(default)]
        effect: bool,
    },
    /// It works, but takes this much longer (milliseconds of the hosts' time).
    Slow { ms: u64 },
}

/// A share of one, `0.0..=1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0} is not a probability between 0 and 1")]
pub struct ProbabilityError(pub f64);

impl Probability {
    pub const ALWAYS: Probability = Probability(1.0);
}

impl Default for Probability {
    fn default() -> Probability {
        Probability::ALWAYS
    }
}

impl TryFrom<f64> for Probability {
    type Error = ProbabilityError;

    fn try_from(value: f64) -> Result<Probability, ProbabilityError> {
        if (0.0..=1.0).contains(&value) { Ok(Probability(value)) } else { Err(ProbabilityError(value)) }
    }
}

impl From<Probability> for f64 {
    fn from(value: Probability) -> f64 {
        value.0
    }
}

/// A fault, and the calls that it befalls: those that agree with everything that is given.
///
/// `{"host": "w03", "call": "boot", "times": 1, "fault": {"kind": "refuse", "why": "no"}}`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// The farm whose network, guest, volume or snapshot the call is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub farm: Option<FarmId>,
    /// Matching calls that pass before the first can fail.
    #[serde(default)]
    pub after: u32,
    /// Calls that it befalls before it is spent; None: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    #[serde(default)]
    pub probability: Probability,
    pub fault: Fault,
}

impl Rule {
    /// Befalls every call, for ever. Narrow it with struct update syntax.
    pub fn always(fault: Fault) -> Rule {
        Rule {
            host: None,
            call: None,
            guest: None,
            farm: None,
            after: 0,
            times: None,
            probability: Probability::ALWAYS,
            fault,
        }
    }
}

/// A rule in force, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmedRule {
    pub rule: Rule,
    /// Calls that agreed with it while it was not spent, whether or not they failed.
    pub matched: u64,
    /// Calls that it befell.
    pub fired: u64,
}

/// What a call is about, as far as rules can tell.
pub(super) struct Subject<'a> {
    pub host: &'a Name,
    pub call: CallKind,
    pub guest: Option<Guest>,
    pub farm: Option<FarmId>,
}

/// Rules in order: the first that fires decides, and those behind it do not see the call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Faults(Vec<ArmedRule>);

impl Faults {
    pub fn new(rules: Vec<Rule>) -> Faults {
        Faults(rules.into_iter().map(|rule| ArmedRule { rule, matched: 0, fired: 0 }).collect())
    }

    pub fn armed(&self) -> &[ArmedRule] {
        &self.0
    }

    /// Cheap enough to be asked at every call: the caller may skip finding out what the call is
    /// about.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn strike(&mut self, subject: &Subject<'_>, rng: &mut Rng) -> Option<Fault> {
        self.0.iter_mut().find_map(|armed| armed.strike(subject, rng))
    }
}

impl ArmedRule {
    fn strike(&mut self, subject: &Subject<'_>, rng: &mut Rng) -> Option<Fault> {
        let rule = &self.rule;
        let agrees = rule.host.as_ref().is_none_or(|host| host == subject.host)
            && rule.call.is_none_or(|call| call == subject.call)
            && rule.guest.is_none_or(|guest| Some(guest) == subject.guest)
            && rule.farm.is_none_or(|farm| Some(farm) == subject.farm);
        let spent = rule.times.is_some_and(|times| self.fired >= u64::from(times));
        if !agrees || spent {
            return None;
        }
        self.matched += 1;
        if self.matched <= u64::from(rule.after) || rng.unit() >= rule.probability.0 {
            return None;
        }
        self.fired += 1;
        Some(rule.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strike(faults: &mut Faults, host: &str, call: CallKind, rng: &mut Rng) -> bool {
        let host = host.parse().unwrap();
        faults.strike(&Subject { host: &host, call, guest: None, farm: Some(FarmId(7)) }, rng).is_some()
    }

    #[test]
    fn a_rule_lets_some_pass_and_is_spent() {
        let rule = Rule { after: 2, times: Some(3), ..Rule::always(Fault::Crash { effect: false }) };
        let mut faults = Faults::new(vec![rule]);
        let mut rng = Rng::new(1);
        let fired: Vec<bool> = (0..8).map(|_| strike(&mut faults, "w1", CallKind::Boot, &mut rng)).collect();
        assert_eq!(fired, [false, false, true, true, true, false, false, false]);
        assert_eq!((faults.armed()[0].matched, faults.armed()[0].fired), (5, 3));
    }

    #[test]
    fn a_rule_keeps_to_what_it_names() {
        let hang = Fault::Hang { effect: true };
        let named = |rule: Rule| Faults::new(vec![rule]);
        let mut rng = Rng::new(1);
        let rule = Rule { host: Some("w1".parse().unwrap()), call: Some(CallKind::Boot), ..Rule::always(hang.clone()) };
        assert!(strike(&mut named(rule.clone()), "w1", CallKind::Boot, &mut rng));
        assert!(!strike(&mut named(rule.clone()), "w2", CallKind::Boot, &mut rng));
        assert!(!strike(&mut named(rule), "w1", CallKind::Stop, &mut rng));
        let of = |farm| Rule { farm: Some(FarmId(farm)), ..Rule::always(hang.clone()) };
        assert!(strike(&mut named(of(7)), "w1", CallKind::Boot, &mut rng));
        assert!(!strike(&mut named(of(8)), "w1", CallKind::Boot, &mut rng));
    }

    #[test]
    fn probability_is_kept_over_many_calls() {
        let rule = Rule { probability: 0.25.try_into().unwrap(), ..Rule::always(Fault::Slow { ms: 1 }) };
        let mut faults = Faults::new(vec![rule]);
        let mut rng = Rng::new(1);
        let fired = (0..10_000).filter(|_| strike(&mut faults, "w1", CallKind::Boot, &mut rng)).count();
        assert!((2_300..2_700).contains(&fired), "{fired}");
    }

    #[test]
    fn rules_as_people_write_them() {
        let text = r#"{"host": "w03", "call": "stage-disk", "times": 1, "fault": {"kind": "hang"}}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(rule.fault, Fault::Hang { effect: false });
        assert_eq!(rule.probability, Probability::ALWAYS);
        assert_eq!(serde_json::from_str::<Rule>(&serde_json::to_string(&rule).unwrap()).unwrap(), rule);
        for wrong in [
            r#"{"call": "fly", "fault": {"kind": "hang"}}"#,
            r#"{"probability": 1.5, "fault": {"kind": "hang"}}"#,
            r#"{"hots": "w03", "fault": {"kind": "hang"}}"#,
            r#"{"fault": {"kind": "hang", "why": "no"}}"#,
            r#"{"fault": {"kind": "explode"}}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn kinds_are_spelt_as_calls_are() {
        let guest = Guest::Router(cascina_core::id::RouterId(1));
        let network = cascina_core::id::NetworkId(1);
        let (volume, snapshot) = (cascina_core::id::VolumeId(1), cascina_core::id::SnapshotId(1));
        let at = crate::Place { farm: FarmId(1), class: "c".parse().unwrap() };
        for call in [
            HostCall::Destroy { guest },
            HostCall::ApplyFirewall { network, revision: 1, firewall: Default::default() },
            HostCall::ResizeVolume { volume, at: at.clone(), size: Default::default() },
            HostCall::RemoveVolume { volume, at: at.clone() },
            HostCall::DetachVolume { guest, volume, at: at.clone() },
            HostCall::RemoveSnapshot { snapshot, at: at.clone() },
            HostCall::CheckImage { image: "i".into(), sha256: None },
            HostCall::Console { guest },
            HostCall::Stored { class: at.class },
            HostCall::Inventory,
        ] {
            assert_eq!(serde_json::to_value(CallKind::from(&call)).unwrap(), call.as_str());
        }
    }
}

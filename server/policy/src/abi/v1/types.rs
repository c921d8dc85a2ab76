//! Interface `types`.

use cascina_core::decision::{self, Amounts};
use wasmtime::component::{ComponentType, Lift, Lower};

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Context<'a> {
    pub decision: &'a str,
    #[component(name = "now-ms")]
    pub now_ms: u64,
    pub seed: u64,
    pub revision: u64,
    #[component(name = "dry-run")]
    pub dry_run: bool,
    pub settings: &'a str,
}

#[derive(ComponentType, Lower, Lift, Clone, Copy, Debug, PartialEq, Eq)]
#[component(record)]
pub(crate) struct Resources {
    pub instances: u32,
    pub vcpus: u32,
    #[component(name = "memory-mib")]
    pub memory_mib: u64,
    #[component(name = "disk-gib")]
    pub disk_gib: u64,
    pub addresses: u32,
    pub networks: u32,
}

impl From<Amounts> for Resources {
    fn from(a: Amounts) -> Resources {
        Resources {
            instances: a.instances,
            vcpus: a.vcpus,
            memory_mib: a.memory_mib,
            disk_gib: a.disk_gib,
            addresses: a.addresses,
            networks: a.networks,
        }
    }
}

impl From<Resources> for Amounts {
    fn from(r: Resources) -> Amounts {
        Amounts {
            instances: r.instances,
            vcpus: r.vcpus,
            memory_mib: r.memory_mib,
            disk_gib: r.disk_gib,
            addresses: r.addresses,
            networks: r.networks,
        }
    }
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Attribute<'a> {
    pub key: &'a str,
    pub value: &'a str,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Subject<'a> {
    pub tenant: &'a str,
    pub groups: &'a [String],
    pub tier: &'a str,
    pub farm: &'a str,
    pub actor: &'a str,
    pub roles: &'a [String],
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[expect(dead_code, reason = "lifting makes the variants")]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Severity {
    #[component(name = "info")]
    Info,
    #[component(name = "warning")]
    Warning,
    #[component(name = "denial")]
    Denial,
}

impl From<Severity> for decision::Severity {
    fn from(severity: Severity) -> decision::Severity {
        match severity {
            Severity::Info => decision::Severity::Info,
            Severity::Warning => decision::Severity::Warning,
            Severity::Denial => decision::Severity::Denial,
        }
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Reason {
    pub severity: Severity,
    pub code: String,
    pub text: String,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[expect(dead_code, reason = "lifting makes the variants")]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Approver {
    #[component(name = "site-admin")]
    SiteAdmin,
    #[component(name = "owner")]
    Owner,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(variant)]
pub(crate) enum Verdict {
    #[component(name = "allow")]
    Allow,
    #[component(name = "deny")]
    Deny,
    #[component(name = "pend")]
    Pend(Approver),
    #[component(name = "counter-offer")]
    CounterOffer(Resources),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Answer {
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Failure {
    pub code: String,
    pub text: String,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Usage<'a> {
    pub class: &'a str,
    pub limit: Resources,
    pub used: Resources,
    pub held: Resources,
}

impl<'a> From<&'a cascina_core::quota::Usage> for Usage<'a> {
    fn from(usage: &'a cascina_core::quota::Usage) -> Usage<'a> {
        Usage {
            class: usage.class.as_ref().map_or("", |class| class.as_str()),
            limit: usage.limit.into(),
            used: usage.used.into(),
            held: usage.held.into(),
        }
    }
}

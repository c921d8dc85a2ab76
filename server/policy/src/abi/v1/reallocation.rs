//! Interface `reallocation`.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::types::{Reason, Resources};

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Hosts<'a> {
    pub id: &'a [u32],
    pub vcpus: &'a [u32],
    #[component(name = "vcpus-free")]
    pub vcpus_free: &'a [u32],
    #[component(name = "memory-mib")]
    pub memory_mib: &'a [u32],
    #[component(name = "memory-free-mib")]
    pub memory_free_mib: &'a [u32],
    #[component(name = "load-permille")]
    pub load_permille: &'a [u32],
    pub class: &'a [u32],
    pub share: &'a [u32],
    pub state: &'a [u32],
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Instances<'a> {
    pub id: &'a [u32],
    pub farm: &'a [u32],
    pub home: &'a [u32],
    pub vcpus: &'a [u32],
    #[component(name = "memory-mib")]
    pub memory_mib: &'a [u32],
    #[component(name = "cpu-permille")]
    pub cpu_permille: &'a [u32],
    #[component(name = "idle-s")]
    pub idle_s: &'a [u32],
    pub traits: &'a [u32],
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Shares<'a> {
    pub number: &'a [u32],
    pub vcpus: &'a [u32],
    #[component(name = "vcpus-own")]
    pub vcpus_own: &'a [u32],
    #[component(name = "vcpus-lent")]
    pub vcpus_lent: &'a [u32],
    pub state: &'a [u32],
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Leases<'a> {
    pub farm: &'a [u32],
    #[component(name = "ends-ms")]
    pub ends_ms: &'a [u64],
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Cluster<'a> {
    pub hosts: Hosts<'a>,
    pub instances: Instances<'a>,
    pub shares: Shares<'a>,
    pub leases: Leases<'a>,
    pub pending: Resources,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(record)]
pub(crate) struct Migration {
    pub instance: u32,
    pub to: u32,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(record)]
pub(crate) struct Resizing {
    pub instance: u32,
    pub size: Resources,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(record)]
pub(crate) struct Lending {
    pub share: u32,
    #[expect(dead_code, reason = "shares are lent and recalled as a whole")]
    pub vcpus: u32,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(variant)]
pub(crate) enum Step {
    #[component(name = "migrate")]
    Migrate(Migration),
    #[component(name = "resize")]
    Resize(Resizing),
    #[component(name = "reclaim")]
    Reclaim(u32),
    #[component(name = "power-off")]
    PowerOff(u32),
    #[component(name = "power-on")]
    PowerOn(u32),
    #[component(name = "evacuate")]
    Evacuate(u32),
    #[component(name = "lend")]
    Lend(Lending),
    #[component(name = "recall")]
    Recall(Lending),
    #[component(name = "expire")]
    Expire(u32),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Move {
    pub step: Step,
    pub after: Vec<u32>,
    pub why: Reason,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Plan {
    pub moves: Vec<Move>,
    #[component(name = "score-before")]
    pub score_before: u32,
    #[component(name = "score-after")]
    pub score_after: u32,
    pub reasons: Vec<Reason>,
}

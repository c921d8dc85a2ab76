//! Interface `choose-victims`.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::types::Reason;

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Demand {
    pub share: u32,
    pub vcpus: u32,
    #[component(name = "memory-mib")]
    pub memory_mib: u64,
    #[component(name = "deadline-ms")]
    pub deadline_ms: u64,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Instances<'a> {
    pub id: &'a [u32],
    pub farm: &'a [u32],
    pub vcpus: &'a [u32],
    #[component(name = "memory-mib")]
    pub memory_mib: &'a [u32],
    #[component(name = "cpu-permille")]
    pub cpu_permille: &'a [u32],
    #[component(name = "idle-s")]
    pub idle_s: &'a [u32],
    #[component(name = "age-s")]
    pub age_s: &'a [u32],
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Choice {
    pub victims: Vec<u32>,
    pub reasons: Vec<Reason>,
}

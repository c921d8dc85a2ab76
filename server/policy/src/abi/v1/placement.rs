//! Interface `placement`.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::types::{Attribute, Reason, Resources};

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Kind {
    #[component(name = "instance")]
    Instance,
    #[component(name = "router")]
    Router,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Workload<'a> {
    pub kind: Kind,
    pub flavor: &'a str,
    pub image: &'a str,
    pub class: &'a str,
    pub size: Resources,
    pub count: u32,
    pub cause: &'a str,
    pub attributes: &'a [Attribute<'a>],
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Share {
    pub number: u32,
    pub own: bool,
    pub recalled: bool,
    pub vcpus: u32,
    #[component(name = "vcpus-own")]
    pub vcpus_own: u32,
    #[component(name = "vcpus-lent")]
    pub vcpus_lent: u32,
}

/// Lists of `u32` only: each is one copy of memory, whatever its length.
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
    #[component(name = "disk-free-gib")]
    pub disk_free_gib: &'a [u32],
    #[component(name = "load-permille")]
    pub load_permille: &'a [u32],
    #[component(name = "same-farm")]
    pub same_farm: &'a [u32],
    pub share: &'a [u32],
    pub traits: &'a [u32],
}

#[derive(ComponentType, Lift, Clone, Copy, Debug, PartialEq, Eq)]
#[component(record)]
pub(crate) struct Exclusion {
    pub row: u32,
    pub code: u32,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Ranking {
    pub scores: Vec<u32>,
    pub excluded: Vec<Exclusion>,
    pub codes: Vec<Reason>,
    pub reasons: Vec<Reason>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Outcome {
    #[component(name = "rank")]
    Rank(Ranking),
    #[component(name = "refuse")]
    Refuse(Vec<Reason>),
    #[component(name = "abstain")]
    Abstain,
}

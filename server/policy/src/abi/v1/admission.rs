//! Interface `admission`.

use wasmtime::component::{ComponentType, Lower};

use super::types::{Attribute, Resources, Subject, Usage};

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct TenantRequest<'a> {
    pub subject: Subject<'a>,
    pub tenants: u32,
    pub attributes: &'a [Attribute<'a>],
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Item<'a> {
    pub flavor: &'a str,
    pub class: &'a str,
    pub image: &'a str,
    #[component(name = "min-count")]
    pub min_count: u32,
    #[component(name = "max-count")]
    pub max_count: u32,
    pub size: Resources,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct FarmRequest<'a> {
    pub subject: Subject<'a>,
    pub items: &'a [Item<'a>],
    pub total: Resources,
    #[component(name = "lease-s")]
    pub lease_s: u64,
    pub farms: u32,
    pub usage: &'a [Usage<'a>],
    pub attributes: &'a [Attribute<'a>],
}

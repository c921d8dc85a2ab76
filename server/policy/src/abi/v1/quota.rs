//! Interface `quota`.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::types::{Attribute, Reason, Resources, Subject, Usage};

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct AssignmentRequest<'a> {
    pub subject: Subject<'a>,
    pub classes: &'a [&'a str],
    pub attributes: &'a [Attribute<'a>],
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Limit {
    pub class: String,
    pub limit: Resources,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Assignment {
    pub limits: Vec<Limit>,
    pub reasons: Vec<Reason>,
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct Consumption<'a> {
    pub subject: Subject<'a>,
    pub verb: &'a str,
    pub class: &'a str,
    pub wanted: Resources,
    pub usage: &'a [Usage<'a>],
}

//! Real hosts, through libvirt.

pub mod filters;
pub mod xml;

//! Real hosts, through libvirt.

pub mod xml;

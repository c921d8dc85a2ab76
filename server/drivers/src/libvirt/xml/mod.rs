//! What is said to libvirt and heard from it, as text: pure, and the only place that makes XML.

mod capabilities;
mod disk;
mod domain;
mod element;
mod marks;
mod nic;
mod probe;
mod uuid;

pub use capabilities::{Capabilities, CapabilitiesError, Cell};
pub use disk::{Disk, Format, Layer, Media, Serial, Target, TargetError, Throttle};
pub use domain::{Accelerator, CpuShares, Domain, Kernel, domain_name, guest_of};
pub use element::{Element, XmlError};
pub use marks::{Marks, MarksError, NAMESPACE, PREFIX};
pub use nic::{FilterRef, Nic, Port};
pub use probe::{PROBE, PROBED, probe};
pub(crate) use uuid::uuid_named;
pub use uuid::uuid_of;

//! Switching hosts on and off, by whatever the site has for that.

use async_trait::async_trait;
use cascina_core::name::Name;
use cascina_core::upkeep::Switch;
use cascina_drivers::HostRef;

/// What switches hosts. Switching off is also what makes sure that nothing runs on a lost one any more, so
/// it must only succeed when the host is off.
#[async_trait]
pub trait Power: Send + Sync {
    /// What does it for hosts of this class, for people; None: nothing does.
    fn by(&self, class: &Name) -> Option<String>;

    /// # Errors
    ///
    /// Why it is not known to be switched so, for people.
    async fn switch(&self, host: &HostRef, switch: Switch) -> Result<(), String>;
}

/// Nothing switches hosts: a person confirms that a lost one is off.
pub struct ByHand;

#[async_trait]
impl Power for ByHand {
    fn by(&self, _: &Name) -> Option<String> {
        None
    }

    async fn switch(&self, host: &HostRef, _: Switch) -> Result<(), String> {
        Err(format!("no program switches hosts of class {}", host.class))
    }
}

//! Which driver reaches a host: its address says so.

use async_trait::async_trait;
#[cfg(feature = "libvirt")]
use cascina_drivers::libvirt::LibvirtDriver;
use cascina_drivers::netns::Gateway;
use cascina_drivers::sim::SimDriver;
use cascina_drivers::{DriverError, HostCall, HostEvent, HostRef, Hypervisor, Reply};
use tokio::sync::broadcast;

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Simulated,
    /// A gateway on this machine, which makes routers in network namespaces.
    Gateway,
    Libvirt,
}

impl Scheme {
    /// Of the configuration.
    pub fn section(self) -> &'static str {
        match self {
            Scheme::Simulated => "simulation",
            Scheme::Gateway => "gateway",
            Scheme::Libvirt => "libvirt",
        }
    }
}

/// # Errors
///
/// No driver reaches it; what is allowed, for people.
pub fn scheme(uri: &str) -> Result<Scheme, &'static str> {
    const LIBVIRT: [&str; 8] = [
        "qemu:///system",
        "qemu:///session",
        "qemu+unix:///",
        "qemu+ssh://",
        "qemu+libssh2://",
        "qemu+tls://",
        "qemu+tcp://",
        "test:///",
    ];
    match uri {
        "sim:" => Ok(Scheme::Simulated),
        _ if uri == "netns:" || uri.starts_with("netns:?") => Ok(Scheme::Gateway),
        _ if LIBVIRT.iter().any(|start| uri.starts_with(start)) => Ok(Scheme::Libvirt),
        _ => Err("`sim:` (simulated), `qemu:///system`, `qemu+ssh://…`, `qemu+tls://…`, `qemu+unix://…`, `test:///…` \
                  (libvirt), `netns:` (routers in namespaces of this machine)"),
    }
}

/// All hosts of a site, whatever they are.
pub struct Hosts {
    pub simulated: SimDriver,
    pub gateways: Option<Gateway>,
    #[cfg(feature = "libvirt")]
    pub libvirt: Option<LibvirtDriver>,
}

#[async_trait]
impl Hypervisor for Hosts {
    async fn call(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError> {
        let refused =
            |why: &str| DriverError::Refused { host: host.name.clone(), call: call.as_str(), why: why.into() };
        match scheme(&host.uri) {
            Ok(Scheme::Simulated) => self.simulated.call(host, call).await,
            Ok(Scheme::Gateway) => match &self.gateways {
                Some(gateways) => gateways.call(host, call).await,
                None => Err(refused("the configuration has no [gateway], which says what routers there do")),
            },
            #[cfg(feature = "libvirt")]
            Ok(Scheme::Libvirt) => match &self.libvirt {
                Some(libvirt) => libvirt.call(host, call).await,
                None => Err(refused("the configuration has no [libvirt], which says where images and disks are")),
            },
            #[cfg(not(feature = "libvirt"))]
            Ok(Scheme::Libvirt) => Err(refused("this program was built without libvirt")),
            Err(allowed) => Err(refused(&format!("`{}` is no address of a host; allowed: {allowed}", host.uri))),
        }
    }

    fn events(&self) -> Option<broadcast::Receiver<HostEvent>> {
        // The others never say anything by themselves.
        #[cfg(feature = "libvirt")]
        return self.libvirt.as_ref().and_then(Hypervisor::events);
        #[cfg(not(feature = "libvirt"))]
        None
    }
}

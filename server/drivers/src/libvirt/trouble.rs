//! Why a host did not do what it was asked.

use cascina_core::id::{NetworkId, SnapshotId, VolumeId};
use cascina_core::name::Name;
use cascina_core::state::Guest;
use virt::error::{Error, ErrorDomain, ErrorNumber};

use super::xml::{CapabilitiesError, MarksError, TargetError, XmlError};
use crate::router::PlanError;
use crate::{DriverError, HostRef};

#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("`{0}` is no uri of QEMU through libvirt: it should be like qemu+ssh://host/system")]
    Uri(String),
    #[error("hosts of class `{0}` have no store: add the class to the settings of libvirt")]
    NoClass(Name),
    #[error("the disks of class `{0}` are on each host by itself, so it has no volumes: give it a shared store")]
    NotShared(Name),
    #[error("{0} is not on this host: stage its disk first")]
    NoGuest(Guest),
    #[error("{0} has no disk on this host: stage it first")]
    NoDisk(Guest),
    #[error("network {0} is not on this host: define it first")]
    NoNetwork(NetworkId),
    #[error("network {network} is used by {guest}: destroy that first")]
    NetworkInUse { network: NetworkId, guest: Guest },
    #[error("there is no volume {0}: make it first")]
    NoVolume(VolumeId),
    #[error("volume {volume} is {guest}'s: detach it first")]
    VolumeInUse { volume: VolumeId, guest: Guest },
    #[error("there is no snapshot {0}")]
    NoSnapshot(SnapshotId),
    #[error("{0} is not a router")]
    NotARouter(Guest),
    #[error("{0}")]
    Image(String),
    #[error(transparent)]
    Device(#[from] TargetError),
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error(transparent)]
    Host(#[from] CapabilitiesError),
    #[error("the marks of a domain cannot be read: {0}")]
    Marks(#[from] MarksError),
    #[error("what libvirt says of {what} cannot be read: {why}")]
    Unreadable { what: String, why: String },
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// For what has no name of its own, with what to do about it.
    #[error("{0}")]
    Never(String),

    /// A router is not as it was told.
    #[error("{0}")]
    Drift(String),
    /// As above, of what may be otherwise soon.
    #[error("{0}")]
    NotNow(String),
    #[error("libvirt says: {0}")]
    Libvirt(Error),
    #[error("the driver failed: {0}")]
    Died(String),
}

pub(super) fn never(why: impl Into<String>) -> Trouble {
    Trouble::Never(why.into())
}

pub(super) fn not_now(why: impl Into<String>) -> Trouble {
    Trouble::NotNow(why.into())
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Libvirt(error)
    }
}

impl Trouble {
    /// Asking again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Trouble::NotNow(_) | Trouble::Drift(_) | Trouble::Died(_) => true,
            Trouble::Libvirt(error) => is_passing(error),
            _ => false,
        }
    }

    pub(super) fn of(self, host: &HostRef, call: &'static str) -> DriverError {
        let (host, passing, differs) = (host.name.clone(), self.is_passing(), matches!(self, Trouble::Drift(_)));
        let why = match self {
            Trouble::Libvirt(error) => format!("libvirt says: {}", error.message()),
            other => other.to_string(),
        };
        if differs {
            return DriverError::Differs { host, call, why };
        }
        match passing {
            true => DriverError::Unreachable { host, call, why },
            false => DriverError::Refused { host, call, why },
        }
    }
}

/// The connection is what is wrong, or the host is busy with something that ends.
fn is_passing(error: &Error) -> bool {
    let code = matches!(
        error.code(),
        ErrorNumber::Rpc
            | ErrorNumber::InvalidConn
            | ErrorNumber::NoConnect
            | ErrorNumber::NoServer
            | ErrorNumber::OperationTimeout
            | ErrorNumber::ResourceBusy
            | ErrorNumber::AgentUnresponsive
            | ErrorNumber::AgentUnsynced
            | ErrorNumber::AgentCommandTimeout
    );
    code || is_connection(error) || error.message().contains("asynchronous jobs running")
}

/// The connection is broken, or could not be made.
pub(super) fn is_connection(error: &Error) -> bool {
    matches!(error.domain(), ErrorDomain::Rpc | ErrorDomain::Remote | ErrorDomain::Ssh | ErrorDomain::Libssh)
}

/// None, if the object is not there.
pub(super) fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Trouble> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(error) => match error.code() {
            ErrorNumber::NoDomain
            | ErrorNumber::NoNetwork
            | ErrorNumber::NoStoragePool
            | ErrorNumber::NoStorageVolume
            | ErrorNumber::NoNwfilter => Ok(None),
            _ => Err(error.into()),
        },
    }
}

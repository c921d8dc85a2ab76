//! Getting an address, and giving it back.

use std::net::Ipv4Addr;

use cascina_core::command::Command;
use serde::{Deserialize, Serialize};

use super::{DOMAIN, POOL};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::tags::{TagSpecification, specified};
use crate::wire::xml::Done;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AllocateAddress {
    /// Whatever it is, the address is one for the farm's network.
    #[serde(rename = "Domain")]
    _domain: Option<Domain>,
    address: Option<String>,
    public_ipv4_pool: Option<String>,
    network_border_group: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Domain {
    Standard,
    Vpc,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    public_ip: Option<Ipv4Addr>,
    domain: &'static str,
    allocation_id: String,
    public_ipv4_pool: &'static str,
    network_border_group: String,
}

pub async fn allocate_address(call: Call, request: AllocateAddress) -> Result<Allocation, Fault> {
    let [tags] = specified(&request.tag_specification, ["elastic-ip"])?;
    if request.address.is_some() {
        return Err(Code::UnsupportedOperation.fault("An address cannot be chosen; leave the parameter Address out."));
    }
    if let Some(pool) = request.public_ipv4_pool.filter(|pool| pool != POOL) {
        return Err(Fault::invalid("PublicIpv4Pool", &pool, &format!("The only pool is {POOL}")));
    }
    border_group(&call, request.network_border_group.as_deref())?;
    let made = call.submit(Command::AllocateAddress { farm: call.farm, tags }, Code::IncorrectState).await?;
    Ok(Allocation {
        public_ip: made.ip,
        domain: DOMAIN,
        allocation_id: made.subject,
        public_ipv4_pool: POOL,
        network_border_group: call.settings.region.clone(),
    })
}

/// There is one border group, which is the region.
fn border_group(call: &Call, given: Option<&str>) -> Result<(), Fault> {
    let region = &call.settings.region;
    match given.filter(|group| group != region) {
        Some(other) => Err(Fault::invalid("NetworkBorderGroup", other, &format!("The only one is {region}"))),
        None => Ok(()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ReleaseAddress {
    allocation_id: Option<String>,
    public_ip: Option<String>,
    network_border_group: Option<String>,
}

pub async fn release_address(call: Call, request: ReleaseAddress) -> Result<Done, Fault> {
    let address = super::find(&call, request.allocation_id.as_deref(), request.public_ip.as_deref())?;
    border_group(&call, request.network_border_group.as_deref())?;
    super::movable(&address)?;
    if address.target().is_some() {
        return Err(Code::InvalidAddressInUse.fault(format!("Address {} is in use.", address.ip)));
    }
    call.submit(Command::ReleaseAddress { address: address.id }, Code::InvalidAddressInUse).await?;
    Ok(Done::TRUE)
}

//! What can be asked: the one table of actions, a row each.
//!
//! An action is an `async fn` from a [`Call`] and its request to its response; parameters, XML, dry runs
//! and all that is the same for all of them are dealt with around it.

pub mod account;
pub mod address;
pub mod credit;
pub mod dhcp_options;
pub mod identity;
pub mod image;
pub mod instance;
pub mod instance_type;
pub mod interface;
pub mod internet_gateway;
pub mod key_pair;
mod listing;
pub mod network_acl;
pub mod nothing;
pub mod region;
pub mod route_table;
pub mod security_group;
pub mod snapshot;
pub mod subnet;
pub mod tag;
pub mod volume;
pub mod vpc;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::{ParamError, Tree, decode, xml};

/// Names of Amazon's actions up to the API of 2016-11-15, sorted, whether or not we have them.
const KNOWN: &str = include_str!("known-actions.txt");

/// What an action does with the farm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Looks at it; viewers may.
    Read,
    /// Changes it.
    Write,
}

type Answer = Pin<Box<dyn Future<Output = Result<String, Fault>> + Send>>;

/// A row of the table.
pub struct Action {
    pub name: &'static str,
    pub access: Access,
    run: Box<dyn Fn(Call, Tree) -> Answer + Send + Sync>,
    reads: fn(&Tree) -> Result<(), ParamError>,
}

/// Every action that there is, a line each.
fn rows() -> Vec<Action> {
    use Access::{Read, Write};
    let mut rows = vec![
        row(Write, "AllocateAddress", address::allocate_address),
        row(Write, "AssociateAddress", address::associate_address),
        row(Write, "AttachVolume", volume::attach::attach_volume),
        row(Write, "AuthorizeSecurityGroupEgress", security_group::change::authorize_security_group_egress),
        row(Write, "AuthorizeSecurityGroupIngress", security_group::change::authorize_security_group_ingress),
        row(Write, "CopyImage", image::create::copy_image),
        row(Write, "CopySnapshot", snapshot::create::copy_snapshot),
        row(Write, "CreateImage", image::create::create_image),
        row(Write, "CreateKeyPair", key_pair::create_key_pair),
        row(Write, "CreateSecurityGroup", security_group::create_security_group),
        row(Write, "CreateSnapshot", snapshot::create::create_snapshot),
        row(Write, "CreateTags", tag::create_tags),
        row(Write, "CreateVolume", volume::create::create_volume),
        row(Write, "DeleteKeyPair", key_pair::delete_key_pair),
        row(Write, "DeleteSecurityGroup", security_group::delete_security_group),
        row(Write, "DeleteSnapshot", snapshot::create::delete_snapshot),
        row(Write, "DeleteTags", tag::delete_tags),
        row(Write, "DeleteVolume", volume::create::delete_volume),
        row(Write, "DeregisterImage", image::create::deregister_image),
        row(Read, "DescribeAccountAttributes", account::describe_account_attributes),
        row(Read, "DescribeAddresses", address::describe_addresses),
        row(Read, "DescribeAddressesAttribute", address::describe_addresses_attribute),
        row(Read, "DescribeAvailabilityZones", region::describe_availability_zones),
        row(Read, "DescribeDhcpOptions", dhcp_options::describe_dhcp_options),
        row(Read, "DescribeImageAttribute", image::attribute::describe_image_attribute),
        row(Read, "DescribeImages", image::describe::describe_images),
        row(Read, "DescribeInstanceAttribute", instance::attribute::describe_instance_attribute),
        row(Read, "DescribeInstanceCreditSpecifications", credit::describe_instance_credit_specifications),
        row(Read, "DescribeInstanceStatus", instance::status::describe_instance_status),
        row(Read, "DescribeInstanceTypeOfferings", instance_type::describe_instance_type_offerings),
        row(Read, "DescribeInstanceTypes", instance_type::describe_instance_types),
        row(Read, "DescribeInstances", instance::describe::describe_instances),
        row(Read, "DescribeInternetGateways", internet_gateway::describe_internet_gateways),
        row(Read, "DescribeKeyPairs", key_pair::describe_key_pairs),
        row(Read, "DescribeNetworkAcls", network_acl::describe_network_acls),
        row(Read, "DescribeNetworkInterfaceAttribute", interface::describe_network_interface_attribute),
        row(Read, "DescribeNetworkInterfaces", interface::describe_network_interfaces),
        row(Read, "DescribeRegions", region::describe_regions),
        row(Read, "DescribeRouteTables", route_table::describe_route_tables),
        row(Read, "DescribeSecurityGroupRules", security_group::rule::describe_security_group_rules),
        row(Read, "DescribeSecurityGroups", security_group::describe_security_groups),
        row(Read, "DescribeSnapshotAttribute", snapshot::attribute::describe_snapshot_attribute),
        row(Read, "DescribeSnapshots", snapshot::describe::describe_snapshots),
        row(Read, "DescribeSubnets", subnet::describe_subnets),
        row(Read, "DescribeTags", tag::describe_tags),
        row(Read, "DescribeVolumeAttribute", volume::attribute::describe_volume_attribute),
        row(Read, "DescribeVolumeStatus", volume::status::describe_volume_status),
        row(Read, "DescribeVolumes", volume::describe::describe_volumes),
        row(Read, "DescribeVolumesModifications", volume::modify::describe_volumes_modifications),
        row(Read, "DescribeVpcAttribute", vpc::describe_vpc_attribute),
        row(Read, "DescribeVpcs", vpc::describe_vpcs),
        row(Write, "DetachVolume", volume::attach::detach_volume),
        row(Write, "DisassociateAddress", address::disassociate_address),
        row(Read, identity::NAME, identity::get_caller_identity),
        row(Read, "GetConsoleOutput", instance::console::get_console_output),
        row(Read, "GetPasswordData", instance::console::get_password_data),
        row(Write, "ImportKeyPair", key_pair::import_key_pair),
        row(Write, "ModifyImageAttribute", image::change::modify_image_attribute),
        row(Write, "ModifyInstanceAttribute", instance::change::modify_instance_attribute),
        row(Write, "ModifyInstanceMetadataOptions", instance::metadata::modify_instance_metadata_options),
        row(Write, "ModifyNetworkInterfaceAttribute", interface::modify_network_interface_attribute),
        row(Write, "ModifySecurityGroupRules", security_group::rule::modify_security_group_rules),
        row(Write, "ModifyVolume", volume::modify::modify_volume),
        row(Write, "RebootInstances", instance::power::reboot_instances),
        row(Write, "RegisterImage", image::register::register_image),
        row(Write, "ReleaseAddress", address::release_address),
        row(Write, "ResetImageAttribute", image::change::reset_image_attribute),
        row(Write, "ResetInstanceAttribute", instance::attribute::reset_instance_attribute),
        row(Write, "RevokeSecurityGroupEgress", security_group::change::revoke_security_group_egress),
        row(Write, "RevokeSecurityGroupIngress", security_group::change::revoke_security_group_ingress),
        row(Write, "RunInstances", instance::run::run_instances),
        row(Write, "StartInstances", instance::power::start_instances),
        row(Write, "StopInstances", instance::power::stop_instances),
        row(Write, "TerminateInstances", instance::power::terminate_instances),
        row(Write, "UnmonitorInstances", instance::attribute::unmonitor_instances),
        row(
            Write,
            "UpdateSecurityGroupRuleDescriptionsEgress",
            security_group::change::update_security_group_rule_descriptions_egress,
        ),
        row(
            Write,
            "UpdateSecurityGroupRuleDescriptionsIngress",
            security_group::change::update_security_group_rule_descriptions_ingress,
        ),
    ];
    rows.extend(
        nothing::ALL.iter().map(|kind| row(Read, kind.action, move |call, asked| nothing::describe(call, asked, kind))),
    );
    rows
}

fn row<Q, A, F, H>(access: Access, name: &'static str, handler: H) -> Action
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
    F: Future<Output = Result<A, Fault>> + Send + 'static,
    H: Fn(Call, Q) -> F + Copy + Send + Sync + 'static,
{
    let run = move |call, tree| -> Answer { Box::pin(answer(call, tree, handler)) };
    Action { name, access, run: Box::new(run), reads: |tree| decode::<Q>(tree).map(drop) }
}

async fn answer<Q, A, F>(call: Call, tree: Tree, handler: impl Fn(Call, Q) -> F + Send) -> Result<String, Fault>
where
    Q: DeserializeOwned + Send,
    A: Serialize + Send,
    F: Future<Output = Result<A, Fault>> + Send,
{
    let request = decode(&tree)?;
    let (action, version, id, dry_run) = (call.action, call.version.clone(), call.request_id.clone(), call.dry_run);
    let answer = handler(call, request).await?;
    // Whoever only looks has changed nothing, and was allowed to.
    if dry_run {
        return Err(Fault::dry_run());
    }
    let written = match action {
        identity::NAME => identity::response(&answer),
        _ => xml::response(action, &version, &id, &answer),
    };
    written.map_err(|error| {
        tracing::error!(%error, action, "a response could not be written");
        Fault::internal()
    })
}

/// The table, by name.
pub struct Actions(HashMap<&'static str, Action>);

impl Default for Actions {
    fn default() -> Actions {
        Actions(rows().into_iter().map(|row| (row.name, row)).collect())
    }
}

impl Actions {
    /// # Errors
    ///
    /// `UnsupportedOperation` for actions that Amazon has and we do not, else `InvalidAction`.
    pub fn find(&self, name: &str) -> Result<&Action, Fault> {
        self.0.get(name).ok_or_else(|| {
            if KNOWN.lines().any(|known| known == name) {
                return Code::UnsupportedOperation.fault(format!("The action {name} is not supported here."));
            }
            let name = crate::wire::short(name);
            Code::InvalidAction.fault(format!("The action {name} is not valid for this web service."))
        })
    }

    /// Names with what they do, sorted.
    pub fn list(&self) -> Vec<(&'static str, Access)> {
        let mut list: Vec<_> = self.0.values().map(|row| (row.name, row.access)).collect();
        list.sort_unstable_by_key(|(name, _)| *name);
        list
    }
}

impl Action {
    /// # Errors
    ///
    /// Whatever is wrong with the parameters, and whatever the action says.
    pub async fn run(&self, mut call: Call, mut tree: Tree) -> Result<String, Fault> {
        // Without a value it says nothing.
        if let Some(given) = tree.take("DryRun").filter(|given| !given.is_empty_value()) {
            call.dry_run = decode(&given).map_err(|error: ParamError| error.within("DryRun"))?;
        }
        (self.run)(call, tree).await
    }

    /// Whether parameters are a request of this action at all.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn reads(&self, tree: &Tree) -> Result<(), ParamError> {
        (self.reads)(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_is_one_of_amazons_and_there_once() {
        let rows = rows();
        assert_eq!(Actions::default().0.len(), rows.len());
        for row in rows {
            assert!(KNOWN.lines().any(|known| known == row.name), "{}", row.name);
            let looks = ["Describe", "Get", "List", "Search"].iter().any(|verb| row.name.starts_with(verb));
            assert_eq!(looks, row.access == Access::Read, "{}", row.name);
        }
    }

    #[test]
    fn what_is_not_there_is_told_apart() {
        let actions = Actions::default();
        let fault = |name: &str| actions.find(name).err().unwrap();
        assert_eq!(
            fault("CreateTransitGateway").to_string(),
            "UnsupportedOperation: The action CreateTransitGateway is not supported here."
        );
        assert_eq!(fault("describeregions").code, Code::InvalidAction);
        assert!(fault(&"x".repeat(10_000)).message.len() < 300);
        assert!(KNOWN.lines().is_sorted());
    }
}

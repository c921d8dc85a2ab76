//! Commands, a file a noun: which decisions each needs, and what it writes.

pub mod access_key;
pub mod address;
pub mod catalog;
pub mod farm;
pub mod host;
pub mod image;
pub mod instance;
pub mod key_pair;
pub mod migrate;
pub mod observed;
pub mod offer;
pub mod plan;
pub mod policy;
pub mod rebuild;
pub mod replica;
pub mod run_move;
pub mod security_group;
pub mod site;
pub mod snapshot;
pub mod tag;
pub mod tenant;
pub mod trial;
pub mod upkeep;
pub mod user;
pub mod volume;

use std::sync::Arc;

use cascina_core::command::{Command, Outcome};
use cascina_core::decision::{Decision, Question};
use cascina_core::farm::Farm;
use cascina_core::id::FarmId;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::snapshot::Disk;
use cascina_core::state::State;
use cascina_core::units::Timestamp;

use crate::saga;
use crate::tx::{Told, Tx};
use crate::verdict::Party;

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setback {
    Refused(Refusal),
    /// The facts changed between decision and commit: decide again.
    Stale,
}

impl From<Refusal> for Setback {
    fn from(refusal: Refusal) -> Setback {
        Setback::Refused(refusal)
    }
}

impl From<saga::StepError> for Setback {
    fn from(error: saga::StepError) -> Setback {
        match error {
            saga::StepError::Stale => Setback::Stale,
            saga::StepError::Passing(text) | saga::StepError::Final(text) => Setback::Refused(Refusal::Conflict(text)),
        }
    }
}

/// The decisions that a command needs, in the order in which they are asked.
pub fn questions(
    state: &State,
    who: &Principal,
    command: &Command,
    now: Timestamp,
) -> Result<Vec<(Party, Question)>, Refusal> {
    match command {
        Command::CreateTenant(request) => tenant::questions(state, who, request),
        Command::CreateFarm(ask) => farm::questions(state, who, ask, now),
        Command::ApproveFarm { farm, approved: true, .. } => farm::approval_questions(state, who, *farm),
        Command::RunInstances { farm, ask } => instance::run_questions(state, who, *farm, ask),
        Command::Power { instances, power } => instance::power_questions(state, who, instances, *power),
        Command::MigrateInstance { instance, to } => migrate::questions(state, who, *instance, to.as_ref()),
        Command::RebuildRouter { router, to } => rebuild::questions(state, who, *router, to.as_ref()),
        Command::ProposePlan { trigger, binding, max_moves } => {
            plan::questions(state, who, trigger, binding.as_ref(), *max_moves)
        }
        Command::RunMove { plan, index } => run_move::questions(state, who, *plan, *index),
        Command::AllocateAddress { farm, .. } => address::questions(state, who, *farm),
        Command::SetInstance { instance, change } => instance::change_questions(state, who, *instance, change),
        Command::CreateVolume { farm, class, size, snapshot, .. } => {
            volume::questions(state, who, *farm, class, *size, *snapshot)
        }
        Command::ResizeVolume { volume, size, .. } => volume::resize_questions(state, who, *volume, *size),
        Command::CreateSnapshot { disk, .. } => {
            snapshot::questions(state, who, &snapshot::find_disk(state, who, *disk)?)
        }
        Command::CreateImage { instance, .. } => {
            snapshot::questions(state, who, &snapshot::find_disk(state, who, Disk::Root(*instance))?)
        }
        Command::CopyImage { farm, image, .. } => {
            snapshot::questions(state, who, &image::find_copied(state, who, *farm, *image)?.1)
        }
        _ => Ok(Vec::new()),
    }
}

/// Carries a command out, with the decisions that were made for it.
pub fn apply(
    tx: &mut Tx<'_>,
    who: &Principal,
    command: &Command,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    match command {
        Command::CreateTenant(request) => Ok(tenant::create(tx, who, request, decisions)?),
        Command::ApproveTenant { tenant, approved, note } => {
            Ok(tenant::approve(tx, who, *tenant, *approved, note.as_deref())?)
        }
        Command::SuspendTenant { tenant, suspended } => Ok(tenant::suspend(tx, who, *tenant, *suspended)?),
        Command::CloseTenant { tenant } => Ok(tenant::close(tx, who, *tenant)?),
        Command::SetQuota { tenant, class, limit } => Ok(tenant::set_quota(tx, who, *tenant, class.as_ref(), *limit)?),
        Command::CreateUser { tenant, name, role, groups, ssh_key } => {
            Ok(user::create(tx, who, *tenant, name, *role, groups, ssh_key.as_deref())?)
        }
        Command::DeleteUser { user } => Ok(user::delete(tx, who, *user)?),
        Command::CreateAccessKey { user, farm, sealed } => Ok(access_key::create(tx, who, *user, *farm, sealed)?),
        Command::ResealAccessKey { key, sealed } => Ok(access_key::reseal(tx, who, *key, sealed)?),
        Command::SetAccessKey { key, disabled } => Ok(access_key::set(tx, who, *key, *disabled)?),
        Command::DeleteAccessKey { key } => Ok(access_key::delete(tx, who, *key)?),
        Command::CreateFarm(ask) => farm::create(tx, who, ask, decisions),
        Command::ApproveFarm { farm, approved, note } => {
            farm::approve(tx, who, *farm, *approved, note.as_deref(), decisions)
        }
        Command::DeleteFarm { farm } => Ok(farm::delete(tx, who, *farm)?),
        Command::RunInstances { farm, ask } => instance::run(tx, who, *farm, ask, decisions),
        Command::Power { instances, power } => instance::power(tx, who, instances, *power, decisions),
        Command::RebuildRouter { router, .. } => rebuild::rebuild(tx, who, *router, decisions),
        Command::MigrateInstance { instance, .. } => migrate::migrate(tx, who, *instance, decisions),
        Command::SetInstance { instance, change } => Ok(instance::change(tx, who, *instance, change, decisions)?),
        Command::CreateSecurityGroup { farm, name, description, rules, tags } => {
            Ok(security_group::create(tx, who, *farm, name, description, rules, tags)?)
        }
        Command::DeleteSecurityGroup { group } => Ok(security_group::delete(tx, who, *group)?),
        Command::AuthorizeRules { group, rules, tags } => Ok(security_group::authorize(tx, who, *group, rules, tags)?),
        Command::RevokeRules { group, rules } => Ok(security_group::revoke(tx, who, *group, rules)?),
        Command::ModifyRules { group, rules } => Ok(security_group::modify(tx, who, *group, rules)?),
        Command::AddKeyPair { farm, name, kind, fingerprint, public, tags } => {
            let found = key_pair::Found { kind: *kind, fingerprint, public };
            Ok(key_pair::add(tx, who, *farm, name, &found, tags)?)
        }
        Command::DeleteKeyPair { pair } => Ok(key_pair::delete(tx, who, *pair)?),
        Command::SetTags { farm, resources, tags } => Ok(tag::set(tx, who, *farm, resources, tags)?),
        Command::RemoveTags { farm, resources, tags } => Ok(tag::remove(tx, who, *farm, resources, tags)?),
        Command::CreateVolume { farm, class, size, snapshot, kind, pace, tags } => {
            let wanted = volume::Wanted { class, size: *size, snapshot: *snapshot, kind: *kind, pace: *pace };
            Ok(volume::create(tx, who, *farm, &wanted, tags, decisions)?)
        }
        Command::DeleteVolume { volume } => Ok(volume::delete(tx, who, *volume)?),
        Command::AttachVolume { volume, instance, device } => Ok(volume::attach(tx, who, *volume, *instance, device)?),
        Command::DetachVolume { volume } => Ok(volume::detach(tx, who, *volume)?),
        Command::ResizeVolume { volume, size, kind, pace } => {
            Ok(volume::resize(tx, who, *volume, *size, (*kind, *pace), decisions)?)
        }
        Command::CreateSnapshot { disk, description, tags } => {
            Ok(snapshot::create(tx, who, *disk, description, tags, decisions)?)
        }
        Command::DeleteSnapshot { snapshot } => Ok(snapshot::delete(tx, who, *snapshot)?),
        Command::CreateImage { instance, title, description, tags, snapshot_tags } => {
            let wanted = image::Wanted { title, description, tags };
            Ok(image::create(tx, who, *instance, &wanted, snapshot_tags, decisions)?)
        }
        Command::CopyImage { farm, image, title, description, tags, snapshot_tags } => {
            let wanted = image::Wanted { title, description, tags };
            Ok(image::copy(tx, who, *farm, *image, &wanted, snapshot_tags, decisions)?)
        }
        Command::ImageOfSnapshot { farm, title, description, snapshot, tags } => {
            let wanted = image::Wanted { title, description, tags };
            Ok(image::of_snapshot(tx, who, *farm, *snapshot, &wanted)?)
        }
        Command::SetImage { image, change } => Ok(image::set(tx, who, *image, change)?),
        Command::RecordCalls(calls) => Ok(access_key::record(tx, who, calls)?),
        Command::FirewallSeen { network } => Ok(observed::firewall(tx, who, *network)?),
        Command::AllocateAddress { farm, tags } => Ok(address::allocate(tx, who, *farm, tags)?),
        Command::AssociateAddress { address, instance } => Ok(address::associate(tx, who, *address, *instance)?),
        Command::DisassociateAddress { address } => Ok(address::disassociate(tx, who, *address)?),
        Command::ReleaseAddress { address } => Ok(address::release(tx, who, *address)?),
        Command::SetForwards { router, forwards } => Ok(address::set_forwards(tx, who, *router, forwards)?),
        Command::PutFlavor { name, size, deprecated } => Ok(catalog::put_flavor(tx, who, name, *size, *deprecated)?),
        Command::DeleteFlavor { name } => Ok(catalog::delete_flavor(tx, who, name)?),
        Command::RegisterImage { name, tenant, source, min_disk, sha256 } => {
            Ok(image::register(tx, who, name, *tenant, source, *min_disk, *sha256)?)
        }
        Command::DeregisterImage { image } => Ok(image::deregister(tx, who, *image)?),
        Command::SpreadImage { image, to } => Ok(replica::spread(tx, who, *image, to)?),
        Command::EvictImage { image, host } => Ok(replica::evict(tx, who, *image, *host)?),
        Command::ImageChecked { image, found } => Ok(replica::checked(tx, who, *image, found)?),
        Command::BeginCopies(copies) => replica::begin(tx, who, copies),
        Command::ReplicaSeen { image, host, seen } => Ok(replica::seen(tx, who, *image, *host, seen)?),
        Command::PutClass(class) => Ok(host::put_class(tx, who, class)?),
        Command::PutShare { name, group, lends } => Ok(host::put_share(tx, who, name, group, *lends)?),
        Command::RecallShare { share, recalled } => Ok(host::recall(tx, who, *share, *recalled)?),
        Command::AddHost { name, class, share, uri, capacity } => {
            Ok(host::add(tx, who, name, class, share.as_ref(), uri, *capacity)?)
        }
        Command::SetHostState { host, state, note } => Ok(host::set_state(tx, who, *host, *state, note.as_deref())?),
        Command::RemoveHost { host } => Ok(host::remove(tx, who, *host)?),
        Command::AddPolicy(version) => Ok(policy::add(tx, who, version)?),
        Command::FirstPolicies { versions, bindings } => Ok(policy::first(tx, who, versions, bindings)?),
        Command::RemovePolicy { digest } => Ok(policy::remove(tx, who, *digest)?),
        Command::Bind(binding) => Ok(policy::bind(tx, who, binding)?),
        Command::Rebind { binding, change } => Ok(policy::rebind(tx, who, *binding, change)?),
        Command::Unbind { binding } => Ok(policy::unbind(tx, who, *binding)?),
        Command::Trial { binding, step } => Ok(trial::step(tx, who, *binding, step)?),
        Command::HoldOffer { tenant, amounts, expires } => Ok(offer::hold(tx, who, *tenant, amounts, *expires)?),
        Command::DropHold { hold } => Ok(offer::drop(tx, who, *hold)?),
        Command::PanicPolicies => Ok(trial::panic(tx, who)?),
        Command::Quarantine { binding, why } => Ok(policy::quarantine(tx, who, *binding, why)?),
        Command::Mend { operation, remedy } => {
            admin(who, "mend operations")?;
            saga::mend(tx, *operation, *remedy)?;
            Ok(Outcome { subject: operation.to_string(), operation: Some(*operation), ..Outcome::default() })
        }
        Command::ProposePlan { trigger, binding, .. } => plan::propose(tx, who, trigger, binding.as_ref(), decisions),
        Command::ApprovePlan { plan } => Ok(plan::approve(tx, who, *plan)?),
        Command::RejectPlan { plan, note } => Ok(plan::reject(tx, who, *plan, note.as_deref())?),
        Command::CancelPlan { plan, note } => Ok(plan::cancel(tx, who, *plan, note.as_deref())?),
        Command::RunMove { plan, index } => run_move::run(tx, who, *plan, *index, decisions),
        Command::SkipMove { plan, index, why } => Ok(plan::skip(tx, who, *plan, *index, why)?),
        Command::SettlePlan { plan } => Ok(plan::settle(tx, who, *plan)?),
        Command::NoteTurn { name, note } => Ok(plan::turn(tx, who, name, note)?),
        Command::DrainHost { host, workers, note } => Ok(upkeep::drain(tx, who, *host, *workers, note.as_deref())?),
        Command::FenceHost { host, by } => Ok(upkeep::fence(tx, who, *host, by)?),
        Command::EndDrain { host } => Ok(plan::end_drain(tx, who, *host)?),
        Command::Switched { host, switch, error } => Ok(upkeep::switched(tx, who, *host, *switch, error.as_deref())?),
        Command::ApplySite(spec) => Ok(site::apply(tx, who, spec)?),
        Command::HostSeen { host, up, note } => Ok(observed::host(tx, who, *host, *up, note.as_deref())?),
        Command::HostDescribed { host, facts } => Ok(observed::described(tx, who, *host, facts)?),
        Command::InstanceSeen { instance, state, note } => Ok(observed::instance(tx, who, *instance, *state, note)?),
        Command::RouterSeen { router, found, note } => Ok(observed::router(tx, who, *router, *found, note)?),
        Command::Sweep => Ok(observed::sweep(tx, who)?),
    }
}

/// Only admins of the site.
pub fn admin(who: &Principal, to: &str) -> Result<(), Refusal> {
    if who.is_admin() { Ok(()) } else { Err(Refusal::Forbidden(format!("only a site-admin may {to}"))) }
}

/// A farm that the caller may change; one that it may not see does not exist.
pub fn own_farm(state: &State, who: &Principal, id: FarmId) -> Result<Arc<Farm>, Refusal> {
    let farm = state.rows.farms.get(&id).filter(|farm| who.sees(farm.tenant));
    let farm = farm.ok_or_else(|| Refusal::not_found("farm", id))?;
    if !who.changes(farm.tenant) {
        return Err(Refusal::Forbidden("viewers may look but not change".into()));
    }
    Ok(farm.clone())
}

/// … and that can take changes now, of a tenant that may make them.
pub fn usable_farm(state: &State, who: &Principal, id: FarmId) -> Result<Arc<Farm>, Refusal> {
    let farm = own_farm(state, who, id)?;
    if !farm.state.is_usable() {
        return Err(Refusal::Conflict(format!(
            "farm {} is {}; this needs an active farm",
            farm.name,
            farm::state_word(farm.state)
        )));
    }
    tenant::active(state, farm.tenant)?;
    Ok(farm)
}

/// The event of a command about one thing.
pub fn told(kind: &'static str, subject: impl ToString, text: impl Into<String>) -> Told {
    Told { kind, subject: subject.to_string(), text: text.into(), ..Told::default() }
}

pub fn outcome(subject: impl ToString) -> Outcome {
    Outcome { subject: subject.to_string(), ..Outcome::default() }
}

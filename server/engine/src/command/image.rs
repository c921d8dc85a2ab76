//! Images: registered by their source, or made from a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cascina_core::command::{ImageChange, Outcome};
use cascina_core::decision::Decision;
use cascina_core::farm::Farm;
use cascina_core::id::{FarmId, ImageId, InstanceId, SnapshotId, TenantId};
use cascina_core::image::{Image, ImageState, Title};
use cascina_core::name::Name;
use cascina_core::policy::Digest;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::site::Site;
use cascina_core::snapshot::{Disk, Snapshot, SnapshotState};
use cascina_core::state::{Key, State};
use cascina_core::tag::Resource;
use cascina_core::units::Gib;

use super::{Setback, admin, outcome, replica, snapshot, tag, told, usable_farm};
use crate::tx::{Told, Tx};

/// Farms that one image is shared with.
const MOST_SHARED: usize = 1000;

/// Accounts of strangers on one image.
const MOST_STRANGERS: usize = 1000;

/// What an image is to be called.
pub struct Wanted<'a> {
    pub title: &'a Title,
    pub description: &'a str,
    pub tags: &'a BTreeMap<String, String>,
}

fn free(state: &State, farm: &Farm, wanted: &Wanted<'_>) -> Result<(), Refusal> {
    if wanted.description.chars().count() > 255 || wanted.description.chars().any(char::is_control) {
        return Err(Refusal::invalid("description", wanted.description, "at most 255 printable characters"));
    }
    let images = state.indexes.images_by_farm.of(&farm.id).filter_map(|id| state.rows.images.get(&id));
    let counts = |image: &Image| matches!(image.state, ImageState::Pending | ImageState::Available);
    match images.into_iter().find(|image| counts(image) && image.title() == wanted.title.as_str()) {
        Some(image) => Err(Refusal::Conflict(format!("image {} is called {} already", image.id, wanted.title))),
        None => Ok(()),
    }
}

/// A name that no image of the tenant has, which says as much of the title as it can.
fn name(state: &State, farm: &Farm, title: &Title, id: ImageId) -> Name {
    let name = title.name();
    if !state.indexes.image_names.contains_key(&(Some(farm.tenant), name.clone())) {
        return name;
    }
    let id = id.to_string();
    let ending = format!("-{}", id.trim_start_matches(ImageId::PREFIX));
    let room = Name::MOST - ending.len();
    let begin = &name.as_str()[..name.as_str().len().min(room)];
    format!("{begin}{ending}").parse().unwrap_or(name)
}

/// The row of an image of a snapshot, and its tags.
fn put(
    tx: &mut Tx<'_>,
    farm: &Farm,
    wanted: &Wanted<'_>,
    snapshot: SnapshotId,
    size: Gib,
    state: ImageState,
) -> Result<ImageId, Refusal> {
    let id = ImageId(tx.number());
    tx.put(Image {
        id,
        name: name(tx.state(), farm, wanted.title, id),
        title: Some(wanted.title.clone()),
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        public: false,
        shared: BTreeSet::new(),
        strangers: BTreeSet::new(),
        description: wanted.description.into(),
        snapshot: Some(snapshot),
        source: format!("snapshot:{snapshot}"),
        min_disk: size,
        state,
        sha256: None,
        content: None,
        note: None,
        created: tx.now,
        updated: tx.now,
    });
    tag::put(tx, farm, Resource::Image(id), wanted.tags)?;
    Ok(id)
}

/// From the disk that an instance boots from.
pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    instance: InstanceId,
    wanted: &Wanted<'_>,
    snapshot_tags: &BTreeMap<String, String>,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let disk = Disk::Root(instance);
    let found = snapshot::find_disk(tx.state(), who, disk)?;
    of_disk(tx, found, disk, wanted, snapshot_tags, decisions)
}

/// An image that a farm may launch, and the disk in it.
pub fn find_copied(
    state: &State,
    who: &Principal,
    farm: FarmId,
    id: ImageId,
) -> Result<(Disk, snapshot::Found), Refusal> {
    let farm = usable_farm(state, who, farm)?;
    let image = state.rows.images.get(&id).filter(|image| image.is_for(farm.id, farm.tenant));
    let image = image.ok_or_else(|| Refusal::not_found("image", id))?;
    if image.state != ImageState::Available {
        return Err(Refusal::Conflict(format!("image {id} is not available")));
    }
    let source = image.snapshot.ok_or_else(|| Refusal::invalid("image", id, "an image that was made of a snapshot"))?;
    Ok((Disk::Copy(source), snapshot::find_copied(state, farm, source)?))
}

/// From another image, which may be another farm's.
pub fn copy(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    image: ImageId,
    wanted: &Wanted<'_>,
    snapshot_tags: &BTreeMap<String, String>,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let (disk, found) = find_copied(tx.state(), who, farm, image)?;
    of_disk(tx, found, disk, wanted, snapshot_tags, decisions)
}

/// A snapshot, and an image that becomes available with it.
fn of_disk(
    tx: &mut Tx<'_>,
    found: snapshot::Found,
    disk: Disk,
    wanted: &Wanted<'_>,
    snapshot_tags: &BTreeMap<String, String>,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    free(tx.state(), &found.farm, wanted)?;
    let size = found.size;
    let made = snapshot::make(tx, found, disk, &format!("for image {}", wanted.title), snapshot_tags, decisions)?;
    let id = put(tx, &made.farm, wanted, made.id, size, ImageState::Pending)?;
    let text = format!("image {} of farm {}", wanted.title, made.farm.name);
    tx.tell(Told {
        tenant: Some(made.farm.tenant),
        farm: Some(made.farm.id),
        operation: Some(made.operation.id),
        ..told("image.creating", id, text)
    });
    let operation = snapshot::begin(tx, made, Some(id));
    let decisions = decisions.iter().map(|decision| decision.id).collect();
    Ok(Outcome { operation: Some(operation), decisions, ..outcome(id) })
}

/// From a snapshot of the farm.
pub fn of_snapshot(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    id: SnapshotId,
    wanted: &Wanted<'_>,
) -> Result<Outcome, Refusal> {
    let farm = usable_farm(tx.state(), who, farm)?;
    let row = tx.state().rows.snapshots.get(&id).filter(|row| row.farm == farm.id);
    let row = Snapshot::clone(row.ok_or_else(|| Refusal::not_found("snapshot", id))?);
    if row.state != SnapshotState::Completed {
        return Err(Refusal::Conflict(format!("snapshot {id} is not completed")));
    }
    free(tx.state(), &farm, wanted)?;
    let image = put(tx, &farm, wanted, id, row.size, ImageState::Available)?;
    let text = format!("image {} of farm {}", wanted.title, farm.name);
    tx.tell(Told { tenant: Some(farm.tenant), farm: Some(farm.id), ..told("image.registered", image, text) });
    Ok(outcome(image))
}

pub fn set(tx: &mut Tx<'_>, who: &Principal, id: ImageId, change: &ImageChange) -> Result<Outcome, Refusal> {
    let image = tx.state().rows.images.get(&id).cloned();
    let seen = |image: &Image| image.tenant.is_none_or(|tenant| who.sees(tenant));
    let image = image.filter(|image| seen(image)).ok_or_else(|| Refusal::not_found("image", id))?;
    match image.tenant {
        None => admin(who, "change images of everybody")?,
        Some(tenant) if !who.changes(tenant) => {
            return Err(Refusal::Forbidden("viewers may look but not change".into()));
        }
        Some(_) => {}
    }
    let mut image = Image::clone(&image);
    if let Some(description) = &change.description {
        if description.chars().count() > 255 || description.chars().any(char::is_control) {
            return Err(Refusal::invalid("description", description, "at most 255 printable characters"));
        }
        image.description = description.clone();
    }
    if let Some(public) = change.public {
        image.public = public;
    }
    image.shared.extend(&change.share_with);
    for farm in &change.unshare_with {
        image.shared.remove(farm);
    }
    image.strangers.extend(change.strangers.iter().cloned());
    for account in &change.no_strangers {
        image.strangers.remove(account);
    }
    if image.strangers.len() > MOST_STRANGERS || image.strangers.iter().any(|account| account.len() > 64) {
        return Err(Refusal::invalid("strangers", image.strangers.len(), format!("at most {MOST_STRANGERS} accounts")));
    }
    if image.shared.len() > MOST_SHARED {
        return Err(Refusal::invalid("share_with", image.shared.len(), format!("at most {MOST_SHARED} farms")));
    }
    image.updated = tx.now;
    let (tenant, farm, text) = (image.tenant, image.farm, format!("image {}", image.name));
    tx.put(image);
    tx.tell(Told { tenant, farm, ..told("image.changed", id, text) });
    Ok(outcome(id))
}

/// One that says which digest it must have is launched when it was found to have it.
pub fn first_state(site: &Site, sha256: Option<Digest>) -> ImageState {
    match sha256 {
        Some(_) if site.images.is_some() => ImageState::Pending,
        _ => ImageState::Available,
    }
}

pub fn register(
    tx: &mut Tx<'_>,
    who: &Principal,
    name: &Name,
    tenant: Option<TenantId>,
    source: &str,
    min_disk: Gib,
    sha256: Option<Digest>,
) -> Result<Outcome, Refusal> {
    match tenant {
        None => admin(who, "register images for everybody")?,
        Some(tenant) if !who.sees(tenant) || !tx.state().rows.tenants.contains_key(&tenant) => {
            return Err(Refusal::not_found("tenant", tenant));
        }
        Some(tenant) if !who.changes(tenant) => {
            return Err(Refusal::Forbidden("viewers may look but not change".into()));
        }
        Some(_) => {}
    }
    if source.is_empty() || source.len() > 1000 || source.chars().any(char::is_control) {
        return Err(Refusal::invalid("source", source, "1 to 1000 printable characters"));
    }
    if tx.state().indexes.image_names.contains_key(&(tenant, name.clone())) {
        return Err(Refusal::Conflict(format!("image {name} exists already")));
    }
    let id = ImageId(tx.number());
    let (state, now) = (first_state(&tx.state().site(), sha256), tx.now);
    tx.put(Image {
        id,
        name: name.clone(),
        title: None,
        tenant,
        farm: None,
        public: tenant.is_none(),
        shared: BTreeSet::new(),
        strangers: BTreeSet::new(),
        description: String::new(),
        snapshot: None,
        source: source.into(),
        min_disk,
        state,
        sha256,
        content: None,
        note: None,
        created: now,
        updated: now,
    });
    tx.tell(Told { tenant, ..told("image.registered", id, format!("image {name}")) });
    Ok(outcome(id))
}

pub fn deregister(tx: &mut Tx<'_>, who: &Principal, id: ImageId) -> Result<Outcome, Refusal> {
    let image = tx.state().rows.images.get(&id).cloned();
    let seen = |image: &Image| image.tenant.is_none() || image.tenant.is_some_and(|tenant| who.sees(tenant));
    let image = image.filter(|image| seen(image)).ok_or_else(|| Refusal::not_found("image", id))?;
    match image.tenant {
        None => admin(who, "deregister images of everybody")?,
        Some(tenant) if !who.changes(tenant) => {
            return Err(Refusal::Forbidden("viewers may look but not change".into()));
        }
        Some(_) => {}
    }
    let used = tx.state().rows.instances.values().any(|row| row.image == id && row.is_live());
    if used {
        // Instances that boot from it keep it. Its snapshot is free to go.
        let image = Image::clone(&image);
        tx.put(Image { state: ImageState::Deprecated, snapshot: None, updated: tx.now, ..image });
    } else {
        replica::forget_image(tx, id);
        tx.remove(Key::Image(id));
    }
    if let Some(farm) = image.farm {
        tag::forget(tx, farm, Resource::Image(id));
    }
    tx.tell(Told { tenant: image.tenant, ..told("image.deregistered", id, format!("image {}", image.name)) });
    Ok(outcome(id))
}

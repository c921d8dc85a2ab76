//! Flavors and images.

use cascina_core::command::Outcome;
use cascina_core::flavor::Flavor;
use cascina_core::id::{ImageId, TenantId};
use cascina_core::image::{Image, ImageState};
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::Key;
use cascina_core::units::{Gib, Size};

use super::{admin, outcome, told};
use crate::tx::{Told, Tx};

pub fn put_flavor(
    tx: &mut Tx<'_>,
    who: &Principal,
    name: &Name,
    size: Size,
    deprecated: bool,
) -> Result<Outcome, Refusal> {
    admin(who, "define flavors")?;
    for (field, value, most) in [
        ("vcpus", u64::from(size.vcpus.0), 1024),
        ("memory_mib", size.memory.0, 1 << 24),
        ("disk_gib", size.disk.0, 1 << 20),
    ] {
        if value == 0 || value > most {
            return Err(Refusal::invalid(field, value, format!("1 to {most}")));
        }
    }
    let created = tx.state().rows.flavors.get(name).map_or(tx.now, |old| old.created);
    tx.put(Flavor { name: name.clone(), size, deprecated, created, updated: tx.now });
    tx.tell(told("flavor.put", name, format!("flavor {name}: {size}")));
    Ok(outcome(name))
}

pub fn delete_flavor(tx: &mut Tx<'_>, who: &Principal, name: &Name) -> Result<Outcome, Refusal> {
    admin(who, "delete flavors")?;
    if !tx.state().rows.flavors.contains_key(name) {
        return Err(Refusal::not_found("flavor", name));
    }
    tx.remove(Key::Flavor(name.clone()));
    tx.tell(told("flavor.deleted", name, format!("flavor {name} deleted")));
    Ok(outcome(name))
}

pub fn register_image(
    tx: &mut Tx<'_>,
    who: &Principal,
    name: &Name,
    tenant: Option<TenantId>,
    source: &str,
    min_disk: Gib,
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
    let (state, now) = (ImageState::Available, tx.now);
    tx.put(Image {
        id,
        name: name.clone(),
        tenant,
        source: source.into(),
        min_disk,
        state,
        created: now,
        updated: now,
    });
    tx.tell(Told { tenant, ..told("image.registered", id, format!("image {name}")) });
    Ok(outcome(id))
}

pub fn deregister_image(tx: &mut Tx<'_>, who: &Principal, id: ImageId) -> Result<Outcome, Refusal> {
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
        // Instances that boot from it keep it.
        tx.put(Image { state: ImageState::Deprecated, updated: tx.now, ..Image::clone(&image) });
    } else {
        tx.remove(Key::Image(id));
    }
    tx.tell(Told { tenant: image.tenant, ..told("image.deregistered", id, format!("image {}", image.name)) });
    Ok(outcome(id))
}

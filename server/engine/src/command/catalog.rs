//! Flavors.

use cascina_core::command::Outcome;
use cascina_core::flavor::Flavor;
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::Key;
use cascina_core::units::Size;

use super::{admin, outcome, told};
use crate::tx::Tx;

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

//! The site file, applied at every start: what it names is made or brought up to date. What it does
//! not name is left alone, since hosts, flavors and images can also be added by request.

use cascina_core::command::Outcome;
use cascina_core::flavor::Flavor;
use cascina_core::host::{Host, HostClass, HostState, Share};
use cascina_core::id::{HostId, ImageId, ShareId};
use cascina_core::image::Image;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::site::{Site, SiteSpec};

use super::image::first_state;
use super::{admin, outcome, replica, told};
use crate::tx::Tx;

/// In the spec, a host's `share` is the position (from 1) of its share in `spec.shares`, 0 the site.
pub fn apply(tx: &mut Tx<'_>, who: &Principal, spec: &SiteSpec) -> Result<Outcome, Refusal> {
    admin(who, "apply the site file")?;
    let mut changes = 0;
    pools(tx, &spec.site)?;
    let veil = match tx.state().site().veil {
        0 => tx.secret(),
        drawn => drawn,
    };
    let site = Site { veil, ..spec.site.clone() };
    if *tx.state().site() != site || tx.state().rows.site.is_empty() {
        tx.put(site);
        changes += 1;
    }
    for class in &spec.classes {
        if tx.state().stored_in(&class.name) > class.volumes {
            let (stored, has) = (tx.state().stored_in(&class.name), class.volumes);
            return Err(Refusal::Conflict(format!("class {}: its volume store of {has} holds {stored}", class.name)));
        }
        if tx.state().rows.classes.get(&class.name).is_none_or(|old| **old != *class) {
            tx.put(HostClass::clone(class));
            changes += 1;
        }
    }
    let shares: Vec<ShareId> = spec.shares.iter().map(|share| put_share(tx, share, &mut changes)).collect();
    for host in &spec.hosts {
        put_host(tx, host, &shares, &mut changes);
    }
    for flavor in &spec.flavors {
        let old = tx.state().rows.flavors.get(&flavor.name).cloned();
        if old.as_ref().is_none_or(|old| (old.size, old.deprecated) != (flavor.size, flavor.deprecated)) {
            let created = old.map_or(tx.now, |old| old.created);
            tx.put(Flavor { created, updated: tx.now, ..flavor.clone() });
            changes += 1;
        }
    }
    for image in &spec.images {
        let old = tx.state().indexes.image_names.get(&(None, image.name.clone())).copied();
        let row = old.and_then(|id| tx.state().rows.images.get(&id).cloned());
        let given = |row: &Image| (row.source.clone(), row.min_disk, row.sha256);
        if row.as_ref().is_none_or(|old| given(old) != given(image)) {
            let id = old.unwrap_or_else(|| ImageId(tx.number()));
            let created = row.as_ref().map_or(tx.now, |old| old.created);
            let mut new = Image { id, tenant: None, created, updated: tx.now, ..image.clone() };
            match row.filter(|old| (&old.source, old.sha256) == (&image.source, image.sha256)) {
                // Of the same file as much is known as before.
                Some(old) => (new.state, new.content, new.note) = (old.state, old.content.clone(), old.note.clone()),
                None => {
                    replica::forget_image(tx, id);
                    new.state = first_state(&spec.site, image.sha256);
                }
            }
            tx.put(new);
            changes += 1;
        }
    }
    if changes > 0 {
        tx.tell(told("site.applied", &spec.site.name, format!("{changes} things of the site file made or changed")));
    }
    Ok(outcome(&spec.site.name))
}

/// A pool may grow, but not lose what is in use.
fn pools(tx: &Tx<'_>, site: &Site) -> Result<(), Refusal> {
    for network in tx.state().rows.networks.values() {
        if cascina_core::ipam::subnet(site, network.segment) != Some(network.cidr) {
            let allowed = format!("a pool in which {} keeps its place: farm {} uses it", network.cidr, network.farm);
            return Err(Refusal::invalid("site.private_pool", site.private_pool, allowed));
        }
    }
    Ok(())
}

fn put_share(tx: &mut Tx<'_>, share: &Share, changes: &mut u32) -> ShareId {
    let old = tx.state().indexes.share_names.get(&share.name).and_then(|id| tx.state().rows.shares.get(id).cloned());
    let id = match &old {
        Some(old) => old.id,
        None => ShareId(tx.state().rows.shares.keys().last().map_or(1, |last| last.0 + 1)),
    };
    if old.as_ref().is_none_or(|old| (&old.group, old.lends) != (&share.group, share.lends)) {
        let recalled = old.as_ref().is_some_and(|old| old.recalled);
        let created = old.map_or(tx.now, |old| old.created);
        tx.put(Share { id, recalled, created, updated: tx.now, ..share.clone() });
        *changes += 1;
    }
    id
}

fn put_host(tx: &mut Tx<'_>, host: &Host, shares: &[ShareId], changes: &mut u32) {
    let share = match host.share {
        ShareId::SITE => ShareId::SITE,
        ShareId(position) => shares.get(position as usize - 1).copied().unwrap_or(ShareId::SITE),
    };
    let old = tx.state().indexes.host_names.get(&host.name).and_then(|id| tx.state().rows.hosts.get(id).cloned());
    let same = |old: &Host| {
        let capacity = old.measured == host.measured && (host.measured || old.capacity == host.capacity);
        (&old.class, old.share, &old.uri) == (&host.class, share, &host.uri) && capacity
    };
    if old.as_ref().is_some_and(|old| same(old)) {
        return;
    }
    // Never below what its guests use: the site file cannot overcommit a host.
    let used = old.as_ref().map_or(cascina_core::units::Size::ZERO, |old| tx.state().used_on(old.id));
    let capacity =
        if used.fits_in(host.capacity) { host.capacity } else { old.as_ref().map_or(host.capacity, |o| o.capacity) };
    let id = match &old {
        Some(old) => old.id,
        None => HostId(tx.state().rows.hosts.keys().last().map_or(1, |last| last.0 + 1)),
    };
    let measured = host.measured;
    let capacity = match &old {
        // Until it tells again.
        Some(old) if measured => old.capacity,
        _ => capacity,
    };
    let facts = old.as_ref().filter(|old| old.uri == host.uri).and_then(|old| old.facts.clone());
    let state = match &old {
        Some(old) if measured && facts.is_none() && old.state == HostState::Up => HostState::Enrolling,
        Some(old) => old.state,
        None => host.state,
    };
    let created = old.map_or(tx.now, |old| old.created);
    tx.put(Host { id, share, capacity, facts, state, note: None, created, updated: tx.now, ..host.clone() });
    *changes += 1;
}

//! Images on hosts: what their files are, where they are to be, and how far their copies are.

use std::collections::BTreeSet;
use std::sync::Arc;

use cascina_core::command::Outcome;
use cascina_core::host::{Host, HostState};
use cascina_core::id::{HostId, ImageId};
use cascina_core::image::{Content, Image, ImageState};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::replica::{ImageReplica, ReplicaId, ReplicaSeen, ReplicaState};
use cascina_core::spread::Copy;
use cascina_core::state::{Key, State};

use super::{Setback, admin, outcome, told};
use crate::tx::{Told, Tx};

/// Hosts that one request may name.
const MOST_HOSTS: usize = 10_000;
/// Of a reason that a host gives.
const MOST_WHY: usize = 300;

fn shortened(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).take(MOST_WHY).collect()
}

/// The host has a say in what is done with images on it: it answers.
pub fn is_there(host: &Host) -> bool {
    host.has_images() && matches!(host.state, HostState::Up | HostState::Cordoned)
}

/// Whether a host keeps images by itself.
pub fn caches(state: &State, host: &Host) -> bool {
    state.rows.classes.get(&host.class).is_some_and(|class| host.caches_images(class))
}

/// An image of this content, if it is one that is copied.
pub fn copied(image: &Image) -> Option<&Content> {
    image.content.as_ref().filter(|_| image.is_file() && image.state == ImageState::Available)
}

/// What an image's file was found to be.
pub fn checked(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: ImageId,
    found: &Result<Content, String>,
) -> Result<Outcome, Refusal> {
    admin(who, "report images")?;
    let image = tx.state().rows.images.get(&id).cloned();
    let Some(image) = image.filter(|row| row.is_file() && row.state != ImageState::Deprecated) else {
        return Ok(outcome(id));
    };
    let mut now = Image { updated: tx.now, ..Image::clone(&image) };
    let (kind, text) = match found {
        Ok(content) => {
            if image.content.as_ref().is_some_and(|old| old.digest != content.digest) {
                forget_image(tx, id);
            }
            (now.content, now.state, now.note) = (Some(content.clone()), ImageState::Available, None);
            ("image.checked", format!("image {} has SHA-256 {}", image.name, content.digest))
        }
        Err(why) => {
            let why = shortened(why);
            let text = format!("image {} is not usable: {why}", image.name);
            (now.state, now.note) = (ImageState::Failed, Some(why));
            ("image.unusable", text)
        }
    };
    if (&now.content, now.state, &now.note) == (&image.content, image.state, &image.note) {
        return Ok(outcome(id));
    }
    tx.put(now);
    tx.tell(Told { tenant: image.tenant, ..told(kind, id, text) });
    Ok(outcome(id))
}

/// Copies are of what the image was.
pub fn forget_image(tx: &mut Tx<'_>, image: ImageId) {
    let ids: Vec<_> = tx.state().replicas_of(image).map(|row| row.id()).collect();
    ids.into_iter().for_each(|id| tx.remove(Key::ImageReplica(id)));
}

pub fn forget_host(tx: &mut Tx<'_>, host: HostId) {
    let ids: Vec<_> = tx.state().rows.replicas.keys().filter(|id| id.host == host).copied().collect();
    ids.into_iter().for_each(|id| tx.remove(Key::ImageReplica(id)));
}

/// An image of which there can be copies, for who may have them made.
fn to_copy(state: &State, who: &Principal, id: ImageId) -> Result<Arc<Image>, Refusal> {
    admin(who, "say where images are")?;
    let image = state.rows.images.get(&id).cloned().ok_or_else(|| Refusal::not_found("image", id))?;
    if !image.is_file() {
        return Err(Refusal::Conflict(format!("image {} is kept in a store that all its hosts reach", image.name)));
    }
    Ok(image)
}

/// It is to be on these hosts, or on all that keep images by themselves.
pub fn spread(tx: &mut Tx<'_>, who: &Principal, id: ImageId, to: &[HostId]) -> Result<Outcome, Refusal> {
    let image = to_copy(tx.state(), who, id)?;
    let Some(content) = copied(&image) else {
        let why = image.note.clone().unwrap_or_else(|| "it has not been checked yet: ask again soon".into());
        return Err(Refusal::Conflict(format!("image {} cannot be copied: {why}", image.name)));
    };
    if to.len() > MOST_HOSTS {
        return Err(Refusal::invalid("hosts", to.len(), format!("at most {MOST_HOSTS}")));
    }
    let hosts: BTreeSet<HostId> = match to {
        [] => tx.state().rows.hosts.values().filter(|host| caches(tx.state(), host)).map(|host| host.id).collect(),
        some => {
            for id in some {
                let host = tx.state().rows.hosts.get(id).ok_or_else(|| Refusal::not_found("host", id))?;
                if !host.has_images() {
                    return Err(Refusal::invalid("hosts", &host.name, "hosts that instances run on"));
                }
            }
            some.iter().copied().collect()
        }
    };
    let mut count = 0;
    for host in hosts {
        let old = tx.state().rows.replicas.get(&ReplicaId { image: id, host }).cloned();
        let again = |row: &ImageReplica| matches!(row.state, ReplicaState::Evicted | ReplicaState::Failed { .. });
        if old.as_ref().is_some_and(|row| !again(row)) {
            continue;
        }
        let failed_from = old.as_ref().and_then(|row| row.failed_from);
        tx.put(ImageReplica {
            image: id,
            host,
            digest: content.digest,
            bytes: content.bytes,
            state: ReplicaState::Waiting,
            tries: 0,
            failed_from,
            note: None,
            created: old.map_or(tx.now, |row| row.created),
            updated: tx.now,
        });
        count += 1;
    }
    if count > 0 {
        let text = format!("image {} is to be on {count} more hosts", image.name);
        tx.tell(told("image.spreading", id, text));
    }
    Ok(outcome(id))
}

/// It is not to be on this host.
pub fn evict(tx: &mut Tx<'_>, who: &Principal, id: ImageId, host: HostId) -> Result<Outcome, Refusal> {
    let image = to_copy(tx.state(), who, id)?;
    let on = tx.state().rows.hosts.get(&host).cloned().ok_or_else(|| Refusal::not_found("host", host))?;
    let row = tx.state().rows.replicas.get(&ReplicaId { image: id, host }).cloned();
    let Some(row) = row else {
        return Err(Refusal::Conflict(format!("image {} is not on host {}", image.name, on.name)));
    };
    let rows = tx.state().rows.instances.values();
    let guests = rows.filter(|row| row.image == id && row.is_live() && row.claims().any(|(at, _)| at == host)).count();
    if guests > 0 {
        return Err(Refusal::Conflict(format!(
            "disks of {guests} instances on host {} are laid over image {}: terminate them first",
            on.name, image.name
        )));
    }
    if matches!(row.state, ReplicaState::Evicting | ReplicaState::Evicted) {
        return Ok(outcome(id));
    }
    let state = ReplicaState::Evicting;
    tx.put(ImageReplica { state, note: None, updated: tx.now, ..ImageReplica::clone(&row) });
    let text = format!("image {} is to go from host {}", image.name, on.name);
    tx.tell(told("image.evicting", id, text));
    Ok(outcome(id))
}

/// Those that still make sense begin.
pub fn begin(tx: &mut Tx<'_>, who: &Principal, copies: &[Copy]) -> Result<Outcome, Setback> {
    admin(who, "copy images")?;
    let copying = |row: &&Arc<ImageReplica>| matches!(row.state, ReplicaState::Copying { .. });
    let mut busy: BTreeSet<HostId> = tx.state().rows.replicas.values().filter(copying).map(|row| row.host).collect();
    let mut told_of: Vec<(Arc<Image>, Vec<String>)> = Vec::new();
    for copy in copies {
        let rows = &tx.state().rows;
        let Some(image) = rows.images.get(&copy.image).filter(|image| copied(image).is_some()).cloned() else {
            continue;
        };
        let Some(row) = rows.replicas.get(&ReplicaId { image: copy.image, host: copy.to }).cloned() else { continue };
        let has = |host| {
            let there = rows.replicas.get(&ReplicaId { image: copy.image, host });
            there.is_some_and(|there| there.is_ready() && there.digest == row.digest)
        };
        let due = row.due().is_some_and(|due| due <= tx.now);
        if !due || busy.contains(&copy.to) || !copy.from.host().is_none_or(has) {
            continue;
        }
        busy.insert(copy.to);
        let name = |id: HostId| rows.hosts.get(&id).map_or_else(|| id.to_string(), |host| host.name.to_string());
        let said = match copy.from.host() {
            Some(from) => format!("{} from {}", name(copy.to), name(from)),
            None => format!("{} from the server", name(copy.to)),
        };
        match told_of.last_mut().filter(|(last, _)| last.id == image.id) {
            Some((_, all)) => all.push(said),
            None => told_of.push((image, vec![said])),
        }
        let state = ReplicaState::Copying { done: 0, from: copy.from.host() };
        tx.put(ImageReplica { state, note: None, updated: tx.now, ..ImageReplica::clone(&row) });
    }
    let Some((first, _)) = told_of.first().cloned() else { return Ok(Outcome::default()) };
    let text = told_of.iter().map(|(image, all)| format!("image {} goes to {}", image.name, all.join(", ")));
    let text = text.collect::<Vec<_>>().join("; ");
    // Where things are is not the business of tenants.
    tx.tell(told("image.copying", first.id, text));
    Ok(outcome(first.id))
}

/// What came of the work on a copy, or what was found on a host.
pub fn seen(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: ImageId,
    host: HostId,
    seen: &ReplicaSeen,
) -> Result<Outcome, Refusal> {
    admin(who, "report images")?;
    let rows = &tx.state().rows;
    let (Some(image), Some(on)) = (rows.images.get(&id).cloned(), rows.hosts.get(&host).cloned()) else {
        return Ok(outcome(id));
    };
    let old = rows.replicas.get(&ReplicaId { image: id, host }).cloned();
    let now = tx.now;
    let with = |row: &ImageReplica, state: ReplicaState| ImageReplica { state, updated: now, ..row.clone() };
    let (kind, text, row) = match (seen, old.as_deref()) {
        (ReplicaSeen::Progress { done }, Some(row)) => match row.state {
            ReplicaState::Copying { done: before, from } if *done > before => {
                let row = with(row, ReplicaState::Copying { done: *done, from });
                ("image.progress", format!("has {} %", row.percent()), row)
            }
            _ => return Ok(outcome(id)),
        },
        (ReplicaSeen::Ready, None) => {
            let Some(content) = &image.content else { return Ok(outcome(id)) };
            let row = ImageReplica {
                image: id,
                host,
                digest: content.digest,
                bytes: content.bytes,
                state: ReplicaState::Ready,
                tries: 0,
                failed_from: None,
                note: None,
                created: now,
                updated: now,
            };
            ("image.ready", "has it".into(), row)
        }
        (ReplicaSeen::Ready, Some(row)) if !matches!(row.state, ReplicaState::Ready | ReplicaState::Evicting) => {
            let ready = ImageReplica { tries: 0, failed_from: None, note: None, ..with(row, ReplicaState::Ready) };
            ("image.ready", "has it".into(), ready)
        }
        (ReplicaSeen::Failed { why }, Some(row)) => match row.state {
            ReplicaState::Copying { from, .. } => {
                let why = shortened(why);
                let failed = ImageReplica {
                    tries: row.tries.saturating_add(1),
                    failed_from: Some(from.into()),
                    ..with(row, ReplicaState::Failed { why: why.clone() })
                };
                ("image.failed", format!("could not get it: {why}"), failed)
            }
            _ => return Ok(outcome(id)),
        },
        (ReplicaSeen::Evicted, Some(row)) if row.state == ReplicaState::Evicting => {
            ("image.evicted", "does not have it any more".into(), with(row, ReplicaState::Evicted))
        }
        (ReplicaSeen::Kept { why }, Some(row)) if row.state == ReplicaState::Evicting => {
            let why = shortened(why);
            let text = format!("keeps it: {why}");
            ("image.kept", text, ImageReplica { note: Some(why), ..with(row, ReplicaState::Ready) })
        }
        (ReplicaSeen::Gone, Some(row)) if row.is_ready() => {
            let text = format!("host {} has lost image {}", on.name, image.name);
            tx.remove(Key::ImageReplica(row.id()));
            tx.tell(told("image.gone", id, text));
            return Ok(outcome(id));
        }
        _ => return Ok(outcome(id)),
    };
    tx.put(row);
    let text = format!("image {}: host {} {text}", image.name, on.name);
    tx.tell(told(kind, id, text));
    Ok(outcome(id))
}

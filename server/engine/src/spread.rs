//! What is to be done about images: files are looked at, copies begin, go on and end. Pure: the agent and the
//! simulator both call it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cascina_core::command::Command;
use cascina_core::host::{Host, HostState};
use cascina_core::id::{HostId, ImageId};
use cascina_core::image::{Image, ImageState};
use cascina_core::replica::{ImageReplica, ReplicaId, ReplicaSeen, ReplicaState, Source};
use cascina_core::spread::{Bounds, Copy, Demand, plan};
use cascina_core::state::State;
use cascina_core::units::Timestamp;
use cascina_drivers::{Copied, DriverError, HostCall, HostRef, Reply};

use crate::command::replica::{caches, copied, is_there};
use crate::reconcile::reference;

/// Files are looked at again after this: they may have been put right, or changed.
const CHECK_MS: u64 = 60_000;
/// After a host did not answer.
const PAUSE_MS: u64 = 3_000;
/// In a row after which a copy has failed.
const MISSES: u32 = 3;
/// A source that failed is left alone.
const SUSPECT_MS: u64 = 120_000;
/// A copy tells of itself by so many hundredths.
const STEP: u8 = 10;

/// One thing that is done on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    Check(ImageId),
    Copy(ReplicaId),
    Drop(ReplicaId),
}

#[derive(Debug, Clone)]
pub struct Task {
    pub chore: Chore,
    pub host: HostRef,
    pub call: HostCall,
}

#[derive(Debug, Default)]
pub struct Next {
    /// To be proposed; something else is next when they are in the books.
    pub commands: Vec<Command>,
    /// To be done; each has its answer told to [`Spreader::answered`].
    pub tasks: Vec<Task>,
}

/// What is remembered between looks. Nothing is lost with it: what is under way is in the rows.
#[derive(Debug, Default)]
pub struct Spreader {
    under_way: BTreeSet<Chore>,
    /// Not before then, after so many misses in a row.
    pauses: BTreeMap<Chore, (Timestamp, u32)>,
    checked: BTreeMap<ImageId, Timestamp>,
    /// Hosts from which something did not come, until when they are not asked.
    suspects: BTreeMap<HostId, Timestamp>,
}

impl Spreader {
    /// What to do now.
    pub fn next(&mut self, state: &State, now: Timestamp) -> Next {
        let Some(care) = state.site().images else { return Next::default() };
        let mut tasks = self.checks(state, now);
        for row in state.rows.replicas.values() {
            tasks.extend(self.task(state, row, now));
        }
        self.under_way.extend(tasks.iter().map(|task| task.chore));
        let mut commands = if care.spread { wanted(state) } else { Vec::new() };
        self.suspects.retain(|_, until| *until > now);
        let begun = self.copies(state, now, care.bounds);
        if !begun.is_empty() {
            commands.push(Command::BeginCopies(begun));
        }
        Next { commands, tasks }
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    fn may(&self, chore: Chore, now: Timestamp) -> bool {
        !self.under_way.contains(&chore) && self.pauses.get(&chore).is_none_or(|(until, _)| *until <= now)
    }

    fn checks(&mut self, state: &State, now: Timestamp) -> Vec<Task> {
        self.checked.retain(|id, _| state.rows.images.contains_key(id));
        let due = |id: &ImageId| self.checked.get(id).is_none_or(|at| at.plus_ms(CHECK_MS) <= now);
        let is_checked = |image: &Image| image.is_file() && image.state != ImageState::Deprecated;
        let images: Vec<_> = state
            .rows
            .images
            .values()
            .filter(|image| is_checked(image) && due(&image.id) && self.may(Chore::Check(image.id), now))
            .cloned()
            .collect();
        if images.is_empty() {
            return Vec::new();
        }
        // Any host's driver knows where all get images from. Real ones know better than simulated ones.
        let mut hosts: Vec<&Arc<Host>> = state.rows.hosts.values().filter(|host| is_there(host)).collect();
        if hosts.iter().any(|host| !host.is_simulated()) {
            hosts.retain(|host| !host.is_simulated());
        }
        if hosts.is_empty() {
            return Vec::new();
        }
        let mut tasks = Vec::with_capacity(images.len());
        for (place, image) in images.iter().enumerate() {
            // Not always the same one: it may be the one that hangs.
            let host = hosts[((now.0 / 1000) as usize + place) % hosts.len()];
            self.checked.insert(image.id, now);
            let call = HostCall::CheckImage { image: image.source.clone(), sha256: image.sha256 };
            tasks.push(Task { chore: Chore::Check(image.id), host: reference(host), call });
        }
        tasks
    }

    fn task(&self, state: &State, row: &ImageReplica, now: Timestamp) -> Option<Task> {
        let image = state.rows.images.get(&row.image)?;
        let (chore, call) = match row.state {
            ReplicaState::Copying { from, .. } => {
                let chore = Chore::Copy(row.id());
                if !self.may(chore, now) {
                    return None;
                }
                let content = image.content.clone()?;
                let from = match from {
                    // One that is gone meanwhile is no source; the server always is.
                    Some(from) => state.rows.hosts.get(&from).map(|host| reference(host)),
                    None => None,
                };
                (chore, HostCall::CopyImage { image: image.source.clone(), content, from })
            }
            ReplicaState::Evicting => {
                let chore = Chore::Drop(row.id());
                if !self.may(chore, now) {
                    return None;
                }
                (chore, HostCall::DropImage { image: image.source.clone(), content: image.content.clone()? })
            }
            _ => return None,
        };
        let host = state.rows.hosts.get(&row.host)?;
        // A copy that has begun comes to its end, whatever that is.
        if row.state == ReplicaState::Evicting && !is_there(host) {
            return None;
        }
        Some(Task { chore, host: reference(host), call })
    }

    /// What came of a task: what to propose about it.
    pub fn answered(
        &mut self,
        state: &State,
        now: Timestamp,
        chore: Chore,
        reply: Result<Reply, DriverError>,
    ) -> Option<Command> {
        self.under_way.remove(&chore);
        let missed = match &reply {
            Err(error) if error.is_passing() => {
                let misses = self.pauses.get(&chore).map_or(0, |(_, misses)| *misses) + 1;
                self.pauses.insert(chore, (now.plus_ms(PAUSE_MS), misses));
                misses
            }
            _ => {
                self.pauses.remove(&chore);
                0
            }
        };
        match chore {
            Chore::Check(image) => {
                let row = state.rows.images.get(&image)?;
                let found = match reply {
                    Ok(Reply::Image(content)) => Ok(*content),
                    Ok(_) => return None,
                    Err(error) if error.is_passing() => {
                        self.checked.remove(&image);
                        return None;
                    }
                    Err(DriverError::Refused { why, .. }) => Err(why),
                    Err(DriverError::Unreachable { .. } | DriverError::Differs { .. }) => return None,
                };
                let same = match &found {
                    Ok(content) => row.content.as_ref() == Some(content) && row.state == ImageState::Available,
                    Err(_) => false,
                };
                (!same).then_some(Command::ImageChecked { image, found })
            }
            Chore::Copy(id) => {
                let from = state.rows.replicas.get(&id).and_then(|row| match row.state {
                    ReplicaState::Copying { from, .. } => from,
                    _ => None,
                });
                let seen = self.copy_answered(state, id, reply, missed)?;
                if let (ReplicaSeen::Failed { .. }, Some(from)) = (&seen, from) {
                    self.suspects.insert(from, now.plus_ms(SUSPECT_MS));
                }
                Some(Command::ReplicaSeen { image: id.image, host: id.host, seen })
            }
            Chore::Drop(id) => {
                let seen = match reply {
                    Ok(_) => ReplicaSeen::Evicted,
                    Err(DriverError::Refused { why, .. }) => ReplicaSeen::Kept { why },
                    Err(DriverError::Unreachable { .. } | DriverError::Differs { .. }) => return None,
                };
                Some(Command::ReplicaSeen { image: id.image, host: id.host, seen })
            }
        }
    }

    fn copy_answered(
        &mut self,
        state: &State,
        id: ReplicaId,
        reply: Result<Reply, DriverError>,
        missed: u32,
    ) -> Option<ReplicaSeen> {
        let row = state.rows.replicas.get(&id)?;
        let ReplicaState::Copying { from, .. } = row.state else { return None };
        match reply {
            Ok(Reply::Copied(Copied { whole: true, .. })) => Some(ReplicaSeen::Ready),
            Ok(Reply::Copied(Copied { done, whole: false })) => {
                let then = ImageReplica { state: ReplicaState::Copying { done, from }, ..ImageReplica::clone(row) };
                (then.percent() >= row.percent().saturating_add(STEP)).then_some(ReplicaSeen::Progress { done })
            }
            Ok(_) => Some(ReplicaSeen::Failed { why: "its driver answered something else".into() }),
            Err(DriverError::Refused { why, .. }) => Some(ReplicaSeen::Failed { why }),
            Err(DriverError::Unreachable { why, .. } | DriverError::Differs { why, .. }) if missed >= MISSES => {
                self.pauses.remove(&Chore::Copy(id));
                Some(ReplicaSeen::Failed { why })
            }
            Err(DriverError::Unreachable { .. } | DriverError::Differs { .. }) => None,
        }
    }

    /// The copies to begin now.
    fn copies(&self, state: &State, now: Timestamp, bounds: Bounds) -> Vec<Copy> {
        let rows = &state.rows;
        let mut under_way = Vec::new();
        // Simulated hosts and real ones give each other nothing.
        let mut demands: BTreeMap<(ImageId, bool), Demand> = BTreeMap::new();
        for row in rows.replicas.values() {
            let Some(host) = rows.hosts.get(&row.host) else { continue };
            let demand = || Demand { image: row.image, sources: Vec::new(), targets: Vec::new() };
            let there = is_there(host);
            match row.state {
                ReplicaState::Copying { from, .. } => {
                    under_way.push(Copy { image: row.image, to: row.host, from: Source::from(from) });
                }
                ReplicaState::Ready if there && !self.suspects.contains_key(&row.host) => {
                    demands.entry((row.image, host.is_simulated())).or_insert_with(demand).sources.push(row.host);
                }
                ReplicaState::Waiting | ReplicaState::Failed { .. }
                    if there && row.due().is_some_and(|due| due <= now) =>
                {
                    let targets = &mut demands.entry((row.image, host.is_simulated())).or_insert_with(demand).targets;
                    targets.push((row.host, row.failed_from));
                }
                _ => {}
            }
        }
        let usable = |demand: &Demand| {
            !demand.targets.is_empty() && rows.images.get(&demand.image).is_some_and(|image| copied(image).is_some())
        };
        let demands: Vec<Demand> = demands.into_values().filter(usable).collect();
        if demands.is_empty() { Vec::new() } else { plan(&demands, &under_way, bounds) }
    }
}

/// Hosts that keep images by themselves, and images that they have never been meant to have.
fn wanted(state: &State) -> Vec<Command> {
    let hosts: Vec<HostId> = state
        .rows
        .hosts
        .values()
        .filter(|host| host.state == HostState::Up && caches(state, host))
        .map(|host| host.id)
        .collect();
    let images = state.rows.images.values().filter(|image| copied(image).is_some());
    let commands = images.filter_map(|image| {
        let known: BTreeSet<HostId> = state.replicas_of(image.id).map(|row| row.host).collect();
        let to: Vec<HostId> = hosts.iter().filter(|host| !known.contains(host)).copied().collect();
        (!to.is_empty()).then_some(Command::SpreadImage { image: image.id, to })
    });
    commands.collect()
}

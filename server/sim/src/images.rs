//! The agent that looks after images, in virtual time.

use std::sync::Arc;

use cascina_core::host::{Host, HostState};
use cascina_core::image::{Image, ImageState};
use cascina_core::replica::{ImageReplica, ReplicaId, ReplicaState};
use cascina_core::units::Timestamp;
use cascina_drivers::{DriverError, Reply as HostReply};
use cascina_engine::command::replica::{caches, copied, is_there};
use cascina_engine::spread::{Chore, Spreader};

use crate::agenda::{Happening, Listener};
use crate::process::Reply;
use crate::simulation::Simulation;

/// Between two looks while something is under way, and else.
const BUSY_MS: u64 = 1_000;
const IDLE_MS: u64 = 5_000;
/// After something was proposed.
const SOON_MS: u64 = 50;

#[derive(Default)]
pub struct Images {
    spreader: Spreader,
    /// Proposals that have not been answered; what is next follows from them.
    awaited: usize,
    /// The next look.
    at: Option<Timestamp>,
}

impl Simulation {
    pub(crate) fn look_after_images_in(&mut self, ms: u64) {
        if self.books.state.site().images.is_none() {
            return;
        }
        let at = self.now.plus_ms(ms);
        let Some(process) = &mut self.process else { return };
        if process.ready && process.images.at.is_none_or(|known| at < known) {
            process.images.at = Some(at);
            self.agenda.add(at, Happening::Images(process.run));
        }
    }

    pub(crate) fn look_after_images(&mut self) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        // An earlier look took the place of this one.
        if process.images.at.is_some_and(|at| at > now) {
            return;
        }
        process.images.at = None;
        if process.images.awaited > 0 {
            return;
        }
        let next = process.images.spreader.next(&self.books.state, now);
        process.images.awaited = next.commands.len();
        let pause = if process.images.spreader.is_idle() { IDLE_MS } else { BUSY_MS };
        let proposed = !next.commands.is_empty();
        for command in next.commands {
            self.propose_ours(command, Reply::Images);
        }
        for task in next.tasks {
            self.call(task.host, task.call, Listener::Chore(task.chore));
        }
        // Where nobody looks at hosts any more, nothing changes by itself.
        if !proposed && (pause == BUSY_MS || self.pace.reconcile_ms.is_some()) {
            self.look_after_images_in(pause);
        }
    }

    pub(crate) fn images_proposed(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.images.awaited = process.images.awaited.saturating_sub(1);
        if process.images.awaited == 0 {
            self.look_after_images_in(SOON_MS);
        }
    }

    pub(crate) fn chore_answered(&mut self, chore: Chore, reply: Result<HostReply, DriverError>) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        match process.images.spreader.answered(&self.books.state, now, chore, reply) {
            Some(command) => {
                process.images.awaited += 1;
                self.propose_ours(command, Reply::Images);
            }
            None => self.look_after_images_in(0),
        }
    }

    /// Nothing is to be done about images on hosts that answer.
    pub(crate) fn images_are_settled(&self) -> bool {
        let state = &self.books.state;
        let Some(care) = state.site().images else { return true };
        let there: Vec<_> = state.rows.hosts.values().filter(|host| is_there(host)).collect();
        if there.is_empty() {
            return true;
        }
        let known = |image: &Image| copied(image).is_some() || !image.is_file();
        let deprecated = ImageState::Deprecated;
        let mut images = state.rows.images.values().filter(|image| image.state != deprecated);
        let settled = |row: &ImageReplica| {
            let host = state.rows.hosts.get(&row.host).is_some_and(|host| is_there(host));
            let image = state.rows.images.get(&row.image).is_some_and(|image| copied(image).is_some());
            let done = matches!(row.state, ReplicaState::Ready | ReplicaState::Evicted);
            done || !host || !image
        };
        let meant = |image: &Arc<Image>| {
            let on = |host: &Host| {
                let id = ReplicaId { image: image.id, host: host.id };
                state.rows.replicas.contains_key(&id)
            };
            let up = HostState::Up;
            !care.spread
                || copied(image).is_none()
                || there.iter().filter(|host| host.state == up && caches(state, host)).all(|host| on(host))
        };
        images.all(|image| known(image) && meant(image)) && state.rows.replicas.values().all(|row| settled(row))
    }
}

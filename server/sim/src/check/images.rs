//! Copies of images, in moments of rest: hosts have what the rows say that they have.

use cascina_core::replica::ReplicaState;
use cascina_core::state::State;
use cascina_drivers::sim::World;
use cascina_engine::command::replica::{copied, is_there};

use super::verdict;

pub fn check(state: &State, world: &World) -> Result<(), String> {
    let mut found = Vec::new();
    if state.site().images.is_none() {
        return Ok(());
    }
    for row in state.rows.replicas.values() {
        let (Some(image), Some(host)) = (state.rows.images.get(&row.image), state.rows.hosts.get(&row.host)) else {
            continue;
        };
        let Some(machine) = world.hosts().get(&host.name).filter(|_| is_there(host)) else { continue };
        let there = machine.images.contains(&image.source);
        let right = match row.state {
            ReplicaState::Ready => there,
            ReplicaState::Evicted => !there,
            // It waits until the image is of use again.
            ReplicaState::Waiting | ReplicaState::Failed { .. } => copied(image).is_none() && !there,
            ReplicaState::Copying { .. } | ReplicaState::Evicting => false,
        };
        if !right {
            found.push(format!("image {} is {} on {}: {there}", image.name, row.state.as_str(), host.name));
        }
    }
    verdict(found)
}

//! States as EC2 numbers them.

use std::collections::BTreeSet;

use cascina_core::id::{FarmId, InstanceId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::operation::{OperationState, SagaKind};
use cascina_core::state::State;
use serde::Serialize;

/// A code and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StateView {
    pub code: u16,
    pub name: &'static str,
}

pub const PENDING: StateView = StateView { code: 0, name: "pending" };
pub const RUNNING: StateView = StateView { code: 16, name: "running" };
pub const SHUTTING_DOWN: StateView = StateView { code: 32, name: "shutting-down" };
pub const TERMINATED: StateView = StateView { code: 48, name: "terminated" };
pub const STOPPING: StateView = StateView { code: 64, name: "stopping" };
pub const STOPPED: StateView = StateView { code: 80, name: "stopped" };

/// Instances that are about to be terminated, whatever they still are: clients that wait for the end take
/// any other state for a failure.
pub fn ending(state: &State, farm: FarmId) -> BTreeSet<InstanceId> {
    let operations = state.indexes.operations_by_farm.of(&farm).filter_map(|id| state.rows.operations.get(&id));
    let ends = operations.filter(|row| row.saga == SagaKind::InstanceTerminate && row.state != OperationState::Stuck);
    ends.flat_map(|row| row.instances.iter().copied()).collect()
}

impl StateView {
    pub fn of(row: &Instance, ending: &BTreeSet<InstanceId>) -> StateView {
        match row.state {
            InstanceState::Terminated => TERMINATED,
            _ if ending.contains(&row.id) => SHUTTING_DOWN,
            InstanceState::Scheduled | InstanceState::Staging => PENDING,
            InstanceState::Running => RUNNING,
            InstanceState::Stopping => STOPPING,
            // One with an error does not run as it should, and can be ended or looked at like one that is stopped.
            InstanceState::Stopped | InstanceState::Error => STOPPED,
            InstanceState::ShuttingDown => SHUTTING_DOWN,
        }
    }
}

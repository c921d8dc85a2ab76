//! Ends instances. Forward only.

use cascina_core::address::{AddressState, ElasticIp, Target};
use cascina_core::farm::Farm;
use cascina_core::id::{AddressId, InstanceId};
use cascina_core::instance::InstanceState;
use cascina_core::network::VRouter;
use cascina_core::operation::{Operation, OperationState, SagaKind};
use cascina_core::state::State;

use super::{Answer, Saga, StepError, Work, errands, firewall_apply, instance_run, site_calls, volume};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    AwaitOthers,
    Unmap,
    Destroy,
}

pub struct InstanceTerminate;

/// Does another operation still work on one of these instances?
fn others(state: &State, operation: &Operation) -> bool {
    state.indexes.operations_by_farm.of(&operation.farm).any(|id| {
        id != operation.id
            && state.rows.operations.get(&id).is_some_and(|other| {
                other.state != OperationState::Stuck
                    && other.saga != SagaKind::FarmDelete
                    && other.saga != SagaKind::InstanceTerminate
                    && other.instances.iter().any(|id| operation.instances.contains(id))
            })
    })
}

fn mapped(state: &State, operation: &Operation) -> Vec<AddressId> {
    state
        .indexes
        .addresses_by_farm
        .of(&operation.farm)
        .filter(|id| {
            let target = state.rows.addresses.get(id).and_then(|row| row.target());
            matches!(target, Some(Target::Instance(id)) if operation.instances.contains(&id))
        })
        .collect()
}

/// Takes an address off an instance; it stays the farm's.
pub fn unmap(tx: &mut Tx<'_>, id: AddressId) {
    let Some(mut row) = tx.state().rows.addresses.get(&id).map(|row| ElasticIp::clone(row)) else { return };
    if matches!(row.target(), Some(Target::Instance(_))) {
        row.state = AddressState::Allocated;
        row.updated = tx.now;
        tx.put(row);
    }
}

/// An operation that ends instances of another operation's farm.
pub fn operation(tx: &mut Tx<'_>, of: &Operation, instances: Vec<InstanceId>) -> Operation {
    let farm = tx.state().rows.farms.get(&of.farm).map(|row| Farm::clone(row));
    let mut operation = Operation {
        id: cascina_core::id::OperationId(tx.number()),
        saga: SagaKind::InstanceTerminate,
        instances,
        min_count: 0,
        address: None,
        volume: None,
        snapshot: None,
        image: None,
        state: OperationState::Running,
        steps: Vec::new(),
        cursor: 0,
        error: None,
        cancel: false,
        retry_at: None,
        created: tx.now,
        updated: tx.now,
        ..of.clone()
    };
    operation.tenant = farm.map(|farm| farm.tenant);
    operation
}

impl Saga for InstanceTerminate {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::AwaitOthers;
    const WAITS: Option<Step> = Some(Step::AwaitOthers);
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::AwaitOthers, "await-others"), (Step::Unmap, "unmap"), (Step::Destroy, "destroy")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::AwaitOthers if others(state, operation) => Ok(Work::Wait),
            Step::AwaitOthers => Ok(Work::Nothing),
            // The addresses were taken off in the rows; the router learns it here.
            Step::Unmap if operation.address.is_some() => site_calls::ensure_router(state, operation.farm),
            Step::Unmap => Ok(Work::Nothing),
            Step::Destroy => Ok(site_calls::destroy_instances(state, operation.farm, &operation.instances)),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        if let Err(StepError::Final(error)) = errands(&answer) {
            return Err(StepError::Passing(error));
        }
        errands(&answer)?;
        match step {
            Step::AwaitOthers => {
                let addresses = mapped(tx.state(), operation);
                for id in &operation.instances {
                    if tx.state().rows.instances.get(id).is_some_and(|row| row.is_live()) {
                        instance_run::set(tx, *id, InstanceState::ShuttingDown, None);
                    }
                }
                if let Some(first) = addresses.first() {
                    for id in &addresses {
                        unmap(tx, *id);
                    }
                    if let Ok(router) = site_calls::router(tx.state(), operation.farm).cloned() {
                        tx.put(VRouter { desired_revision: router.desired_revision + 1, ..router });
                    }
                    operation.address = Some(*first);
                }
                Ok(None)
            }
            Step::Unmap => {
                if operation.address.is_some() {
                    super::router_apply::applied(tx, operation.farm, &answer)?;
                }
                Ok(None)
            }
            Step::Destroy => {
                // Also one whose detaching came to its end only while it was being removed.
                for id in volume::removed(&answer) {
                    volume::forget(tx, id);
                }
                instance_run::forget(tx, &operation.instances, "terminated");
                let farm = tx.state().rows.farms.get(&operation.farm).map(|row| Farm::clone(row));
                if let Some(farm) = farm.filter(|farm| farm.state.is_usable()) {
                    firewall_apply::begin(tx, &farm);
                }
                Ok(None)
            }
        }
    }
}

//! Unmakes a farm, whatever state it is in. Forward only: it cleans up whatever rows it finds.

use cascina_core::farm::FarmState;
use cascina_core::operation::{Operation, OperationState};
use cascina_core::state::State;

use super::belongings;
use super::executor::drop_holds;
use super::farm_create::{farm, release_addresses, remove_networks, remove_routers};
use super::identity::remove_identity;
use super::{Answer, Saga, StepError, Work, errands, instance_run, site_calls};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    AwaitOthers,
    DestroyInstances,
    RemoveVolumes,
    DestroyRouter,
    ReleaseAddresses,
    RemoveNetwork,
    RemoveIdentity,
    Finish,
}

pub struct FarmDelete;

/// Does anything else still work on the farm?
pub fn others(state: &State, operation: &Operation) -> bool {
    state.indexes.operations_by_farm.of(&operation.farm).any(|id| {
        id != operation.id && state.rows.operations.get(&id).is_some_and(|other| other.state != OperationState::Stuck)
    })
}

impl Saga for FarmDelete {
    type Step = Step;
    const VERSION: u32 = 2;
    /// None of it can be undone, so nothing lies before the pivot but waiting.
    const PIVOT: Step = Step::AwaitOthers;
    const WAITS: Option<Step> = Some(Step::AwaitOthers);
    const STEPS: &'static [(Step, &'static str)] = &[
        (Step::AwaitOthers, "await-others"),
        (Step::DestroyInstances, "destroy-instances"),
        (Step::RemoveVolumes, "remove-volumes"),
        (Step::DestroyRouter, "destroy-router"),
        (Step::ReleaseAddresses, "release-addresses"),
        (Step::RemoveNetwork, "remove-network"),
        (Step::RemoveIdentity, "remove-identity"),
        (Step::Finish, "finish"),
    ];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        Ok(match step {
            Step::AwaitOthers if others(state, operation) => Work::Wait,
            Step::DestroyInstances => {
                site_calls::destroy_instances(state, operation.farm, &site_calls::live(state, operation.farm))
            }
            Step::RemoveVolumes => belongings::remove_stored(state, operation.farm)?,
            Step::DestroyRouter => site_calls::destroy_router(state, operation.farm),
            Step::AwaitOthers | Step::ReleaseAddresses | Step::RemoveNetwork | Step::RemoveIdentity | Step::Finish => {
                Work::Nothing
            }
        })
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        // A host that refuses to destroy may do so later: nothing may be left.
        if let Err(StepError::Final(error)) = errands(&answer) {
            return Err(StepError::Passing(error));
        }
        errands(&answer)?;
        match step {
            Step::AwaitOthers => {
                // Addresses of guests that are about to go point nowhere now.
                let addresses: Vec<_> = tx.state().indexes.addresses_by_farm.of(&operation.farm).collect();
                for id in addresses {
                    super::instance_terminate::unmap(tx, id);
                }
                Ok(None)
            }
            Step::DestroyInstances => {
                let ids = site_calls::live(tx.state(), operation.farm);
                let note = format!("{} instances", ids.len());
                instance_run::forget(tx, &ids, "the farm was deleted");
                Ok(Some(note))
            }
            Step::RemoveVolumes => {
                belongings::remove(tx, operation.farm);
                Ok(None)
            }
            Step::DestroyRouter => {
                remove_routers(tx, operation.farm);
                Ok(None)
            }
            Step::ReleaseAddresses => {
                release_addresses(tx, operation.farm);
                Ok(None)
            }
            Step::RemoveNetwork => {
                remove_networks(tx, operation.farm);
                Ok(None)
            }
            Step::RemoveIdentity => {
                remove_identity(tx, operation.farm);
                drop_holds(tx, operation.id);
                Ok(None)
            }
            Step::Finish => {
                let mut farm = farm(tx.state(), operation)?;
                farm.state = FarmState::Deleted;
                farm.note = None;
                farm.updated = tx.now;
                tx.put(farm);
                Ok(None)
            }
        }
    }
}

//! Makes a router anew on another host while its own answers. It has no state of its own, so it is taken
//! off one host and made on the other; its farm is without it for that moment, and never has two.

use std::sync::Arc;

use cascina_core::id::HostId;
use cascina_core::network::{RouterState, VRouter};
use cascina_core::operation::Operation;
use cascina_core::state::{Guest, State};
use cascina_drivers::HostCall;

use super::{Answer, Errand, Saga, StepError, Work, errands, site_calls};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Retire,
    Raise,
    Settle,
}

pub struct RouterMove;

/// The router, where it is and where it goes; nothing if it has gone meanwhile.
fn way(state: &State, operation: &Operation) -> Option<(Arc<VRouter>, HostId, HostId)> {
    let id = state.indexes.routers_by_farm.of(&operation.farm).next()?;
    let row = state.rows.routers.get(&id)?;
    Some((row.clone(), row.host?, row.bound_for?))
}

fn gone() -> StepError {
    StepError::Final("the router is gone".into())
}

/// Nothing of the router is left there, nor of the network if it was the last that needed it.
fn clear(state: &State, row: &VRouter, on: HostId) -> Result<Work, StepError> {
    let guest = Guest::Router(row.id);
    let mut calls = vec![HostCall::Destroy { guest }];
    if !site_calls::farm_guests_on(state, row.farm, on).any(|other| other != guest) {
        calls.push(HostCall::RemoveNetwork { network: row.network });
    }
    Ok(Work::Errands(vec![Errand { host: site_calls::host(state, on)?, guest: Some(guest), calls }]))
}

fn settle(tx: &mut Tx<'_>, operation: &Operation, arrived: bool) -> Option<HostId> {
    let (row, from, to) = way(tx.state(), operation)?;
    let host = if arrived { to } else { from };
    let applied_revision = if arrived { row.applied_revision } else { 0 };
    tx.put(VRouter {
        host: Some(host),
        bound_for: None,
        state: if arrived { RouterState::Running } else { RouterState::Down },
        // What it was given before the move is not looked at any more: the reconciler repairs it in place.
        applied_revision,
        updated: tx.now,
        ..VRouter::clone(&row)
    });
    Some(host)
}

impl Saga for RouterMove {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Settle;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Retire, "retire"), (Step::Raise, "raise"), (Step::Settle, "settle")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        let (row, from, to) = way(state, operation).ok_or_else(gone)?;
        match step {
            Step::Retire => clear(state, &row, from),
            Step::Raise => site_calls::ensure_router_on(state, operation.farm, to),
            Step::Settle => Ok(Work::Nothing),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        errands(&answer)?;
        match step {
            Step::Retire => Ok(None),
            Step::Raise => super::router_apply::applied(tx, operation.farm, &answer).map(|_| None),
            Step::Settle => {
                let host = settle(tx, operation, true).ok_or_else(gone)?;
                Ok(tx.state().rows.hosts.get(&host).map(|row| row.name.to_string()))
            }
        }
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        let Some((row, from, to)) = way(state, operation) else { return Work::Nothing };
        let work = match step {
            Step::Raise => clear(state, &row, to),
            Step::Retire => site_calls::ensure_router_on(state, operation.farm, from),
            Step::Settle => Ok(Work::Nothing),
        };
        // A host that is no longer in the books has nothing of it.
        work.unwrap_or(Work::Nothing)
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        settle(tx, operation, false);
    }
}

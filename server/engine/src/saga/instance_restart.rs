//! Starts an instance of a lost host again on another. It is known by now that nothing runs on the lost one.
//!
//! Where disks are shared its disk is found there; else it is made from its image.

use std::sync::Arc;

use cascina_core::id::HostId;
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::operation::Operation;
use cascina_core::state::{Guest, State};
use cascina_drivers::HostCall;

use super::{Answer, Errand, Saga, StepError, Work, errands, site_calls};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Stage,
    Boot,
    Settle,
}

pub struct InstanceRestart;

/// The instance, and where it goes; nothing if it has ended or was sent elsewhere meanwhile.
fn way(state: &State, operation: &Operation) -> Option<(Arc<Instance>, HostId)> {
    let row = state.rows.instances.get(operation.instances.first()?)?;
    let to = row.bound_for?;
    (row.is_live() && row.operation == Some(operation.id)).then(|| (row.clone(), to))
}

fn gone() -> StepError {
    StepError::Final("the instance has ended".into())
}

fn errand(state: &State, row: &Instance, to: HostId, calls: Vec<HostCall>) -> Result<Work, StepError> {
    let guest = Some(Guest::Instance(row.id));
    Ok(Work::Errands(vec![Errand { host: site_calls::host(state, to)?, guest, calls }]))
}

/// Nothing of it is left there but a disk that other hosts reach.
fn evict(state: &State, row: &Instance, to: HostId) -> Result<Work, StepError> {
    let own = Guest::Instance(row.id);
    let mut calls = vec![HostCall::Evict { guest: own }];
    if !site_calls::farm_guests_on(state, row.farm, to).any(|guest| guest != own) {
        calls.push(HostCall::RemoveNetwork { network: site_calls::network(state, row.farm)?.id });
    }
    errand(state, row, to, calls)
}

impl Saga for InstanceRestart {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Settle;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Stage, "stage"), (Step::Boot, "boot"), (Step::Settle, "settle")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        let (row, to) = way(state, operation).ok_or_else(gone)?;
        match step {
            Step::Stage => errand(state, &row, to, site_calls::stage(state, &row)?),
            Step::Boot => {
                let network = site_calls::network(state, row.farm)?;
                let define = site_calls::define_network(network);
                let apply = site_calls::apply_firewall(state, network);
                let boot = HostCall::Boot { spec: site_calls::instance_spec(state, &row)? };
                errand(state, &row, to, vec![define, apply, boot])
            }
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
        if step != Step::Settle {
            return Ok(None);
        }
        let (row, to) = way(tx.state(), operation).ok_or_else(gone)?;
        let mut row = Instance { host: Some(to), bound_for: None, note: None, ..Instance::clone(&row) };
        row.set(InstanceState::Running);
        row.launched = tx.now;
        row.updated = tx.now;
        tx.put(row);
        Ok(tx.state().rows.hosts.get(&to).map(|row| row.name.to_string()))
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        let Some((row, to)) = way(state, operation) else { return Work::Nothing };
        match step {
            // Both leave at most the same behind.
            Step::Boot | Step::Stage => evict(state, &row, to).unwrap_or(Work::Nothing),
            Step::Settle => Work::Nothing,
        }
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let Some((row, _)) = way(tx.state(), operation) else { return };
        let why = operation.error.clone().unwrap_or_default();
        let note = Some(format!("could not be started elsewhere: {why}"));
        tx.put(Instance { bound_for: None, note, updated: tx.now, ..Instance::clone(&row) });
    }
}

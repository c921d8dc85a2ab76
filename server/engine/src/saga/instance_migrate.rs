//! Moves a running instance to the host that it is bound for. The network that it leaves behind, if it
//! was the farm's last guest there, is swept by the reconciler.

use std::sync::Arc;

use cascina_core::id::HostId;
use cascina_core::instance::Instance;
use cascina_core::operation::Operation;
use cascina_core::state::{Guest, State};
use cascina_drivers::HostCall;

use super::{Answer, Errand, Saga, StepError, Work, errands, site_calls};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Prepare,
    Move,
    Settle,
}

pub struct InstanceMigrate;

/// The instance, where it is and where it goes; nothing if it has ended or was sent elsewhere meanwhile.
fn way(state: &State, operation: &Operation) -> Option<(Arc<Instance>, HostId, HostId)> {
    let row = state.rows.instances.get(operation.instances.first()?)?;
    let (from, to) = (row.host?, row.bound_for?);
    (row.is_live() && row.operation == Some(operation.id)).then(|| (row.clone(), from, to))
}

fn prepare(state: &State, operation: &Operation) -> Result<Work, StepError> {
    let (row, _, to) = way(state, operation).ok_or_else(gone)?;
    let network = site_calls::network(state, row.farm)?;
    let calls = vec![site_calls::define_network(network), site_calls::apply_firewall(state, network)];
    Ok(Work::Errands(vec![Errand { host: site_calls::host(state, to)?, guest: None, calls }]))
}

/// The guest goes from one host to the other, if it is not there already.
fn carry(state: &State, row: &Instance, from: HostId, to: HostId) -> Result<Work, StepError> {
    let (guest, to) = (Guest::Instance(row.id), site_calls::host(state, to)?);
    let calls = vec![HostCall::Migrate { spec: site_calls::instance_spec(state, row)?, to }];
    Ok(Work::Errands(vec![Errand { host: site_calls::host(state, from)?, guest: Some(guest), calls }]))
}

/// Takes the network off the host that the guest did not come to, unless others need it there.
fn withdraw(state: &State, row: &Instance, to: HostId) -> Result<Work, StepError> {
    let own = Guest::Instance(row.id);
    if site_calls::farm_guests_on(state, row.farm, to).any(|guest| guest != own) {
        return Ok(Work::Nothing);
    }
    let calls = vec![HostCall::RemoveNetwork { network: site_calls::network(state, row.farm)?.id }];
    Ok(Work::Errands(vec![Errand { host: site_calls::host(state, to)?, guest: None, calls }]))
}

fn gone() -> StepError {
    StepError::Final("the instance has ended".into())
}

fn settle(tx: &mut Tx<'_>, operation: &Operation, arrived: bool, note: Option<String>) -> Option<HostId> {
    let (row, from, to) = way(tx.state(), operation)?;
    let host = if arrived { to } else { from };
    let row = Instance::clone(&row);
    tx.put(Instance { host: Some(host), bound_for: None, note, updated: tx.now, ..row });
    Some(host)
}

impl Saga for InstanceMigrate {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Settle;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Prepare, "prepare"), (Step::Move, "move"), (Step::Settle, "settle")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Prepare => prepare(state, operation),
            Step::Move => {
                let (row, from, to) = way(state, operation).ok_or_else(gone)?;
                carry(state, &row, from, to)
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
        let host = settle(tx, operation, true, None).ok_or_else(gone)?;
        Ok(tx.state().rows.hosts.get(&host).map(|row| row.name.to_string()))
    }

    /// Nobody knows how far a move came that did not answer: the guest is brought back from where it
    /// may be by now.
    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        let Some((row, from, to)) = way(state, operation) else { return Work::Nothing };
        let work = match step {
            Step::Move => carry(state, &row, to, from),
            Step::Prepare => withdraw(state, &row, to),
            Step::Settle => Ok(Work::Nothing),
        };
        // A host that is no longer in the books has nothing of it.
        work.unwrap_or(Work::Nothing)
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let why = operation.error.clone().unwrap_or_default();
        settle(tx, operation, false, Some(format!("could not be moved: {why}")));
    }
}

//! Sagas: closed lists of steps, each with what it does, what it leaves, and how it is undone.
//!
//! A saga does no work itself. `act` and `undo` say what is to be done outside (calls to hosts, a
//! placement decision, nothing), and `acted` and `undone` write down what came of it, inside the
//! writer's transaction. So the same saga runs in a server, in virtual time, and in a harness that
//! makes every step fail, repeat and crash.

pub mod attachment;
mod belongings;
mod executor;
pub mod farm_create;
pub mod farm_delete;
pub mod firewall_apply;
pub mod identity;
pub mod instance_migrate;
pub mod instance_power;
pub mod instance_restart;
pub mod instance_run;
pub mod instance_terminate;
pub mod names_apply;
pub mod router_apply;
pub mod router_move;
pub mod router_restart;
pub(crate) mod site_calls;
pub mod snapshot;
pub mod volume;

pub use executor::{begin, cancel, mend, settle, stop_waiting, work};

use std::sync::Arc;

use cascina_core::decision::{Decision, Question};
use cascina_core::operation::{Operation, SagaKind};
use cascina_core::refusal::Refusal;
use cascina_core::state::{Guest, State};
use cascina_drivers::{DriverError, HostCall, HostRef, Reply};

use crate::tx::Tx;
use crate::verdict::Party;

/// Calls to one host, in this order; several of these may go on at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub host: HostRef,
    /// Whom it is about, if anybody.
    pub guest: Option<Guest>,
    pub calls: Vec<HostCall>,
}

/// What a step needs from outside.
#[derive(Debug, Clone)]
pub enum Work {
    /// Nothing: it is done in the transaction that ends the step before.
    Nothing,
    Errands(Vec<Errand>),
    /// Placement decisions, each with the earlier ones counted.
    Decide(Vec<(Party, Question)>),
    /// Other operations on the same things must end first.
    Wait,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Answer {
    Nothing,
    Errands(Vec<(Errand, Result<Reply, DriverError>)>),
    Decisions(Vec<Arc<Decision>>),
}

/// Why a step did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// May work the next time.
    #[error("{0}")]
    Passing(String),
    /// Asking again will not help.
    #[error("{0}")]
    Final(String),
    /// Somebody else took what the decision gave; decide again.
    #[error("lost a race for a host; deciding again")]
    Stale,
}

impl From<Refusal> for StepError {
    fn from(refusal: Refusal) -> StepError {
        StepError::Final(refusal.to_string())
    }
}

/// The first error of a list of errands: a final one if there is any.
pub fn errands(answer: &Answer) -> Result<(), StepError> {
    let Answer::Errands(done) = answer else { return Ok(()) };
    let mut passing = None;
    for (_, result) in done {
        match result {
            Ok(_) => {}
            Err(error) if error.is_passing() => passing = Some(StepError::Passing(error.to_string())),
            Err(error) => return Err(StepError::Final(error.to_string())),
        }
    }
    passing.map_or(Ok(()), Err)
}

/// A saga. `Step` is closed, so what is forgotten does not compile.
pub trait Saga {
    type Step: Copy + Eq + 'static;
    /// In order; undo runs backwards. The texts are kept in the database and never renamed.
    const STEPS: &'static [(Self::Step, &'static str)];
    /// From this step on, forward only: it is retried, then a person is asked.
    const PIVOT: Self::Step;
    const VERSION: u32;
    /// How long it waits before it asks hosts for anything, in milliseconds: what comes meanwhile is done along.
    const GATHER_MS: u64 = 0;
    /// The one step that may have to wait until other operations end.
    const WAITS: Option<Self::Step> = None;

    fn act(step: Self::Step, state: &State, operation: &Operation) -> Result<Work, StepError>;
    /// Writes down what the step did; the text is for people. What it changes of its operation counts
    /// if it succeeds.
    fn acted(
        step: Self::Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError>;
    /// Nothing, for a saga that only goes forward.
    fn undo(_: Self::Step, _: &State, _: &Operation) -> Work {
        Work::Nothing
    }
    fn undone(_: Self::Step, _: &mut Tx<'_>, _: &Operation) -> Result<(), StepError> {
        Ok(())
    }
    /// All is undone.
    fn failed(_: &mut Tx<'_>, _: &Operation) {}
}

/// What a step left to read for people, if it worked.
pub type Noted = Result<Option<String>, StepError>;

/// A saga with its step type hidden, so that a table can hold all of them.
pub struct Script {
    pub kind: SagaKind,
    pub version: u32,
    pub len: usize,
    /// Text of a step.
    pub name: fn(usize) -> &'static str,
    pub pivot: usize,
    pub gather_ms: u64,
    pub waits: Option<usize>,
    pub act: fn(usize, &State, &Operation) -> Result<Work, StepError>,
    pub acted: fn(usize, &mut Tx<'_>, &mut Operation, Answer) -> Noted,
    pub undo: fn(usize, &State, &Operation) -> Work,
    pub undone: fn(usize, &mut Tx<'_>, &Operation) -> Result<(), StepError>,
    pub failed: fn(&mut Tx<'_>, &Operation),
}

/// The one table of sagas.
pub fn script(kind: SagaKind) -> Script {
    match kind {
        SagaKind::FarmCreate => of::<farm_create::FarmCreate>(kind),
        SagaKind::FarmDelete => of::<farm_delete::FarmDelete>(kind),
        SagaKind::InstanceRun => of::<instance_run::InstanceRun>(kind),
        SagaKind::InstanceStart => of::<instance_power::InstanceStart>(kind),
        SagaKind::InstanceStop => of::<instance_power::InstanceStop>(kind),
        SagaKind::InstanceReboot => of::<instance_power::InstanceReboot>(kind),
        SagaKind::InstanceMigrate => of::<instance_migrate::InstanceMigrate>(kind),
        SagaKind::InstanceTerminate => of::<instance_terminate::InstanceTerminate>(kind),
        SagaKind::RouterApply => of::<router_apply::RouterApply>(kind),
        SagaKind::RouterRestart => of::<router_restart::RouterRestart>(kind),
        SagaKind::NamesApply => of::<names_apply::NamesApply>(kind),
        SagaKind::FirewallApply => of::<firewall_apply::FirewallApply>(kind),
        SagaKind::VolumeCreate => of::<volume::VolumeCreate>(kind),
        SagaKind::VolumeAttach => of::<attachment::VolumeAttach>(kind),
        SagaKind::VolumeDetach => of::<attachment::VolumeDetach>(kind),
        SagaKind::VolumeResize => of::<volume::VolumeResize>(kind),
        SagaKind::VolumeDelete => of::<volume::VolumeDelete>(kind),
        SagaKind::SnapshotCreate => of::<snapshot::SnapshotCreate>(kind),
        SagaKind::SnapshotDelete => of::<snapshot::SnapshotDelete>(kind),
        SagaKind::RouterMove => of::<router_move::RouterMove>(kind),
        SagaKind::InstanceRestart => of::<instance_restart::InstanceRestart>(kind),
    }
}

fn of<S: Saga>(kind: SagaKind) -> Script {
    Script {
        kind,
        version: S::VERSION,
        len: S::STEPS.len(),
        name: |i| S::STEPS[i].1,
        gather_ms: S::GATHER_MS,
        waits: S::STEPS.iter().position(|(step, _)| Some(*step) == S::WAITS),
        pivot: S::STEPS.iter().position(|(step, _)| *step == S::PIVOT).unwrap_or(S::STEPS.len()),
        act: |i, state, operation| S::act(S::STEPS[i].0, state, operation),
        acted: |i, tx, operation, answer| S::acted(S::STEPS[i].0, tx, operation, answer),
        undo: |i, state, operation| S::undo(S::STEPS[i].0, state, operation),
        undone: |i, tx, operation| S::undone(S::STEPS[i].0, tx, operation),
        failed: S::failed,
    }
}

pub use site_calls::store_host;

/// The farm's subnet, for commands that check addresses.
pub fn subnet(state: &State, farm: cascina_core::id::FarmId) -> Result<ipnet::Ipv4Net, Refusal> {
    site_calls::network(state, farm).map(|row| row.cidr).map_err(|error| Refusal::Conflict(error.to_string()))
}

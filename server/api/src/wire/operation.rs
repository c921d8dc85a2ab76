//! Operations and events.

use cascina_core::{event, operation};
use serde::Serialize;
use utoipa::ToSchema;

use super::{decision_link, mirror, text, texts, time};

mirror! {
    Saga = operation::SagaKind {
        FarmCreate FarmDelete InstanceRun InstanceStart InstanceStop InstanceReboot InstanceMigrate InstanceTerminate
        RouterApply RouterRestart NamesApply FirewallApply
        VolumeCreate VolumeAttach VolumeDetach VolumeResize VolumeDelete SnapshotCreate SnapshotDelete RouterMove InstanceRestart
    }
    OperationState = operation::OperationState { Running Compensating Done Failed Stuck }
    StepState = operation::StepState { Pending Acting Done Failed Undoing Undone Skipped Adopted }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    pub step: String,
    pub state: StepState,
    /// Attempts in the present direction.
    pub attempts: u32,
    pub error: Option<String>,
    /// What it found or made, for people.
    pub note: Option<String>,
    pub updated: String,
}

/// Work outside the database, step by step.
#[derive(Debug, Serialize, ToSchema)]
pub struct Operation {
    pub id: String,
    pub saga: Saga,
    pub tenant: Option<String>,
    pub farm: String,
    pub instances: Vec<String>,
    pub state: OperationState,
    pub steps: Vec<Step>,
    /// Index of the step that is acting, undoing or next.
    pub cursor: u32,
    /// Why it is being undone, or is stuck.
    pub error: Option<String>,
    /// Somebody wants it undone.
    pub cancel: bool,
    pub retry_at: Option<String>,
    pub actor: String,
    pub created: String,
    pub updated: String,
}

impl From<&operation::Operation> for Operation {
    fn from(row: &operation::Operation) -> Operation {
        let step = |step: &operation::StepRecord| Step {
            step: step.step.clone(),
            state: step.state.into(),
            attempts: step.attempts,
            error: step.error.clone(),
            note: step.note.clone(),
            updated: time(step.updated),
        };
        Operation {
            id: row.id.to_string(),
            saga: row.saga.into(),
            tenant: text(&row.tenant),
            farm: row.farm.to_string(),
            instances: texts(&row.instances),
            state: row.state.into(),
            steps: row.steps.iter().map(step).collect(),
            cursor: row.cursor,
            error: row.error.clone(),
            cancel: row.cancel,
            retry_at: row.retry_at.map(time),
            actor: row.actor.clone(),
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

/// Something that happened. The rows that it changed are the server's own matter.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    pub seq: u64,
    pub at: String,
    /// `noun.verb`, for programs.
    pub kind: String,
    pub actor: String,
    pub tenant: Option<String>,
    pub farm: Option<String>,
    pub operation: Option<String>,
    /// Link to the decision that it came from.
    pub decision: Option<String>,
    /// Id of the thing that it is about.
    pub subject: String,
    /// One sentence, for people.
    pub text: String,
}

impl From<&event::Event> for Event {
    fn from(event: &event::Event) -> Event {
        Event {
            seq: event.seq,
            at: time(event.at),
            kind: event.kind.clone(),
            actor: event.actor.clone(),
            tenant: text(&event.tenant),
            farm: text(&event.farm),
            operation: text(&event.operation),
            decision: event.decision.map(decision_link),
            subject: event.subject.clone(),
            text: event.text.clone(),
        }
    }
}

//! What should move, shrink, grow or end? Only tried here, at upload: the engine has no agent yet
//! that would act on plans.

use cascina_core::decision::Reason;
use cascina_core::policy::Hook;

use crate::abi::v1::reallocation as abi;
use crate::abi::v1::types::{Context, Failure};
use crate::answer;
use crate::bounds::Bounds;
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::{Evaluated, Runner};

/// A plan whose form has been checked; whether its moves are possible is another matter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub moves: usize,
    pub reasons: Vec<Reason>,
}

pub(crate) fn evaluate(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    cluster: abi::Cluster<'_>,
    max_moves: u32,
) -> Evaluated<Planned> {
    let Some(export) = &loaded.exports.reallocation else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::Reallocation));
    };
    // A move with its reason is some hundred bytes on top of what rows are reckoned at.
    let rows = max_moves as usize * 64;
    runner
        .call::<_, Result<abi::Plan, Failure>>(loaded, export, (context, cluster, max_moves), rows)
        .and_then(|plan| answer::declared(plan, &runner.bounds))
        .and_then(|plan| planned(plan, max_moves, &runner.bounds))
}

fn planned(plan: abi::Plan, max_moves: u32, bounds: &Bounds) -> Result<Planned, EvaluationError> {
    let moves = plan.moves.len();
    if moves > max_moves as usize {
        return Err(EvaluationError::Nonsense(format!("{moves} moves, where at most {max_moves} were asked for")));
    }
    for (index, step) in plan.moves.into_iter().enumerate() {
        // Only earlier ones: no circles.
        if let Some(after) = step.after.iter().find(|after| **after as usize >= index) {
            return Err(EvaluationError::Nonsense(format!(
                "move {index} waits for move {after}, which is not before it"
            )));
        }
        answer::reason(step.why, bounds)?;
    }
    Ok(Planned { moves, reasons: answer::reasons(plan.reasons, bounds)? })
}

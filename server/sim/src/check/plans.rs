//! Every plan ends, and says what is true.

use cascina_core::plan::{MoveState, PlanState};
use cascina_core::state::State;

use super::verdict;

/// In moments of rest: nothing is carried out any more.
pub fn check(state: &State) -> Result<(), String> {
    let mut found = Vec::new();
    for plan in state.rows.plans.values() {
        let (done, all) = (plan.count(MoveState::Done), plan.moves.len());
        let open = plan.moves.iter().filter(|one| !one.state.is_over()).count();
        let fits = match plan.state {
            PlanState::Proposed => open == all,
            PlanState::Approved | PlanState::Executing => false,
            PlanState::Done => done == all && all > 0,
            PlanState::Partial => done > 0 && done < all && open == 0,
            PlanState::Superseded | PlanState::Rejected => done == 0 && open == 0,
        };
        if !fits {
            let state = plan.state.as_str();
            found.push(format!("{} is {state} with {done} of {all} moves done and {open} open", plan.id));
        }
    }
    verdict(found)
}

//! From wishes to plans. Pure: what may be done, in an order in which no host is overcommitted, what it
//! costs, and whether it pays.

mod check;
mod order;
mod room;
mod score;
#[cfg(test)]
mod tests;

pub use check::check_now;
pub use room::Rooms;
pub use score::score;

use crate::cluster::Moved;
use crate::decision::{Reason, Severity, Wish, Wished};
use crate::plan::{Cost, DroppedMove, Move, MoveState, Rules, Score, Step};
use crate::state::State;
use crate::units::Timestamp;

const GIB: u64 = 1 << 30;

/// What the moves of a plan are, and what became of the other wishes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawn {
    pub moves: Vec<Move>,
    pub dropped: Vec<DroppedMove>,
    pub before: Score,
    pub after: Score,
    pub cost: Cost,
}

/// A wish that nobody has to justify: a host must be emptied, or is lost.
pub fn needed(step: Step, after: Vec<u32>, by: &str, code: &str, text: impl Into<String>) -> Wished {
    let why = Reason { severity: Severity::Info, code: code.into(), text: text.into() };
    Wished { wish: Wish::Known(step), after, why, by: by.into(), scope: crate::policy::Scope::Site }
}

/// Makes a plan's moves out of wishes. `forced` moves need no gain, and neither rest nor window keeps them.
pub fn draw(state: &State, now: Timestamp, wishes: &[Wished], forced: bool) -> Drawn {
    let site = state.site();
    let rules = &site.rules;
    let moved = if forced { Moved::default() } else { Moved::of(state, now) };
    let rooms = Rooms::of(state);
    let before = score(&rooms, state, now);
    let mut checked = check::check(state, now, rules, &moved, wishes, forced);
    let mut after = rooms.clone();
    let ordered = order::order(state, &mut after, checked.wanted, &mut checked.dropped, |wanted| wanted.into_move(now));
    let mut drawn = Drawn { moves: ordered, dropped: checked.dropped, before, ..Drawn::default() };
    drawn.after = score(&after, state, now);
    drawn.cost = cost(&drawn.moves);
    if !forced && let Some(why) = too_dear(rules, &drawn) {
        without_unneeded(&mut drawn, &rooms, state, now, &why);
    }
    drawn
}

fn cost(moves: &[Move]) -> Cost {
    moves.iter().fold(Cost::default(), |sum, one| sum.plus(one.cost))
}

/// A migration that nothing but the wish for a better state asks for.
fn is_unneeded(one: &Move) -> bool {
    matches!(one.step, Step::Migrate { .. }) && one.why.code != NEEDED
}

/// The code of moves off hosts that are to be emptied, whoever proposes them.
const NEEDED: &str = "host-is-emptied";

/// How much better it gets, in thousandths, by what counts most.
pub fn gain_permille(before: &Score, after: &Score) -> u32 {
    let hosts = before.hosts_used.saturating_sub(after.hosts_used);
    let hosts = (u64::from(hosts) * 1000 / u64::from((before.hosts_used + before.empty).max(1))) as u32;
    let slots = after.slots.saturating_sub(before.slots);
    let slots = (u64::from(slots) * 1000 / u64::from((before.hosts_used + before.empty).max(1))) as u32;
    before
        .stranded_permille
        .saturating_sub(after.stranded_permille)
        .max(before.imbalance_permille.saturating_sub(after.imbalance_permille))
        .max(hosts)
        .max(slots)
}

/// Why what moves without need is not worth it.
fn too_dear(rules: &Rules, drawn: &Drawn) -> Option<String> {
    let unneeded: Vec<_> = drawn.moves.iter().filter(|one| is_unneeded(one)).collect();
    if unneeded.is_empty() || rules.least_gain_permille == 0 {
        return None;
    }
    let gain = gain_permille(&drawn.before, &drawn.after);
    if gain < rules.least_gain_permille {
        let least = rules.least_gain_permille;
        return Some(format!("nothing gets better by more than {gain} thousandths, and {least} are wanted"));
    }
    let gib = unneeded.iter().map(|one| one.cost.bytes).sum::<u64>().div_ceil(GIB);
    let most = u64::from(gain) * u64::from(rules.gib_per_permille);
    (gib > most).then(|| format!("{gib} GiB would move for {gain} thousandths, which may cost {most} GiB"))
}

/// Leaves out what moves without need, and what would wait for it.
fn without_unneeded(drawn: &mut Drawn, rooms: &Rooms, state: &State, now: Timestamp, why: &str) {
    let mut kept: Vec<Option<u32>> = Vec::with_capacity(drawn.moves.len());
    let mut moves: Vec<Move> = Vec::new();
    for one in std::mem::take(&mut drawn.moves) {
        let leans = one.after.iter().any(|before| kept.get(*before as usize).is_none_or(Option::is_none));
        if is_unneeded(&one) || leans {
            let what = format!("{} {}", one.step.as_str(), one.step.subject());
            let (code, text) = ("does-not-pay".into(), why.into());
            drawn.dropped.push(DroppedMove { by: one.by, what, code, text });
            kept.push(None);
            continue;
        }
        let after = one.after.iter().filter_map(|before| kept[*before as usize]).collect();
        kept.push(Some(moves.len() as u32));
        moves.push(Move { after, ..one });
    }
    let mut after = rooms.clone();
    for one in &moves {
        after.carry_out(state, &one.step);
    }
    drawn.after = score(&after, state, now);
    drawn.moves = moves;
    drawn.cost = cost(&drawn.moves);
}

/// May begin without an admin.
pub fn is_small(rules: &Rules, drawn: &Drawn) -> bool {
    drawn.moves.len() <= rules.auto_moves as usize
        && drawn.cost.bytes.div_ceil(GIB) <= rules.auto_gib
        && drawn.cost.stopped <= rules.auto_stops
        && drawn.moves.iter().all(|one| !matches!(one.step, Step::Expire { .. } | Step::Resize { .. }))
}

/// A wish that passed, on its way to becoming a move.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub step: Step,
    /// Places among the wishes, and its own.
    pub after: Vec<u32>,
    pub place: u32,
    pub why: Reason,
    pub by: String,
    pub cost: Cost,
    pub size: crate::units::Size,
}

impl Wanted {
    fn into_move(self, now: Timestamp) -> Move {
        Move {
            step: self.step,
            after: self.after,
            why: self.why,
            by: self.by,
            cost: self.cost,
            state: MoveState::Waiting,
            operation: None,
            note: None,
            updated: now,
        }
    }
}

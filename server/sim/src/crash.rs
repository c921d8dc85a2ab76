//! Where the process can end, and whether it does.

use std::collections::{BTreeMap, BTreeSet};

use cascina_core::event::{Change, Event};
use cascina_core::operation::{Operation, OperationState, SagaKind};
use cascina_core::state::Row;
use cascina_engine::saga;

use crate::chance::Chance;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// The step is in the books; nothing has been done for it.
    BeforeAct,
    /// All has been done and answered; nothing of that is in the books.
    AfterAct,
    /// Worked out, not on the disk.
    BeforeCommit,
    /// On the disk; nobody has been told.
    AfterCommit,
}

/// A step in a direction, and a moment in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub saga: SagaKind,
    pub step: &'static str,
    /// In compensation.
    pub back: bool,
    pub when: When,
}

impl Point {
    pub fn of(operation: &Operation, when: When) -> Point {
        let script = saga::script(operation.saga);
        let step = (operation.cursor as usize).min(script.len - 1);
        let back = matches!(operation.state, OperationState::Compensating | OperationState::Failed);
        Point { saga: operation.saga, step: (script.name)(step), back, when }
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let direction = if self.back { "undo" } else { "act" };
        let when = match self.when {
            When::BeforeAct => "before-act",
            When::AfterAct => "after-act",
            When::BeforeCommit => "before-commit",
            When::AfterCommit => "after-commit",
        };
        write!(f, "{}/{}/{direction}/{when}", self.saga.as_str(), self.step)
    }
}

/// The operations that a batch moves, as they are after it.
pub fn moved(events: &[Event]) -> impl Iterator<Item = &Operation> {
    events.iter().flat_map(|event| event.changes.iter()).filter_map(|change| match change {
        Change::Put(Row::Operation(operation)) => Some(&**operation),
        Change::Put(_) | Change::Remove(_) => None,
    })
}

/// What makes the process crash.
#[derive(Debug)]
pub struct Crashes {
    chance: Chance,
    /// At each point that is passed.
    permille: u64,
    /// Once more while the process comes up again.
    again_permille: u64,
    /// At this point, so many times.
    exactly: Option<(Point, u32)>,
    stopped: bool,
    /// Every point that was passed before they were stopped, and how often the process crashed there.
    pub passed: BTreeSet<Point>,
    pub struck: BTreeMap<Point, u32>,
}

impl Crashes {
    pub fn none() -> Crashes {
        Crashes {
            chance: Chance::new(0),
            permille: 0,
            again_permille: 0,
            exactly: None,
            stopped: false,
            passed: BTreeSet::new(),
            struck: BTreeMap::new(),
        }
    }

    pub fn now_and_then(permille: u64, seed: u64) -> Crashes {
        Crashes { permille, again_permille: 150, chance: Chance::new(seed), ..Crashes::none() }
    }

    pub fn at(point: Point, times: u32) -> Crashes {
        Crashes { exactly: Some((point, times)), ..Crashes::none() }
    }

    /// From now on, none.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// How long the next run lasts, if it is to end while it comes up.
    pub fn nested(&mut self) -> Option<u64> {
        let again = !self.stopped && self.again_permille > 0 && self.chance.permille(self.again_permille);
        again.then(|| self.chance.below(1500))
    }

    /// Does the process end here?
    pub fn pass(&mut self, point: Point) -> bool {
        if self.stopped {
            return false;
        }
        self.passed.insert(point);
        let struck = match &mut self.exactly {
            Some((wanted, times)) if *wanted == point && *times > 0 => {
                *times -= 1;
                true
            }
            _ => self.permille > 0 && self.chance.permille(self.permille),
        };
        if struck {
            *self.struck.entry(point).or_default() += 1;
        }
        struck
    }
}

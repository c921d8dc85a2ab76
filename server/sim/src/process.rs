//! The part of a server that a crash takes away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cascina_core::command::{Command, Outcome};
use cascina_core::decision::Decision;
use cascina_core::event::Event;
use cascina_core::id::OperationId;
use cascina_core::state::State;
use cascina_core::units::Timestamp;
use cascina_engine::command::Setback;
use cascina_engine::kernel::{Kernel, Proposal};
use cascina_engine::need::Rota;

use crate::agenda::Run;
use crate::agents::Reconciler;
use crate::chance::Chance;
use crate::client::RequestId;
use crate::images::Images;
use crate::planner::Planner;
use crate::tasks::Calls;

/// Whom the writer answers.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    Client(RequestId),
    Operation(OperationId),
    Reconciler,
    Sweeper,
    Images,
    Planner,
    /// The start itself.
    Start,
    Nobody,
}

/// What the writer is putting on the disk.
pub struct Writing {
    pub events: Vec<Event>,
    pub decisions: Vec<Arc<Decision>>,
    pub answers: Vec<(Reply, Result<Outcome, Setback>)>,
}

pub struct Process {
    pub run: Run,
    pub kernel: Kernel,
    pub inbox: VecDeque<(Proposal, Reply)>,
    pub writing: Option<Writing>,
    /// The writer will look into its inbox by itself.
    pub write_due: bool,
    pub rota: Rota,
    pub calls: BTreeMap<OperationId, Calls>,
    pub reconciler: Reconciler,
    pub images: Images,
    /// A sweep was proposed.
    pub sweeping: bool,
    pub sweep_at: Option<Timestamp>,
    pub planner: Planner,
    /// What the start has still to do, after the site file.
    pub starting: Option<VecDeque<Command>>,
    pub ready: bool,
    /// For the ids and seeds of decisions.
    pub chance: Chance,
}

impl Process {
    pub fn new(run: Run, state: State, chance: &mut Chance) -> Process {
        Process {
            run,
            kernel: Kernel::new(state, chance.number()),
            inbox: VecDeque::new(),
            writing: None,
            write_due: false,
            rota: Rota::default(),
            calls: BTreeMap::new(),
            reconciler: Reconciler::default(),
            images: Images::default(),
            sweeping: false,
            sweep_at: None,
            planner: Planner::default(),
            starting: None,
            ready: false,
            chance: chance.branch(),
        }
    }
}

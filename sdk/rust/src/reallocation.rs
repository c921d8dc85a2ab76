//! The hook that proposes what should move, shrink, grow or end.

use crate::{Context, Failure, Policy, Reason};

pub use crate::bindings::reallocation::exports::cascina::policy::reallocation::{
    Cluster, Hosts, Instances, Leases, Lending, Migration, Move, Plan, Resizing, Shares, Step,
};

/// Proposes plans. Every step is checked again when it runs.
pub trait Reallocation: Policy {
    /// At most `max_moves` moves that make the cluster better.
    ///
    /// # Errors
    /// Only when no plan can be formed; a plan without moves means that all is well.
    fn propose(&self, ctx: &Context, cluster: &Cluster, max_moves: u32) -> Result<Plan, Failure>;
}

/// `Hosts::state`: powered off.
pub const HOST_OFF: u32 = 1;
/// `Hosts::state`: takes no new work.
pub const HOST_CORDONED: u32 = 2;
/// `Hosts::state`: is being emptied.
pub const HOST_DRAINING: u32 = 4;
/// `Instances::traits`: may migrate live.
pub const INSTANCE_MIGRATABLE: u32 = 1;
/// `Instances::traits`: must stay where it is.
pub const INSTANCE_PINNED: u32 = 2;
/// `Instances::traits`: a farm's router.
pub const INSTANCE_ROUTER: u32 = 4;
/// `Instances::traits`: runs on capacity that its owner lent.
pub const INSTANCE_LENT: u32 = 8;
/// `Shares::state`: wanted back by its owner.
pub const SHARE_RECALLED: u32 = 1;

impl Plan {
    /// Nothing should change: the score stays as it is.
    pub fn unchanged(score: u32) -> Self {
        Self { moves: Vec::new(), score_before: score, score_after: score, reasons: Vec::new() }
    }

    /// Appends a move and returns its index, for the `after` of later ones.
    pub fn push(&mut self, step: Step, after: &[u32], why: Reason) -> u32 {
        let index = self.moves.len() as u32;
        self.moves.push(Move { step, after: after.to_vec(), why });
        index
    }
}

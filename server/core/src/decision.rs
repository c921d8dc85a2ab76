//! Decisions: what was asked, who said what and why, what came of it.
//!
//! A record holds what is needed to explain the decision in words and to run it again: the
//! question, the bindings with their components' digests, and the number of the event at which
//! the facts stood. The facts themselves are a fold over the event log.

use serde::{Deserialize, Serialize};

use crate::id::{BindingId, DecisionId, FarmId, HostId, InstanceId, OperationId, ShareId, TenantId};
use crate::name::Name;
use crate::plan::Step;
use crate::policy::{Digest, Hook, Scope};
use crate::units::{Size, Timestamp};

/// The version of the contract that this server speaks.
pub const ABI: &str = "cascina:policy@1.0.0";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    Warning,
    Denial,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub severity: Severity,
    /// Stable, for programs.
    pub code: String,
    /// One sentence, for people.
    pub text: String,
}

impl Reason {
    pub fn info(code: &str, text: impl Into<String>) -> Reason {
        Reason { severity: Severity::Info, code: code.into(), text: text.into() }
    }

    pub fn denial(code: &str, text: impl Into<String>) -> Reason {
        Reason { severity: Severity::Denial, code: code.into(), text: text.into() }
    }
}

/// An amount of everything that is counted; `u32::MAX`/`u64::MAX` mean "no limit" in limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    pub instances: u32,
    pub vcpus: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
    pub addresses: u32,
    pub networks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approver {
    SiteAdmin,
    Owner,
}

/// What one policy, or the whole chain, says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "detail")]
pub enum Verdict {
    Allow,
    Deny,
    Pend(Approver),
    CounterOffer(Amounts),
}

/// How a policy's part in a decision ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "said")]
pub enum Said {
    Verdict(Verdict),
    /// Placement: it ranked the candidates. `best` are up to three (host, weighted score).
    Ranked {
        candidates: u32,
        excluded: u32,
        best: Vec<(HostId, u64)>,
    },
    /// Placement: no candidate will do.
    Refused,
    Abstained,
    /// Quota: it assigned limits, one a class ("" = the tenant as a whole).
    Assigned {
        limits: Vec<(String, Amounts)>,
    },
    /// Reallocation: it proposed moves, and says how good things are before and after; less is better.
    Proposed {
        moves: u32,
        before: u32,
        after: u32,
    },
    /// Which instances a borrower gives back: it chose so many.
    Chose {
        victims: u32,
    },
    /// It trapped, ran out of fuel or time, or answered nonsense; the fallback applied.
    Failed {
        error: String,
        fallback: crate::policy::Fallback,
    },
    /// It stands in quarantine; the fallback applied.
    Quarantined {
        fallback: crate::policy::Fallback,
    },
}

/// One policy's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    pub binding: BindingId,
    pub name: Name,
    pub policy: String,
    pub digest: Digest,
    pub scope: Scope,
    /// False in shadow mode: recorded, without effect.
    pub counts: bool,
    pub said: Said,
    pub reasons: Vec<Reason>,
    /// Lines that the policy logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Fuel used: the same for the same input, on any machine.
    pub fuel: u64,
}

/// Why candidates fell out before any policy was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    pub why: crate::feasible::Unfit,
    pub hosts: u32,
    /// Up to five of them.
    pub examples: Vec<HostId>,
}

/// Why the server rejected all that policies had left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Decided {
    Allowed,
    Denied,
    Pending {
        approver: Approver,
    },
    Offered {
        offer: Amounts,
    },
    Placed {
        hosts: Vec<HostId>,
    },
    /// Not enough hosts were left; `placed` were found for the first ones of the request.
    NoHost {
        placed: Vec<HostId>,
    },
    Assigned {
        limits: Vec<(String, Amounts)>,
    },
    /// What planners wish for, not checked against anything; and what the first of them says of before and
    /// after.
    Wished {
        moves: Vec<Wished>,
        before: u32,
        after: u32,
    },
    /// The first to go first.
    Victims {
        instances: Vec<InstanceId>,
    },
}

/// What a planner wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    Known(Step),
    /// It speaks of what it was not told of.
    Unknown(String),
}

/// A move as a planner proposed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wished {
    pub wish: Wish,
    /// Places among all wishes of the decision.
    pub after: Vec<u32>,
    pub why: Reason,
    /// Name of the binding.
    pub by: String,
    pub scope: Scope,
}

/// The question, as far as it cannot be had from the facts at `revision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "question")]
pub enum Question {
    AdmitTenant {
        tenant: crate::tenant::TenantRequest,
    },
    AdmitFarm {
        farm: crate::farm::FarmRequest,
    },
    AssignQuota {
        tenant: String,
        groups: Vec<Name>,
        tier: Name,
    },
    CheckQuota {
        verb: String,
        class: String,
        wanted: Amounts,
    },
    Place(PlacementQuestion),
    /// What should move? None: all bindings of the hook are asked.
    Reallocate {
        trigger: String,
        binding: Option<Name>,
        max_moves: u32,
    },
    /// Which of these does the tenant give back first?
    ChooseVictims {
        share: ShareId,
        size: Size,
        deadline: Timestamp,
        instances: Vec<InstanceId>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementQuestion {
    pub router: bool,
    pub flavor: String,
    pub image: Option<crate::id::ImageId>,
    pub class: Name,
    pub size: Size,
    pub count: u32,
    pub cause: String,
    /// Only these hosts, if any are named.
    pub only: Vec<HostId>,
    /// Not these.
    pub avoid: Vec<HostId>,
    /// Room that earlier lines of the same request take.
    pub taken: Vec<(HostId, Size)>,
    /// Room that is held for somebody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<(HostId, Size)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub id: DecisionId,
    pub hook: Hook,
    pub abi: String,
    pub at: Timestamp,
    /// Number of the event at which the facts stood.
    pub revision: u64,
    pub seed: u64,
    pub actor: String,
    pub roles: Vec<String>,
    pub tenant: Option<TenantId>,
    /// Its name: the tenant may not exist yet, or no longer.
    pub tenant_name: String,
    pub groups: Vec<Name>,
    pub tier: Name,
    pub farm: Option<FarmId>,
    pub farm_name: String,
    pub operation: Option<OperationId>,
    pub question: Question,
    /// Candidates before policies were asked, and why others fell out.
    pub candidates: u32,
    pub dropped: Vec<Dropped>,
    pub opinions: Vec<Opinion>,
    pub decided: Decided,
    /// Wall-clock time, not part of what replay compares.
    pub micros: u64,
}

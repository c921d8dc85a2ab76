//! Events: the only way in which anything changes.
//!
//! An event carries the rows as they are after it. The state at any number is therefore a fold over
//! the log, which is what replay, audit and recovery rest on.

use serde::{Deserialize, Serialize};

use crate::id::{DecisionId, FarmId, OperationId, TenantId};
use crate::state::{Key, Row};
use crate::units::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Put(Row),
    Remove(Key),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub seq: u64,
    pub at: Timestamp,
    /// `noun.verb`, for programs.
    pub kind: String,
    pub actor: String,
    /// Whose eyes it is for; None: the site's.
    pub tenant: Option<TenantId>,
    pub farm: Option<FarmId>,
    pub operation: Option<OperationId>,
    pub decision: Option<DecisionId>,
    /// Id of the thing that it is about.
    pub subject: String,
    /// One sentence, for people.
    pub text: String,
    pub changes: Vec<Change>,
}

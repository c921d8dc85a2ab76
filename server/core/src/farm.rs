//! Virtual farms: a tenant's network, router, address, quota and instances, made and unmade as one.

use serde::{Deserialize, Serialize};

use crate::decision::{Amounts, Approver};
use crate::id::{DecisionId, FarmId, ImageId, OperationId, TenantId, UserId};
use crate::name::Name;
use crate::units::{Size, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FarmState {
    PendingApproval,
    Provisioning,
    Active,
    /// Active, with something missing that the server is trying to mend.
    Degraded,
    Deleting,
    Deleted,
    /// Creation failed and is being unwound.
    Compensating,
    /// Creation failed; nothing is left of it.
    Failed,
    /// An operation needs a person.
    Stuck,
    /// An approver said no.
    Rejected,
}

impl FarmState {
    /// Instances, addresses and rules may be added.
    pub fn is_usable(self) -> bool {
        matches!(self, FarmState::Active | FarmState::Degraded)
    }

    /// Over: nothing of it exists any more.
    pub fn is_over(self) -> bool {
        matches!(self, FarmState::Deleted | FarmState::Failed | FarmState::Rejected)
    }
}

/// A line of the shopping list, with its flavor and image already looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub name: Name,
    pub flavor: Name,
    pub class: Name,
    pub image: ImageId,
    pub size: Size,
    /// Fewest that make the farm useful.
    pub min_count: u32,
    pub max_count: u32,
}

/// A farm as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarmRequest {
    pub name: Name,
    pub tenant: crate::tenant::TenantRequest,
    /// Name of the user to be made (or found) with the farm, and its SSH key.
    pub user: Name,
    pub ssh_key: Option<String>,
    pub items: Vec<Item>,
    /// Seconds, 0 for no end.
    pub lease_s: u64,
    pub labels: std::collections::BTreeMap<String, String>,
}

impl FarmRequest {
    /// All that is asked for, at the largest counts: one address and one network are part of every farm.
    pub fn total(&self) -> Amounts {
        let mut total = Amounts { addresses: 1, networks: 1, ..Amounts::default() };
        for item in &self.items {
            total = total.plus(Amounts::of_instances(item.size, item.max_count));
        }
        total
    }

    /// The same by class; the `None` row is the address and the network.
    pub fn by_class(&self) -> Vec<(Option<Name>, Amounts)> {
        let own = Amounts { addresses: 1, networks: 1, ..Amounts::default() };
        let mut rows: Vec<(Option<Name>, Amounts)> = vec![(None, own)];
        for item in &self.items {
            let amounts = Amounts::of_instances(item.size, item.max_count);
            match rows.iter_mut().find(|(class, _)| class.as_ref() == Some(&item.class)) {
                Some((_, sum)) => *sum = sum.plus(amounts),
                None => rows.push((Some(item.class.clone()), amounts)),
            }
        }
        rows
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Farm {
    pub id: FarmId,
    pub tenant: TenantId,
    pub name: Name,
    pub state: FarmState,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    pub request: FarmRequest,
    pub user: Option<UserId>,
    /// Who must approve, while the state is `PendingApproval`.
    pub approver: Option<Approver>,
    /// The admission decision.
    pub decision: DecisionId,
    /// The operation that made, makes or unmakes it.
    pub operation: Option<OperationId>,
    pub requested_by: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

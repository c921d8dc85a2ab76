//! The hook that says whether a tenant, or a farm, may exist.

use crate::{Answer, Context, Failure, Policy, Resources};

pub use crate::bindings::admission::exports::cascina::policy::admission::{FarmRequest, Item, TenantRequest};

/// Admits tenants and farms.
pub trait Admission: Policy {
    /// May this tenant exist?
    ///
    /// # Errors
    /// Only when no answer can be formed; a no is an answer.
    fn admit_tenant(&self, ctx: &Context, request: &TenantRequest) -> Result<Answer, Failure>;

    /// May this farm exist, in this size and for this long?
    ///
    /// # Errors
    /// Only when no answer can be formed; a no is an answer.
    fn admit_farm(&self, ctx: &Context, request: &FarmRequest) -> Result<Answer, Failure>;
}

impl Item {
    /// The fewest instances that make the farm useful.
    pub fn least(&self) -> Resources {
        self.size.times(self.min_count)
    }

    /// All that is wanted.
    pub fn most(&self) -> Resources {
        self.size.times(self.max_count)
    }
}

impl FarmRequest {
    /// What the farm needs at the least: `total` with every item at `min_count` instead of
    /// `max_count`.
    pub fn least(&self) -> Resources {
        self.items.iter().fold(self.total, |total, item| total.minus(item.most()).plus(item.least()))
    }
}

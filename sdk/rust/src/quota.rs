//! The hook that sets a tenant's limits, and may object to what it consumes.

use crate::{Answer, Context, Failure, Policy, Resources, Usage};

pub use crate::bindings::quota::exports::cascina::policy::quota::{Assignment, AssignmentRequest, Consumption, Limit};

/// Gives tenants their limits.
pub trait Quota: Policy {
    /// The limits that a new tenant starts with.
    ///
    /// # Errors
    /// Only when no answer can be formed.
    fn assign(&self, ctx: &Context, request: &AssignmentRequest) -> Result<Assignment, Failure>;

    /// Asked before anything is consumed. The server enforces the limits by itself, so this is for
    /// rules that are no limits, and most policies have none.
    ///
    /// # Errors
    /// Only when no answer can be formed; a no is an answer.
    fn check(&self, _ctx: &Context, _request: &Consumption) -> Result<Answer, Failure> {
        Ok(Answer::allow())
    }
}

impl Limit {
    /// For the tenant as a whole.
    pub fn overall(limit: Resources) -> Self {
        Self { class: String::new(), limit }
    }

    /// For the tenant's use of one host class.
    pub fn of_class(class: &str, limit: Resources) -> Self {
        Self { class: class.to_owned(), limit }
    }
}

impl Consumption {
    /// The row for the tenant as a whole.
    pub fn overall(&self) -> Option<&Usage> {
        self.usage.iter().find(|usage| usage.class.is_empty())
    }
}

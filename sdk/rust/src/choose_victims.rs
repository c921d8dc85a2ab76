//! The hook that says which of a borrower's instances go when its lender wants capacity back.

use crate::{Context, Failure, Policy, Subject};

pub use crate::bindings::choose_victims::exports::cascina::policy::choose_victims::{Choice, Demand, Instances};

/// Chooses among the borrower's own instances.
pub trait ChooseVictims: Policy {
    /// Numbers of instances, the first to go first. What they do not cover the server chooses itself.
    ///
    /// # Errors
    /// Only when no answer can be formed; the server then chooses all of them.
    fn choose(&self, ctx: &Context, who: &Subject, demand: &Demand, instances: &Instances)
    -> Result<Choice, Failure>;
}

impl Instances {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }
}

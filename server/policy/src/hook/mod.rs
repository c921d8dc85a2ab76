//! The questions, a file each: how they are put, how answers are checked, how a chain adds them up.

pub(crate) mod admission;
pub(crate) mod choose_victims;
pub(crate) mod placement;
pub(crate) mod quota;
pub(crate) mod reallocation;

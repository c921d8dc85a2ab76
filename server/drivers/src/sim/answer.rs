//! What a host makes of a call before anything has happened.

use super::change::Effect;
use super::machine::SimGuest;
use crate::Reply;

/// Why a host does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum No {
    Never(String),
    /// It may work later.
    NotNow(String),
}

pub(super) type Answer = Result<(Vec<Effect>, Reply), No>;

pub(super) fn never<T>(why: impl Into<String>) -> Result<T, No> {
    Err(No::Never(why.into()))
}

pub(super) fn done(effects: Vec<Effect>) -> Answer {
    Ok((effects, Reply::Done))
}

pub(super) fn put(guest: SimGuest) -> Answer {
    done(vec![Effect::Guest { guest: Box::new(guest) }])
}

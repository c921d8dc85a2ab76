//! Decide, commit, act, observe.

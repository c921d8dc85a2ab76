//! What the benchmarks share: a site of any size, the engine on it, and how to measure.
//!
//! They print the tables of `docs/performance.md`. Machines have moods, so what is compared takes
//! turns within one run, and ratios matter more than times.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so")]

pub mod cluster;
pub mod commits;
pub mod machine;
pub mod samples;
pub mod site;

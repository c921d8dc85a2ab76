//! Schedules: a seed says what clients ask, which hosts fail, when the process ends, and in which order
//! all of that happens. Whatever it says, the checks must hold.

mod addresses;
mod belongings;
mod disks;
mod ending;
mod farms;
mod groups;
mod houses;
mod images;
mod launches;
mod many;
mod plans;
mod play;
mod rules;
mod site;
mod tenants;
mod trouble;

pub use many::{Totals, schedules};
pub use play::{Failure, Options, Points, Summary, play};
pub use site::small_site;

//! What Cascina remembers: SQLite behind one writer.
//!
//! The database holds the event log, the decisions, the policies' components, and a table a noun
//! with what is true now. The tables follow from the log: both are written in one transaction, and
//! [`fsck`] proves that they still agree.
//!
//! One thread owns the [`Store`] and commits in batches; a batch is on the disk when
//! [`Store::commit`] returns. Any number of threads read through a [`Reader`]. All calls block.

mod backup;
mod checkpoint;
mod commit;
mod component;
mod decisions;
mod error;
mod events;
mod fsck;
mod journal;
mod load;
mod lock;
mod open;
mod read;
mod rows;
mod text;

pub use backup::restore;
pub use checkpoint::Past;
pub use commit::Batch;
pub use decisions::DecisionFilter;
pub use error::StoreError;
pub use events::EventFilter;
pub use fsck::{Report, fsck};
pub use journal::Head;
pub use open::Store;
pub use read::Reader;

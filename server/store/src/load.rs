//! Reading back what is true now.

use cascina_core::event::Change;
use cascina_core::state::State;

use crate::error::StoreError;
use crate::open::Store;
use crate::rows;

impl Store {
    /// Everything that is true, as of the last event, from the row tables.
    ///
    /// # Errors
    ///
    /// If a row cannot be read, or the disk fails.
    pub fn load(&self) -> Result<State, StoreError> {
        let mut state = State { seq: self.head.seq, ..State::default() };
        rows::scan(&self.conn, |stored| {
            state.apply(&Change::Put(stored.parsed()?));
            Ok(())
        })?;
        Ok(state)
    }
}

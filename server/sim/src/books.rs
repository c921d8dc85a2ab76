//! What a crash does not touch: the committed state, and the log that it follows from.

use std::path::PathBuf;
use std::sync::Arc;

use cascina_core::decision::Decision;
use cascina_core::event::Event;
use cascina_core::id::OperationId;
use cascina_core::state::State;
use cascina_core::view::ClusterView;
use cascina_store::{Batch, Store};
use sha2::{Digest, Sha256};

use crate::policies::Policies;

/// How much of the log is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: for long traces.
    #[default]
    State,
    /// Every event, to be folded again.
    Log,
    /// Every event, and a real database at this path, opened anew after every crash.
    Store(PathBuf),
}

pub struct Books {
    pub state: State,
    pub view: Arc<ClusterView>,
    pub log: Vec<Event>,
    pub commits: u64,
    pub decisions: u64,
    keep: Keep,
    store: Option<Store>,
    trace: Sha256,
}

impl Books {
    pub fn new(keep: Keep) -> Result<Books, String> {
        let mut books = Books {
            state: State::default(),
            view: Arc::default(),
            log: Vec::new(),
            commits: 0,
            decisions: 0,
            keep,
            store: None,
            trace: Sha256::new(),
        };
        books.reopen()?;
        Ok(books)
    }

    /// Bytes of components, which the database wants before the rows that name them.
    pub fn keep_components(&mut self, policies: &Policies) -> Result<(), String> {
        let Some(store) = &mut self.store else { return Ok(()) };
        for (checked, bytes) in policies.checked.iter().zip(policies.bytes.iter()) {
            store.put_component(checked.inspected.digest, bytes).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// As at the start of a process: from what was committed, and nothing else.
    pub fn reopen(&mut self) -> Result<(), String> {
        if let Keep::Store(path) = &self.keep {
            // One at a time.
            self.store = None;
            let store = Store::open(path).map_err(|error| error.to_string())?;
            let loaded = store.load().map_err(|error| error.to_string())?;
            if (loaded.seq, &loaded.rows) != (self.state.seq, &self.state.rows) {
                return Err(format!("the database stands at event {}, not {}", loaded.seq, self.state.seq));
            }
            self.state = loaded;
            self.store = Some(store);
        }
        self.view = Arc::default();
        self.state.dirty_view = true;
        self.state.refresh(&mut self.view);
        Ok(())
    }

    /// Gives the operations that moved, or why nothing was kept.
    pub fn commit(&mut self, events: Vec<Event>, decisions: &[Arc<Decision>]) -> Result<Vec<OperationId>, String> {
        if let Some(store) = &mut self.store {
            store.commit(&Batch { events: &events, decisions }).map_err(|error| error.to_string())?;
        }
        self.commits += 1;
        self.decisions += decisions.len() as u64;
        let moved = cascina_engine::absorb(&mut self.state, &mut self.view, &events);
        if self.keep != Keep::State {
            for event in &events {
                self.trace.update(serde_json::to_vec(event).map_err(|error| error.to_string())?);
                self.trace.update(b"\n");
            }
            self.log.extend(events);
        }
        Ok(moved)
    }

    /// SHA-256 of every event so far, one JSON a line.
    pub fn trace(&self) -> String {
        hex::encode(self.trace.clone().finalize())
    }

    /// Closes the database and checks it as `cascina fsck` does.
    pub fn fsck(&mut self) -> Result<(), String> {
        let Keep::Store(path) = &self.keep else { return Ok(()) };
        self.store = None;
        let report = cascina_store::fsck(path).map_err(|error| error.to_string())?;
        if report.problems.is_empty() { Ok(()) } else { Err(report.problems.join("; ")) }
    }
}

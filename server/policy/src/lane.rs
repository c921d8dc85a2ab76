//! Two lanes: one for policies in compiled languages, one for interpreters packed into a component.
//! Each has an engine with a pool of its own, so that the needs of one do not cost the other anything.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::bounds::Bounds;
use crate::cache::Cache;
use crate::engine::{self, Gate, Ticker};
use crate::error::SandboxError;
use crate::guest::Guest;
use crate::imports;

pub(crate) struct Lane {
    pub bounds: Bounds,
    pub gate: Gate,
    pub engine: Engine,
    pub linker: Linker<Guest>,
    pub cache: Option<Cache>,
    /// Instances that wait for their next question, over all components.
    kept: AtomicU32,
    _ticker: Ticker,
}

impl Lane {
    pub fn new(bounds: Bounds, cache: Option<PathBuf>) -> Result<Lane, SandboxError> {
        let engine = engine::engine(&bounds)?;
        Ok(Lane {
            gate: Gate::new(bounds.concurrent),
            linker: imports::linker(&engine)?,
            cache: cache.map(|folder| Cache::open(folder, engine::compatibility(&engine))).transpose()?,
            kept: AtomicU32::new(0),
            _ticker: Ticker::start(&engine)?,
            engine,
            bounds,
        })
    }

    /// Room for one more instance that waits; whoever gets it gives it back.
    pub fn keep_one(&self) -> bool {
        let more = |kept| (kept < self.bounds.warm.instances).then_some(kept + 1);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    pub fn give_back(&self) {
        self.kept.fetch_sub(1, Ordering::Relaxed);
    }
}

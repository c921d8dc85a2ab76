//! The sandbox: components in, decisions out.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cascina_core::id::BindingId;
use cascina_core::name::Name;
use cascina_core::policy::{Digest, Hook};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::bounds::Bounds;
use crate::cache::Cache;
use crate::compile::Compiler;
use crate::component::Loaded;
use crate::engine::{self, Gate, Ticker};
use crate::error::{SandboxError, UploadError};
use crate::evaluate::Runner;
use crate::guest::Guest;
use crate::quarantine::Quarantine;
use crate::{imports, settings, smoke, structure};

#[derive(Debug, Clone, Default)]
pub struct SandboxConfig {
    /// Folder for compiled components; it is made if it does not exist. None: compile at each start.
    pub cache: Option<PathBuf>,
    pub bounds: Bounds,
    pub compiler: Compiler,
}

/// What a component says of itself, once everything has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    pub digest: Digest,
    pub name: Name,
    pub version: String,
    pub summary: String,
    pub hooks: Vec<Hook>,
    /// JSON Schema, empty if there are no settings.
    pub settings_schema: String,
}

/// Runs policies. Meant to be shared; all methods block the calling thread for as long as the
/// policies run, so call them where that does no harm.
pub struct Sandbox {
    pub(crate) runner: Runner,
    pub(crate) quarantine: Quarantine,
    components: ArcSwap<HashMap<Digest, Arc<Loaded>>>,
    engine: Engine,
    linker: Linker<Guest>,
    cache: Option<Cache>,
    compiler: Compiler,
    /// One compilation at a time: a flood of uploads must not take all cores.
    compiling: Mutex<()>,
    _ticker: Ticker,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("components", &self.components.load().len()).finish_non_exhaustive()
    }
}

/// The digest under which a component is known.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

impl Sandbox {
    pub fn new(config: SandboxConfig) -> Result<Sandbox, SandboxError> {
        let SandboxConfig { cache, bounds, compiler } = config;
        let engine = engine::engine(&bounds)?;
        let cache = cache.map(|folder| Cache::open(folder, engine::compatibility(&engine))).transpose()?;
        Ok(Sandbox {
            quarantine: Quarantine::new(bounds.quarantine_after),
            components: ArcSwap::default(),
            linker: imports::linker(&engine)?,
            cache,
            compiler,
            compiling: Mutex::new(()),
            _ticker: Ticker::start(&engine)?,
            runner: Runner { gate: Gate::new(bounds.concurrent), bounds },
            engine,
        })
    }

    /// Checks an upload in every way, cheap ways first, and leaves it loaded if it passes.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspected, UploadError> {
        structure::check(bytes, &self.runner.bounds)?;
        let digest = digest(bytes);
        let loaded = match self.loaded(&digest) {
            Some(known) => known,
            None => Arc::new(self.make(digest, bytes)?),
        };
        let inspected = smoke::inspect(self, &loaded)?;
        self.keep(loaded);
        Ok(inspected)
    }

    /// Makes a component ready that passed `inspect` before, from the bytes that the store kept.
    pub fn load(&self, digest: Digest, bytes: &[u8]) -> Result<(), SandboxError> {
        if self.is_loaded(&digest) {
            return Ok(());
        }
        let found = self::digest(bytes);
        if found != digest {
            return Err(SandboxError::Damaged { digest, error: format!("its digest is {found}") });
        }
        let loaded = self.make(digest, bytes).map_err(|error| match error {
            UploadError::Sandbox(error) => error,
            UploadError::Compile(error) => SandboxError::Compile { digest, error },
            other => SandboxError::Damaged { digest, error: other.to_string() },
        })?;
        self.keep(Arc::new(loaded));
        Ok(())
    }

    pub fn is_loaded(&self, digest: &Digest) -> bool {
        self.components.load().contains_key(digest)
    }

    /// Forgets a component that no binding uses; evaluations under way end undisturbed.
    pub fn unload(&self, digest: &Digest) {
        self.components.rcu(|known| {
            let mut components = HashMap::clone(known);
            components.remove(digest);
            components
        });
    }

    /// Bindings that failed too often in a row since the last call, and why. Whoever takes them
    /// must put them in quarantine.
    pub fn quarantine_due(&self) -> Vec<(BindingId, String)> {
        self.quarantine.take_due()
    }

    pub fn bounds(&self) -> &Bounds {
        &self.runner.bounds
    }

    pub(crate) fn loaded(&self, digest: &Digest) -> Option<Arc<Loaded>> {
        self.components.load().get(digest).cloned()
    }

    fn keep(&self, loaded: Arc<Loaded>) {
        self.components.rcu(|known| {
            let mut components = HashMap::clone(known);
            components.insert(loaded.digest, loaded.clone());
            components
        });
    }

    fn make(&self, digest: Digest, bytes: &[u8]) -> Result<Loaded, UploadError> {
        if let Some(compiled) = self.cache.as_ref().and_then(|cache| cache.get(&digest)) {
            match compiled.load(&self.engine) {
                Ok(component) => return Loaded::new(digest, &component, &self.linker),
                Err(error) => {
                    tracing::warn!(%digest, error = format!("{error:#}"), "compiled policy is not usable and will be made again")
                }
            }
        }
        let compiled = {
            let _turn = self.compiling.lock();
            self.compiler.compile(&self.engine, &self.runner.bounds, bytes).map_err(UploadError::Compile)?
        };
        let component = compiled.load(&self.engine).map_err(|error| UploadError::Compile(format!("{error:#}")))?;
        let loaded = Loaded::new(digest, &component, &self.linker)?;
        if let Some(cache) = &self.cache {
            cache.put(&digest, &compiled);
        }
        Ok(loaded)
    }
}

/// Used by `smoke`, which is about components that are not kept yet.
pub(crate) use settings::describe;

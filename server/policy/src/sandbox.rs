//! The sandbox: components in, decisions out.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cascina_core::decision::Opinion;
use cascina_core::id::{BindingId, DecisionId};
use cascina_core::name::Name;
use cascina_core::policy::{Binding, Digest, Hook};
use cascina_core::units::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::bounds::Bounds;
use crate::compile::Compiler;
use crate::component::Loaded;
use crate::error::{SandboxError, UploadError};
use crate::evaluate::Runner;
use crate::lane::Lane;
use crate::manifest::Manifest;
use crate::meter::{Meter, Metered};
use crate::quarantine::Quarantine;
use crate::trials::{TrialTally, Trials};
use crate::{settings, smoke, structure};

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
    /// Interfaces that it calls.
    pub imports: Vec<String>,
    /// What it asks for beyond the ordinary.
    pub manifest: Manifest,
}

/// Runs policies. Meant to be shared; all methods block the calling thread for as long as the
/// policies run, so call them where that does no harm.
pub struct Sandbox {
    pub(crate) runner: Runner,
    pub(crate) quarantine: Quarantine,
    trials: Trials,
    pub(crate) meter: Meter,
    components: ArcSwap<HashMap<Digest, Arc<Loaded>>>,
    ordinary: Arc<Lane>,
    /// Made when the first of them comes.
    interpreters: Mutex<Option<Arc<Lane>>>,
    cache: Option<PathBuf>,
    compiler: Compiler,
    /// One compilation at a time: a flood of uploads must not take all cores.
    compiling: Mutex<()>,
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
        Ok(Sandbox {
            quarantine: Quarantine::new(bounds.quarantine_after),
            trials: Trials::default(),
            meter: Meter::new(bounds.budgets),
            components: ArcSwap::default(),
            ordinary: Arc::new(Lane::new(bounds.clone(), cache.clone())?),
            interpreters: Mutex::new(None),
            cache,
            compiler,
            compiling: Mutex::new(()),
            runner: Runner { bounds },
        })
    }

    /// Checks an upload in every way, cheap ways first, and leaves it loaded if it passes.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspected, UploadError> {
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
        let mut due = self.quarantine.take_due();
        for (binding, why) in self.meter.take_due() {
            if !due.iter().any(|(known, _)| *known == binding) {
                due.push((binding, why));
            }
        }
        due
    }

    /// Compares what candidates said with what is active, for a decision that was made.
    pub fn observe(
        &self,
        chain: &[Arc<Binding>],
        decision: DecisionId,
        at: Timestamp,
        tenant: &str,
        opinions: &[Opinion],
    ) {
        self.trials.observe(chain, decision, at, tenant, opinions);
    }

    /// How the trial of a binding goes.
    pub fn trial(&self, binding: &Binding) -> TrialTally {
        self.trials.tally(binding)
    }

    /// Bindings whose candidates went beyond their bounds since the last call, and why. Whoever takes them
    /// must end their trials.
    pub fn trials_due(&self) -> Vec<(BindingId, String)> {
        self.trials.take_due()
    }

    /// What bindings have used since the start.
    pub fn metered(&self) -> Vec<Metered> {
        self.meter.all()
    }

    /// Is an instance of it used again? Then fuel is not the same for the same question.
    pub fn is_warm(&self, digest: &Digest) -> bool {
        self.loaded(digest).is_some_and(|loaded| loaded.is_warm())
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

    /// Where a component runs, by what its manifest asks for.
    fn lane(&self, manifest: &Manifest) -> Result<Arc<Lane>, UploadError> {
        let bounds = &self.runner.bounds;
        let wanted = (manifest.memory_mib as usize) << 20;
        if wanted <= bounds.memory_bytes && !manifest.warm {
            return Ok(Arc::clone(&self.ordinary));
        }
        let most = bounds.interpreters.memory_bytes;
        if wanted > most {
            return Err(UploadError::Manifest(format!(
                "it asks for {} MiB of memory; this site gives interpreters at most {} (policies.interpreter_memory_mib)",
                manifest.memory_mib,
                most >> 20
            )));
        }
        if most == 0 {
            return Err(UploadError::Manifest("it asks for a warm instance; this site gives none".into()));
        }
        let mut interpreters = self.interpreters.lock();
        if let Some(lane) = &*interpreters {
            return Ok(Arc::clone(lane));
        }
        let cache = self.cache.as_ref().map(|folder| folder.join("interpreters"));
        let lane = Arc::new(Lane::new(bounds.of_interpreters(), cache)?);
        *interpreters = Some(Arc::clone(&lane));
        Ok(lane)
    }

    fn make(&self, digest: Digest, bytes: &[u8]) -> Result<Loaded, UploadError> {
        let manifest = Manifest::of(bytes).map_err(UploadError::Manifest)?.unwrap_or_default();
        let lane = self.lane(&manifest)?;
        structure::check(bytes, &lane.bounds)?;
        if let Some(compiled) = lane.cache.as_ref().and_then(|cache| cache.get(&digest)) {
            match compiled.load(&lane.engine) {
                Ok(component) => return Loaded::new(digest, &component, manifest, &lane),
                Err(error) => {
                    tracing::warn!(%digest, error = format!("{error:#}"), "compiled policy is not usable and will be made again")
                }
            }
        }
        let compiled = {
            let _turn = self.compiling.lock();
            self.compiler.compile(&lane.engine, &lane.bounds, bytes).map_err(UploadError::Compile)?
        };
        let component = compiled.load(&lane.engine).map_err(|error| UploadError::Compile(format!("{error:#}")))?;
        let loaded = Loaded::new(digest, &component, manifest, &lane)?;
        if let Some(cache) = &lane.cache {
            cache.put(&digest, &compiled);
        }
        Ok(loaded)
    }
}

/// Used by `smoke`, which is about components that are not kept yet.
pub(crate) use settings::describe;

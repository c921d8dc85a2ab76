//! The engine: one configuration for compiling and for running, its ticker, and its slots.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bounds::Bounds;
use crate::error::SandboxError;

/// Wall-clock time between two looks at the processor time of what runs.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Bytes of a memory that stay in place when its slot is reused: cleared, rather than given back
/// to the system and faulted in again, page by page, by the next instance.
const KEEP_RESIDENT: usize = 2 << 20;

/// What decides about the compiled code. It must not depend on anything but `Bounds`, because the
/// compiler may be another process and its output is kept between runs.
fn compiling(bounds: &Bounds) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(bounds.stack_bytes)
        .cranelift_nan_canonicalization(true)
        .memory_init_cow(true)
        // Memory is checked by the code, not by pages that fault. Otherwise each instance changes the
        // protection of pages twice (it grows its memory, the next one begins small), and each time all
        // cores are interrupted to hear of it: that costs more than the checks, and most with many cores.
        .signals_based_traps(false)
        .memory_guard_size(0)
        .memory_reservation(bounds.memory_bytes as u64)
        .concurrency_support(false)
        // Traps are answers here; collecting and symbolising backtraces would only make them slow.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        // One core at most for a compilation: the others belong to requests.
        .parallel_compilation(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // What passes texts between parts with memories of their own uses both.
        .wasm_multi_memory(bounds.memories > 1)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_tail_call(false);
    config
}

/// An engine that can compile but not run; it reserves no address space.
pub(crate) fn compiler(bounds: &Bounds) -> Result<Engine, SandboxError> {
    Engine::new(&compiling(bounds)).map_err(|error| SandboxError::Engine(format!("{error:#}")))
}

pub(crate) fn engine(bounds: &Bounds) -> Result<Engine, SandboxError> {
    let mut pool = PoolingAllocationConfig::new();
    // Those that wait for their next question have places of their own.
    let slots = bounds.concurrent.saturating_add(bounds.warm.instances);
    let instance_bytes = if bounds.instances > 8 { 8 << 20 } else { 1 << 20 };
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(bounds.instances))
        .total_memories(slots.saturating_mul(bounds.memories))
        .total_tables(slots.saturating_mul(bounds.instances))
        .max_core_instances_per_component(bounds.instances)
        .max_memories_per_component(bounds.memories)
        .max_tables_per_component(bounds.instances)
        .max_memories_per_module(1)
        .max_memory_size(bounds.memory_bytes)
        .table_elements(bounds.table_elements)
        .max_core_instance_size(instance_bytes)
        .max_component_instance_size(instance_bytes)
        .linear_memory_keep_resident(KEEP_RESIDENT.min(bounds.memory_bytes))
        .table_keep_resident(bounds.table_elements.saturating_mul(8))
        // Reset only the pages that were written, where the kernel can tell.
        .pagemap_scan(Enabled::Auto);
    let mut config = compiling(bounds);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| SandboxError::Engine(format!("{error:#}")))
}

/// Names the engine's code generation: version, settings, target. Part of the cache's file names.
pub(crate) fn compatibility(engine: &Engine) -> String {
    struct Collect(Sha256);
    impl Hasher for Collect {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut collect = Collect(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut collect);
    hex::encode(&collect.0.finalize()[..12])
}

/// Moves the engine's epoch on, until it is dropped.
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub fn start(engine: &Engine) -> Result<Ticker, SandboxError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (engine, stopped) = (engine.weak(), stop.clone());
        let tick = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("policy-ticker".into())
            .spawn(tick)
            .map_err(|error| SandboxError::Engine(format!("its ticker thread: {error}")))?;
        Ok(Ticker { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic, and there would be nobody to tell.
            let _ = thread.join();
        }
    }
}

/// Lets as many evaluations in as the pool has slots; the others wait their turn.
pub(crate) struct Gate {
    free: Mutex<u32>,
    freed: Condvar,
}

pub(crate) struct Pass<'a>(&'a Gate);

impl Gate {
    pub fn new(slots: u32) -> Gate {
        Gate { free: Mutex::new(slots), freed: Condvar::new() }
    }

    pub fn enter(&self) -> Pass<'_> {
        let mut free = self.free.lock();
        while *free == 0 {
            self.freed.wait(&mut free);
        }
        *free -= 1;
        Pass(self)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.freed.notify_one();
    }
}

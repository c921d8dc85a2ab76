//! One evaluation: an instance, mostly a fresh one, one call, and what became of it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Lift, Lower};
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::bounds::Bounds;
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::guest::Guest;
use crate::warm::Seat;
use crate::wording;

pub(crate) struct Evaluated<T> {
    pub answer: Result<T, EvaluationError>,
    pub log: Vec<String>,
    pub fuel: u64,
    /// Wall-clock time, waiting for a place not counted.
    pub micros: u64,
}

impl<T> Evaluated<T> {
    pub fn failed(error: EvaluationError) -> Evaluated<T> {
        Evaluated { answer: Err(error), log: Vec::new(), fuel: 0, micros: 0 }
    }

    pub fn and_then<U>(self, read: impl FnOnce(T) -> Result<U, EvaluationError>) -> Evaluated<U> {
        Evaluated { answer: self.answer.and_then(read), log: self.log, fuel: self.fuel, micros: self.micros }
    }
}

/// What answers are checked against; calls have the bounds of their component's lane.
pub(crate) struct Runner {
    pub bounds: Bounds,
}

impl Runner {
    /// Calls a function of an instance: a fresh one, unless the component may be used again. `rows` is
    /// how many candidates its answer may speak of.
    pub fn call<P, R>(&self, loaded: &Loaded, function: &ComponentExportIndex, params: P, rows: usize) -> Evaluated<R>
    where
        P: ComponentNamedList + Lower,
        (R,): ComponentNamedList + Lift,
    {
        self.run(&loaded.lane.bounds, loaded, function, params, rows)
    }

    /// … that plans, and may take its time.
    pub fn plan<P, R>(&self, loaded: &Loaded, function: &ComponentExportIndex, params: P, rows: usize) -> Evaluated<R>
    where
        P: ComponentNamedList + Lower,
        (R,): ComponentNamedList + Lift,
    {
        let bounds = &loaded.lane.bounds;
        let bounds = Bounds { fuel: bounds.plan_fuel, deadline_ms: bounds.plan_deadline_ms, ..bounds.clone() };
        self.run(&bounds, loaded, function, params, rows)
    }

    fn run<P, R>(
        &self,
        bounds: &Bounds,
        loaded: &Loaded,
        function: &ComponentExportIndex,
        params: P,
        rows: usize,
    ) -> Evaluated<R>
    where
        P: ComponentNamedList + Lower,
        (R,): ComponentNamedList + Lift,
    {
        let _pass = loaded.lane.gate.enter();
        let begun = now(ClockId::Monotonic);
        let seat = if loaded.is_warm() { loaded.bench.take(begun) } else { None };
        let mut seat = match seat {
            Some(seat) => seat,
            None => {
                let mut store = Store::new(loaded.engine(), Guest::new(bounds, loaded.memory_bytes));
                store.limiter(|guest| guest);
                Seat::new(store, begun)
            }
        };
        let store = &mut seat.store;
        store.set_hostcall_fuel(bounds.result_bytes + 16 * rows);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(deadline(Duration::from_millis(bounds.deadline_ms)));
        let known = seat.instance;
        let answer = store.set_fuel(bounds.fuel).and_then(|()| {
            let instance = match known {
                Some(instance) => instance,
                None => loaded.pre.instantiate(&mut *store)?,
            };
            let function = instance.get_typed_func::<P, (R,)>(&mut *store, function)?;
            Ok((instance, function.call(&mut *store, params)?))
        });
        // Out of fuel leaves nothing; an engine without fuel does not exist here.
        let fuel = bounds.fuel - store.get_fuel().unwrap_or(0).min(bounds.fuel);
        let (answer, instance) = match answer {
            Ok((instance, (answer,))) => (Ok(answer), Some(instance)),
            Err(error) => (Err(explain(&error, store.data(), bounds, loaded.memory_bytes)), None),
        };
        let log = store.data_mut().take_log(bounds);
        let ended = now(ClockId::Monotonic);
        if let Some(instance) = instance
            && loaded.is_warm()
        {
            seat.instance = Some(instance);
            loaded.bench.put(seat, ended);
        }
        Evaluated { answer, log, fuel, micros: ended.saturating_sub(begun).as_micros() as u64 }
    }
}

fn now(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Looks at the clock of this thread's processor time whenever the ticker ticks, so that a busy
/// machine does not turn good policies into slow ones. The first look comes after a tick: nearly
/// all evaluations are over by then and never pay for it.
fn deadline(most: Duration) -> impl FnMut(wasmtime::StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let mut first = None;
    move |_| {
        let now = now(ClockId::ThreadCPUTime);
        let since = *first.get_or_insert(now);
        Ok(if now.saturating_sub(since) < most { UpdateDeadline::Continue(1) } else { UpdateDeadline::Interrupt })
    }
}

fn explain(error: &wasmtime::Error, guest: &Guest, bounds: &Bounds, memory_bytes: usize) -> EvaluationError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return EvaluationError::Fuel(bounds.fuel),
        Some(Trap::Interrupt) => return EvaluationError::Deadline(bounds.deadline_ms),
        _ => {}
    }
    // Growth that was denied is what the trap that follows is about.
    if guest.memory_denied {
        return EvaluationError::Memory(memory_bytes >> 20);
    }
    if guest.table_denied {
        return EvaluationError::Table(bounds.table_elements);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => EvaluationError::Stack(bounds.stack_bytes >> 10),
        Some(trap) => EvaluationError::Trap(trap.to_string()),
        None => {
            let text = format!("{error:#}");
            if text.contains("fuel allocated for hostcalls") {
                return EvaluationError::Answer(bounds.result_bytes);
            }
            EvaluationError::nonsense(wording::printable(wording::cut(&text, 500)))
        }
    }
}

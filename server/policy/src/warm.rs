//! Instances that wait for their next question.
//!
//! Interpreters take long to begin, so their components may ask for this. What a policy keeps between
//! questions is its own risk: an answer that depends on it cannot be made again, and the checks find it.
//! An instance ends with any failure, and when it has answered often enough or for long enough.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::guest::Guest;
use crate::lane::Lane;

/// An instance and what it lives in.
pub(crate) struct Seat {
    pub store: Store<Guest>,
    /// None before its first question.
    pub instance: Option<Instance>,
    born: Duration,
    calls: u32,
}

impl Seat {
    pub fn new(store: Store<Guest>, born: Duration) -> Seat {
        Seat { store, instance: None, born, calls: 0 }
    }
}

/// Where those of one component wait.
pub(crate) struct Bench {
    lane: Arc<Lane>,
    seats: Mutex<Vec<Seat>>,
}

impl Bench {
    pub fn new(lane: Arc<Lane>) -> Bench {
        Bench { lane, seats: Mutex::default() }
    }

    /// The one that was used last; those that are too old go.
    pub fn take(&self, now: Duration) -> Option<Seat> {
        let most = Duration::from_secs(self.lane.bounds.warm.seconds);
        loop {
            let seat = self.seats.lock().pop()?;
            self.lane.give_back();
            if now.saturating_sub(seat.born) < most {
                return Some(seat);
            }
        }
    }

    pub fn put(&self, mut seat: Seat, now: Duration) {
        seat.calls += 1;
        let warm = self.lane.bounds.warm;
        let spent = seat.calls >= warm.calls || now.saturating_sub(seat.born) >= Duration::from_secs(warm.seconds);
        if !spent && self.lane.keep_one() {
            self.seats.lock().push(seat);
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for _ in self.seats.get_mut().drain(..) {
            self.lane.give_back();
        }
    }
}

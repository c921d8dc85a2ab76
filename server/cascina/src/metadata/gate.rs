//! How much one guest may ask, so that the others can too.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::Ipv4Addr;
use std::sync::Arc;

use cascina_core::units::Timestamp;
use cascina_ec2::limit::Limiter;
use parking_lot::Mutex;

/// Connections of one guest at a time.
const OPEN: u32 = 16;

#[derive(Debug, Clone)]
pub struct Bounds {
    /// Connections of all guests at a time; further ones wait in the system's queue.
    pub connections: usize,
    /// Requests of one guest: each second in the long run, and at once.
    pub rate: u32,
    pub burst: u32,
}

pub struct Gate {
    rates: Limiter,
    /// Only of those who have some.
    open: Mutex<HashMap<Ipv4Addr, u32>>,
}

/// A connection's place, given back when it ends.
pub struct Entered {
    gate: Arc<Gate>,
    peer: Ipv4Addr,
}

impl Gate {
    pub fn new(bounds: &Bounds) -> Gate {
        Gate { rates: Limiter::new(bounds.rate, bounds.burst), open: Mutex::default() }
    }

    /// None: the guest has its share already.
    pub fn enter(gate: &Arc<Gate>, peer: Ipv4Addr) -> Option<Entered> {
        let mut open = gate.open.lock();
        let count = open.entry(peer).or_default();
        if *count >= OPEN {
            return None;
        }
        *count += 1;
        Some(Entered { gate: Arc::clone(gate), peer })
    }

    /// Whether a guest may ask once more.
    pub fn lets(&self, peer: Ipv4Addr, now: Timestamp) -> bool {
        self.rates.take(&peer.to_string(), now)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.gate.open.lock().entry(self.peer) {
            match *held.get() {
                0 | 1 => drop(held.remove()),
                more => drop(held.insert(more - 1)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_its_share_of_connections_and_no_more() {
        let gate = Arc::new(Gate::new(&Bounds { connections: 1, rate: 1, burst: 2 }));
        let (one, two) = (Ipv4Addr::new(100, 64, 1, 10), Ipv4Addr::new(100, 64, 1, 11));
        let mut held: Vec<_> = (0..OPEN).map(|_| Gate::enter(&gate, one).unwrap()).collect();
        assert!(Gate::enter(&gate, one).is_none());
        assert!(Gate::enter(&gate, two).is_some());
        held.pop();
        assert!(Gate::enter(&gate, one).is_some());
        drop(held);
        assert!(gate.open.lock().is_empty());
        let now = Timestamp(1_000);
        assert_eq!([(); 3].map(|()| gate.lets(one, now)), [true, true, false]);
        assert!(gate.lets(two, now));
    }
}

//! Simulated hosts in real time, behind the same trait as real ones.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cascina_core::name::Name;
use cascina_core::security_group::{Direction, Packet};
use cascina_core::state::Guest;
use cascina_core::units::Size;
use parking_lot::Mutex;

use super::change::Change;
use super::fault::{ArmedRule, Rule};
use super::incident::{Incident, NothingThere};
use super::journal::{Journal, JournalError};
use super::snapshot::{Snapshot, Totals};
use super::world::{Fate, Planned, Settings, World};
use crate::{DriverError, HostCall, HostRef, Hypervisor, Reply};

#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error(transparent)]
    NothingThere(#[from] NothingThere),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Drives a [`World`] in real time. Clones share the world, so that one can be the engine's driver
/// and another the hand that breaks things.
#[derive(Debug, Clone)]
pub struct SimDriver {
    shared: Arc<Mutex<Shared>>,
    /// Real milliseconds per millisecond of the hosts' time.
    time_scale: f64,
}

#[derive(Debug)]
struct Shared {
    world: World,
    journal: Option<Journal>,
}

impl Shared {
    /// On file first: what a caller has been told must be there after a crash.
    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        if let Some(journal) = &mut self.journal {
            journal.append(changes)?;
        }
        for change in changes {
            self.world.apply(change);
        }
        Ok(())
    }

    fn finish(&mut self, host: &HostRef, call: &HostCall, fate: &Fate) -> Result<Reply, DriverError> {
        let (changes, reply) = self.world.outcome(host, call, fate);
        match self.commit(&changes) {
            Ok(()) => reply,
            Err(error) => {
                let why = error.to_string();
                Err(DriverError::Unreachable { host: host.name.clone(), call: call.as_str(), why })
            }
        }
    }
}

impl SimDriver {
    /// A world that ends with the process. `time_scale` is how long the hosts' time takes: 1.0 is
    /// true to life, 0.1 ten times faster, 0.0 without any waiting. Negative or not a number counts
    /// as 0.0.
    pub fn new(world: World, time_scale: f64) -> SimDriver {
        SimDriver::with(world, None, time_scale)
    }

    /// A world that is kept in the journal at `path`, which is made if it is missing. Hosts and
    /// all that is on them and in volume stores are; faults and the state of the random source are not. One driver at a time.
    ///
    /// # Errors
    ///
    /// The journal cannot be read or written, or is damaged otherwise than by a last line cut off.
    pub fn open(path: &Path, settings: Settings, time_scale: f64) -> Result<SimDriver, JournalError> {
        let (journal, state) = Journal::open(path)?;
        Ok(SimDriver::with(World::with_state(settings, state), Some(journal), time_scale))
    }

    fn with(world: World, journal: Option<Journal>, time_scale: f64) -> SimDriver {
        let time_scale = if time_scale.is_finite() { time_scale.max(0.0) } else { 0.0 };
        SimDriver { shared: Arc::new(Mutex::new(Shared { world, journal })), time_scale }
    }

    /// Replaces all faults; their counts begin at zero.
    pub fn set_faults(&self, rules: Vec<Rule>) {
        self.shared.lock().world.set_faults(rules);
    }

    /// Faults in force and how often each has fired.
    pub fn faults(&self) -> Vec<ArmedRule> {
        self.shared.lock().world.faults().to_vec()
    }

    /// The host has this capacity from now on, whether or not it was there before.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn add_host(&self, host: Name, capacity: Size) -> Result<(), SimError> {
        self.strike(&Incident::AddHost { host, capacity })
    }

    /// The host cannot be reached any more. Its guests go on.
    ///
    /// # Errors
    ///
    /// There is no such host, or the journal cannot be written.
    pub fn lose(&self, host: Name) -> Result<(), SimError> {
        self.strike(&Incident::Lose { host })
    }

    /// A lost host answers again, with all that was on it.
    ///
    /// # Errors
    ///
    /// There is no such host, or the journal cannot be written.
    pub fn restore(&self, host: Name) -> Result<(), SimError> {
        self.strike(&Incident::Restore { host })
    }

    /// A running guest ends by itself.
    ///
    /// # Errors
    ///
    /// It runs nowhere, or the journal cannot be written.
    pub fn crash_guest(&self, guest: Guest) -> Result<(), SimError> {
        self.strike(&Incident::CrashGuest { guest })
    }

    /// Whatever an incident may be.
    ///
    /// # Errors
    ///
    /// There is nothing for it to befall, or the journal cannot be written.
    pub fn strike(&self, incident: &Incident) -> Result<(), SimError> {
        let mut shared = self.shared.lock();
        let changes = shared.world.consequences(incident)?;
        Ok(shared.commit(&changes)?)
    }

    pub fn snapshot(&self) -> Snapshot {
        self.shared.lock().world.snapshot()
    }

    pub fn totals(&self) -> Totals {
        self.shared.lock().world.totals()
    }

    /// See [`World::violations`].
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().world.violations()
    }

    /// See [`World::reaches`].
    pub fn reaches(
        &self,
        host: &Name,
        guest: Ipv4Addr,
        direction: Direction,
        other: impl Into<IpAddr>,
        packet: Packet,
    ) -> bool {
        self.shared.lock().world.reaches(host, guest, direction, other, packet)
    }

    /// A copy of the world as it is, to look at.
    pub fn world(&self) -> World {
        self.shared.lock().world.clone()
    }

    fn real_time(&self, ms: u64) -> Duration {
        let seconds = ms as f64 * self.time_scale / 1000.0;
        // Absurdly long is as good as for ever.
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[async_trait]
impl Hypervisor for SimDriver {
    async fn call(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError> {
        let Planned { latency_ms, fate } = self.shared.lock().world.begin(host, &call);
        let hangs = matches!(fate, Fate::Hang { .. });
        let wait = self.real_time(latency_ms);
        let reply = if wait.is_zero() {
            self.shared.lock().finish(host, &call, &fate)
        } else {
            // A task of its own: a caller that gives up does not stop a host that is at work.
            let (shared, host, name) = (Arc::clone(&self.shared), host.clone(), call.as_str());
            let to = host.name.clone();
            let work = tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                shared.lock().finish(&host, &call, &fate)
            });
            work.await
                .unwrap_or_else(|error| Err(DriverError::Unreachable { host: to, call: name, why: error.to_string() }))
        };
        if hangs { std::future::pending().await } else { reply }
    }
}

//! All troubles end: then everything must come to rest, and to an end.

use cascina_core::command::{Command, Remedy};
use cascina_core::operation::OperationState;
use cascina_drivers::sim::Incident;

use super::farms::farms;
use super::play::Play;
use super::trouble::strike;
use crate::check;
use crate::simulation::Broken;

/// Longest that anything may take to come to rest, and how long rest must last.
const PATIENCE_MS: u64 = 4 * 3_600_000;
const STEP_MS: u64 = 5_000;
/// Rounds of the reconciler after which nothing may differ.
const ROUNDS: u64 = 3;

impl Play {
    /// Gives how many operations were stuck.
    pub fn end(&mut self) -> Result<u64, Broken> {
        self.calm();
        self.rest()?;
        self.check_at_rest()?;
        let stuck = self.mend_all()?;
        self.check_at_rest()?;
        self.must(check::operations::check_none_stuck(self.state()))?;

        for farm in farms(self.state(), |farm| !farm.is_over()) {
            self.ask(Command::DeleteFarm { farm });
        }
        self.rest()?;
        let tenants: Vec<_> = self.state().rows.tenants.keys().copied().collect();
        for tenant in tenants {
            self.ask(Command::CloseTenant { tenant });
        }
        // Elastic IPs rest before they are free.
        self.pass(self.state().site().address_rest_ms)?;
        self.rest()?;
        self.check_at_rest()?;
        self.must(check::empty::check(self.state(), &self.sim.world))?;

        let retention = self.state().site().retention_ms;
        self.must(check::acknowledged::check(self.state(), &self.sim.books.log, &self.heard))?;
        self.sim.pace.reconcile_ms = None;
        self.pass(retention + 60_000)?;
        self.must(check::empty::check_forgotten(self.state()))?;
        self.must(check::log::check(&self.sim.books.state, &self.sim.books.log))?;
        let sound = self.sim.books.fsck();
        self.must(sound)?;
        Ok(stuck)
    }

    fn calm(&mut self) {
        self.sim.say(|| "ALL TROUBLES END".into());
        self.sim.crashes.stop();
        self.sim.disk_full_until = self.sim.now;
        self.sim.world.set_faults(Vec::new());
        let hosts: Vec<_> = self.sim.world.hosts().keys().cloned().collect();
        for host in hosts {
            strike(self, &Incident::Restore { host });
        }
    }

    /// Until nothing moves any more, for some rounds of the reconciler.
    fn rest(&mut self) -> Result<(), Broken> {
        let until = self.sim.now.plus_ms(PATIENCE_MS);
        let mut rounds = self.sim.rounds;
        let mut moves = self.moves();
        while self.sim.now < until {
            self.pass(STEP_MS)?;
            // A host that cannot be emptied is tried again and again.
            self.return_hosts();
            if !self.sim.is_quiet() || moves != self.moves() {
                (rounds, moves) = (self.sim.rounds, self.moves());
            }
            if self.sim.rounds >= rounds + ROUNDS {
                return Ok(());
            }
        }
        self.must(check::operations::check(self.state()))?;
        self.must(Err("it does not come to rest".into()))
    }

    /// Events but those of time that passes: answers and addresses expire all the while.
    fn moves(&self) -> usize {
        self.sim.books.log.iter().filter(|event| event.kind != "site.swept").count()
    }

    /// A person retries what is stuck, a few times.
    fn mend_all(&mut self) -> Result<u64, Broken> {
        let mut first = None;
        for _ in 0..4 {
            let rows = self.state().rows.operations.values();
            let stuck: Vec<_> = rows.filter(|row| row.state == OperationState::Stuck).map(|row| row.id).collect();
            first.get_or_insert(stuck.len() as u64);
            if stuck.is_empty() {
                break;
            }
            for operation in stuck {
                self.ask(Command::Mend { operation, remedy: Remedy::Retry });
            }
            self.rest()?;
        }
        Ok(first.unwrap_or_default())
    }

    fn check_at_rest(&self) -> Result<(), Broken> {
        self.must(check::state::check(self.state()))?;
        self.must(check::operations::check(self.state()))?;
        self.must(check::plans::check(self.state()))?;
        self.must(check::hosts::check(self.state(), &self.sim.world))?;
        self.must(check::stores::check(self.state(), &self.sim.world))?;
        self.must(check::images::check(self.state(), &self.sim.world))?;
        self.must(check::guests::check(self.state(), &self.sim.world))?;
        self.must(check::acknowledged::check(self.state(), &self.sim.books.log, &self.heard))?;
        self.must(check::log::check(self.state(), &self.sim.books.log))
    }

    fn must(&self, holds: Result<(), String>) -> Result<(), Broken> {
        holds.map_err(|what| Broken { at: self.sim.now, what })
    }
}

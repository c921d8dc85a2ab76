//! The engine's agents in virtual time.

use std::collections::VecDeque;
use std::sync::Arc;

use cascina_core::command::Command;
use cascina_core::host::Host;
use cascina_core::id::RouterId;
use cascina_core::name::Name;
use cascina_core::units::Timestamp;
use cascina_drivers::{DriverError, HostCall, HostRef, Inventory, Reply as HostReply};
use cascina_engine::command::observed;
use cascina_engine::look::{self, Silences};
use cascina_engine::reconcile::{ABREAST, Misses, difference, reference, unowned};
use cascina_engine::saga::store_host;

use crate::agenda::{Happening, Listener};
use crate::process::Reply;
use crate::simulation::Simulation;

/// Time between two looks of the sweeping agent.
const SWEEP_MS: u64 = 1000;

enum Todo {
    Look(Arc<Host>, Timestamp, Option<Inventory>),
    Compare(Arc<Host>, Timestamp, Arc<Inventory>),
    Propose(Command),
    /// Its routers are asked, those that should be at rest.
    Routers(Arc<Host>),
    Probe(Arc<Host>, RouterId),
    /// As long as it is still called for.
    Call(Arc<Host>, Timestamp, Arc<Inventory>, HostCall),
    /// Out of a volume store: what nobody owns nobody ever will.
    Remove(HostRef, HostCall),
}

/// One round after another, one thing after another.
#[derive(Default)]
pub struct Reconciler {
    misses: Misses,
    silences: Silences,
    /// Hosts that have not been asked in this round.
    hosts: VecDeque<Arc<Host>>,
    /// Classes whose volume stores have not been swept, once all hosts have been looked at.
    classes: VecDeque<Name>,
    /// Inventories that have not come.
    awaited: usize,
    todo: VecDeque<Todo>,
}

impl Simulation {
    /// Asks for a sweep at the next look after something is due.
    pub(crate) fn sweep_when_due(&mut self) {
        let Some(due) = observed::next_due(&self.books.state) else { return };
        let earliest = due.max(self.now.plus_ms(1));
        let at = Timestamp(earliest.0.div_ceil(SWEEP_MS) * SWEEP_MS);
        let Some(process) = &mut self.process else { return };
        if process.ready && !process.sweeping && process.sweep_at.is_none_or(|known| at < known) {
            process.sweep_at = Some(at);
            self.agenda.add(at, Happening::Sweep(process.run));
        }
    }

    pub(crate) fn sweep(&mut self) {
        let due = observed::due(&self.books.state, self.now);
        let Some(process) = &mut self.process else { return };
        process.sweep_at = None;
        if due && !process.sweeping {
            process.sweeping = true;
            self.propose_ours(Command::Sweep, Reply::Sweeper);
        } else {
            self.sweep_when_due();
        }
    }

    pub(crate) fn swept(&mut self) {
        if let Some(process) = &mut self.process {
            process.sweeping = false;
        }
        self.sweep_when_due();
    }

    pub(crate) fn reconcile_later(&mut self) {
        if let (Some(process), Some(every)) = (&self.process, self.pace.reconcile_ms) {
            self.agenda.add(self.now.plus_ms(every), Happening::Reconcile(process.run));
        }
    }

    /// A round begins.
    pub(crate) fn reconcile(&mut self) {
        let rows = &self.books.state.rows;
        let (hosts, classes) = (rows.hosts.values().cloned().collect(), rows.classes.keys().cloned().collect());
        if let Some(process) = &mut self.process {
            process.reconciler.hosts = hosts;
            process.reconciler.classes = classes;
        }
        self.reconcile_next();
    }

    pub(crate) fn inventory_answered(
        &mut self,
        host: Arc<Host>,
        asked: Timestamp,
        reply: Result<HostReply, DriverError>,
    ) {
        let found = match reply {
            Ok(HostReply::Inventory(found)) => Some(found),
            Ok(_) | Err(_) => None,
        };
        let Some(process) = &mut self.process else { return };
        let reconciler = &mut process.reconciler;
        reconciler.todo.push_back(Todo::Look(host, asked, found));
        reconciler.awaited -= 1;
        if reconciler.awaited == 0 {
            self.reconcile_next();
        }
    }

    pub(crate) fn router_answered(
        &mut self,
        host: &Host,
        router: RouterId,
        asked: Timestamp,
        reply: &Result<HostReply, DriverError>,
    ) {
        let Some(process) = &mut self.process else { return };
        let Reconciler { silences, todo, .. } = &mut process.reconciler;
        let report = silences.judge(&self.books.state, host, router, asked, reply);
        if let Some(command) = report {
            todo.push_front(Todo::Propose(command));
        }
        self.reconcile_next();
    }

    pub(crate) fn store_answered(&mut self, class: &Name, host: &HostRef, reply: Result<HostReply, DriverError>) {
        if let Ok(HostReply::Stored(found)) = reply {
            let calls = unowned(&self.books.state, class, &found);
            if let Some(process) = &mut self.process {
                process.reconciler.todo.extend(calls.into_iter().map(|call| Todo::Remove(host.clone(), call)));
            }
        }
        self.reconcile_next();
    }

    /// The next thing of the round, once the one before it is over.
    pub(crate) fn reconcile_next(&mut self) {
        while let Some(todo) = self.process.as_mut().and_then(|process| process.reconciler.todo.pop_front()) {
            match todo {
                Todo::Look(host, asked, found) => self.look(host, asked, found),
                Todo::Compare(host, asked, found) => self.compare(&host, asked, &found),
                Todo::Routers(host) => {
                    let settled = look::settled(&self.books.state, host.id);
                    let Some(process) = &mut self.process else { return };
                    for router in settled.into_iter().rev() {
                        process.reconciler.todo.push_front(Todo::Probe(Arc::clone(&host), router));
                    }
                }
                Todo::Probe(host, router) => {
                    let listener = Listener::Probe { host: Arc::clone(&host), router, asked: self.now };
                    return self.call(reference(&host), look::question(router), listener);
                }
                Todo::Propose(command) => return self.propose_ours(command, Reply::Reconciler),
                Todo::Call(host, asked, found, call) => {
                    if !difference(&self.books.state, &host, asked, &found).calls.contains(&call) {
                        continue;
                    }
                    self.say(|| format!("sweeping {} on {}", call.as_str(), host.name));
                    return self.call(reference(&host), call, Listener::Sweeper);
                }
                Todo::Remove(host, call) => {
                    self.say(|| format!("sweeping {} by {}", call.as_str(), host.name));
                    return self.call(host, call, Listener::Sweeper);
                }
            }
        }
        self.ask_more_hosts();
    }

    fn look(&mut self, host: Arc<Host>, asked: Timestamp, found: Option<Inventory>) {
        let Some(process) = &mut self.process else { return };
        let Reconciler { misses, todo, .. } = &mut process.reconciler;
        let report = match &found {
            Some(_) => misses.answered(&host),
            None => misses.missed(&host, "it cannot be reached"),
        };
        if let Some(found) = found {
            todo.push_front(Todo::Routers(Arc::clone(&host)));
            todo.push_front(Todo::Compare(host, asked, Arc::new(found)));
        }
        if let Some(command) = report {
            todo.push_front(Todo::Propose(command));
        }
    }

    fn compare(&mut self, host: &Arc<Host>, asked: Timestamp, found: &Arc<Inventory>) {
        let difference = difference(&self.books.state, host, asked, found);
        let Some(process) = &mut self.process else { return };
        let todo = &mut process.reconciler.todo;
        for call in difference.calls.into_iter().rev() {
            todo.push_front(Todo::Call(Arc::clone(host), asked, Arc::clone(found), call));
        }
        for command in difference.commands.into_iter().rev() {
            todo.push_front(Todo::Propose(command));
        }
    }

    fn ask_more_hosts(&mut self) {
        let Some(process) = &mut self.process else { return };
        let reconciler = &mut process.reconciler;
        let group: Vec<_> = (0..ABREAST).filter_map(|_| reconciler.hosts.pop_front()).collect();
        if group.is_empty() {
            return self.sweep_stores();
        }
        reconciler.awaited = group.len();
        for host in group {
            let listener = Listener::Inventory { host: Arc::clone(&host), asked: self.now };
            self.call(reference(&host), HostCall::Inventory, listener);
        }
    }

    /// The next class whose store can be reached; after the last the round is over.
    fn sweep_stores(&mut self) {
        while let Some(class) = self.process.as_mut().and_then(|process| process.reconciler.classes.pop_front()) {
            if let Ok(host) = store_host(&self.books.state, &class, self.now.0) {
                let call = HostCall::Stored { class: class.clone() };
                return self.call(host.clone(), call, Listener::Store { class, host });
            }
        }
        self.rounds += 1;
        self.reconcile_later();
    }
}

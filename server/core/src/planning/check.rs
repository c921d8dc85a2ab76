//! What a planner may wish for, and what can be done at all.

use std::collections::BTreeSet;

use super::room::{Rooms, size_of};
use super::{NEEDED, Wanted};
use crate::cluster::{self, Moved};
use crate::decision::{Wish, Wished};
use crate::host::{ClassKind, Host, HostState};
use crate::id::{HostId, InstanceId, RouterId, ShareId};
use crate::instance::{Instance, InstanceState};
use crate::network::RouterState;
use crate::plan::{Cost, DroppedMove, Rules, Step};
use crate::policy::Scope;
use crate::state::{Guest, State};
use crate::units::{Size, Timestamp};

/// Why not: for programs, and for people.
pub type No = (&'static str, String);

pub(crate) struct Checked {
    pub wanted: Vec<Wanted>,
    pub dropped: Vec<DroppedMove>,
}

/// Sorts wishes: what is allowed and possible by itself, and what is not, with why.
pub(crate) fn check(
    state: &State,
    now: Timestamp,
    rules: &Rules,
    moved: &Moved,
    wishes: &[Wished],
    forced: bool,
) -> Checked {
    let mut checked = Checked { wanted: Vec::new(), dropped: Vec::new() };
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let busy = cluster::busy(state);
    let mut rooms = Rooms::of(state);
    // One wish may be several moves; others that wait for it wait for the last.
    let mut place = wishes.len() as u32;
    for (index, wished) in (0u32..).zip(wishes) {
        let steps = match &wished.wish {
            Wish::Unknown(what) => {
                let text = format!("there is no {what} that it could speak of");
                checked.drop(&wished.by, what.clone(), ("unknown", text));
                continue;
            }
            Wish::Known(Step::Evacuate { host }) => match evacuation(state, *host) {
                Ok(steps) => steps,
                Err(no) => {
                    checked.drop(&wished.by, format!("evacuate {host}"), no);
                    continue;
                }
            },
            Wish::Known(step) => vec![step.clone()],
        };
        let count = steps.len();
        for (i, mut step) in steps.into_iter().enumerate() {
            let what = format!("{} {}", step.as_str(), step.subject());
            if checked.wanted.len() >= rules.max_moves as usize && !forced {
                checked.drop(&wished.by, what, ("too-many", format!("a plan has at most {} moves", rules.max_moves)));
                continue;
            }
            // A guest is moved or stopped once; a host or farm has one thing done to it.
            if !seen.insert(step.subject()) {
                checked.drop(&wished.by, what, ("twice", "another move of this plan is about the same".into()));
                continue;
            }
            let allowed = within_scope(state, wished.scope, &step)
                .and_then(|()| rests(moved, rules, now, &step, forced))
                .and_then(|()| is_free(&busy, &step))
                .and_then(|()| check_now(state, now, rules, &step, forced))
                .and_then(|()| settle(state, &mut rooms, &mut step, wished.scope));
            if let Err(no) = allowed {
                checked.drop(&wished.by, what, no);
                continue;
            }
            let last = i + 1 == count;
            let place = if last {
                index
            } else {
                place += 1;
                place
            };
            let mut why = wished.why.clone();
            if leaves_emptied(state, &step) {
                NEEDED.clone_into(&mut why.code);
            } else if why.code == NEEDED && !forced {
                "reallocation".clone_into(&mut why.code);
            }
            let size = step.guest().and_then(|guest| size_of(state, guest)).unwrap_or(Size::ZERO);
            let cost = cost(state, &step, size);
            let (after, by) = (wished.after.clone(), wished.by.clone());
            checked.wanted.push(Wanted { step, after, place, why, by, cost, size });
        }
    }
    checked
}

impl Checked {
    fn drop(&mut self, by: &str, what: String, (code, text): No) {
        self.dropped.push(DroppedMove { by: by.into(), what, code: code.into(), text });
    }
}

/// Whether it is off a host that is to be emptied, as the rows say and not the planner.
fn leaves_emptied(state: &State, step: &Step) -> bool {
    let from = step.way().and_then(|(from, _)| state.rows.hosts.get(&from));
    from.is_some_and(|host| matches!(host.state, HostState::Draining | HostState::Down))
}

fn evacuation(state: &State, host: HostId) -> Result<Vec<Step>, No> {
    let row = host_row(state, host)?;
    if row.state.takes_guests() {
        return Err(("not-emptied", format!("host {} is not to be emptied; drain it", row.name)));
    }
    let guests = state.indexes.guests_by_host.of(&host);
    let steps = guests.filter_map(|guest| match guest {
        Guest::Instance(id) => {
            let runs = state.rows.instances.get(&id).is_some_and(|row| row.state == InstanceState::Running);
            runs.then_some(Step::Migrate { instance: id, from: host, to: None })
        }
        Guest::Router(id) => Some(Step::MoveRouter { router: id, from: host, to: None }),
    });
    Ok(steps.collect())
}

fn host_row(state: &State, id: HostId) -> Result<&Host, No> {
    state.rows.hosts.get(&id).map(|row| &**row).ok_or_else(|| ("unknown", format!("there is no host {id}")))
}

fn instance_row(state: &State, id: InstanceId) -> Result<&Instance, No> {
    let row = state.rows.instances.get(&id).filter(|row| row.is_live());
    row.map(|row| &**row).ok_or_else(|| ("unknown", format!("there is no instance {id}")))
}

/// An owner moves things on its own hosts, and stops what it lent capacity to.
fn within_scope(state: &State, scope: Scope, step: &Step) -> Result<(), No> {
    let Scope::Share(share) = scope else {
        return match scope {
            Scope::Tenant(_) => Err(("not-yours", "a tenant's policy cannot plan for the site".into())),
            Scope::Site | Scope::Share(_) => Ok(()),
        };
    };
    let of_share = |host: &HostId| state.rows.hosts.get(host).is_some_and(|row| row.share == share);
    let own = match step {
        Step::Migrate { from, to, .. } | Step::MoveRouter { from, to, .. } => {
            of_share(from) && to.as_ref().is_none_or(of_share)
        }
        Step::Restart { from, .. } | Step::RebuildRouter { from, .. } => of_share(from),
        Step::Reclaim { instance } | Step::Resize { instance, .. } => {
            state.rows.instances.get(instance).and_then(|row| row.host).is_some_and(|host| of_share(&host))
        }
        Step::PowerOff { host } | Step::PowerOn { host } | Step::Evacuate { host } => of_share(host),
        Step::Lend { share: of } | Step::Recall { share: of } => *of == share,
        Step::Expire { .. } => false,
    };
    if own { Ok(()) } else { Err(("not-yours", "it is not on hosts of the share that the policy speaks for".into())) }
}

fn rests(moved: &Moved, rules: &Rules, now: Timestamp, step: &Step, forced: bool) -> Result<(), No> {
    let Some(guest) = step.guest().filter(|_| !forced) else { return Ok(()) };
    match moved.rests_until(guest, rules, now) {
        Some(until) => {
            let minutes = (until.0 - now.0).div_ceil(60_000);
            Err(("cooldown", format!("{guest} was moved lately and stays for {minutes} minutes more")))
        }
        None => Ok(()),
    }
}

fn is_free(busy: &BTreeSet<Guest>, step: &Step) -> Result<(), No> {
    match step.guest().filter(|guest| busy.contains(guest)) {
        Some(guest) => Err(("busy", format!("an operation works on {guest}"))),
        None => Ok(()),
    }
}

/// Whether a step can be made as things are now, but for room: asked when a plan is made, and again when
/// the step is to begin.
pub fn check_now(state: &State, now: Timestamp, rules: &Rules, step: &Step, forced: bool) -> Result<(), No> {
    match step {
        Step::Migrate { instance, from, to } => migrates(state, rules, *instance, *from, *to, forced),
        Step::MoveRouter { router, from, to } => {
            router_on(state, *router, *from)?;
            let host = host_row(state, *from)?;
            if host.state.takes_guests() {
                return Err(("immovable", "a router is only moved off a host that is to be emptied".into()));
            }
            target(state, *from, *to, &host.class)
        }
        Step::Restart { instance, from } => {
            let row = instance_row(state, *instance)?;
            stays_on(row, *from)?;
            lost(state, *from)?;
            let kind = state.rows.classes.get(&row.class).map(|class| class.kind);
            if kind != Some(ClassKind::Services) && !rules.restart_workers {
                return Err(("disk-lost", "its disk is on the lost host, and the site waits for that".into()));
            }
            if !row.powered || matches!(row.state, InstanceState::ShuttingDown) {
                return Err(("not-running", format!("instance {instance} is {}", row.state.as_str())));
            }
            Ok(())
        }
        Step::RebuildRouter { router, from } => {
            router_on(state, *router, *from)?;
            lost(state, *from)
        }
        Step::Reclaim { instance } => reclaims(state, *instance, forced),
        Step::Resize { instance, .. } => {
            let row = instance_row(state, *instance)?;
            if row.state == InstanceState::Stopped {
                Ok(())
            } else {
                Err((
                    "runs",
                    format!("instance {instance} is {}; its size changes while it is stopped", row.state.as_str()),
                ))
            }
        }
        Step::PowerOff { host } => {
            let row = host_row(state, *host)?;
            if !matches!(row.state, HostState::Up | HostState::Cordoned) {
                return Err(("not-up", format!("host {} is not up", row.name)));
            }
            if !row.is_simulated() && !rules.switched.contains(&row.class) {
                return Err(("no-switch", format!("no program switches hosts of class {} on and off", row.class)));
            }
            if state.indexes.guests_by_host.with(host).any(|size| size.vcpus.0 == 0) {
                return Err(("not-empty", format!("disks of stopped instances are on host {}", row.name)));
            }
            Ok(())
        }
        Step::PowerOn { host } => {
            let row = host_row(state, *host)?;
            let off = state.rows.upkeeps.get(host).is_some_and(|upkeep| upkeep.off.is_some());
            if off { Ok(()) } else { Err(("not-off", format!("no plan switched host {} off", row.name))) }
        }
        Step::Evacuate { host } => host_row(state, *host).map(|_| ()),
        Step::Lend { share } => recalled(state, *share, true),
        Step::Recall { share } => recalled(state, *share, false),
        Step::Expire { farm } => {
            let row = state.rows.farms.get(farm).filter(|row| row.state.is_usable());
            let row = row.ok_or_else(|| ("unknown", format!("there is no farm {farm}")))?;
            match cluster::lease_end(row) {
                Some(end) if end <= now => Ok(()),
                _ => Err(("not-expired", format!("the lease of farm {} is not over", row.name))),
            }
        }
    }
}

fn recalled(state: &State, share: ShareId, is: bool) -> Result<(), No> {
    let row = state.rows.shares.get(&share).ok_or_else(|| ("unknown", format!("there is no share {share}")))?;
    match row.recalled == is {
        true => Ok(()),
        false => Err(("moot", format!("share {} is {}recalled already", row.name, if is { "not " } else { "" }))),
    }
}

fn router_on(state: &State, router: RouterId, from: HostId) -> Result<(), No> {
    let row = state.rows.routers.get(&router).ok_or_else(|| ("unknown", format!("there is no router {router}")))?;
    if row.host != Some(from) {
        return Err(("departed", format!("router {router} is no longer where the plan saw it")));
    }
    if matches!(row.state, RouterState::Pending | RouterState::Staging) {
        return Err(("busy", format!("router {router} is being made")));
    }
    let usable = state.rows.farms.get(&row.farm).is_some_and(|farm| farm.state.is_usable());
    if usable { Ok(()) } else { Err(("departed", "its farm is no longer active".into())) }
}

fn stays_on(row: &Instance, from: HostId) -> Result<(), No> {
    if row.host == Some(from) && row.bound_for.is_none() {
        return Ok(());
    }
    Err(("departed", format!("instance {} is no longer where the plan saw it", row.id)))
}

/// A host of which nothing runs any more.
fn lost(state: &State, id: HostId) -> Result<(), No> {
    let host = host_row(state, id)?;
    if host.state != HostState::Down {
        return Err(("not-lost", format!("host {} is not down", host.name)));
    }
    if state.rows.upkeeps.get(&id).is_none_or(|upkeep| upkeep.fenced.is_none()) {
        return Err(("not-fenced", format!("nobody knows that host {} is off", host.name)));
    }
    Ok(())
}

fn migrates(
    state: &State,
    rules: &Rules,
    id: InstanceId,
    from: HostId,
    to: Option<HostId>,
    forced: bool,
) -> Result<(), No> {
    let row = instance_row(state, id)?;
    stays_on(row, from)?;
    if row.state != InstanceState::Running {
        return Err(("not-running", format!("instance {id} is {}", row.state.as_str())));
    }
    if !state.rows.farms.get(&row.farm).is_some_and(|farm| farm.state.is_usable()) {
        return Err(("departed", "its farm is no longer active".into()));
    }
    if !forced && cluster::is_pinned(state, row) {
        return Err(("pinned", format!("instance {id} is pinned")));
    }
    if !forced && !cluster::may_migrate(state, row, rules) {
        return Err(("immovable", format!("instances of class {} do not move while they run", row.class)));
    }
    if forced && cluster::is_pinned(state, row) {
        return Err(("pinned", format!("instance {id} is pinned; stop it, or take the pin off")));
    }
    target(state, from, to, &row.class)?;
    let Some(to) = to else { return Ok(()) };
    let share = host_row(state, to)?.share;
    let closed = state.rows.shares.get(&share).is_some_and(|share| {
        let own = state.rows.tenants.get(&row.tenant).is_some_and(|tenant| tenant.groups.contains(&share.group));
        (!share.lends || share.recalled) && !own
    });
    if closed { Err(("not-lent", "the owner of that host does not lend it".into())) } else { Ok(()) }
}

fn target(state: &State, from: HostId, to: Option<HostId>, class: &crate::name::Name) -> Result<(), No> {
    let Some(to) = to else { return Ok(()) };
    let host = host_row(state, to)?;
    if to == from {
        return Err(("own-host", format!("it is on host {} already", host.name)));
    }
    if host.class != *class {
        return Err(("other-class", format!("host {} is of class {}", host.name, host.class)));
    }
    if !host.state.takes_guests() {
        return Err(("host-closed", format!("host {} takes no new guests", host.name)));
    }
    Ok(())
}

/// Only what runs on capacity of another's that is wanted back, or what its farm says may be stopped.
fn reclaims(state: &State, id: InstanceId, forced: bool) -> Result<(), No> {
    let row = instance_row(state, id)?;
    if row.state != InstanceState::Running {
        return Err(("not-running", format!("instance {id} is {}", row.state.as_str())));
    }
    if row.stop_protected {
        return Err(("protected", format!("instance {id} is protected from being stopped")));
    }
    let host = row.host.and_then(|host| state.rows.hosts.get(&host));
    let borrowed = host.is_some_and(|host| {
        cluster::is_lent(state, row, host) && state.rows.shares.get(&host.share).is_some_and(|share| share.recalled)
    });
    let emptied = forced && host.is_some_and(|host| host.state == HostState::Draining);
    if borrowed || emptied || cluster::is_reclaimable(state, row) {
        return Ok(());
    }
    Err(("not-yours", format!("instance {id} is on capacity of its own, or that nobody wants back")))
}

/// A host to go to, for what may go to any; and that it has room, counting those before it.
fn settle(state: &State, rooms: &mut Rooms, step: &mut Step, scope: Scope) -> Result<(), No> {
    let (guest, from, to, class) = match step {
        Step::Migrate { instance, from, to } => {
            (Guest::Instance(*instance), *from, to, instance_row(state, *instance)?.class.clone())
        }
        Step::MoveRouter { router, from, to } => {
            let class = host_row(state, *from)?.class.clone();
            (Guest::Router(*router), *from, to, class)
        }
        _ => return Ok(()),
    };
    if to.is_some() {
        // Room is looked at in the order of all moves.
        return Ok(());
    }
    let size = size_of(state, guest).unwrap_or(Size::ZERO);
    let of_scope = |id: HostId| match scope {
        Scope::Share(share) => state.rows.hosts.get(&id).is_some_and(|row| row.share == share),
        Scope::Site | Scope::Tenant(_) => true,
    };
    let lent = |id: HostId| match guest {
        Guest::Instance(instance) => target_lent(state, instance, id),
        Guest::Router(_) => true,
    };
    let found = rooms.fitting(state, guest, size, &class, from, |id| of_scope(id) && lent(id));
    let Some(found) = found else {
        return Err(("no-room", format!("no other host of class {class} has room for {size}")));
    };
    rooms.carry(state, guest, size, from, found);
    *to = Some(found);
    Ok(())
}

fn target_lent(state: &State, instance: InstanceId, to: HostId) -> bool {
    let (Some(row), Some(host)) = (state.rows.instances.get(&instance), state.rows.hosts.get(&to)) else {
        return false;
    };
    let Some(share) = state.rows.shares.get(&host.share) else { return true };
    (share.lends && !share.recalled) || !cluster::is_lent(state, row, host)
}

fn cost(state: &State, step: &Step, size: Size) -> Cost {
    let mib = size.memory.0.saturating_mul(1 << 20);
    match step {
        Step::Migrate { instance, .. } => {
            let class = state.rows.instances.get(instance).and_then(|row| state.rows.classes.get(&row.class));
            // Disks of workers go along.
            let disk = if class.is_some_and(|class| class.kind == ClassKind::Workers) { size.disk.0 << 30 } else { 0 };
            Cost { bytes: mib.saturating_add(disk), disturbed: 1, stopped: 0 }
        }
        Step::MoveRouter { .. } | Step::RebuildRouter { .. } | Step::Restart { .. } | Step::Resize { .. } => {
            Cost { bytes: 0, disturbed: 1, stopped: 0 }
        }
        Step::Reclaim { .. } => Cost { bytes: 0, disturbed: 1, stopped: 1 },
        Step::Expire { farm } => {
            let live = state.indexes.instances_by_farm.with(farm).filter(|row| row.is_live()).count() as u32;
            Cost { bytes: 0, disturbed: live, stopped: live }
        }
        Step::PowerOff { .. }
        | Step::PowerOn { .. }
        | Step::Evacuate { .. }
        | Step::Lend { .. }
        | Step::Recall { .. } => Cost::default(),
    }
}

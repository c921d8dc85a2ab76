//! Guests that go to other hosts while they run.

use cascina_core::units::Size;

use super::answer::{Answer, No, done, never};
use super::change::Effect;
use super::machine::{Machine, SimGuest};
use super::state::State;
use crate::{GuestSpec, GuestState, HostRef};

impl Machine {
    pub(super) fn migrate(&self, state: &State, spec: &GuestSpec, to: &HostRef) -> Answer {
        let target = state.hosts.get(&to.name);
        if target.is_some_and(|target| target.lost) {
            return Err(No::NotNow(format!("host {} does not answer", to.name)));
        }
        let arrived = target
            .and_then(|target| target.guests.get(&spec.guest))
            .is_some_and(|guest| guest.state == GuestState::Running);
        let here = self.guests.get(&spec.guest);
        if arrived {
            return done(here.map(|_| Effect::GuestGone { guest: spec.guest }).into_iter().collect());
        }
        let Some(here) = here.filter(|guest| guest.state == GuestState::Running) else {
            return never(format!("{} does not run here", spec.guest));
        };
        let Some(target) = target else { return never(format!("host {} has no network of its own yet", to.name)) };
        // As it is now: it may have been given volumes since this was asked.
        let room = target.guests.get(&spec.guest).map_or(Size::ZERO, SimGuest::used);
        target.may_run(state, &here.spec, room)?;
        done(vec![Effect::Moved { guest: spec.guest, to: to.name.clone() }])
    }
}

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
        let there = target.and_then(|target| target.guests.get(&spec.guest));
        let runs = |guest: &SimGuest| guest.state == GuestState::Running;
        let Some(here) = self.guests.get(&spec.guest) else {
            return match there {
                Some(_) => done(Vec::new()),
                None => never(format!("{} is not here", spec.guest)),
            };
        };
        if there.is_some_and(|there| runs(there) || !runs(here)) {
            return done(vec![Effect::GuestGone { guest: spec.guest }]);
        }
        let Some(target) = target else { return never(format!("host {} has no network of its own yet", to.name)) };
        let room = there.map_or(Size::ZERO, SimGuest::used);
        if runs(here) {
            // As it is now: it may have been given volumes since this was asked.
            target.may_run(state, &here.spec, room)?;
        } else {
            target.room_for(here.used(), room)?;
        }
        done(vec![Effect::Moved { guest: spec.guest, to: to.name.clone() }])
    }
}

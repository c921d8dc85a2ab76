//! Where a guest is that was, perhaps, moved before.

use virt_sys as sys;

use crate::libvirt::seen::Here;
use crate::libvirt::trouble::Trouble;

/// A guest at one of two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Absent,
    /// It was begun to bring it here: not all of it has come.
    Arriving {
        /// QEMU listens to it now.
        now: bool,
    },
    Off,
    Runs,
    /// Halted by a move: either it has gone to where it was sent, or that was cut off in its last moment.
    Left,
}

/// What makes it true that the guest is there, and nothing of it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    NoGuest,
    /// Somebody's connection has not been given up yet.
    NotYet,
    /// It is there. What is left of it here goes.
    Arrived,
    /// As before, after it was told to go on there.
    ArrivedHalted,
    /// It does not run: its disk is copied.
    Copy,
    Live,
    /// It was halted for a move that came to nothing.
    LiveHalted,
}

/// Of two the one that runs stays, or else that there. A move makes what is there arrive before the guest runs
/// there, so what has arrived is newer than what has left.
pub(super) fn way(here: Presence, there: Presence) -> Way {
    use Presence::{Absent, Arriving, Left, Off, Runs};
    match (here, there) {
        (Arriving { now: true }, _) | (_, Arriving { now: true }) => Way::NotYet,
        (Absent | Arriving { .. }, Absent | Arriving { .. }) => Way::NoGuest,
        (Absent | Arriving { .. }, Off | Runs) => Way::Arrived,
        (Absent | Arriving { .. }, Left) => Way::ArrivedHalted,
        (Off, Off | Runs) | (Left, Off | Runs) | (Runs, Runs) => Way::Arrived,
        (Off, Absent | Arriving { .. } | Left) => Way::Copy,
        (Runs, Absent | Arriving { .. } | Off | Left) => Way::Live,
        (Left, Absent | Arriving { .. } | Left) => Way::LiveHalted,
    }
}

pub(super) fn presence(here: Option<&Here>) -> Result<Presence, Trouble> {
    let Some(here) = here else { return Ok(Presence::Absent) };
    let active = here.is_active()?;
    if here.seen.marks.arriving {
        return Ok(Presence::Arriving { now: active });
    }
    if !active {
        return Ok(Presence::Off);
    }
    let (state, reason) = here.domain.get_state()?;
    let left = state == sys::VIR_DOMAIN_PAUSED && i64::from(reason) == i64::from(sys::VIR_DOMAIN_PAUSED_MIGRATION);
    Ok(if left { Presence::Left } else { Presence::Runs })
}

#[cfg(test)]
mod tests {
    use super::Presence::{Absent, Arriving, Left, Off, Runs};
    use super::*;

    const ALL: [Presence; 6] = [Absent, Arriving { now: false }, Arriving { now: true }, Off, Runs, Left];

    #[test]
    fn a_guest_is_never_taken_from_where_it_is_alone() {
        for here in ALL {
            for there in ALL {
                let way = way(here, there);
                let is_there = matches!(there, Off | Runs | Left);
                if matches!(way, Way::Arrived | Way::ArrivedHalted) {
                    assert!(is_there, "{here:?} and {there:?}");
                }
                // What runs is not copied over, nor thrown away for what does not run.
                if here == Runs {
                    assert!(matches!(way, Way::Live | Way::NotYet) || there == Runs, "{there:?}");
                }
                if there == Runs && way != Way::NotYet {
                    assert_eq!(way, Way::Arrived, "{here:?}");
                }
                let is_here = matches!(here, Off | Runs | Left);
                assert_eq!(way == Way::NoGuest, !is_here && !is_there && way != Way::NotYet);
            }
        }
    }

    #[test]
    fn a_move_that_is_repeated_comes_to_its_end() {
        // As a move of a guest that runs goes on, and could be cut off after each of these.
        let moments = [
            (Runs, Absent, Way::Live),
            (Runs, Arriving { now: false }, Way::Live),
            (Runs, Arriving { now: true }, Way::NotYet),
            (Left, Arriving { now: false }, Way::LiveHalted),
            (Left, Runs, Way::Arrived),
            (Left, Off, Way::Arrived),
            (Off, Runs, Way::Arrived),
            (Absent, Runs, Way::Arrived),
            (Off, Absent, Way::Copy),
            (Off, Arriving { now: false }, Way::Copy),
            (Off, Off, Way::Arrived),
        ];
        for (here, there, then) in moments {
            assert_eq!(way(here, there), then, "{here:?} and {there:?}");
        }
    }

    #[test]
    fn a_move_that_is_given_up_is_brought_back() {
        // The same call from the other side.
        for (here, there, then) in [
            (Absent, Runs, Way::Arrived),
            (Arriving { now: false }, Runs, Way::Arrived),
            (Arriving { now: false }, Left, Way::ArrivedHalted),
            (Runs, Left, Way::Live),
            (Runs, Off, Way::Live),
            (Off, Left, Way::Copy),
        ] {
            assert_eq!(way(here, there), then, "{here:?} and {there:?}");
        }
    }
}

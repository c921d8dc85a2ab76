//! Routers that are asked whether they are as they were told, between operations. Pure: the agent and the
//! simulator both call it.

use std::collections::BTreeMap;

use cascina_core::command::{Command, RouterFound};
use cascina_core::host::Host;
use cascina_core::id::{HostId, RouterId};
use cascina_core::network::{RouterState, VRouter};
use cascina_core::state::{Guest, State};
use cascina_core::units::Timestamp;
use cascina_drivers::{DriverError, HostCall, Reply};

/// Looks in a row without an answer before a router counts as silent.
const SILENCES: u32 = 3;

/// Who did not answer, and how often in a row.
#[derive(Debug, Default)]
pub struct Silences(BTreeMap<RouterId, u32>);

/// Routers of a host that should be as they were told: nothing moves in their farms.
pub fn settled(state: &State, host: HostId) -> Vec<RouterId> {
    let routers = state.indexes.guests_by_host.of(&host).filter_map(|guest| match guest {
        Guest::Router(id) => state.rows.routers.get(&id).filter(|row| is_settled(state, row)).map(|_| id),
        Guest::Instance(_) => None,
    });
    routers.collect()
}

/// A router that does not have all that it should is the inventory's matter.
fn is_settled(state: &State, row: &VRouter) -> bool {
    let quiet = state.indexes.operations_by_farm.of(&row.farm).next().is_none();
    quiet && row.state == RouterState::Running && row.applied_revision == row.desired_revision
}

pub fn question(router: RouterId) -> HostCall {
    HostCall::ProbeRouter { guest: Guest::Router(router) }
}

impl Silences {
    /// What to propose about a router that was asked on a host which answers. What changed since it was
    /// asked is not judged by its answer.
    pub fn judge(
        &mut self,
        state: &State,
        host: &Host,
        router: RouterId,
        asked: Timestamp,
        answer: &Result<Reply, DriverError>,
    ) -> Option<Command> {
        let row = state.rows.routers.get(&router).filter(|row| row.host == Some(host.id));
        let Some(row) = row.filter(|row| row.updated < asked && is_settled(state, row)) else {
            self.0.remove(&router);
            return None;
        };
        let (found, note) = match answer {
            Ok(Reply::Revision(has)) if *has == row.desired_revision => {
                self.0.remove(&router);
                return None;
            }
            Ok(Reply::Revision(has)) => {
                let note = format!("it has revision {has} and not {}", row.desired_revision);
                (RouterFound::Other { revision: Some(*has) }, note)
            }
            Ok(_) => return None,
            Err(DriverError::Differs { why, .. }) => (RouterFound::Other { revision: None }, why.clone()),
            Err(DriverError::Refused { why, .. }) => (RouterFound::Gone, why.clone()),
            Err(DriverError::Unreachable { why, .. }) => {
                let missed = self.0.entry(router).or_default();
                *missed += 1;
                if *missed < SILENCES {
                    return None;
                }
                (RouterFound::Silent, format!("no answer {SILENCES} times in a row: {why}"))
            }
        };
        self.0.remove(&router);
        Some(Command::RouterSeen { router, found, note })
    }
}

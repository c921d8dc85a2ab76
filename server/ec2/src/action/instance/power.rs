//! Start, stop, reboot, terminate.

use cascina_core::command::{Command, Power};
use cascina_core::id::InstanceId;
use serde::{Deserialize, Serialize};

use super::state::{PENDING, RUNNING, SHUTTING_DOWN, STOPPED, STOPPING, StateView, TERMINATED, ending};
use super::{find, ids};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::xml::{Done, Set};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct StopInstances {
    #[serde(default)]
    instance_id: Vec<String>,
    /// Hosts do not ask guests twice, so it makes no difference.
    #[serde(rename = "Force")]
    _force: Option<bool>,
    hibernate: Option<bool>,
    #[serde(rename = "SkipOsShutdown")]
    _skip_os_shutdown: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Instances {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(rename = "AdditionalInfo")]
    _additional_info: Option<String>,
    #[serde(rename = "Force")]
    _force: Option<bool>,
    #[serde(rename = "SkipOsShutdown")]
    _skip_os_shutdown: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    instances_set: Set<Change>,
}

/// What is comes before what was: some clients take the first name that they find.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    instance_id: InstanceId,
    current_state: StateView,
    previous_state: StateView,
}

pub async fn start_instances(call: Call, request: Instances) -> Result<Changes, Fault> {
    change(&call, &request.instance_id, Power::Start).await
}

pub async fn stop_instances(call: Call, request: StopInstances) -> Result<Changes, Fault> {
    if request.hibernate == Some(true) {
        return Err(Code::UnsupportedHibernationConfiguration.fault("Instances cannot hibernate here."));
    }
    change(&call, &request.instance_id, Power::Stop).await
}

pub async fn terminate_instances(call: Call, request: Instances) -> Result<Changes, Fault> {
    change(&call, &request.instance_id, Power::Terminate).await
}

pub async fn reboot_instances(call: Call, request: Instances) -> Result<Done, Fault> {
    change(&call, &request.instance_id, Power::Reboot).await.map(|_| Done::TRUE)
}

/// Those that are there already stay as they are; the rest changes, all or none.
async fn change(call: &Call, named: &[String], power: Power) -> Result<Changes, Fault> {
    let ids = ids(named)?;
    if ids.is_empty() {
        return Err(Fault::missing("InstanceId"));
    }
    let before = before(call, &ids, power)?;
    let wanted: Vec<InstanceId> = before.iter().filter(|(_, state)| moves(*state, power)).map(|(id, _)| *id).collect();
    if !wanted.is_empty() {
        call.submit(Command::Power { instances: wanted, power }, Code::IncorrectInstanceState).await?;
    }
    let after = |state| match power {
        Power::Start if moves(state, power) => PENDING,
        Power::Stop if moves(state, power) => STOPPING,
        Power::Terminate if moves(state, power) => SHUTTING_DOWN,
        Power::Start | Power::Stop | Power::Terminate | Power::Reboot => state,
    };
    let change = |(instance_id, state)| Change { instance_id, current_state: after(state), previous_state: state };
    Ok(Changes { instances_set: before.into_iter().map(change).collect() })
}

fn moves(state: StateView, power: Power) -> bool {
    match power {
        Power::Start => state == STOPPED,
        Power::Stop => state == RUNNING,
        Power::Terminate => state != TERMINATED && state != SHUTTING_DOWN,
        Power::Reboot => true,
    }
}

/// The states of all of them, if each can be asked this.
fn before(call: &Call, ids: &[InstanceId], power: Power) -> Result<Vec<(InstanceId, StateView)>, Fault> {
    call.engine.read(|state| {
        let ending = ending(state, call.farm);
        let mut before = Vec::with_capacity(ids.len());
        for id in ids {
            let row = find(state, call.farm, *id)?;
            let is = StateView::of(row, &ending);
            let verb = match power {
                Power::Start if is == STOPPED || is == RUNNING || is == PENDING => None,
                Power::Start => Some("started"),
                Power::Stop if is == RUNNING || is == STOPPED || is == STOPPING => None,
                Power::Stop => Some("stopped"),
                Power::Reboot if is == RUNNING => None,
                Power::Reboot => Some("rebooted"),
                Power::Terminate => None,
            };
            if let Some(verb) = verb {
                return Err(Code::IncorrectInstanceState
                    .fault(format!("The instance '{id}' is not in a state from which it can be {verb}.")));
            }
            let protected = match power {
                Power::Terminate if row.terminate_protected && is != TERMINATED => {
                    Some(("terminated", "disableApiTermination"))
                }
                Power::Stop if row.stop_protected => Some(("stopped", "disableApiStop")),
                _ => None,
            };
            if let Some((verb, attribute)) = protected {
                return Err(Code::OperationNotPermitted.fault(format!(
                    "The instance '{id}' may not be {verb}. Modify its '{attribute}' instance attribute and try again."
                )));
            }
            before.push((*id, is));
        }
        Ok(before)
    })
}

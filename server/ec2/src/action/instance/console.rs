//! What guests write to their consoles.

use serde::{Deserialize, Serialize};

use super::{find, id};
use crate::call::Call;
use crate::fault::Fault;
use crate::wire::Blob;
use crate::wire::xml::Time;

/// What Amazon keeps.
const MOST: usize = 64 << 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GetConsoleOutput {
    /// One; old clients send it as a list.
    #[serde(default)]
    instance_id: Vec<String>,
    /// It is always the latest.
    #[serde(rename = "Latest")]
    _latest: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleOutput {
    instance_id: String,
    timestamp: Time,
    /// Base64.
    output: String,
}

pub async fn get_console_output(call: Call, request: GetConsoleOutput) -> Result<ConsoleOutput, Fault> {
    let [instance_id] = <[String; 1]>::try_from(request.instance_id).map_err(|_| Fault::missing("InstanceId"))?;
    let id = id(&instance_id)?;
    call.engine.read(|state| find(state, call.farm, id).map(|_| ()))?;
    let bytes = call.engine.console(id).await;
    let bytes = bytes.map_err(|error| Fault::from_engine(error, crate::code::Code::IncorrectInstanceState))?;
    let last = &bytes[bytes.len().saturating_sub(MOST)..];
    Ok(ConsoleOutput { instance_id, timestamp: Time(call.now), output: Blob::encode(last) })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GetPasswordData {
    instance_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordData {
    instance_id: String,
    timestamp: Time,
    /// Guests here have keys, not passwords.
    password_data: &'static str,
}

pub async fn get_password_data(call: Call, request: GetPasswordData) -> Result<PasswordData, Fault> {
    let id = id(&request.instance_id)?;
    call.engine.read(|state| find(state, call.farm, id).map(|_| ()))?;
    Ok(PasswordData { instance_id: request.instance_id, timestamp: Time(call.now), password_data: "" })
}

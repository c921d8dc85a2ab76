//! Instances.

pub mod attribute;
pub mod change;
pub mod console;
pub mod describe;
pub mod launch;
pub mod mapping;
pub mod metadata;
pub mod power;
pub mod run;
pub mod state;
pub mod status;
pub mod view;

use cascina_core::id::{FarmId, InstanceId};
use cascina_core::instance::Instance;
use cascina_core::state::State;

use crate::fault::Fault;
use crate::noun::Noun;

pub fn id(text: &str) -> Result<InstanceId, Fault> {
    crate::ids::read(Noun::Instance, InstanceId::PREFIX, text)
}

/// All of them, each once, in the order in which they were named.
pub fn ids(texts: &[String]) -> Result<Vec<InstanceId>, Fault> {
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        let id = id(text)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The farm's instance, which may be over.
pub fn find(state: &State, farm: FarmId, id: InstanceId) -> Result<&Instance, Fault> {
    let row = state.rows.instances.get(&id).filter(|row| row.farm == farm);
    row.map(AsRef::as_ref).ok_or_else(|| Noun::Instance.not_found(&id.to_string()))
}

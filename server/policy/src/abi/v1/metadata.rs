//! Interface `metadata`.

use wasmtime::component::{ComponentType, Lift};

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Description {
    pub name: String,
    pub version: String,
    pub summary: String,
    #[component(name = "settings-schema")]
    pub settings_schema: String,
}

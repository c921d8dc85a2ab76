//! A component, ready to be instantiated, and what it exports.

use std::sync::Arc;

use cascina_core::policy::{Digest, Hook};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use crate::abi::v1;
use crate::error::UploadError;
use crate::guest::Guest;
use crate::lane::Lane;
use crate::manifest::Manifest;
use crate::warm::Bench;

/// Interfaces that a policy may import, at any 1.x version that this server can satisfy.
const IMPORTS: [&str; 2] = ["cascina:policy/log@1.", "cascina:policy/types@1."];

pub(crate) struct Loaded {
    pub digest: Digest,
    pub pre: InstancePre<Guest>,
    pub exports: Exports,
    pub imports: Vec<String>,
    pub manifest: Manifest,
    pub lane: Arc<Lane>,
    /// Linear memory of an instance.
    pub memory_bytes: usize,
    pub bench: Bench,
}

/// Where the functions are, looked up once.
pub(crate) struct Exports {
    pub describe: ComponentExportIndex,
    pub validate_settings: ComponentExportIndex,
    pub admission: Option<Admission>,
    pub quota: Option<Quota>,
    pub placement: Option<ComponentExportIndex>,
    pub reallocation: Option<ComponentExportIndex>,
    pub choose_victims: Option<ComponentExportIndex>,
}

pub(crate) struct Admission {
    pub admit_tenant: ComponentExportIndex,
    pub admit_farm: ComponentExportIndex,
}

pub(crate) struct Quota {
    pub assign: ComponentExportIndex,
    pub check: ComponentExportIndex,
}

impl Exports {
    pub fn hooks(&self) -> Vec<Hook> {
        Hook::ALL.into_iter().filter(|hook| self.has(*hook)).collect()
    }

    pub fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::Admission => self.admission.is_some(),
            Hook::Quota => self.quota.is_some(),
            Hook::Placement => self.placement.is_some(),
            Hook::Reallocation => self.reallocation.is_some(),
            Hook::ChooseVictims => self.choose_victims.is_some(),
        }
    }
}

impl Loaded {
    pub fn new(
        digest: Digest,
        component: &Component,
        manifest: Manifest,
        lane: &Arc<Lane>,
    ) -> Result<Loaded, UploadError> {
        let imports = imports(component)?;
        let exports = exports(component)?;
        let pre = lane
            .linker
            .instantiate_pre(component)
            .map_err(|error| UploadError::WrongType { export: "imports".into(), error: format!("{error:#}") })?;
        let memory_bytes = match manifest.memory_mib {
            0 => lane.bounds.memory_bytes,
            mib => lane.bounds.memory_bytes.min((mib as usize) << 20),
        };
        let bench = Bench::new(Arc::clone(lane));
        Ok(Loaded { digest, pre, exports, imports, manifest, lane: Arc::clone(lane), memory_bytes, bench })
    }

    /// Is an instance used again?
    pub fn is_warm(&self) -> bool {
        self.manifest.warm && self.lane.bounds.warm.instances > 0
    }

    pub fn engine(&self) -> &Engine {
        self.pre.engine()
    }
}

fn imports(component: &Component) -> Result<Vec<String>, UploadError> {
    let ty = component.component_type();
    let mut found = Vec::new();
    for (name, item) in ty.imports(component.engine()) {
        let known = IMPORTS.iter().any(|known| name.starts_with(known));
        if !known || !matches!(item.ty, ComponentItem::ComponentInstance(_)) {
            return Err(UploadError::Import(crate::wording::printable(crate::wording::cut(name, 200))));
        }
        found.push(name.to_owned());
    }
    Ok(found)
}

fn exports(component: &Component) -> Result<Exports, UploadError> {
    let Some(metadata) = component.get_export_index(None, v1::METADATA) else {
        return Err(UploadError::NoMetadata);
    };
    let function = |interface: &ComponentExportIndex, of: &str, name: &str| {
        component.get_export_index(Some(interface), name).ok_or_else(|| UploadError::WrongType {
            export: format!("{of}#{name}"),
            error: "there is no such function".into(),
        })
    };
    let interface = |hook: Hook| {
        let name = format!("cascina:policy/{hook}@1.0.0");
        component.get_export_index(None, &name).map(|index| (index, name))
    };
    let exports = Exports {
        describe: function(&metadata, v1::METADATA, "describe")?,
        validate_settings: function(&metadata, v1::METADATA, "validate-settings")?,
        admission: interface(Hook::Admission)
            .map(|(at, name)| {
                Ok::<_, UploadError>(Admission {
                    admit_tenant: function(&at, &name, "admit-tenant")?,
                    admit_farm: function(&at, &name, "admit-farm")?,
                })
            })
            .transpose()?,
        quota: interface(Hook::Quota)
            .map(|(at, name)| {
                Ok::<_, UploadError>(Quota {
                    assign: function(&at, &name, "assign")?,
                    check: function(&at, &name, "check")?,
                })
            })
            .transpose()?,
        placement: interface(Hook::Placement).map(|(at, name)| function(&at, &name, "rank")).transpose()?,
        reallocation: interface(Hook::Reallocation).map(|(at, name)| function(&at, &name, "propose")).transpose()?,
        choose_victims: interface(Hook::ChooseVictims).map(|(at, name)| function(&at, &name, "choose")).transpose()?,
    };
    if exports.hooks().is_empty() {
        let known: Vec<String> = Hook::ALL.iter().map(|hook| format!("cascina:policy/{hook}@1.0.0")).collect();
        return Err(UploadError::NoHook { known: known.join(", ") });
    }
    Ok(exports)
}

//! A sandbox on the workbench: the server's own, with its ordinary bounds, and a folder of compiled components
//! so that a large one is compiled once.

use std::path::{Path, PathBuf};

use cascina_policy::{Bounds, Compiler, Inspected, Sandbox, SandboxConfig};

use super::failed;
use super::project::Project;
use crate::client::http::{Done, Failure};

pub struct Table {
    pub sandbox: Sandbox,
}

/// `$XDG_CACHE_HOME/cascina/compiled`. None: compile each time.
fn folder() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home)?;
    Some(base.join("cascina/compiled"))
}

impl Table {
    pub fn new() -> Done<Table> {
        let config = |cache| SandboxConfig { cache, bounds: Bounds::default(), compiler: Compiler::InProcess };
        // A cache that cannot be had costs time only.
        let sandbox = Sandbox::new(config(folder())).or_else(|_| Sandbox::new(config(None)));
        Ok(Table { sandbox: sandbox.map_err(|error| Failure::Fault(error.to_string()))? })
    }

    pub fn inspect(&self, component: &[u8]) -> Done<Inspected> {
        self.sandbox.inspect(component).map_err(|error| failed(format!("a server would refuse it: {error}")))
    }

    /// A component by its file, or the one that a folder was built into.
    pub fn take(policy: &Path) -> Done<Taken> {
        let bytes = component(policy)?;
        let table = Table::new()?;
        let found = table.inspect(&bytes)?;
        Ok(Taken { table, found, bytes })
    }
}

/// The file of a component, or the one that a folder is built into.
pub fn file(policy: &Path) -> Done<PathBuf> {
    if policy.is_dir() { Ok(Project::read(policy)?.component(policy)) } else { Ok(policy.to_owned()) }
}

/// The bytes of a component, by its file or by the folder that it was built in.
pub fn component(policy: &Path) -> Done<Vec<u8>> {
    let file = file(policy)?;
    std::fs::read(&file).map_err(|error| {
        let hint = if policy.is_dir() { "; build it first: `cascina policy build`" } else { "" };
        Failure::Usage(format!("cannot read {}: {error}{hint}", file.display()))
    })
}

pub struct Taken {
    pub table: Table,
    pub found: Inspected,
    pub bytes: Vec<u8>,
}

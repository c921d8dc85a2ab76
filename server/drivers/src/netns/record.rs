//! What should be on a gateway host, on file: a folder of networks and a folder of routers, a JSON file
//! each, which is replaced as a whole.

use std::path::{Path, PathBuf};

use cascina_core::id::{NetworkId, OperationId, RouterId};
use cascina_core::network::RouterConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::{GuestSpec, NetworkSpec};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NetworkRecord {
    pub(super) network: NetworkSpec,
    /// Revision of the firewall that was given.
    pub(super) firewall: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Power {
    Staged,
    Running,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RouterRecord {
    pub(super) spec: GuestSpec,
    /// As it should be.
    pub(super) power: Power,
    /// For which it was restarted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rebooted: Option<OperationId>,
    /// What it was given last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) given: Option<Given>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) revision: u64,
    pub(super) config: RouterConfig,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("{path} cannot be read or written: {error}", path = .path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("{path} is damaged: {error}; put back a copy, or remove it and what it describes", path = .path.display())]
    Damaged { path: PathBuf, error: serde_json::Error },
}

impl RecordError {
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, RecordError::File { .. })
    }
}

#[derive(Debug)]
pub(super) struct Records(PathBuf);

impl Records {
    pub(super) fn new(state: PathBuf) -> Records {
        Records(state)
    }

    fn network_path(&self, id: NetworkId) -> PathBuf {
        self.0.join("networks").join(format!("{id}.json"))
    }

    fn router_path(&self, id: RouterId) -> PathBuf {
        self.0.join("routers").join(format!("{id}.json"))
    }

    pub(super) async fn network(&self, id: NetworkId) -> Result<Option<NetworkRecord>, RecordError> {
        read(&self.network_path(id)).await
    }

    pub(super) async fn router(&self, id: RouterId) -> Result<Option<RouterRecord>, RecordError> {
        read(&self.router_path(id)).await
    }

    pub(super) async fn put_network(&self, record: &NetworkRecord) -> Result<(), RecordError> {
        write(&self.network_path(record.network.id), record).await
    }

    pub(super) async fn put_router(&self, id: RouterId, record: &RouterRecord) -> Result<(), RecordError> {
        write(&self.router_path(id), record).await
    }

    pub(super) async fn remove_network(&self, id: NetworkId) -> Result<(), RecordError> {
        remove(&self.network_path(id)).await
    }

    pub(super) async fn remove_router(&self, id: RouterId) -> Result<(), RecordError> {
        remove(&self.router_path(id)).await
    }

    pub(super) async fn networks(&self) -> Result<Vec<NetworkRecord>, RecordError> {
        all(&self.0.join("networks")).await
    }

    pub(super) async fn routers(&self) -> Result<Vec<RouterRecord>, RecordError> {
        all(&self.0.join("routers")).await
    }
}

async fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RecordError> {
    match fs::read(path).await {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(error) => Err(RecordError::Damaged { path: path.to_owned(), error }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RecordError::File { path: path.to_owned(), error }),
    }
}

/// Whole or not at all, also when the machine loses power.
async fn write<T: Serialize>(path: &Path, record: &T) -> Result<(), RecordError> {
    let bytes =
        serde_json::to_vec_pretty(record).map_err(|error| RecordError::Damaged { path: path.to_owned(), error })?;
    let new = path.with_extension("new");
    let written = async {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await?;
        }
        let mut file = fs::File::create(&new).await?;
        file.write_all(&bytes).await?;
        file.sync_all().await?;
        fs::rename(&new, path).await
    };
    written.await.map_err(|error| RecordError::File { path: path.to_owned(), error })
}

async fn remove(path: &Path) -> Result<(), RecordError> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(RecordError::File { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// In the order of their ids.
async fn all<T: DeserializeOwned>(folder: &Path) -> Result<Vec<T>, RecordError> {
    let failed = |error| RecordError::File { path: folder.to_owned(), error };
    let mut entries = match fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        if entry.path().extension().is_some_and(|extension| extension == "json") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let mut records = Vec::with_capacity(paths.len());
    for path in paths {
        // One that was removed meanwhile is none.
        records.extend(read(&path).await?);
    }
    Ok(records)
}

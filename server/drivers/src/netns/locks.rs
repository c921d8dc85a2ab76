//! One at a time may work on a network, and on a router.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cascina_core::id::{NetworkId, RouterId};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Who needs more than one takes them in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Which segment is whose.
    Segments,
    Network(NetworkId),
    Router(RouterId),
}

/// Of the gateway whose state is in that folder.
type Turns = HashMap<(PathBuf, Key), Arc<Turn<()>>>;

#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<Turns>);

impl Locks {
    pub(super) async fn lock(&self, state: &Path, key: Key) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock();
            // Those that nobody holds or waits for.
            if turns.len() > 1000 {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry((state.to_owned(), key)).or_default())
        };
        turn.lock_owned().await
    }
}

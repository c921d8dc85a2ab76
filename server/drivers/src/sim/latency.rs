//! How long simulated hosts take.

use serde::{Deserialize, Serialize};

use super::images;
use super::machine::Machine;
use super::rng::Rng;
use super::state::State;
use crate::{GuestState, HostCall};

/// Durations in milliseconds of the hosts' time. A call that finds its work already done takes
/// `call_ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latencies {
    /// Whatever is only bookkeeping, and what every call takes at least.
    pub call_ms: u64,
    pub network_ms: u64,
    /// First disk from an image: the image is copied to the host. So long takes a GiB of one that is copied
    /// before a disk needs it. Every disk from a snapshot: it stays
    /// in its store.
    pub copy_ms: u64,
    /// Later disks from it.
    pub clone_ms: u64,
    pub boot_ms: u64,
    pub stop_ms: u64,
    pub reboot_ms: u64,
    pub destroy_ms: u64,
    /// A guest goes to another host while it runs.
    pub migrate_ms: u64,
    pub router_ms: u64,
    pub firewall_ms: u64,
    /// A volume that begins empty, grows or goes.
    pub volume_ms: u64,
    /// A volume that comes or goes while its guest runs.
    pub attach_ms: u64,
    /// A disk is read whole: snapshots, and volumes from them.
    pub snapshot_ms: u64,
    pub console_ms: u64,
    /// What is on a host, or in a store.
    pub inventory_ms: u64,
    /// Until a host that is lost counts as not answering.
    pub lost_ms: u64,
    /// Spread to both sides, in thousandths of the duration; at most 1000.
    pub jitter_permille: u32,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            call_ms: 5,
            network_ms: 60,
            copy_ms: 20_000,
            clone_ms: 800,
            boot_ms: 9_000,
            stop_ms: 2_500,
            reboot_ms: 11_000,
            destroy_ms: 700,
            migrate_ms: 12_000,
            router_ms: 250,
            firewall_ms: 80,
            volume_ms: 400,
            attach_ms: 600,
            snapshot_ms: 6_000,
            console_ms: 30,
            inventory_ms: 25,
            lost_ms: 3_000,
            jitter_permille: 200,
        }
    }
}

impl Latencies {
    /// Everything at once: for tests that are about something else.
    pub fn none() -> Latencies {
        Latencies {
            call_ms: 0,
            network_ms: 0,
            copy_ms: 0,
            clone_ms: 0,
            boot_ms: 0,
            stop_ms: 0,
            reboot_ms: 0,
            destroy_ms: 0,
            migrate_ms: 0,
            router_ms: 0,
            firewall_ms: 0,
            volume_ms: 0,
            attach_ms: 0,
            snapshot_ms: 0,
            console_ms: 0,
            inventory_ms: 0,
            lost_ms: 0,
            jitter_permille: 0,
        }
    }

    pub(super) fn choose(&self, state: &State, machine: Option<&Machine>, call: &HostCall, rng: &mut Rng) -> u64 {
        let typical = self.typical(state, machine, call);
        let spread = f64::from(self.jitter_permille.min(1000)) / 1000.0;
        // Drawn even when nothing depends on it, so that another latency table leaves the faults of
        // a seed where they were.
        let factor = 1.0 + spread * (2.0 * rng.unit() - 1.0);
        (typical as f64 * factor).round() as u64
    }

    fn typical(&self, state: &State, machine: Option<&Machine>, call: &HostCall) -> u64 {
        if machine.is_some_and(|machine| machine.lost) {
            return self.lost_ms;
        }
        let guest = |guest| machine.and_then(|machine| machine.guests.get(guest));
        let when = |work_to_do: bool, ms: u64| if work_to_do { ms.max(self.call_ms) } else { self.call_ms };
        match call {
            HostCall::DefineNetwork { network } => {
                let there = machine.and_then(|machine| machine.networks.get(&network.id));
                when(there != Some(network), self.network_ms)
            }
            HostCall::RemoveNetwork { network } => {
                when(machine.is_some_and(|machine| machine.networks.contains_key(network)), self.network_ms)
            }
            HostCall::StageDisk { spec, image, .. } => {
                let cached = machine.is_some_and(|machine| machine.images.contains(image));
                when(guest(&spec.guest).is_none(), if cached { self.clone_ms } else { self.copy_ms })
            }
            HostCall::Boot { spec } => {
                when(guest(&spec.guest).is_some_and(|guest| guest.state != GuestState::Running), self.boot_ms)
            }
            HostCall::Stop { guest: id } => {
                when(guest(id).is_some_and(|guest| guest.state == GuestState::Running), self.stop_ms)
            }
            HostCall::Reboot { guest: id, operation } => {
                when(guest(id).is_some_and(|guest| !guest.was_rebooted_for(*operation)), self.reboot_ms)
            }
            HostCall::Destroy { guest: id } | HostCall::Evict { guest: id } => {
                when(guest(id).is_some(), self.destroy_ms)
            }
            HostCall::Migrate { spec, .. } => {
                when(guest(&spec.guest).is_some_and(|guest| guest.state == GuestState::Running), self.migrate_ms)
            }
            HostCall::ApplyRouter { .. } | HostCall::ProbeRouter { .. } => when(true, self.router_ms),
            HostCall::ApplyFirewall { network, revision, .. } => {
                when(machine.is_some_and(|machine| machine.firewall(*network) < *revision), self.firewall_ms)
            }
            HostCall::MakeVolume { volume, from, .. } => {
                let ms = if from.is_some() { self.snapshot_ms } else { self.volume_ms };
                when(state.stores.volume(*volume).is_none(), ms)
            }
            HostCall::ResizeVolume { volume, size, .. } => {
                when(state.stores.volume(*volume).is_some_and(|(_, volume)| volume.size < *size), self.volume_ms)
            }
            HostCall::RemoveVolume { volume, .. } => when(state.stores.volume(*volume).is_some(), self.volume_ms),
            HostCall::AttachVolume { guest: id, volume, .. } => {
                when(guest(id).is_some_and(|guest| !guest.has(volume.volume)), self.attach_ms)
            }
            HostCall::DetachVolume { guest: id, volume, .. } => {
                when(guest(id).is_some_and(|guest| guest.has(*volume)), self.attach_ms)
            }
            HostCall::MakeSnapshot { snapshot, .. } => {
                when(state.stores.snapshot(*snapshot).is_none(), self.snapshot_ms)
            }
            HostCall::RemoveSnapshot { snapshot, .. } => {
                when(state.stores.snapshot(*snapshot).is_some(), self.volume_ms)
            }
            HostCall::CopyImage { image, content, .. } => {
                let bytes = machine.map_or(content.bytes, |machine| images::missing(machine, image, content));
                when(bytes > 0, images::share_of(self.copy_ms, bytes))
            }
            HostCall::CheckImage { .. } => when(true, self.inventory_ms),
            HostCall::DropImage { image, .. } => {
                let there = |machine: &Machine| machine.images.contains(image) || machine.parts.contains_key(image);
                when(machine.is_some_and(there), self.volume_ms)
            }
            HostCall::Console { .. } => when(true, self.console_ms),
            HostCall::Stored { .. } | HostCall::Inventory | HostCall::Describe | HostCall::Sample => {
                when(true, self.inventory_ms)
            }
        }
    }
}

//! What a simulated guest has written to its console.

use std::fmt::Write;

use super::given::Given;
use super::machine::SimGuest;
use crate::GuestState;

/// Bytes that a console remembers.
const MOST: usize = 64 << 10;
/// Characters of somebody's text that are shown: a script without line ends must not push all else out.
const SHOWN: usize = 256;

/// The log of its last boot. A guest that never came up has written nothing.
pub(super) fn log(guest: &SimGuest, given: Option<&Given>) -> Vec<u8> {
    if guest.boots == 0 {
        return Vec::new();
    }
    let mut text = String::new();
    let mut line = |seconds: f64, what: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "[{seconds:12.6}] {what}");
    };
    let spec = &guest.spec;
    line(0.0, "Linux version 6.12.0 (simulated)".into());
    line(0.000_312, "Command line: root=/dev/vda1 ro console=ttyS0".into());
    line(0.021_844, format!("Memory: {}", spec.size.memory));
    line(0.098_115, format!("smp: Brought up 1 node, {} CPUs", spec.size.vcpus.0));
    line(0.731_402, format!("virtio_blk: /dev/vda: {}", spec.size.disk));
    for at in &spec.volumes {
        line(0.740_977, format!("virtio_blk: {}: {}", at.device, at.volume));
    }
    line(1.204_530, format!("virtio_net: eth0: {} {}", spec.mac, spec.ip));
    line(2.918_223, format!("{} is {}, boot {}", spec.guest, spec.name, guest.boots));
    line(3.102_760, user_data(given));
    for key in given.map_or(&[][..], |given| &given.ssh_keys) {
        line(3.140_091, format!("authorized key: {}", comment(key)));
    }
    match guest.state {
        GuestState::Staged => {}
        GuestState::Running => {
            let _ = write!(text, "\n{} login: ", spec.name);
        }
        GuestState::Stopped => line(61.007_316, "reboot: Power down".into()),
        GuestState::Crashed => line(61.007_316, "Kernel panic - not syncing: the simulation wants it so".into()),
    }
    let mut log = text.into_bytes();
    log.drain(..log.len().saturating_sub(MOST));
    log
}

fn user_data(given: Option<&Given>) -> String {
    let Some(bytes) = given.and_then(|given| given.user_data.as_ref()).map(|bytes| &*bytes.0) else {
        return "user-data: none".into();
    };
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = std::str::from_utf8(first.strip_suffix(b"\r").unwrap_or(first)).unwrap_or_default();
    match first.is_empty() || first.chars().any(char::is_control) {
        true => format!("user-data: {} bytes", bytes.len()),
        false => format!("user-data: {} bytes: {}", bytes.len(), shown(first)),
    }
}

/// What follows type and key. Options may stand before them.
fn comment(key: &str) -> String {
    let is_type = |word: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix));
    let words: Vec<&str> = key.split_whitespace().skip_while(|word| !is_type(word)).skip(2).collect();
    match words.is_empty() {
        true => "without comment".into(),
        false => shown(&words.join(" ")),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

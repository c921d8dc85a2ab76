//! `[reallocation]`: what plans may do, what asks for them, and what switches hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use cascina_core::crontab::Crontab;
use cascina_core::name::Name;
use cascina_core::plan::{Missed, Occasion, Rules, TriggerRule, Window};
use cascina_core::upkeep::Switch;
use cascina_drivers::HostRef;
use cascina_engine::power::Power;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reallocation {
    max_moves: u32,
    concurrent: u32,
    per_host: u32,
    cooldown_s: u64,
    moves_a_day: u32,
    least_gain_permille: u32,
    gib_per_permille: u32,
    auto_moves: u32,
    auto_gib: u64,
    auto_stops: u32,
    notice_s: u64,
    lasts_s: u64,
    keep_days: u64,
    pub migrate_workers: bool,
    restart_workers: bool,
    window: Vec<WindowSection>,
    trigger: Vec<TriggerSection>,
    /// By class: a program and its first arguments.
    power: BTreeMap<Name, Vec<String>>,
}

impl Default for Reallocation {
    fn default() -> Reallocation {
        let rules = Rules::default();
        Reallocation {
            max_moves: rules.max_moves,
            concurrent: rules.total,
            per_host: rules.per_host,
            cooldown_s: rules.cooldown_ms / 1000,
            moves_a_day: rules.moves_a_day,
            least_gain_permille: rules.least_gain_permille,
            gib_per_permille: rules.gib_per_permille,
            auto_moves: rules.auto_moves,
            auto_gib: rules.auto_gib,
            auto_stops: rules.auto_stops,
            notice_s: rules.notice_ms / 1000,
            lasts_s: rules.lasts_ms / 1000,
            keep_days: rules.keep_ms / 86_400_000,
            migrate_workers: rules.migrate_workers,
            restart_workers: rules.restart_workers,
            window: Vec::new(),
            trigger: Vec::new(),
            power: BTreeMap::new(),
        }
    }
}

fn utc() -> String {
    "UTC".into()
}

fn quarter() -> u64 {
    900
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowSection {
    cron: String,
    #[serde(default = "utc")]
    zone: String,
    lasts_s: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerSection {
    name: Name,
    binding: Option<Name>,
    cron: Option<String>,
    #[serde(default = "utc")]
    zone: String,
    #[serde(default)]
    missed: Missed,
    #[serde(default)]
    on: Vec<Occasion>,
    #[serde(default = "quarter")]
    quiet_s: u64,
}

impl Reallocation {
    pub fn rules(&self) -> anyhow::Result<Rules> {
        let within = |key: &str, value: u64, most: u64| match (1..=most).contains(&value) {
            true => Ok(()),
            false => bail!("reallocation.{key} = {value}; allowed: 1 to {most}"),
        };
        within("max_moves", self.max_moves.into(), 1000)?;
        within("concurrent", self.concurrent.into(), 256)?;
        within("per_host", self.per_host.into(), 64)?;
        within("lasts_s", self.lasts_s, 7 * 86_400)?;
        within("keep_days", self.keep_days, 3660)?;
        let mut windows = Vec::new();
        for window in &self.window {
            within("window.lasts_s", window.lasts_s, 7 * 86_400)?;
            windows.push(Window { cron: Crontab::new(&window.cron, &window.zone)?, lasts_ms: window.lasts_s * 1000 });
        }
        let mut names = BTreeSet::new();
        let mut triggers = Vec::new();
        for trigger in &self.trigger {
            if !names.insert(&trigger.name) {
                bail!("reallocation.trigger.name = `{}` is there twice; allowed: each name once", trigger.name);
            }
            if trigger.cron.is_none() && trigger.on.is_empty() {
                bail!(
                    "reallocation.trigger `{}` has neither `cron` nor `on`; allowed: one of them, or both",
                    trigger.name
                );
            }
            let cron = trigger.cron.as_ref().map(|line| Crontab::new(line, &trigger.zone)).transpose()?;
            triggers.push(TriggerRule {
                name: trigger.name.clone(),
                binding: trigger.binding.clone(),
                cron,
                missed: trigger.missed,
                on: trigger.on.clone(),
                quiet_ms: trigger.quiet_s.saturating_mul(1000),
            });
        }
        if let Some((class, _)) = self.power.iter().find(|(_, program)| program.is_empty()) {
            bail!("reallocation.power.{class} = []; allowed: a program and its first arguments");
        }
        Ok(Rules {
            max_moves: self.max_moves,
            total: self.concurrent,
            per_host: self.per_host,
            cooldown_ms: self.cooldown_s.saturating_mul(1000),
            moves_a_day: self.moves_a_day,
            least_gain_permille: self.least_gain_permille,
            gib_per_permille: self.gib_per_permille,
            auto_moves: self.auto_moves,
            auto_gib: self.auto_gib,
            auto_stops: self.auto_stops,
            notice_ms: self.notice_s.saturating_mul(1000),
            lasts_ms: self.lasts_s.saturating_mul(1000),
            keep_ms: self.keep_days.saturating_mul(86_400_000),
            windows,
            migrate_workers: self.migrate_workers,
            restart_workers: self.restart_workers,
            triggers,
            switched: self.power.keys().cloned().collect(),
        })
    }

    pub fn power(&self) -> Programs {
        Programs(self.power.clone())
    }
}

/// Longest that switching one host may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Programs that switch hosts: called with `on` or `off`, the host's name and its URI. One that ends with 0
/// says that the host is now as it was told.
pub struct Programs(BTreeMap<Name, Vec<String>>);

#[async_trait::async_trait]
impl Power for Programs {
    fn by(&self, class: &Name) -> Option<String> {
        self.0.get(class).and_then(|program| program.first()).cloned()
    }

    async fn switch(&self, host: &HostRef, switch: Switch) -> Result<(), String> {
        let Some([program, arguments @ ..]) = self.0.get(&host.class).map(Vec::as_slice) else {
            return Err(format!("no program switches hosts of class {}", host.class));
        };
        let word = match switch {
            Switch::On => "on",
            Switch::Off => "off",
        };
        let program = PathBuf::from(program);
        let mut command = tokio::process::Command::new(&program);
        command.args(arguments).arg(word).arg(host.name.as_str()).arg(&host.uri);
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = ended
            .map_err(|_| format!("{} did not end within {} s", program.display(), PATIENCE.as_secs()))?
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&output.stderr).chars().take(300).collect();
        Err(format!("{} ended with {}: {}", program.display(), output.status, said.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Rules> {
        toml::from_str::<Reallocation>(text)?.rules()
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(read("").unwrap(), Rules::default());
    }

    #[test]
    fn lines_are_read_and_checked() {
        let rules = read(
            "concurrent = 8\n[[trigger]]\nname = \"nightly\"\ncron = \"0 3 * * 1-5\"\nzone = \"Europe/Rome\"\non = [\"no-room\"]\n\
             [[window]]\ncron = \"0 22 * * *\"\nlasts_s = 28800\n[power]\nworkers = [\"/bin/true\"]",
        )
        .unwrap();
        assert_eq!((rules.total, rules.triggers[0].on.len(), rules.switched.len()), (8, 1, 1));
        for (text, part) in [
            ("max_moves = 0", "1 to 1000"),
            ("[[trigger]]\nname = \"a\"", "neither"),
            ("[[trigger]]\nname = \"a\"\ncron = \"x\"", "crontab"),
            ("[[window]]\ncron = \"* * * * *\"\nzone = \"Nowhere\"\nlasts_s = 1", "IANA"),
            ("[power]\nworkers = []", "a program"),
            ("typo = 1", "typo"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn programs_are_believed_when_they_end_well() {
        let class: Name = "workers".parse().unwrap();
        let host = HostRef {
            id: cascina_core::id::HostId(1),
            name: "w-1".parse().unwrap(),
            uri: "qemu+ssh://w-1/system".into(),
            class: class.clone(),
        };
        let programs = |line: &[&str]| Programs([(class.clone(), line.iter().map(|s| (*s).into()).collect())].into());
        let script = "test \"$1 $2 $3\" = \"off w-1 qemu+ssh://w-1/system\"";
        programs(&["/bin/sh", "-c", script, "power"]).switch(&host, Switch::Off).await.unwrap();
        let error = programs(&["/bin/sh", "-c", "echo no answer >&2; exit 3"]).switch(&host, Switch::Off).await;
        assert!(error.unwrap_err().contains("no answer"));
        assert!(
            programs(&["/no/such/program"]).switch(&host, Switch::On).await.unwrap_err().contains("does not start")
        );
    }
}

//! The configuration: one TOML file, and environment variables that override single values.
//!
//! Unknown keys are errors. What is left out has the default that `docs/configuration.md` lists.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use cascina_core::policy::Digest;
use cascina_drivers::netns::GatewaySettings;
use cascina_drivers::router::RouterSettings;
use cascina_drivers::sim::Latencies;
use cascina_engine::replay::Gate;
use cascina_engine::signers::{Signer, Supply, public_key};
use cascina_policy::{Budgets, Interpreters, Warm};
use serde::Deserialize;

use crate::ec2::Ec2;
use crate::hosts::{self, Scheme};
use crate::metadata;
use crate::reallocation::Reallocation;
use crate::site::{
    BindingSection, ClassSection, FlavorSection, HostSection, ImageSection, ShareSection, SiteFile, SiteSection,
};

/// Sections whose plain values `CASCINA_<SECTION>_<KEY>` overrides.
const OVERRIDABLE: [&str; 7] = ["server", "ec2", "metadata", "policies", "simulation", "reallocation", "site"];
/// Variables that begin like an override and are none.
const OTHERS: [&str; 2] = ["CASCINA_SERVER", "CASCINA_POLICIES"];

#[cfg(feature = "libvirt")]
pub type Libvirt = cascina_drivers::libvirt::LibvirtSettings;
/// Built without libvirt: what the section says is another program's business.
#[cfg(not(feature = "libvirt"))]
pub type Libvirt = toml::Table;

#[derive(Debug, Default, Deserialize)]
#[serde(from = "File")]
pub struct Config {
    pub server: Server,
    pub ec2: Ec2,
    /// Guests are answered at 169.254.169.254.
    pub metadata: Option<metadata::Section>,
    pub policies: Policies,
    pub gates: Vec<GateSection>,
    pub signers: Vec<SignerSection>,
    pub simulation: Simulation,
    /// What routers on gateway hosts do (`uri = "netns:"`).
    pub gateway: Option<GatewaySettings>,
    /// Where guests on real hosts get images and disks from.
    pub libvirt: Option<Libvirt>,
    pub site: SiteFile,
}

/// The file as it is written. All sections are named here because serde finds unknown keys only in
/// a struct that holds them directly.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    server: Server,
    ec2: Ec2,
    metadata: Option<metadata::Section>,
    policies: Policies,
    gate: Vec<GateSection>,
    signer: Vec<SignerSection>,
    simulation: Simulation,
    gateway: Option<GatewaySettings>,
    libvirt: Option<Libvirt>,
    reallocation: Reallocation,
    site: SiteSection,
    class: Vec<ClassSection>,
    share: Vec<ShareSection>,
    host: Vec<HostSection>,
    flavor: Vec<FlavorSection>,
    image: Vec<ImageSection>,
    binding: Option<Vec<BindingSection>>,
}

impl From<File> for Config {
    fn from(file: File) -> Config {
        let File {
            server,
            ec2,
            metadata,
            policies,
            gate,
            signer,
            simulation,
            gateway,
            libvirt,
            reallocation,
            site,
            class,
            share,
            host,
            flavor,
            image,
            binding,
        } = file;
        Config {
            server,
            ec2,
            metadata,
            policies,
            gates: gate,
            signers: signer,
            simulation,
            gateway,
            libvirt,
            site: SiteFile { site, reallocation, class, share, host, flavor, image, binding },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Database, compiled policies, simulated hosts: everything that a server leaves behind.
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// A call to a host counts as unanswered after this.
    pub call_deadline_s: u64,
    pub reconcile_every_s: u64,
    /// How long a token lasts that a user gets for an access key.
    pub token_ttl_s: u64,
    /// What goes into the log, as `tracing` filters have it.
    pub log: String,
    pub log_form: LogForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogForm {
    /// A line an entry, for people.
    Text,
    /// An object a line, for programs.
    Json,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            data: "/var/lib/cascina".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            call_deadline_s: 120,
            reconcile_every_s: 60,
            token_ttl_s: 43_200,
            log: "info".into(),
            log_form: LogForm::Text,
        }
    }
}

impl Server {
    pub fn database(&self) -> PathBuf {
        self.data.join("cascina.db")
    }

    pub fn call_deadline(&self) -> Duration {
        Duration::from_secs(self.call_deadline_s)
    }

    pub fn reconcile_every(&self) -> Duration {
        Duration::from_secs(self.reconcile_every_s)
    }
}

/// Bounds of the sandbox that sites have reasons to change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    pub component_mib: usize,
    pub memory_mib: usize,
    pub fuel: u64,
    pub deadline_ms: u64,
    pub quarantine_after: u32,
    /// The most that components with a manifest get: interpreters. No memory lets none in.
    pub interpreter_component_mib: usize,
    pub interpreter_memory_mib: usize,
    pub interpreter_fuel: u64,
    pub interpreter_deadline_ms: u64,
    /// At the same time; others wait.
    pub interpreters: u32,
    /// Instances that wait for their next question; none: each question gets a fresh one.
    pub warm_instances: u32,
    pub warm_calls: u32,
    pub warm_s: u64,
    /// Fuel in an hour for all policies of one owner; what goes beyond is put in quarantine.
    pub site_fuel_per_hour: Option<u64>,
    pub share_fuel_per_hour: Option<u64>,
    pub tenant_fuel_per_hour: Option<u64>,
    /// Also in scopes for which no signer is on the list.
    pub require_signatures: bool,
    /// A file of digests; what is not in it may not decide.
    pub lock: Option<PathBuf>,
}

/// Somebody whose signature counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerSection {
    pub name: String,
    /// Ed25519: a PEM block, or its bytes in base64.
    pub key: String,
    /// `site`, `share:NAME` or `tenant:NAME`, with `*` for any text.
    #[serde(default = "site_only")]
    pub scopes: Vec<String>,
}

fn site_only() -> Vec<String> {
    vec!["site".into()]
}

/// As `cascina policy lock` writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockFile {
    #[serde(default)]
    policy: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Locked {
    policy: String,
    digest: Digest,
}

/// What a replay must show before a policy may decide.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSection {
    /// None: every hook.
    pub hook: Option<cascina_core::policy::Hook>,
    /// A tenant's name, or a pattern with `*`.
    #[serde(default = "everybody")]
    pub tenants: String,
    pub max_new_denials: u64,
    #[serde(default = "month")]
    pub since_days: u64,
}

fn everybody() -> String {
    "*".into()
}

fn month() -> u64 {
    30
}

impl GateSection {
    pub fn gate(&self) -> Gate {
        Gate {
            hook: self.hook,
            tenants: self.tenants.clone(),
            max_new_denials: self.max_new_denials,
            since_ms: self.since_days * 24 * 3_600_000,
        }
    }
}

impl Default for Policies {
    fn default() -> Policies {
        let bounds = cascina_policy::Bounds::default();
        Policies {
            component_mib: bounds.component_bytes >> 20,
            memory_mib: bounds.memory_bytes >> 20,
            fuel: bounds.fuel,
            deadline_ms: bounds.deadline_ms,
            quarantine_after: bounds.quarantine_after,
            interpreter_component_mib: bounds.interpreters.component_bytes >> 20,
            interpreter_memory_mib: bounds.interpreters.memory_bytes >> 20,
            interpreter_fuel: bounds.interpreters.fuel,
            interpreter_deadline_ms: bounds.interpreters.deadline_ms,
            interpreters: bounds.interpreters.concurrent,
            warm_instances: bounds.interpreters.warm.instances,
            warm_calls: bounds.interpreters.warm.calls,
            warm_s: bounds.interpreters.warm.seconds,
            site_fuel_per_hour: None,
            share_fuel_per_hour: None,
            tenant_fuel_per_hour: None,
            require_signatures: false,
            lock: None,
        }
    }
}

impl Policies {
    pub fn bounds(&self) -> cascina_policy::Bounds {
        cascina_policy::Bounds {
            component_bytes: self.component_mib << 20,
            memory_bytes: self.memory_mib << 20,
            fuel: self.fuel,
            deadline_ms: self.deadline_ms,
            quarantine_after: self.quarantine_after,
            budgets: Budgets {
                site: self.site_fuel_per_hour,
                share: self.share_fuel_per_hour,
                tenant: self.tenant_fuel_per_hour,
            },
            interpreters: Interpreters {
                component_bytes: self.interpreter_component_mib << 20,
                memory_bytes: self.interpreter_memory_mib << 20,
                fuel: self.interpreter_fuel,
                deadline_ms: self.interpreter_deadline_ms,
                concurrent: self.interpreters,
                warm: Warm { instances: self.warm_instances, calls: self.warm_calls, seconds: self.warm_s },
            },
            ..cascina_policy::Bounds::default()
        }
    }
}

/// Simulated hosts (`uri = "sim:"`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Simulation {
    /// How long the hosts' time takes: 1.0 is true to life, 0.1 ten times faster, 0 without waiting.
    pub time_scale: f64,
    pub seed: u64,
    pub latencies: Latencies,
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation { time_scale: 1.0, seed: 0, latencies: Latencies::default() }
    }
}

impl Config {
    /// Reads the file, then the overrides among `variables`, and checks what a type cannot say.
    pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Config> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        let place = path.display().to_string();
        Config::parse(&text, variables).with_context(|| format!("configuration {place}"))
    }

    pub fn parse(text: &str, variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Config> {
        // First by itself, so that errors show the line.
        let mut config: Config = toml::from_str(text)?;
        let mut table: toml::Table = toml::from_str(text)?;
        for (name, value) in variables {
            let Some((section, key)) = target(&name) else { continue };
            let parsed = toml_value(&value);
            let entry = table.entry(section).or_insert_with(|| toml::Table::new().into());
            let Some(section) = entry.as_table_mut() else { bail!("{name}: `{section}` is not a section") };
            section.insert(key, parsed);
            // One at a time, so that the error is about this variable.
            config = table.clone().try_into().with_context(|| format!("environment variable {name}=`{value}`"))?;
        }
        config.check()?;
        Ok(config)
    }

    /// What routers are told, by how their hosts are reached.
    pub fn routers(&self) -> Vec<(Scheme, &RouterSettings)> {
        let gateway = self.gateway.as_ref().map(|settings| (Scheme::Gateway, &settings.router));
        #[cfg(feature = "libvirt")]
        let libvirt = self.libvirt.as_ref().map(|settings| (Scheme::Libvirt, &settings.router));
        #[cfg(not(feature = "libvirt"))]
        let libvirt = None;
        gateway.into_iter().chain(libvirt).collect()
    }

    /// Whose signatures count, and what is locked.
    pub fn supply(&self) -> anyhow::Result<Supply> {
        let mut signers = Vec::new();
        for SignerSection { name, key, scopes } in &self.signers {
            let key = public_key(key).with_context(|| format!("signer `{name}`: key = `{key}`"))?;
            let known = |scope: &&String| {
                scope.as_str() == "*" || *scope == "site" || scope.starts_with("share:") || scope.starts_with("tenant:")
            };
            if let Some(wrong) = scopes.iter().find(|scope| !known(scope)) {
                bail!("signer `{name}`: scopes = `{wrong}`; allowed: site, share:NAME, tenant:NAME, *");
            }
            signers.push(Signer { name: name.clone(), key, scopes: scopes.clone() });
        }
        let lock = match &self.policies.lock {
            None => None,
            Some(path) => {
                let place = || format!("policies.lock = {}", path.display());
                let text = std::fs::read_to_string(path).with_context(place)?;
                let file: LockFile = toml::from_str(&text).with_context(place)?;
                Some(file.policy.into_iter().map(|locked| (locked.policy, locked.digest)).collect())
            }
        };
        Ok(Supply { signers, always: self.policies.require_signatures, lock })
    }

    fn check(&self) -> anyhow::Result<()> {
        self.supply()?;
        let positive = |key: &str, value: u64, most: u64| {
            if (1..=most).contains(&value) { Ok(()) } else { bail!("{key} = {value}; allowed: 1 to {most}") }
        };
        positive("server.call_deadline_s", self.server.call_deadline_s, 86_400)?;
        positive("server.reconcile_every_s", self.server.reconcile_every_s, 86_400)?;
        positive("server.token_ttl_s", self.server.token_ttl_s, 31_536_000)?;
        positive("policies.component_mib", self.policies.component_mib as u64, 64)?;
        positive("policies.memory_mib", self.policies.memory_mib as u64, 1024)?;
        positive("policies.fuel", self.policies.fuel, u64::MAX)?;
        positive("policies.deadline_ms", self.policies.deadline_ms, 60_000)?;
        positive("policies.quarantine_after", self.policies.quarantine_after.into(), 1_000_000)?;
        positive("policies.interpreter_component_mib", self.policies.interpreter_component_mib as u64, 256)?;
        positive("policies.interpreter_memory_mib", self.policies.interpreter_memory_mib as u64 + 1, 1025)?;
        positive("policies.interpreter_fuel", self.policies.interpreter_fuel, u64::MAX)?;
        positive("policies.interpreter_deadline_ms", self.policies.interpreter_deadline_ms, 60_000)?;
        positive("policies.interpreters", self.policies.interpreters.into(), 256)?;
        positive("policies.warm_instances", u64::from(self.policies.warm_instances) + 1, 257)?;
        positive("policies.warm_calls", self.policies.warm_calls.into(), u64::from(u32::MAX))?;
        positive("policies.warm_s", self.policies.warm_s, 31_536_000)?;
        for gate in &self.gates {
            positive("gate.since_days", gate.since_days, 36_600)?;
        }
        self.ec2.check()?;
        let scale = self.simulation.time_scale;
        if !(0.0..=1000.0).contains(&scale) {
            bail!("simulation.time_scale = {scale}; allowed: 0 to 1000");
        }
        let spec = self.site.spec()?;
        if let Some(section) = &self.metadata {
            section.peers(&spec.site, &self.routers())?;
        }
        for host in spec.hosts {
            match hosts::scheme(&host.uri) {
                Ok(Scheme::Gateway) if self.gateway.is_none() => {
                    bail!("host {} makes routers in namespaces; [gateway] must say what they do", host.name);
                }
                Ok(Scheme::Libvirt) if self.libvirt.is_none() => {
                    bail!(
                        "host {} is reached through libvirt; [libvirt] must say where images and disks are",
                        host.name
                    );
                }
                _ => {}
            }
        }
        self.site.bindings().map(|_| ())
    }
}

/// Section and key that a variable overrides.
fn target(variable: &str) -> Option<(&'static str, String)> {
    if OTHERS.contains(&variable) {
        return None;
    }
    let rest = variable.strip_prefix("CASCINA_")?.to_ascii_lowercase();
    let section = OVERRIDABLE.into_iter().find(|section| rest.starts_with(&format!("{section}_")))?;
    Some((section, rest[section.len() + 1..].to_owned()))
}

/// A number, a truth, a list; everything else is text and needs no quotes.
fn toml_value(text: &str) -> toml::Value {
    let document = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = document.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, variables: &[(&str, &str)]) -> anyhow::Result<Config> {
        Config::parse(text, variables.iter().map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn the_example_is_sound() {
        let config = parse(include_str!("../../../examples/lab.toml"), &[]).unwrap();
        assert_eq!(config.site.spec().unwrap().hosts.len(), 39);
    }

    #[test]
    fn variables_override() {
        let config = parse("", &[("CASCINA_SERVER_LISTEN", "127.0.0.1:9"), ("CASCINA_SIMULATION_TIME_SCALE", "0.5")]);
        let config = config.unwrap();
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.simulation.time_scale, 0.5);
        // The client's variables are not the server's.
        parse("", &[("CASCINA_SERVER", "http://localhost"), ("CASCINA_TOKEN", "x")]).unwrap();
    }

    #[test]
    fn errors_name_key_value_and_what_is_allowed() {
        let said = |text: &str, variables: &[(&str, &str)]| format!("{:#}", parse(text, variables).unwrap_err());
        let error = said("[server]\nlisen = 1\n", &[]);
        assert!(error.contains("lisen") && error.contains("listen"), "{error}");
        let error = said("", &[("CASCINA_SERVER_LISTEN", "nowhere")]);
        assert!(error.contains("CASCINA_SERVER_LISTEN") && error.contains("nowhere"), "{error}");
        let error = said("[simulation]\ntime_scale = -1.0\n", &[]);
        assert!(error.contains("time_scale") && error.contains("0 to 1000"), "{error}");
        let error =
            said("[[host]]\nnames = \"h-[1-2]\"\nclass = \"nope\"\nvcpus = 1\nmemory_mib = 1\ndisk_gib = 1\n", &[]);
        assert!(error.contains("host") && error.contains("nope"), "{error}");
    }
}

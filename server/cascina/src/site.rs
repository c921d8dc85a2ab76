//! The site's part of the configuration, and how it becomes what the engine is given.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use cascina_core::command::NewBinding;
use cascina_core::flavor::Flavor;
use cascina_core::host::{ClassKind, Host, HostClass, HostState, Share};
use cascina_core::id::{HostId, ShareId};
use cascina_core::image::Image;
use cascina_core::name::Name;
use cascina_core::policy::{Digest, Fallback, Hook, Mode, Scope};
use cascina_core::site::{Site, SiteSpec};
use cascina_core::spread::{Bounds, ImageCare};
use cascina_core::units::{Gib, Size, Timestamp};
use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::reallocation::Reallocation;
use crate::{hosts, ranges};

/// The sections that describe the site. What they name is made or brought up to date at every
/// start; what they do not name is left alone.
#[derive(Debug, Default)]
pub struct SiteFile {
    pub site: SiteSection,
    pub reallocation: Reallocation,
    pub class: Vec<ClassSection>,
    pub share: Vec<ShareSection>,
    pub host: Vec<HostSection>,
    pub flavor: Vec<FlavorSection>,
    pub image: Vec<ImageSection>,
    pub binding: Option<Vec<BindingSection>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteSection {
    name: Option<Name>,
    private_pool: Option<Ipv4Net>,
    subnet_prefix: Option<u8>,
    public_pool: Vec<String>,
    address_rest_s: Option<u64>,
    default_tier: Option<Name>,
    hold_s: Option<u64>,
    retention_s: Option<u64>,
    idempotency_s: Option<u64>,
    router_class: Option<Name>,
    router: Option<SizeSection>,
    images: ImagesSection,
}

/// How images get to hosts that keep them by themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesSection {
    spread: Option<bool>,
    copies_per_source: Option<u32>,
    copies_in_all: Option<u32>,
}

impl ImagesSection {
    fn care(&self) -> anyhow::Result<ImageCare> {
        let default = ImageCare::default();
        let bounded = |key: &str, given: Option<u32>, usual: u32| match given {
            None => Ok(usual),
            Some(count @ 1..=1000) => Ok(count),
            Some(count) => bail!("site.images.{key} = {count}; allowed: 1 to 1000"),
        };
        Ok(ImageCare {
            spread: self.spread.unwrap_or(default.spread),
            bounds: Bounds {
                per_source: bounded("copies_per_source", self.copies_per_source, default.bounds.per_source)?,
                in_all: bounded("copies_in_all", self.copies_in_all, default.bounds.in_all)?,
            },
        })
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeSection {
    vcpus: u32,
    memory_mib: u64,
    disk_gib: u64,
}

impl SizeSection {
    fn size(self) -> Size {
        Size::new(self.vcpus, self.memory_mib, self.disk_gib)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSection {
    name: Name,
    kind: ClassKind,
    #[serde(default = "no_overcommit")]
    cpu_overcommit: f64,
    #[serde(default = "a_tebibyte")]
    volumes_gib: u64,
}

fn a_tebibyte() -> u64 {
    1024
}

fn no_overcommit() -> f64 {
    1.0
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareSection {
    name: Name,
    group: Name,
    #[serde(default)]
    lends: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSection {
    names: String,
    class: Name,
    share: Option<Name>,
    #[serde(default = "simulated")]
    uri: String,
    #[serde(default)]
    vcpus: u32,
    #[serde(default)]
    memory_mib: u64,
    #[serde(default)]
    disk_gib: u64,
}

fn simulated() -> String {
    "sim:".into()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlavorSection {
    name: Name,
    vcpus: u32,
    memory_mib: u64,
    disk_gib: u64,
    #[serde(default)]
    deprecated: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSection {
    name: Name,
    source: String,
    min_disk_gib: u64,
    /// What its file must have.
    sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingSection {
    name: Name,
    hook: Hook,
    policy: String,
    /// None: the whole site's.
    share: Option<Name>,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default = "middle")]
    order: u32,
    #[serde(default = "even")]
    weight: u32,
    #[serde(default = "enforce")]
    mode: Mode,
    #[serde(default = "deny")]
    on_error: Fallback,
}

fn middle() -> u32 {
    100
}

fn even() -> u32 {
    100
}

fn enforce() -> Mode {
    Mode::Enforce
}

fn deny() -> Fallback {
    Fallback::Deny
}

/// Refuses a second thing of the same name.
fn unique<'a>(key: &str, names: impl Iterator<Item = &'a Name>) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            bail!("{key} = `{name}` is there twice; allowed: each name once");
        }
    }
    Ok(())
}

/// The thing must be in the file.
fn known<'a>(key: &str, name: &Name, mut names: impl Iterator<Item = &'a Name> + Clone) -> anyhow::Result<usize> {
    let all = names.clone().map(Name::as_str).collect::<Vec<_>>().join(", ");
    match names.position(|known| known == name) {
        Some(position) => Ok(position),
        None if all.is_empty() => bail!("{key} = `{name}` is not defined, and the file defines none"),
        None => bail!("{key} = `{name}` is not defined; allowed: {all}"),
    }
}

impl SiteFile {
    pub fn spec(&self) -> anyhow::Result<SiteSpec> {
        unique("class.name", self.class.iter().map(|class| &class.name))?;
        unique("share.name", self.share.iter().map(|share| &share.name))?;
        unique("flavor.name", self.flavor.iter().map(|flavor| &flavor.name))?;
        unique("image.name", self.image.iter().map(|image| &image.name))?;
        let classes = self.class.iter().map(ClassSection::class).collect::<anyhow::Result<Vec<_>>>()?;
        let mut hosts = Vec::new();
        for section in &self.host {
            hosts.extend(self.hosts(section, &classes)?);
        }
        unique("host.names", hosts.iter().map(|host| &host.name))?;
        Ok(SiteSpec {
            site: self.site(&classes)?,
            classes,
            shares: self.share.iter().map(ShareSection::share).collect(),
            hosts,
            flavors: self.flavor.iter().map(FlavorSection::flavor).collect::<anyhow::Result<_>>()?,
            images: self.image.iter().map(ImageSection::image).collect::<anyhow::Result<_>>()?,
        })
    }

    /// Made at the first start only: later, bindings are changed through the API.
    pub fn bindings(&self) -> anyhow::Result<Vec<NewBinding>> {
        let Some(sections) = &self.binding else { return Ok(default_bindings()) };
        unique("binding.name", sections.iter().map(|binding| &binding.name))?;
        sections.iter().map(|section| self.binding(section)).collect()
    }

    fn site(&self, classes: &[HostClass]) -> anyhow::Result<Site> {
        let given = &self.site;
        let default = Site::default();
        let seconds = |given: Option<u64>, default: u64| given.map_or(default, |s| s.saturating_mul(1000));
        let private_pool = given.private_pool.unwrap_or(default.private_pool);
        let subnet_prefix = given.subnet_prefix.unwrap_or(default.subnet_prefix);
        if private_pool.trunc() != private_pool {
            bail!("site.private_pool = `{private_pool}`; allowed: the network's own address, {}", private_pool.trunc());
        }
        // A router, a handful of instances, and at most 65536 segments.
        let fewest = private_pool.prefix_len().max(8);
        if !(fewest..=28).contains(&subnet_prefix) || subnet_prefix - private_pool.prefix_len() > 16 {
            bail!(
                "site.subnet_prefix = {subnet_prefix}; allowed: {fewest} to 28, at most 16 more than that of {private_pool}"
            );
        }
        let mut public_pool = Vec::new();
        for text in &given.public_pool {
            public_pool.push(ranges::addresses(text).map_err(anyhow::Error::msg).context("site.public_pool")?);
        }
        let mut sorted = public_pool.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
            bail!("site.public_pool: {} is in two ranges; allowed: each address once", pair[1].0);
        }
        let router_class = given.router_class.clone().unwrap_or(default.router_class);
        if !classes.is_empty() {
            known("site.router_class", &router_class, classes.iter().map(|class| &class.name))?;
        }
        Ok(Site {
            name: given.name.clone().unwrap_or(default.name),
            private_pool,
            subnet_prefix,
            public_pool,
            address_rest_ms: seconds(given.address_rest_s, default.address_rest_ms),
            router_class,
            router_size: given.router.map_or(default.router_size, SizeSection::size),
            default_tier: given.default_tier.clone().unwrap_or(default.default_tier),
            hold_ms: seconds(given.hold_s, default.hold_ms),
            retention_ms: seconds(given.retention_s, default.retention_ms),
            receipt_ms: seconds(given.idempotency_s, default.receipt_ms),
            images: Some(given.images.care()?),
            rules: self.reallocation.rules()?,
            veil: default.veil,
        })
    }

    /// A host's `share` is the position, from 1, of its share in the file; 0 is the site.
    fn hosts(&self, section: &HostSection, classes: &[HostClass]) -> anyhow::Result<Vec<Host>> {
        let key = |key: &str| format!("host `{}`: {key}", section.names);
        let names = ranges::names(&section.names).map_err(anyhow::Error::msg).context("host.names")?;
        let class = &classes[known(&key("class"), &section.class, classes.iter().map(|class| &class.name))?];
        let share = match &section.share {
            None => ShareId::SITE,
            Some(name) => {
                let position = known(&key("share"), name, self.share.iter().map(|share| &share.name))?;
                ShareId(u32::try_from(position + 1)?)
            }
        };
        let simulated = section.uri == "sim:";
        if let Err(allowed) = hosts::scheme(&section.uri) {
            bail!("{} = `{}`; allowed: {allowed}", key("uri"), section.uri);
        }
        if names.len() > 1 && !simulated && !section.uri.contains("{name}") {
            bail!(
                "{} = `{}` for {} hosts; allowed: an address with {{name}} in it",
                key("uri"),
                section.uri,
                names.len()
            );
        }
        let real = Size::new(section.vcpus, section.memory_mib, section.disk_gib);
        // A real host of which nothing is said tells its own.
        let measured = real == Size::ZERO && !simulated;
        if !measured && (section.vcpus == 0 || section.memory_mib == 0) {
            bail!("{} = {real}; allowed: at least 1 vCPU and 1 MiB", key("vcpus, memory_mib"));
        }
        let capacity = class.offered(real);
        let host = |name: Name| Host {
            id: HostId(0),
            uri: section.uri.replace("{name}", name.as_str()),
            name,
            class: class.name.clone(),
            share,
            capacity,
            measured,
            facts: None,
            state: if measured { HostState::Enrolling } else { HostState::Up },
            note: None,
            created: Timestamp(0),
            updated: Timestamp(0),
        };
        Ok(names.into_iter().map(host).collect())
    }

    fn binding(&self, section: &BindingSection) -> anyhow::Result<NewBinding> {
        let key = |key: &str| format!("binding `{}`: {key}", section.name);
        let scope = match &section.share {
            None => Scope::Site,
            Some(name) => {
                let position = known(&key("share"), name, self.share.iter().map(|share| &share.name))?;
                // An empty site numbers its shares in the order of the file, and only then is this used.
                Scope::Share(ShareId(u32::try_from(position + 1)?))
            }
        };
        if !(1..=1000).contains(&section.weight) {
            bail!("{} = {}; allowed: 1 to 1000", key("weight"), section.weight);
        }
        Ok(NewBinding {
            name: section.name.clone(),
            hook: section.hook,
            scope,
            policy: section.policy.clone(),
            settings: serde_json::to_string(&section.settings)?,
            order: section.order,
            weight: section.weight,
            mode: section.mode,
            on_error: section.on_error,
        })
    }
}

impl ClassSection {
    fn class(&self) -> anyhow::Result<HostClass> {
        if !(0.1..=100.0).contains(&self.cpu_overcommit) {
            bail!("class `{}`: cpu_overcommit = {}; allowed: 0.1 to 100", self.name, self.cpu_overcommit);
        }
        // Within the bounds above, the number fits.
        let cpu_overcommit_permille = (self.cpu_overcommit * 1000.0).round() as u32;
        let volumes = Gib(self.volumes_gib);
        Ok(HostClass { name: self.name.clone(), kind: self.kind, cpu_overcommit_permille, volumes })
    }
}

impl ShareSection {
    fn share(&self) -> Share {
        Share {
            id: ShareId(0),
            name: self.name.clone(),
            group: self.group.clone(),
            lends: self.lends,
            recalled: false,
            created: Timestamp(0),
            updated: Timestamp(0),
        }
    }
}

impl FlavorSection {
    fn flavor(&self) -> anyhow::Result<Flavor> {
        if self.vcpus == 0 || self.memory_mib == 0 {
            bail!("flavor `{}`: vcpus, memory_mib; allowed: at least 1 of each", self.name);
        }
        Ok(Flavor {
            name: self.name.clone(),
            size: Size::new(self.vcpus, self.memory_mib, self.disk_gib),
            deprecated: self.deprecated,
            created: Timestamp(0),
            updated: Timestamp(0),
        })
    }
}

impl ImageSection {
    fn image(&self) -> anyhow::Result<Image> {
        let digest = |text: &String| {
            text.parse::<Digest>()
                .map_err(|_| anyhow::anyhow!("image `{}`: sha256 = `{text}`; allowed: 64 of 0-9 and a-f", self.name))
        };
        let sha256 = self.sha256.as_ref().map(digest).transpose()?;
        Ok(Image { sha256, ..Image::of_site(self.name.clone(), &self.source, Gib(self.min_disk_gib)) })
    }
}

/// The three that make a bare server work.
fn default_bindings() -> Vec<NewBinding> {
    let binding = |name: &str, hook| NewBinding {
        name: name.parse().unwrap_or_else(|_| unreachable!("a literal that is a name")),
        hook,
        scope: Scope::Site,
        policy: name.into(),
        settings: "{}".into(),
        order: middle(),
        weight: even(),
        mode: enforce(),
        on_error: deny(),
    };
    vec![
        binding("admission-default", Hook::Admission),
        binding("quota-tiers", Hook::Quota),
        NewBinding { on_error: Fallback::Next, ..binding("placement-pack", Hook::Placement) },
    ]
}

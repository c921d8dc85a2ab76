//! What the keys of the file mean.

use super::item::{Item, reference};
use super::{Block, MultiConfig, MultiError};
use crate::archive::ContentType;
use crate::handlers;
use crate::yaml::{Node, Value};

/// Keys of cloud-config that may stand in the file itself. `users` and `puppet` are blocks of the library,
/// and cloud-config's own are written below `cloud-config`.
const CLOUD_CONFIG: &[&str] = &[
    "apk_repos",
    "apt",
    "apt_pipelining",
    "bootcmd",
    "ca_certs",
    "chef",
    "chpasswd",
    "cloud_config_modules",
    "cloud_final_modules",
    "cloud_init_modules",
    "disable_ec2_metadata",
    "disable_root",
    "disk_setup",
    "final_message",
    "fqdn",
    "fs_setup",
    "groups",
    "growpart",
    "hostname",
    "keyboard",
    "locale",
    "manage_etc_hosts",
    "manage_resolv_conf",
    "mount_default_fields",
    "mounts",
    "no_ssh_fingerprints",
    "ntp",
    "output",
    "package_reboot_if_required",
    "package_update",
    "package_upgrade",
    "packages",
    "password",
    "phone_home",
    "power_state",
    "prefer_fqdn_over_hostname",
    "preserve_hostname",
    "random_seed",
    "reporting",
    "resize_rootfs",
    "resolv_conf",
    "rsyslog",
    "runcmd",
    "snap",
    "ssh",
    "ssh_authorized_keys",
    "ssh_deletekeys",
    "ssh_genkeytypes",
    "ssh_import_id",
    "ssh_keys",
    "ssh_publish_hostkeys",
    "ssh_pwauth",
    "swap",
    "system_info",
    "timezone",
    "vendor_data",
    "wireguard",
    "write_files",
    "yum_repos",
    "zypper",
];

fn wrong(line: usize, said: impl Into<String>) -> MultiError {
    MultiError::Line { line, said: said.into() }
}

pub(super) fn library() -> String {
    let blocks: Vec<&str> = handlers::LIBRARY.iter().flat_map(|handler| handler.blocks).copied().collect();
    blocks.join(", ")
}

pub(super) fn sort(root: &Node) -> Result<MultiConfig, MultiError> {
    let mut config = MultiConfig {
        boothooks: Vec::new(),
        handlers: Vec::new(),
        blocks: Vec::new(),
        cloud_config: Vec::new(),
        more_cloud_config: Vec::new(),
        includes: Vec::new(),
        scripts: Vec::new(),
        reports: true,
    };
    if root.is_null() {
        return Ok(config);
    }
    let entries = root
        .map()
        .ok_or_else(|| wrong(root.line, format!("a map of blocks is expected, and here is {}", root.kind())))?;
    for (key, node) in entries {
        match key.text.as_str() {
            "boothook" | "boothooks" => config.boothooks.extend(items(node)?),
            "scripts" | "afterburners" => config.scripts.extend(items(node)?),
            "include" | "includes" => config.includes.extend(items(node)?),
            "parthandlers" => config.handlers.extend(part_handlers(node)?),
            "cloud-config" => cloud_config(node, &mut config)?,
            "report" => {
                config.reports = node
                    .scalar()
                    .and_then(crate::yaml::Scalar::boolean)
                    .ok_or_else(|| wrong(node.line, "report is true or false"))?;
            }
            known if CLOUD_CONFIG.contains(&known) => config.cloud_config.push((key.clone(), node.clone())),
            name => config.blocks.push(block(name, node)?),
        }
    }
    let mut seen = std::collections::HashSet::new();
    if let Some((key, node)) = config.cloud_config.iter().find(|(key, _)| !seen.insert(&key.text)) {
        return Err(wrong(node.line, format!("{} is there twice, also below cloud-config", key.text)));
    }
    Ok(config)
}

fn items(node: &Node) -> Result<Vec<Item>, MultiError> {
    match &node.value {
        Value::List(items) => items.iter().map(Item::parse).collect(),
        _ if node.is_null() => Ok(Vec::new()),
        _ => Ok(vec![Item::parse(node)?]),
    }
}

/// Either a list, or `repo` with the `modules` that are there.
fn part_handlers(node: &Node) -> Result<Vec<Item>, MultiError> {
    let Some(modules) = node.get("modules") else { return items(node) };
    let line = node.line;
    for (key, value) in node.map().unwrap_or_default() {
        if !matches!(key.text.as_str(), "repo" | "modules") {
            let said =
                format!("{} is not known here: repo, modules; put what modules share into each of them", key.text);
            return Err(wrong(value.line, said));
        }
    }
    let repo =
        node.get("repo").and_then(Node::as_str).ok_or_else(|| wrong(line, "repo is missing: where the modules are"))?;
    let modules = modules.list().ok_or_else(|| wrong(line, "modules is a list of names"))?;
    let module = |module: &Node| {
        let name = module.as_str().ok_or_else(|| wrong(module.line, "a module is a name"))?;
        Ok(Item::elsewhere(module.line, reference(&format!("{}/{name}", repo.trim_end_matches('/')), module.line)?))
    };
    modules.iter().map(module).collect()
}

fn cloud_config(node: &Node, config: &mut MultiConfig) -> Result<(), MultiError> {
    match &node.value {
        Value::Map(entries) => config.cloud_config.extend(entries.iter().cloned()),
        Value::List(_) => config.more_cloud_config.extend(items(node)?),
        _ if node.is_null() => {}
        Value::Scalar(_) => config.more_cloud_config.push(Item::parse(node)?),
    }
    Ok(())
}

fn block(name: &str, node: &Node) -> Result<Block, MultiError> {
    let line = node.line;
    if ContentType::of_block(name).is_err() || name.len() > 40 {
        return Err(wrong(line, format!("{name:?} is no name of a block: letters, digits and ._- only, at most 40")));
    }
    if let Some(handler) = handlers::of_block(name) {
        handler.check(node).map_err(|(line, said)| wrong(line, said))?;
        return Ok(Block { name: name.to_owned(), line, config: node.clone(), embedded: Vec::new() });
    }
    // Somebody's own: files may be embedded in it, as text below their names.
    let mut config = node.clone();
    let mut embedded = Vec::new();
    if let Value::Map(entries) = &mut config.value {
        let repo = node.get("repo").and_then(Node::as_str).map(|repo| repo.trim_end_matches('/').to_owned());
        if let Some(at) = entries.iter().position(|(key, _)| key.text == "embedfiles") {
            let (_, files) = entries.remove(at);
            for file in files.list().ok_or_else(|| wrong(files.line, "embedfiles is a list"))? {
                let text = file.as_str().ok_or_else(|| wrong(file.line, "a path or an address is expected"))?;
                // A plus: from the repository.
                let from = match (text.strip_prefix('+'), &repo) {
                    (Some(name), Some(repo)) => format!("{repo}/{name}"),
                    (Some(_), None) => return Err(wrong(file.line, "this is to come from repo, and repo is missing")),
                    (None, _) => text.to_owned(),
                };
                embedded.push(Item::elsewhere(file.line, reference(&from, file.line)?));
            }
        }
    }
    Ok(Block { name: name.to_owned(), line, config, embedded })
}

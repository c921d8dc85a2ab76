//! NoCloud: `meta-data`, `user-data`, `network-config` in the root.

use serde_json::json;

use super::{File, Seed};

pub(super) fn files(seed: &Seed) -> Vec<File> {
    let about = json!({
        "instance-id": seed.instance,
        "local-hostname": seed.hostname,
        "public-keys": seed.ssh_keys,
    });
    let mut files = vec![File::json("meta-data", &about), File::new("user-data", seed.user_data())];
    files.extend(seed.network.as_ref().map(|network| File::json("network-config", &network.version_2())));
    files
}

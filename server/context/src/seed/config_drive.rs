//! ConfigDrive: OpenStack's metadata on a disk.

use std::collections::BTreeMap;

use serde_json::json;

use super::{File, Seed};

pub(super) fn files(seed: &Seed) -> Vec<File> {
    let keys: BTreeMap<String, &String> =
        seed.ssh_keys.iter().enumerate().map(|(place, key)| (format!("key-{place}"), key)).collect();
    let about = json!({
        // OpenStack has UUIDs; readers only compare it with what it was at the last boot.
        "uuid": seed.instance,
        "hostname": seed.hostname,
        "name": seed.hostname,
        "public_keys": keys,
        "launch_index": 0,
    });
    let mut files = vec![
        File::json("openstack/latest/meta_data.json", &about),
        File::new("openstack/latest/user_data", seed.user_data()),
    ];
    let network = |network: &super::Network| File::json("openstack/latest/network_data.json", &network.openstack());
    files.extend(seed.network.as_ref().map(network));
    files
}

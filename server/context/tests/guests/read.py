"""What cloud-init makes of a context disk or of a metadata service, as JSON.

    read.py nocloud|configdrive|opennebula FOLDER
    read.py ec2|ec2-tokens URL

The folder is where the disk's files are. cloud-init's own code reads them; nothing is configured.
"""

import base64
import json
import logging
import os
import sys
import tempfile

from cloudinit import distros, helpers, util
from cloudinit.net import eni, netplan, network_state
from cloudinit.sources import DataSourceConfigDrive, DataSourceEc2, DataSourceNoCloud, DataSourceOpenNebula

MAC = "02:00:00:0c:07:05"


def paths(scratch):
    return helpers.Paths({"cloud_dir": scratch, "run_dir": scratch})


def binary(data):
    return base64.b64encode(util.encode_text(data or "")).decode()


def hostname(source):
    """Newer versions say more than the name."""
    name = source.get_hostname()
    return name if isinstance(name, str) else name[0]


def rendered(config):
    """The files that distributions with netplan and those without get."""
    if config is None:
        return {}
    state = network_state.parse_net_config_data(config)
    files = {}
    for name, renderer in (
        ("eni", eni.Renderer({"eni_path": "file", "netrules_path": None, "eni_header": None})),
        ("netplan", netplan.Renderer({"netplan_path": "file", "postcmds": False})),
    ):
        with tempfile.TemporaryDirectory() as target:
            renderer.render_network_state(state, target=target)
            with open(os.path.join(target, "file")) as file:
                files[name] = file.read()
    return files


def main(kind, where):
    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    scratch = tempfile.mkdtemp()
    out = {}
    if kind == "nocloud":
        # As from a device with the label, but for the mounting.
        util.find_devs_with = lambda criteria=None, **_: (
            ["/dev/context"] if criteria in ("TYPE=vfat", "LABEL=CIDATA") else []
        )
        util.mount_cb = lambda device, callback, data=None, **_: callback(where, data)
        source = DataSourceNoCloud.DataSourceNoCloud({}, None, paths(scratch))
        assert source._get_data(), "not a seed"
        config = source.network_config
        out["id"] = source.get_instance_id()
        out["hostname"] = hostname(source)
        out["keys"] = source.get_public_ssh_keys()
        out["user_data"] = binary(source.userdata_raw)
        out["seed"] = source.seed
    elif kind == "configdrive":
        source = DataSourceConfigDrive.DataSourceConfigDrive({}, None, paths(scratch))
        source.seed_dir, source.known_macs = where, {MAC: "ens3"}
        assert source._get_data(), "not a config drive"
        assert source.version == 2, source.version
        config = source.network_config
        out["id"] = source.get_instance_id()
        out["hostname"] = hostname(source)
        out["keys"] = source.get_public_ssh_keys()
        out["user_data"] = binary(source.userdata_raw)
    elif kind == "opennebula":
        DataSourceOpenNebula.get_physical_nics_by_mac = lambda distro: {MAC: "eth0"}
        read = DataSourceOpenNebula.read_context_disk_dir(where, None)
        config = read.get("network-interfaces")
        out["hostname"] = read["metadata"]["local-hostname"]
        out["keys"] = read["metadata"].get("public-keys", [])
        out["user_data"] = binary(read["userdata"])
        out["variables"] = sorted(name for name in read["metadata"] if name.isupper())
    else:
        config = None
        config_of = {"datasource": {"Ec2": {"metadata_urls": [where], "max_wait": 5, "timeout": 5}}}
        source = DataSourceEc2.DataSourceEc2(config_of, distros.fetch("debian")("debian", {}, None), paths(scratch))
        source._cloud_name = "aws" if kind == "ec2-tokens" else "unknown"
        crawled = source.crawl_metadata()
        assert crawled, "nothing was found"
        source.metadata = crawled["meta-data"]
        out["version"] = crawled["_metadata_api_version"]
        out["metadata"] = crawled["meta-data"]
        out["identity"] = crawled.get("dynamic", {}).get("instance-identity", {}).get("document")
        out["keys"] = source.get_public_ssh_keys()
        out["user_data"] = binary(crawled["user-data"])
        out["network"] = DataSourceEc2.convert_ec2_metadata_network_config(
            crawled["meta-data"]["network"], {MAC: "eth0"}
        )
    out["files"] = rendered(config)
    out["warnings"] = warnings
    print(json.dumps(out))


main(*sys.argv[1:])

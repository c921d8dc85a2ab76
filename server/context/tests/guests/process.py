"""What cloud-init makes of user-data, as JSON.

    process.py parts FILE...        the parts that it sees in each
    process.py run FILE FOLDER      all of it as at a first boot, below a folder: hooks, handlers, scripts
    process.py schema FILE...       whether it takes each as cloud-config

Its own code does it, from wherever PYTHONPATH has it. Nothing of this machine is configured: handlers
are told by CASCINA_ROOT to work below the folder, and find programs where PATH says.
"""

import hashlib
import json
import logging
import os
import sys

from cloudinit import handlers, helpers, stages, user_data, util
from cloudinit.sources import DataSource

try:
    from cloudinit.subp import runparts
except ImportError:
    from cloudinit.util import runparts

warnings = []


class Keeper(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage().splitlines()[0])


class Source(DataSource):
    dsname = "Test"

    def _get_data(self):
        self.metadata = {"instance-id": "i-1"}
        return True

    def get_instance_id(self):
        return "i-1"


def parts(path):
    paths = helpers.Paths({"cloud_dir": "/nonexistent", "run_dir": "/nonexistent"})
    with open(path, "rb") as file:
        message = user_data.UserDataProcessor(paths).process(file.read())
    seen = []

    def see(data, filename, payload, headers):
        payload = payload if isinstance(payload, bytes) else (payload or "").encode("utf-8", "surrogateescape")
        seen.append([headers["Content-Type"], filename, hashlib.sha256(payload).hexdigest()])

    handlers.walk(message, see, None)
    return seen


def run(path, folder):
    folder = os.path.abspath(folder)
    for name in ("cloud/data", "cloud/instances/i-1/scripts", "run/cloud-init"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    config = os.path.join(folder, "cloud.cfg")
    with open(config, "w") as file:
        json.dump({"system_info": {"distro": "debian", "paths": {
            "cloud_dir": os.path.join(folder, "cloud"), "run_dir": os.path.join(folder, "run")}}}, file)
    os.environ["CLOUD_CFG"] = config
    # As distributions have it.
    os.makedirs(os.path.join(folder, "var/log"), exist_ok=True)
    log = logging.FileHandler(os.path.join(folder, "var/log/cloud-init.log"))
    log.setFormatter(logging.Formatter("%(asctime)s - %(filename)s[%(levelname)s]: %(message)s"))
    logging.getLogger().addHandler(log)
    logging.getLogger().setLevel(logging.DEBUG)
    calls = []
    real = handlers.run_part

    def seen(mod, data, filename, payload, frequency, headers):
        calls.append([headers["Content-Type"], filename])
        return real(mod, data, filename, payload, frequency, headers)

    handlers.run_part = seen
    init = stages.Init()
    init.read_cfg()
    init.initialize()
    source = Source({}, init.distro, init.paths)
    with open(path, "rb") as file:
        source.userdata_raw = file.read()
    source.get_data()
    init.datasource = source
    init._cfg = None
    init.paths.datasource = source
    init.instancify()
    init.update()
    init._consume_userdata("once-per-instance")
    failed = None
    try:
        runparts(os.path.join(folder, "cloud/instance/scripts"))
    except RuntimeError as error:
        failed = str(error)
    return {"calls": calls, "failed": failed}


def schema(path):
    from cloudinit.config.schema import SchemaValidationError, validate_cloudconfig_schema

    with open(path) as file:
        config = util.load_yaml(file.read())
    try:
        validate_cloudconfig_schema(config, strict=True)
        return []
    except SchemaValidationError as error:
        return [problem[0] if isinstance(problem, tuple) else problem.path for problem in error.schema_errors]


def main(verb, *given):
    logging.getLogger().addHandler(Keeper(logging.WARNING))
    if verb == "parts":
        out = {}
        for path in given:
            try:
                out[os.path.basename(path)] = parts(path)
            except Exception as error:
                out[os.path.basename(path)] = "%s: %s" % (type(error).__name__, error)
    elif verb == "schema":
        out = {os.path.basename(path): schema(path) for path in given}
    else:
        out = run(*given)
        out["warnings"] = warnings
    print(json.dumps(out))


main(*sys.argv[1:])

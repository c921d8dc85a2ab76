"""Two private libvirt daemons as hosts, the world outside in a network namespace of its own, and a server.

What `farm.py` and the others here play on. Whatever is not as it should be ends a play with the server's log.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("CASCINA", str(ROOT / "target/debug/cascina"))
# Emulated processors are slow, and more so when others use the machine.
PATIENCE = 600

CONFIG = """
[server]
data = "{run}/data"
listen = "127.0.0.1:0"
reconcile_every_s = 5
call_deadline_s = 300

[ec2]
listen = "127.0.0.1:0"

[site]
name = "qemu"
private_pool = "10.64.0.0/16"
public_pool = ["203.0.113.10-203.0.113.29"]
address_rest_s = 1
router_class = "services"
router = {{ vcpus = 1, memory_mib = 150, disk_gib = 1 }}

[[class]]
name = "services"
kind = "services"
cpu_overcommit = 16.0
volumes_gib = 20

{hosts}

[[flavor]]
name = "micro"
vcpus = 1
memory_mib = 128
disk_gib = 1

[[flavor]]
name = "small"
vcpus = 1
memory_mib = 384
disk_gib = 2

[[image]]
name = "micro"
source = "micro"
min_disk_gib = 1

[[image]]
name = "debian-12"
source = "debian-12"
min_disk_gib = 2

# Says of itself that it hangs on a file of the host.
[[image]]
name = "trick"
source = "trick"
min_disk_gib = 1

# Becomes such a one after it was looked at.
[[image]]
name = "turns"
source = "turns"
min_disk_gib = 1

[libvirt]
accelerator = "{accelerator}"
cpu_shares = false
unsafe_disks = true
images = "{images}"
router_kernel = "{router}/vmlinuz"
router_initrd = "{router}/initrd"
stop_grace_seconds = 20
consoles = "/var/log/libvirt/cascina"

[libvirt.classes.services]
pool = "{run}/shared"
shared = true
uplink = {{ vxlan = {{ base = 1000, device = "fab0", peers = ["10.99.0.11", "10.99.0.12"] }} }}

[libvirt.peers]
{peers}

[libvirt.router]
public = [{{ cidr = "203.0.113.0/24", gateway = "203.0.113.1" }}]
domain_suffix = "farm.internal"
mtu = 1450
closed = ["10.64.0.0/16"]
"""

class Failed(Exception):
    pass


def run(*command, check=True, timeout=PATIENCE, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout, **more)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


class Stage:
    """The hosts, the server, and what they are asked."""

    def __init__(self):
        # A short path: sockets of virtual machines are below it.
        self.run = Path(tempfile.mkdtemp(prefix="cq.", dir="/tmp"))
        self.server = None
        self.times = []
        # Not dependent on what the caller has set for another server.
        for name in list(os.environ):
            if name.startswith(("CASCINA_", "AWS_")):
                del os.environ[name]

    # ---- Setting up and taking down ------------------------------------------------------------

    def hosts_up(self):
        said = run(ROOT / "tests/qemu/hosts.sh", "up", self.run, "2").stdout
        values = dict(line.removeprefix("export ").split("=", 1) for line in said.splitlines())
        plain = {name: run("bash", "-c", f"printf %s {value}").stdout for name, value in values.items()}
        self.prefix = plain["CASCINA_QEMU_PREFIX"]
        self.uris = dict(pair.split("=", 1) for pair in plain["CASCINA_QEMU_HOSTS"].split())

    def serve(self):
        accelerator = run("sh", ROOT / "images/accelerator.sh").stdout.strip()
        hosts = "\n".join(
            f'[[host]]\nnames = "{name}"\nclass = "services"\nuri = "{uri}"\n' for name, uri in self.uris.items()
        )
        peers = "\n".join(
            f'{name} = {{ migrate = "tcp://10.99.0.{11 + place}" }}' for place, name in enumerate(self.uris)
        )
        images = self.run / "images"
        images.mkdir()
        shutil.copy(ROOT / "images/build/micro/micro.qcow2", images / "micro.qcow2")
        shutil.copy(ROOT / "images/build/micro/micro.qcow2", images / "turns.qcow2")
        (images / "debian-12.qcow2").symlink_to(ROOT / "images/build/guest/debian-12.qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", images / "trick.qcow2", "1G")
        text = CONFIG.format(
            run=self.run, hosts=hosts, peers=peers, accelerator=accelerator, images=images,
            router=ROOT / "images/build/router",
        )
        (self.run / "cascina.toml").write_text(text)
        self.accelerator = accelerator
        self.start()

    def start(self, crash_at=None):
        """With `crash_at`, a step of a saga at which the server is to die: see `crash.py`."""
        log = open(self.run / "log", "a")
        environment = dict(os.environ, **({"CASCINA_CRASH_AT": crash_at} if crash_at else {}))
        self.server = subprocess.Popen(
            [PROGRAM, "serve", "--config", str(self.run / "cascina.toml")],
            stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
        )
        self.url = None
        for line in self.server.stdout:
            if line.startswith("cascina is ready at "):
                self.url = line.split()[-1]
                return
        if not crash_at:
            raise Failed("the server does not start")

    def down(self, code):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(60)
        if code != 0 and (self.run / "log").exists():
            print("\nThe last lines of the server's log:\n", file=sys.stderr)
            print("\n".join((self.run / "log").read_text().splitlines()[-60:]), file=sys.stderr)
        run(ROOT / "tests/qemu/hosts.sh", "down", self.run, check=False)
        shutil.rmtree(self.run, ignore_errors=True)

    # ---- Asking --------------------------------------------------------------------------------

    def cascina(self, *words, check=True):
        environment = dict(os.environ, CASCINA_TOKEN_FILE=str(self.run / "data/admin.token"))
        return run(PROGRAM, "--server", self.url, *words, check=check, env=environment).stdout

    def list(self, *words):
        return json.loads(self.cascina(*words, "-o", "json"))

    def instances(self, farm):
        return sorted(self.list("instance", "list", "--farm", farm), key=lambda row: row["ip"])

    def ec2(self, farm):
        lines = self.cascina("farm", "credentials", farm, "--form", "env").splitlines()
        values = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
        values = {name: value.strip("'\"") for name, value in values.items()}
        return boto3.client(
            "ec2",
            endpoint_url=values["AWS_ENDPOINT_URL_EC2"],
            region_name=values["AWS_DEFAULT_REGION"],
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
        )

    def outside(self, *command, check=False, timeout=60):
        return run("ip", "netns", "exec", f"{self.prefix}-outside", *command, check=check, timeout=timeout)

    def answers(self, ip, port=80):
        """What the guest behind an address says of itself, or None."""
        done = self.outside("curl", "-s", "--max-time", "5", f"http://{ip}:{port}/")
        return done.stdout.strip() if done.returncode == 0 else None

    def virsh(self, host, *words):
        return run("virsh", "-q", "-c", self.uris[host], *words).stdout

    def inside(self, host, *command, **more):
        """In the network of a host."""
        return run("ip", "netns", "exec", f"{self.prefix}-{host}", *command, **more)

    def where(self, instance):
        """The host that an instance is on, and the name of its domain."""
        row = self.list("instance", "show", instance)
        return row["host"], f"cascina-{row['id']}"

    def agent(self, host, domain, command, **arguments):
        asked = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(self.virsh(host, "qemu-agent-command", domain, asked, "--timeout", "30"))["return"]

    def execute(self, instance, *command, seconds=120):
        """Runs a program in a guest by its agent: what it wrote."""
        host, domain = self.where(instance)
        pid = self.agent(host, domain, "guest-exec", path=command[0], arg=list(command[1:]),
                         **{"capture-output": True})["pid"]
        end = time.monotonic() + seconds
        while not (said := self.agent(host, domain, "guest-exec-status", pid=pid))["exited"]:
            if time.monotonic() > end:
                raise Failed(f"{command[0]} does not end in the guest {instance}")
            time.sleep(0.3)
        out, err = (base64.b64decode(said.get(name, "")).decode("utf-8", "replace") for name in ("out-data", "err-data"))
        if said.get("exitcode") != 0:
            raise Failed(f"{' '.join(command)[:200]} in {instance} ended with {said.get('exitcode')}: {out}{err}")
        return out

    def nothing_left(self):
        for name in self.uris:
            for what, words in (("domain", ("list", "--all", "--name")), ("network", ("net-list", "--all", "--name")),
                                ("filter", ("nwfilter-list",))):
                left = [line for line in self.virsh(name, *words).splitlines() if "cascina" in line]
                self.holds(f"no {what} is left on {name}", not left or print(left))
            links = run("ip", "-n", f"{self.prefix}-{name}", "-o", "link").stdout
            ours = ("ci", "cr", "co", "cb", "cv")
            left = [line for line in links.splitlines() if line.split(": ")[1].startswith(ours)]
            self.holds(f"no port, bridge or tunnel is left on {name}",
                       all("cbpub" in line for line in left) or print(left))
        left = [path.name for path in (self.run / "shared").iterdir()]
        self.holds("no disk is left but copies of images",
                   not [name for name in left if name.startswith(("i-", "router-", "vol-", "snap-"))] or print(left))

    # ---- Telling -------------------------------------------------------------------------------

    def step(self, text):
        now = time.monotonic()
        if self.times:
            self.times[-1][1] = now - self.times[-1][1]
            print(f"      {self.times[-1][1]:.1f} s")
        self.times.append([text, now])
        print(f"\n{len(self.times):2}. {text}", flush=True)

    def holds(self, sentence, truth):
        if not truth:
            raise Failed(f"it does not hold that {sentence}")
        print(f"    ok: {sentence}", flush=True)

    def within(self, seconds, sentence, condition):
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise Failed(f"it does not hold within {seconds} s that {sentence}")
            time.sleep(0.3)
        print(f"    ok: {sentence}", flush=True)
        return found


def console(ec2, instance):
    said = ec2.get_console_output(InstanceId=instance).get("Output", "")
    return said if isinstance(said, str) else said.decode("utf-8", "replace")



def perform(play):
    """Plays, tells how it ended, and takes everything down."""
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]}: private libvirt daemons need root")
    stage, code = Stage(), 1
    try:
        play(stage)
        stage.step("Done")
        code = 0
    except (Failed, subprocess.TimeoutExpired) as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        code = 130
    finally:
        stage.down(code)
    sys.exit(code)

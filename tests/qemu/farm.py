#!/usr/bin/env python3
"""A farm on real virtual machines, shown and asserted step by step, with how long each took.

`make demo-qemu` and `make test-qemu` run it, as root. Two private libvirt daemons are the hosts; the outside world
is a network namespace of its own. Whatever is not as it should be ends it with the server's log.
"""

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

[[image]]
name = "micro"
source = "micro"
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

# Written to the guest's console: who it is, and every few seconds whether it reaches a neighbour's guest.
USER_DATA = """#!/bin/sh
echo "user-data ran on $(hostname)" >/dev/console
nslookup ip-{dashed} >/dev/console 2>&1
(while :; do ping -c 1 -W 2 {stranger} >/dev/null 2>&1 && echo "REACHED {stranger}" >/dev/console
             ping -c 1 -W 2 {gateway} >/dev/null 2>&1 && echo "gateway answers" >/dev/console; sleep 3; done) &
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
        text = CONFIG.format(
            run=self.run, hosts=hosts, peers=peers, accelerator=accelerator, images=images,
            router=ROOT / "images/build/router",
        )
        (self.run / "cascina.toml").write_text(text)
        self.accelerator = accelerator
        self.start()

    def start(self):
        log = open(self.run / "log", "a")
        self.server = subprocess.Popen(
            [PROGRAM, "serve", "--config", str(self.run / "cascina.toml")], stdout=subprocess.PIPE, stderr=log, text=True
        )
        self.url = self.ec2_url = None
        for line in self.server.stdout:
            if line.startswith("cascina is ready at "):
                self.url = line.split()[-1]
                break
        if not self.url:
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


def play(stage):
    stage.step("Two hosts, a server")
    stage.hosts_up()
    stage.serve()
    stage.within(120, "both hosts tell what they are and are up",
                 lambda: [row["state"] for row in stage.list("host", "list")] == ["up", "up"])
    for row in stage.list("host", "list"):
        print(f"    {row['name']}: {row['facts']['hypervisor']}, {row['capacity']['vcpus']} vCPUs offered")
    print(f"    guests run on {stage.accelerator}")

    stage.step("A farm: network, router, elastic IP")
    stage.cascina("farm", "create", "alpha", "--tenant", "alice", "--tier", "unlimited")
    farm = stage.list("farm", "show", "alpha")
    public = farm["addresses"][0]["ip"]
    stage.within(PATIENCE, "the router's address answers from outside",
                 lambda: stage.outside("ping", "-c", "1", "-W", "2", public).returncode == 0)

    stage.step("Two instances with user-data, asked for by an EC2 client")
    ec2 = stage.ec2("alpha")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    data = USER_DATA.format(dashed="10-64-1-1", stranger="10.64.2.10", gateway="10.64.1.1")
    ec2.run_instances(ImageId=image, InstanceType="micro", MinCount=2, MaxCount=2, UserData=data,
                      Placement={"AvailabilityZone": "services"})
    running = lambda: [row["state"] for row in stage.instances("alpha")] == ["running", "running"]
    stage.within(PATIENCE, "both run", running)
    one, two = stage.instances("alpha")
    ids = [row["InstanceId"] for r in ec2.describe_instances()["Reservations"] for row in r["Instances"]]
    by_ip = {row["PrivateIpAddress"]: row["InstanceId"]
             for r in ec2.describe_instances()["Reservations"] for row in r["Instances"]}
    for row in (one, two):
        stage.within(PATIENCE, f"{row['name']} ran its user-data",
                     lambda row=row: "user-data ran on" in console(ec2, by_ip[row["ip"]]))
        stage.within(PATIENCE, f"{row['name']} reaches its gateway, so DHCP gave it {row['ip']}",
                     lambda row=row: "gateway answers" in console(ec2, by_ip[row["ip"]]))

    stage.step("An elastic IP, behind a security group")
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=by_ip[one["ip"]])
    elastic = address["PublicIp"]
    stage.within(120, "the router has it", lambda: stage.list("farm", "show", "alpha")["router"]["applied_revision"]
                 == stage.list("farm", "show", "alpha")["router"]["desired_revision"])
    stage.holds("nothing comes in that no rule allows", stage.answers(elastic) is None)
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    for protocol, port in (("tcp", 80), ("tcp", 7)):
        ec2.authorize_security_group_ingress(GroupId=group, IpProtocol=protocol, FromPort=port, ToPort=port,
                                             CidrIp="0.0.0.0/0")
    stage.within(60, f"with a rule for port 80, {elastic} answers from outside as {one['ip']}",
                 lambda: one["ip"] in (stage.answers(elastic) or ""))

    stage.step("A port forward, and a conversation through it that goes on")
    router = farm["router"]["id"]
    stage.cascina("router", "forwards", router, f"tcp:8080={two['ip']}:80", f"tcp:8007={two['ip']}:7")
    stage.within(60, f"port 8080 of {public} is port 80 of {two['ip']}",
                 lambda: two["ip"] in (stage.answers(public, 8080) or ""))
    talk = subprocess.Popen(
        ["ip", "netns", "exec", f"{stage.prefix}-outside", sys.executable, "-c",
         "import socket,sys,time\n"
         f"s=socket.create_connection(('{public}',8007),30)\ns.settimeout(60)\n"
         "worst=0\n"
         "for line in sys.stdin:\n"
         "    s.sendall(b'tick\\n'); before=time.monotonic(); got=b''\n"
         "    while not got.endswith(b'\\n'): got+=s.recv(64)\n"
         "    print(time.monotonic()-before,flush=True)\n"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tick():
        talk.stdin.write("tick\n")
        talk.stdin.flush()
        line = talk.stdout.readline()
        if not line:
            raise Failed("the conversation through the router ended")
        return float(line)

    tick()
    stage.step("The elastic IP moves to the other instance")
    before = time.monotonic()
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=by_ip[two["ip"]], AllowReassociation=True)
    gaps = []
    while two["ip"] not in (stage.answers(elastic) or ""):
        gaps.append(tick())
        if time.monotonic() - before > 60:
            raise Failed("the elastic IP does not move")
    print(f"    {elastic} is {two['ip']} after {time.monotonic() - before:.2f} s; "
          f"the longest wait of the conversation meanwhile was {max(gaps + [tick()]):.2f} s")
    stage.holds("the conversation through the router goes on", tick() < 30)

    stage.step("A live migration between the hosts")
    here = stage.instances("alpha")[1]["host"]
    there = next(name for name in stage.uris if name != here)
    before = time.monotonic()
    mover = subprocess.Popen([PROGRAM, "--server", stage.url, "instance", "migrate", two["id"], "--to", there],
                             env=dict(os.environ, CASCINA_TOKEN_FILE=str(stage.run / "data/admin.token")),
                             stdout=subprocess.DEVNULL)
    gaps = []
    while mover.poll() is None:
        gaps.append(tick())
        time.sleep(0.05)
    stage.holds(f"it went from {here} to {there}", mover.returncode == 0 and stage.instances("alpha")[1]["host"] == there)
    gaps.append(tick())
    print(f"    {time.monotonic() - before:.1f} s in all; its guest was silent for {max(gaps):.2f} s at most")
    # The console's log begins anew on each host: what a start says would be in it.
    stage.within(60, "it goes on there", lambda: "gateway answers" in console(ec2, by_ip[two["ip"]]))
    stage.holds("it did not start again", "micro: start " not in console(ec2, by_ip[two["ip"]]))

    stage.step("A second farm, which neither sees nor is seen")
    stage.cascina("farm", "create", "beta", "--tenant", "bob", "--tier", "unlimited")
    other = stage.ec2("beta")
    data = USER_DATA.format(dashed="10-64-2-1", stranger="10.64.1.10", gateway="10.64.2.1")
    other.run_instances(ImageId=image, InstanceType="micro", MinCount=1, MaxCount=1, UserData=data,
                        Placement={"AvailabilityZone": "services"})
    third = other.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]
    stage.within(PATIENCE, "its instance reaches its own gateway", lambda: "gateway answers" in console(other, third))
    time.sleep(8)
    stage.holds("it does not reach the first farm", "REACHED" not in console(other, third))
    stage.holds("the first farm does not reach it",
                all("REACHED" not in console(ec2, by_ip[row["ip"]]) for row in (one, two)))

    stage.step("The server is killed and comes back; the router is killed and comes back")
    stage.server.kill()
    stage.server.wait()
    stage.holds("guests go on without the server", two["ip"] in (stage.answers(elastic) or ""))
    stage.start()
    on = stage.list("farm", "show", "alpha")["router"]["host"]
    stage.virsh(on, "destroy", f"cascina-{router}")
    stage.within(PATIENCE, "the router is noticed, started and has its configuration again",
                 lambda: two["ip"] in (stage.answers(elastic) or ""))

    stage.step("All of it goes")
    talk.kill()
    stage.cascina("farm", "delete", "alpha")
    stage.cascina("farm", "delete", "beta")
    for name in stage.uris:
        for what, words in (("domain", ("list", "--all", "--name")), ("network", ("net-list", "--all", "--name")),
                            ("filter", ("nwfilter-list",))):
            left = [line for line in stage.virsh(name, *words).splitlines() if "cascina" in line]
            stage.holds(f"no {what} is left on {name}", not left or print(left))
        links = run("ip", "-n", f"{stage.prefix}-{name}", "-o", "link").stdout
        left = [line for line in links.splitlines() if line.split(": ")[1].startswith(("ci", "cr", "co", "cb", "cv"))]
        stage.holds(f"no port, bridge or tunnel is left on {name}",
                    all("cbpub" in line for line in left) or print(left))
    left = [path.name for path in (stage.run / "shared").iterdir()]
    stage.holds("no disk is left but copies of images",
                not [name for name in left if name.startswith(("i-", "router-", "vol-"))] or print(left))


def main():
    if os.geteuid() != 0:
        sys.exit("farm.py: private libvirt daemons need root")
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


main()

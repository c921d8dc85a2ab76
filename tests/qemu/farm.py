#!/usr/bin/env python3
"""A farm on real virtual machines, shown and asserted step by step, with how long each took.

`make demo-qemu` and `make test-qemu` run it, as root.
"""

import hashlib
import os
import subprocess
import sys
import time

from stage import PATIENCE, PROGRAM, ROOT, Failed, console, perform

# Run by cloud-init. It says on the console that it ran, answers on port 80 who it is and on port 7 what it is told,
# and says every few seconds which neighbours it reaches. What it carries beside is to come out as it went in.
USER_DATA = """#!/bin/sh
# ]]></metadata><disk type='file'/> ' " ` $(touch /hostile) ${{HOME}} \\ {{{{ ds.meta }}}} %s &amp; é
echo "user-data ran on $(hostname)" >/dev/console
echo "once more" >>/var/lib/runs
cat >/run/answer.py <<'END'
import http.server, socket, socketserver, threading
class Who(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = f"{{socket.gethostname()}} {{self.connection.getsockname()[0]}} asked by {{self.client_address[0]}}".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(said))); self.end_headers(); self.wfile.write(said)
    def log_message(self, *_): pass
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile: self.wfile.write(line)
class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
threading.Thread(target=Threads(("", 7), Echo).serve_forever).start()
http.server.ThreadingHTTPServer(("", 80), Who).serve_forever()
END
setsid python3 /run/answer.py >/dev/null 2>&1 &
(while :; do ping -c 1 -W 2 {stranger} >/dev/null 2>&1 && echo "REACHED {stranger}" >/dev/console
             ping -c 1 -W 2 {gateway} >/dev/null 2>&1 && echo "gateway answers" >/dev/console; sleep 3; done) &
"""
# The same for the small guest without cloud-init.
SMALL_DATA = """#!/bin/sh
echo "user-data ran on $(hostname)" >/dev/console
(while :; do ping -c 1 -W 2 {stranger} >/dev/null 2>&1 && echo "REACHED {stranger}" >/dev/console
             ping -c 1 -W 2 {gateway} >/dev/null 2>&1 && echo "gateway answers" >/dev/console; sleep 3; done) &
"""


def answered(stage, instance, program):
    """Whether the agent of a guest runs a program, which it does when it is up."""
    try:
        stage.execute(instance, program)
    except Failed:
        return False
    return True


def attack(stage, attacker, neighbour):
    """Frames of many kinds are sent from within a guest; they are looked for on every device of every host."""
    here, _ = stage.where(attacker["id"])
    watchers = {
        host: subprocess.Popen(["ip", "netns", "exec", f"{stage.prefix}-{host}", sys.executable,
                                ROOT / "tests/qemu/watch.py"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for host in [*stage.uris, "outside"]
    }
    for watcher in watchers.values():
        watcher.stdout.readline()
    forge = (ROOT / "tests/qemu/attack.py").read_text()
    device = stage.execute(attacker["id"], "/bin/sh", "-c", "ls /sys/class/net | grep -v lo").strip()
    sent = stage.execute(attacker["id"], "/usr/bin/python3", "-c", forge, device, attacker["ip"], neighbour["ip"],
                         neighbour["mac"], "10.64.1.1", "2").split()
    time.sleep(2)
    seen = set()
    for host, watcher in watchers.items():
        said, _ = watcher.communicate("end\n", timeout=30)
        seen.update((host, *line.split()) for line in said.splitlines())
    honest = {where for *where, name in seen if name == "honest" for where in [tuple(where)]}
    ports = {tuple(where) for *where, name in seen if name == "mac-of-nobody"}
    stage.holds("what it forged came to its port", len(ports) == 1 and next(iter(ports))[0] == here or print(seen))
    stage.holds("what it sent honestly came further", len(honest) > 1 or print(seen))
    for name in sent:
        stage.holds(f"it did send {name}", (*next(iter(ports)), name) in seen or print(seen))
    through = sorted(entry for entry in seen if entry[2] != "honest" and entry[:2] not in ports)
    stage.holds("nothing forged came further", not through or print(through))
    return [name for name in sent if name != "honest"]


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
    images = {row["Name"]: row["ImageId"] for row in ec2.describe_images()["Images"]}
    data = USER_DATA.format(stranger="10.64.2.10", gateway="10.64.1.1")
    before = time.monotonic()
    ec2.run_instances(ImageId=images["debian-12"], InstanceType="small", MinCount=2, MaxCount=2, UserData=data,
                      Placement={"AvailabilityZone": "services"})
    running = lambda: [row["state"] for row in stage.instances("alpha")] == ["running", "running"]
    stage.within(PATIENCE, "both run", running)
    print(f"    {time.monotonic() - before:.1f} s from the request")
    one, two = stage.instances("alpha")
    ids = [row["InstanceId"] for r in ec2.describe_instances()["Reservations"] for row in r["Instances"]]
    by_ip = {row["PrivateIpAddress"]: row["InstanceId"]
             for r in ec2.describe_instances()["Reservations"] for row in r["Instances"]}
    for row in (one, two):
        stage.within(PATIENCE, f"{row['name']} ran its user-data",
                     lambda row=row: "user-data ran on" in console(ec2, by_ip[row["ip"]]))
        stage.within(PATIENCE, f"{row['name']} reaches its gateway, so DHCP gave it {row['ip']}",
                     lambda row=row: "gateway answers" in console(ec2, by_ip[row["ip"]]))

        said = stage.execute(row["id"], "/usr/bin/cloud-init", "status", "--wait")
        stage.holds(f"its cloud-init says that it is done", "status: done" in said or print(said))
        got = stage.execute(row["id"], "/usr/bin/sha256sum", "/var/lib/cloud/instance/user-data.txt").split()[0]
        stage.holds("the user-data that it has is what was given", got == hashlib.sha256(data.encode()).hexdigest())
        stage.holds("nothing in it was taken for something else",
                    "hostile" not in stage.execute(row["id"], "/bin/ls", "/").split())

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
    started = stage.execute(two["id"], "/bin/cat", "/proc/sys/kernel/random/boot_id")
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
    stage.holds("it did not start again", "Linux version" not in console(ec2, by_ip[two["ip"]])
                and stage.execute(two["id"], "/bin/cat", "/proc/sys/kernel/random/boot_id") == started)

    stage.step("A second farm, which neither sees nor is seen")
    stage.cascina("farm", "create", "beta", "--tenant", "bob", "--tier", "unlimited")
    other = stage.ec2("beta")
    data = SMALL_DATA.format(stranger="10.64.1.10", gateway="10.64.2.1")
    other.run_instances(ImageId=images["micro"], InstanceType="micro", MinCount=1, MaxCount=1, UserData=data,
                        Placement={"AvailabilityZone": "services"})
    third = other.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"]
    stage.within(PATIENCE, "its instance reaches its own gateway", lambda: "gateway answers" in console(other, third))
    time.sleep(8)
    stage.holds("it does not reach the first farm", "REACHED" not in console(other, third))
    stage.holds("the first farm does not reach it",
                all("REACHED" not in console(ec2, by_ip[row["ip"]]) for row in (one, two)))

    stage.step("One of its guests sends what is not its own to send")
    held = attack(stage, two, one)
    print(f"    held: {', '.join(held)}")

    stage.step("A guest shuts itself down, and that is its right")
    stage.execute(one["id"], "/bin/systemctl", "poweroff", "--no-block")
    state = lambda: stage.list("instance", "show", one["id"])["state"]
    stage.within(PATIENCE, "it is stopped", lambda: state() == "stopped")
    time.sleep(12)
    stage.holds("nobody started it again", state() == "stopped")
    stage.cascina("instance", "start", one["id"])
    stage.within(PATIENCE, "it is started when that is asked for", lambda: answered(stage, one["id"], "/bin/true"))
    stage.execute(one["id"], "/usr/bin/cloud-init", "status", "--wait")
    stage.holds("its user-data did not run again",
                stage.execute(one["id"], "/bin/cat", "/var/lib/runs") == "once more\n")

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
    stage.nothing_left()


perform(play)

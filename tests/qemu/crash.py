#!/usr/bin/env python3
"""Everything that can die dies, on real hosts: the server at each step of making, unmaking and unwinding a farm; a
host's libvirt in the middle of work; a host for longer; a guest's and a router's QEMU.

`make test-qemu` runs it, as root. After each death all ends as if it had not been, or is as it was before.
"""

import os
import signal
import subprocess
import time

from stage import PATIENCE, ROOT, Failed, perform, run

# Steps that work outside the database, in their order.
CREATE = ["place-router", "isolate-router", "stage-router", "boot-router", "bind-address", "probe-router",
          "place-instances", "stage-instances", "boot-instances"]
DELETE = ["destroy-instances", "destroy-router"]
UNWIND = ["stage-instances", "probe-router", "boot-router", "stage-router", "isolate-router"]


def points(saga, steps, forth=True):
    for step in steps:
        act, done = ("act", "done") if forth else ("undo", "undone")
        for point in (f"before-{act}", f"after-{act}", f"{done}-before-commit", f"{done}-after-commit"):
            yield f"{saga}/{step}/{point}"


def die_through(stage, saga, steps, *request, forth=True, prepare=lambda: None):
    """One operation goes on from death to death: the server is started with the next point as soon as it died at
    the one before."""
    stop(stage)
    for place, point in enumerate(points(saga, steps, forth)):
        stage.start(crash_at=point)
        if place == 0:
            prepare()
            # It may die before it answers.
            stage.cascina(*request, "--no-wait", check=False)
        if not ended(stage, PATIENCE):
            raise Failed(f"the server does not come to {point}")
        print(f"    died at {point}", flush=True)
    stage.start()


def ended(stage, seconds):
    try:
        return stage.server.wait(seconds) != 0
    except subprocess.TimeoutExpired:
        return False


def stop(stage):
    stage.server.send_signal(signal.SIGKILL)
    stage.server.wait()


def farm(name, tenant, image):
    return ("farm", "create", name, "--tenant", tenant, "--tier", "unlimited", "--instances", f"flavor=micro,image={image}")


def state(stage, name):
    return next((row["state"] for row in stage.list("farm", "list") if row["name"] == name), None)


def libvirtd(stage, host):
    return int((stage.run / host / "libvirtd.pid").read_text())


def restart(stage, host):
    run(ROOT / "tests/qemu/hosts.sh", "start", stage.run, host)


def play(stage):
    stage.step("Two hosts, a server")
    stage.hosts_up()
    stage.serve()
    up = lambda: [row["state"] for row in stage.list("host", "list")]
    stage.within(120, "both hosts are up", lambda: up() == ["up", "up"])

    stage.step("The server is killed at each step of making a farm")
    die_through(stage, "farm-create", CREATE, *farm("alpha", "alice", "micro"))
    stage.within(PATIENCE, "the farm is active", lambda: state(stage, "alpha") == "active")
    public = stage.list("farm", "show", "alpha")["addresses"][0]["ip"]
    stage.within(PATIENCE, "its router answers",
                 lambda: stage.outside("ping", "-c", "1", "-W", "2", public).returncode == 0)
    guest = stage.instances("alpha")[0]
    here, domain = stage.where(guest["id"])
    for host in stage.uris:
        there = [line for line in stage.virsh(host, "list", "--all", "--name").split() if line == domain]
        stage.holds(f"the instance is {'once' if host == here else 'not'} on {host}", len(there) == (host == here))

    stage.step("Its QEMU is killed")
    run("pkill", "-KILL", "-f", f"guest={domain},")
    stage.within(PATIENCE, "that is noticed: the instance has stopped or failed, and is not called running",
                 lambda: stage.list("instance", "show", guest["id"])["state"] != "running")
    stage.cascina("instance", "start", guest["id"])
    stage.within(PATIENCE, "it starts when asked",
                 lambda: stage.list("instance", "show", guest["id"])["state"] == "running")

    stage.step("The libvirt of its host is killed, and comes back")
    os.kill(libvirtd(stage, here), signal.SIGKILL)
    stage.within(PATIENCE, "the host is seen to be down",
                 lambda: {row["name"]: row["state"] for row in stage.list("host", "list")}[here] == "down")
    why = next(row["note"] for row in stage.list("host", "list") if row["name"] == here)
    stage.holds("it is said why", "cannot be reached" in why or print(why))
    stage.holds("its guests run on", run("pgrep", "-f", f"guest={domain},").stdout.strip() != "")
    restart(stage, here)
    stage.within(PATIENCE, "the host is found again", lambda: up() == ["up", "up"])
    stage.holds("its guest is what it was", stage.list("instance", "show", guest["id"])["state"] == "running")

    stage.step("The libvirt of a host is killed in the middle of a farm's making")
    stage.cascina(*farm("beta", "bob", "micro"), "--no-wait")
    time.sleep(1.5)
    on = stage.list("farm", "show", "beta")["router"]["host"]
    os.kill(libvirtd(stage, on), signal.SIGKILL)
    time.sleep(2)
    restart(stage, on)
    stage.within(PATIENCE, "the farm is active, or gone whole", lambda: state(stage, "beta") in ("active", "failed"))
    print(f"    it is {state(stage, 'beta')}")

    stage.step("The server is killed at each step of unmaking a farm")
    die_through(stage, "farm-delete", DELETE, "farm", "delete", "alpha")
    stage.within(PATIENCE, "the farm is deleted", lambda: state(stage, "alpha") in ("deleted", None))

    stage.step("A farm cannot be made, since its image hangs on a file of the host; the server is killed at each step back")
    refused = stage.cascina(*farm("gamma", "carol", "trick"), check=False)
    stage.holds("one that was looked at is refused at once", state(stage, "gamma") is None or print(refused))
    images = stage.run / "images"

    def turn():
        # The server looks at images when it starts, and then every minute.
        checked = lambda: all(row["sha256"] for row in stage.list("image", "list") if row["name"] == "turns")
        stage.within(30, "the image was looked at", checked)
        time.sleep(2)
        os.replace(images / "trick.qcow2", images / "turns.qcow2")

    die_through(stage, "farm-create", UNWIND, *farm("gamma", "carol", "turns"), forth=False, prepare=turn)
    stage.within(PATIENCE, "the farm has failed", lambda: state(stage, "gamma") == "failed")
    stage.holds("it is said why", "laid over another file" in stage.cascina("operation", "list"))

    stage.step("All of it goes")
    if state(stage, "beta") == "active":
        stage.cascina("farm", "delete", "beta")
    stage.within(60, "operations are over",
                 lambda: all(row["state"] in ("done", "failed") for row in stage.list("operation", "list")))
    stage.nothing_left()


perform(play)

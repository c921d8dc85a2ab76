# What every handler of Cascina's begins with. Of its own it has BLOCKS, the names of its blocks, and
# apply(block, config); whatever goes wrong is raised, and ends up in the block's log and status.
import json
import os
import re
import shlex
import shutil
import subprocess
import time
import traceback

import yaml

frequency = "once-per-instance"
handler_version = 2
# Tests work below a folder.
ROOT = os.environ.get("CASCINA_ROOT", "")
LOGS = ROOT + "/var/log/cascina"
current = {"block": None, "status": None}


class Failed(Exception):
    pass


def list_types():
    return ["text/%s-config" % block for block in BLOCKS]


def say(text):
    os.makedirs(LOGS, 0o755, exist_ok=True)
    name = os.path.join(LOGS, "%s.log" % (current["block"] or BLOCKS[0]))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640), "a", errors="replace") as log:
        for line in str(text).splitlines() or [""]:
            log.write("%s %s\n" % (now, line))


def keep():
    status = current["status"]
    name = os.path.join(LOGS, "%s.status.json" % status["block"])
    with open(name + ".new", "w") as file:
        json.dump(status, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(name + ".new", name)


def handle_part(data, ctype, filename, payload, frequency):
    if ctype in ("__begin__", "__end__"):
        return
    block = re.sub("^text/|-config$", "", ctype)
    status = current["status"]
    if current["block"] != block:
        status = {"block": block, "parts": 0, "ok": True, "errors": [], "begin": time.time(), "end": None}
        current.update(block=block, status=status)
    status["end"] = None
    # Nothing that happens here may end cloud-init, or be lost.
    try:
        say("start of %s" % filename)
        keep()
        config = (yaml.safe_load(payload) or {}).get(block)
        if config is None:
            raise Failed("there is no %s in %s" % (block, filename))
        apply(block, config)
        say("end: ok")
    except BaseException as error:
        status["ok"] = False
        status["errors"].append(("%s: %s" % (type(error).__name__, error) if not isinstance(error, Failed) else str(error))[:400])
        say("end: failed: %s" % error)
        if not isinstance(error, Failed):
            say(traceback.format_exc())
    status["parts"] += 1
    status["end"] = time.time()
    keep()


def run(*command, **given):
    """Runs a program; its words go to the log, and are returned."""
    say("run " + " ".join(shlex.quote(word) for word in command))
    env = dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
    env["PATH"] = env.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin:/opt/puppetlabs/bin"
    try:
        done = subprocess.run(command, input=given.get("stdin", "").encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=given.get("timeout", 600), env=env)
    except FileNotFoundError:
        raise Failed("%s is not installed" % command[0])
    except subprocess.TimeoutExpired:
        raise Failed("%s did not end in time" % command[0])
    out = done.stdout.decode(errors="replace")
    lines = out.splitlines()
    for line in lines[-100:]:
        say("  " + line[:400])
    if done.returncode not in given.get("fine", (0,)):
        raise Failed("%s ended with %d%s" % (command[0], done.returncode, ": " + lines[-1][:200] if lines else ""))
    return out


def there(name):
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin:/opt/puppetlabs/bin"
    return shutil.which(name, path=path) is not None


def place(path):
    """Where a file of the guest is."""
    if not str(path).startswith("/") or ".." in str(path).split("/"):
        raise Failed("%s is no absolute path" % path)
    return ROOT + str(path)


def write(path, text, mode=0o644):
    name = place(path)
    os.makedirs(os.path.dirname(name), 0o755, exist_ok=True)
    new = name + ".cascina"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(new, mode)
    os.rename(new, name)
    say("wrote %s" % path)


def install(*packages, **given):
    """With whatever installs here. `repository` is a package that brings one along."""
    repository, version = given.get("repository"), given.get("version")
    if there("apt-get"):
        apt = ("apt-get", "-qy", "-o", "DPkg::Lock::Timeout=300")
        if repository:
            fetch(repository, "/run/cascina/repository.deb")
            run(*apt + ("install", place("/run/cascina/repository.deb")))
        run(*apt + ("update",))
        names, pick = apt + ("install", "--no-install-recommends"), "%s=%s*"
    elif there("dnf") or there("yum"):
        names, pick = ("dnf" if there("dnf") else "yum", "-qy", "install"), "%s-%s*"
        if repository:
            run(*names + (repository,))
    elif there("zypper"):
        names, pick = ("zypper", "-n", "install"), "%s=%s"
    else:
        raise Failed("nothing that installs packages is here: apt-get, dnf, yum or zypper")
    if version:
        try:
            return run(*names + tuple(pick % (package, version) for package in packages), timeout=1800)
        except Failed as error:
            say("version %s is not to be had here (%s): the newest is taken" % (version, error))
    run(*names + tuple(packages), timeout=1800)


def fetch(url, path):
    import urllib.request
    say("fetch %s" % url)
    with urllib.request.urlopen(url, timeout=60) as answer:
        write(path, answer.read(64 << 20), 0o600)


def service(name, verb="restart"):
    if there("systemctl"):
        run("systemctl", "enable", name)
        # What waits for the end of this stage must not be waited for by it.
        run("systemctl", "--no-block", verb, name)
    else:
        run("service", name, verb)


def known(config, *keys):
    """What is mistyped is said, not passed over."""
    if not isinstance(config, dict):
        raise Failed("it is no map")
    for key in config:
        if key not in keys:
            raise Failed("%s is not known here: %s" % (key, ", ".join(keys)))


def words(value):
    return [str(word).strip() for word in (value if isinstance(value, list) else str(value or "").split(","))]

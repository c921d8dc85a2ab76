BLOCKS = ("localfs",)
MOUNTS = {"cvmfs": "/var/lib/cvmfs", "home": "/home", "tmp": "/tmp"}
FSTAB = "/etc/fstab"


def apply(block, config):
    known(config, "extdisk", "disks", "volume-group", "filesystem", "wipe", "parts", "mounts", "ephemeral", "swapfile")
    chosen = [name for name in ("parts", "mounts", "ephemeral", "swapfile") if config.get(name)]
    if not chosen:
        raise Failed("neither parts, mounts, ephemeral nor swapfile is given")
    kind = config.get("filesystem", "ext4")
    if "parts" in chosen:
        parts(config, kind)
    for mount in config.get("mounts") or []:
        device, where, fs, options, dump, number = (list(mount) + ["defaults", 0, 0][len(mount) - 3:])[:6]
        device = device if str(device).startswith("/") else "/dev/%s" % device
        if where == "swap" or fs == "swap":
            swap(device, options)
        else:
            make(device, fs)
            attach(device, where, fs, options, dump, number)
    if "ephemeral" in chosen:
        given = config["ephemeral"]
        known(given, "disk", "mount", "filesystem")
        device, fs = disk(given.get("disk"), config.get("wipe")), given.get("filesystem", kind)
        make(device, fs)
        attach(device, given.get("mount", "/mnt"), fs, "defaults,nofail", 0, 2)
    if "swapfile" in chosen:
        swapfile(config["swapfile"])


def disk(name, wipe):
    """The named one, or the first that is empty. What has something on it is not touched unasked."""
    if name:
        name = name if str(name).startswith("/") else "/dev/%s" % name
        if signature(name):
            if not wipe:
                raise Failed("%s has something on it: say `wipe: true` to lose it" % name)
            run("wipefs", "-a", name)
        return name
    found = json.loads(run("lsblk", "-Jpo", "NAME,TYPE,RO,FSTYPE,MOUNTPOINT"))["blockdevices"]
    for device in found:
        free = not (device.get("children") or device.get("fstype") or device.get("mountpoint"))
        if device["type"] == "disk" and str(device["ro"]) in ("0", "False") and free and not signature(device["name"]):
            return device["name"]
    raise Failed("there is no empty disk")


def signature(device):
    return run("blkid", "-p", "-o", "value", "-s", "TYPE", "-s", "PTTYPE", device, fine=(0, 2)).strip()


def share(name, value):
    number = str(value).rstrip("%")
    if not number.isdigit() or int(number) > 100:
        raise Failed("%s of %s is no percentage" % (value, name))
    return int(number)


def parts(config, kind):
    given, group = config["parts"], config.get("volume-group", "attached")
    sizes = [(name, share(name, value)) for name, value in given.items() if not name.endswith("_mount")]
    if sum(size for name, size in sizes if name != "swap") > 100:
        raise Failed("parts are more than 100 percent together")
    # Swap is a part of what is left.
    sizes.sort(key=lambda part: part[0] == "swap")
    mounts = {name: given.get(name + "_mount", MOUNTS.get(name)) for name, _ in sizes}
    for name, where in mounts.items():
        if name != "swap" and not where:
            raise Failed("%s needs a %s_mount" % (name, name))
    have = [line.strip() for line in run("vgs", "--noheadings", "-o", "vg_name").splitlines()]
    if group not in have:
        names = config.get("disks") or [config.get("extdisk")]
        disks = [disk(name, config.get("wipe")) for name in names]
        run("pvcreate", "-qy", *disks)
        run("vgcreate", "-q", group, *disks)
    made = [line.strip() for line in run("lvs", "--noheadings", "-o", "lv_name", group).splitlines()]
    for name, size in sizes:
        if not size:
            continue
        device = "/dev/%s/%s" % (group, name)
        if name not in made:
            run("lvcreate", "-qy", "-l", "%d%%%s" % (size, "FREE" if name == "swap" else "VG"), "-n", name, group)
        if name == "swap":
            swap(device, "defaults")
        else:
            make(device, kind)
            attach(device, mounts[name], kind, "defaults,nofail", 0, 2)


def make(device, kind):
    have = signature(device)
    if have:
        say("%s is %s already" % (device, have))
    else:
        run("mkfs", "-t", kind, device)


def attach(device, where, kind, options, dump, number):
    """What is there already comes along."""
    folder = place(where)
    os.makedirs(folder, 0o755, exist_ok=True)
    if os.path.ismount(folder):
        say("%s is mounted already" % where)
    else:
        if os.listdir(folder):
            aside = place("/run/cascina/mount")
            os.makedirs(aside, 0o700, exist_ok=True)
            run("mount", "-t", kind, device, aside)
            run("cp", "-a", folder + "/.", aside)
            run("umount", aside)
        run("mount", "-t", kind, "-o", options, device, folder)
    if where in ("/tmp", "/var/tmp"):
        os.chmod(folder, 0o1777)
    fstab(device, where, kind, options, dump, number)


def swap(device, options):
    if signature(device) != "swap":
        run("mkswap", device)
    run("swapon", device)
    fstab(device, "none", "swap", options, 0, 0)


def swapfile(config):
    config = config if isinstance(config, dict) else {"size": config}
    known(config, "path", "size")
    path, size = config.get("path", "/swapfile"), str(config.get("size", ""))
    if not size.isdigit():
        raise Failed("size of a swapfile is a number of MiB, not %s" % size)
    if not os.path.exists(place(path)):
        run("dd", "if=/dev/zero", "of=" + place(path), "bs=1M", "count=" + size)
        os.chmod(place(path), 0o600)
    swap(path, "defaults")


def fstab(device, where, kind, options, dump, number):
    old = open(place(FSTAB)).read() if os.path.exists(place(FSTAB)) else ""
    same = lambda line: line[:1] == [device] or (where != "none" and line[1:2] == [where])
    lines = [line for line in old.splitlines() if not same(line.split("#")[0].split())]
    lines.append("%s %s %s %s %s %s" % (device, where, kind, options, dump, number))
    write(FSTAB, "\n".join(lines) + "\n")

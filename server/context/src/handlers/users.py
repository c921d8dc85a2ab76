BLOCKS = ("users",)


def apply(block, config):
    for user in config:
        user = {"name": user} if isinstance(user, str) else user
        known(user, "name", "comment", "groups", "uid", "shell", "home", "ssh-keys", "sudo", "system", "password-hash")
        name = str(user.get("name", ""))
        if not re.match(r"^[a-z_][a-z0-9_-]{0,31}$", name):
            raise Failed("%s is no name of a user" % name)
        groups = [group for group in words(user.get("groups")) if group]
        for group in groups:
            run("groupadd", "-f", group)
        options = ["-s", str(user.get("shell", "/bin/bash"))]
        for key, option in (("comment", "-c"), ("home", "-d"), ("uid", "-u")):
            if user.get(key) is not None:
                options += [option, str(user[key])]
        if groups:
            options += ["-G", ",".join(groups)]
        have = run("getent", "passwd", name, fine=(0, 2)).strip()
        if have:
            run("usermod", *(options + (["-a"] if groups else []) + [name]))
        else:
            run("useradd", *(options + (["-r"] if user.get("system") else []) + ["-m", name]))
        if user.get("password-hash"):
            if not str(user["password-hash"]).startswith("$"):
                raise Failed("password-hash of %s is no hash, as mkpasswd makes it" % name)
            run("chpasswd", "-e", stdin="%s:%s\n" % (name, user["password-hash"]))
        if user.get("ssh-keys"):
            keys(name, user["ssh-keys"])
        if user.get("sudo"):
            rules = "ALL=(ALL) NOPASSWD:ALL" if user["sudo"] is True else user["sudo"]
            text = "".join("%s %s\n" % (name, rule) for rule in (rules if isinstance(rules, list) else [rules]))
            write("/etc/sudoers.d/90-cascina-%s" % name, text, 0o440)
            if there("visudo"):
                run("visudo", "-cf", place("/etc/sudoers.d/90-cascina-%s" % name))


def keys(name, given):
    home = run("getent", "passwd", name).strip().split(":")[5]
    path = home + "/.ssh/authorized_keys"
    old = open(place(path)).read().splitlines() if os.path.exists(place(path)) else []
    new = [key.strip() for key in given if key.strip() and key.strip() not in old]
    write(path, "\n".join(old + new) + "\n", 0o600)
    os.chmod(os.path.dirname(place(path)), 0o700)
    run("chown", "-R", name + ":", os.path.dirname(place(path)))

BLOCKS = ("condor-worker", "batch")


def apply(block, config):
    if block == "condor-worker":
        return condor(config)
    kind = config.get("kind")
    if kind not in ("condor", "slurm"):
        raise Failed("kind is condor or slurm, not %s" % kind)
    (condor if kind == "condor" else slurm)({key: value for key, value in config.items() if key != "kind"})


def condor(config):
    known(config, "manager", "install", "version", "release", "token", "password", "slots", "domain", "config", "start")
    if not config.get("manager"):
        raise Failed("manager is missing: the host with the collector")
    if config.get("install", True) and not there("condor_master"):
        install("htcondor" if there("apt-get") else "condor", repository=config.get("release"), version=config.get("version"))
    settings = {"CONDOR_HOST": config["manager"], "DAEMON_LIST": "MASTER, STARTD"}
    if config.get("domain"):
        settings.update(UID_DOMAIN=config["domain"], TRUST_UID_DOMAIN=True)
    if config.get("slots"):
        settings.update(NUM_SLOTS=config["slots"])
    if config.get("token"):
        settings.update(SEC_DEFAULT_AUTHENTICATION="REQUIRED", SEC_DEFAULT_AUTHENTICATION_METHODS="FS, IDTOKENS")
        write("/etc/condor/tokens.d/cascina", str(config["token"]).strip() + "\n", 0o600)
    if config.get("password"):
        settings.update(SEC_DEFAULT_AUTHENTICATION="REQUIRED", SEC_DEFAULT_AUTHENTICATION_METHODS="FS, PASSWORD",
                        SEC_PASSWORD_FILE="/etc/condor/passwords.d/POOL")
        write("/etc/condor/passwords.d/POOL", str(config["password"]), 0o600)
    settings.update(config.get("config") or {})
    for key, value in settings.items():
        if not re.match(r"^[A-Za-z_][A-Za-z0-9_.]*$", key) or "\n" in str(value):
            raise Failed("%s is no setting of one line" % key)
    write("/etc/condor/config.d/50-cascina.conf", "".join("%s = %s\n" % pair for pair in settings.items()))
    if config.get("start", True):
        service("condor")


def slurm(config):
    known(config, "controller", "install", "munge-key", "munge-key-base64", "start")
    if not config.get("controller"):
        raise Failed("controller is missing: the host that has the configuration")
    if config.get("install", True) and not there("slurmd"):
        install(*(("slurmd", "munge") if there("apt-get") else ("slurm-slurmd", "munge")))
    key = config.get("munge-key")
    if config.get("munge-key-base64"):
        import base64
        key = base64.b64decode(config["munge-key-base64"])
    if key:
        write("/etc/munge/munge.key", key, 0o400)
        run("chown", "munge:munge", place("/etc/munge/munge.key"))
    options = "/etc/default/slurmd" if there("apt-get") else "/etc/sysconfig/slurmd"
    write(options, "SLURMD_OPTIONS=%s\n" % shlex.quote("--conf-server " + str(config["controller"])))
    if config.get("start", True):
        if key:
            service("munge")
        service("slurmd")

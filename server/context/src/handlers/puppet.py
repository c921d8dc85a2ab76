BLOCKS = ("puppet", "puppetconfig")


def apply(block, config):
    known(config, "server", "master", "environment", "certname", "install", "version", "repository", "options", "settings",
          "ca", "attributes", "run", "service")
    server = config.get("server", config.get("master"))
    if not server:
        raise Failed("server is missing: the host of the certificates and catalogs")
    if config.get("install", True) and not there("puppet"):
        package = "puppet-agent" if config.get("repository") or not there("apt-get") else "puppet"
        install(package, repository=config.get("repository"), version=config.get("version"))
    base = "/etc/puppetlabs/puppet" if os.path.isdir(place("/etc/puppetlabs/puppet")) else "/etc/puppet"
    settings = {"server": server}
    for key in ("environment", "certname"):
        if config.get(key):
            settings[key] = config[key]
    settings.update(config.get("settings") or {})
    for key, value in settings.items():
        if not re.match(r"^[a-z_]+$", key) or "\n" in str(value):
            raise Failed("%s is no setting of one line" % key)
    write(base + "/puppet.conf", "[main]\n" + "".join("%s = %s\n" % pair for pair in settings.items()))
    if config.get("attributes"):
        write(base + "/csr_attributes.yaml", yaml.safe_dump(config["attributes"]), 0o600)
    if config.get("ca"):
        folder = run("puppet", "config", "print", "certdir").strip().splitlines()[-1]
        write(folder + "/ca.pem", config["ca"])
    if config.get("run", True):
        given = ["--" + str(option).lstrip("-") for option in config.get("options") or ["waitforcert=60"]]
        # 2: it changed something, and that went well.
        run("puppet", "agent", "--onetime", "--no-daemonize", "--verbose", "--detailed-exitcodes", *given,
            fine=(0, 2), timeout=1800)
    if config.get("service"):
        service("puppet")

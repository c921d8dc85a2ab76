BLOCKS = ("cvmfs",)
RELEASE = "https://cvmrepo.s3.cern.ch/cvmrepo/%s/cvmfs-release-latest%s"
LOCAL = {
    "repositories": "CVMFS_REPOSITORIES",
    "cache-base": "CVMFS_CACHE_BASE",
    "default-domain": "CVMFS_DEFAULT_DOMAIN",
    "http-proxy": "CVMFS_HTTP_PROXY",
    "quota-limit": "CVMFS_QUOTA_LIMIT",
    "strict-mount": "CVMFS_STRICT_MOUNT",
    "client-profile": "CVMFS_CLIENT_PROFILE",
}


def apply(block, config):
    known(config, "install", "version", "el", "release", "local", "domain", "keys", "start", "probe")
    local, domain = config.get("local") or {}, config.get("domain") or {}
    known(local, "cms-local-site", *LOCAL)
    known(domain, "name", "server")
    if config.get("install") and not there("cvmfs_config"):
        release = config.get("release")
        if not release:
            release = RELEASE % (("apt", "_all.deb") if there("apt-get") else ("yum", ".noarch.rpm"))
        install("cvmfs", repository=release, version=config.get("version"))
    if local:
        if "http-proxy" not in local and "client-profile" not in local:
            local = dict(local, **{"client-profile": "single"})
        write("/etc/cvmfs/default.local", "".join(
            "%s=%s\n" % (LOCAL[key], shlex.quote(word(key, value))) for key, value in local.items() if key in LOCAL))
        if "cms-local-site" in local:
            write("/etc/cvmfs/config.d/cms.cern.ch.local",
                  "export CMS_LOCAL_SITE=%s\n" % shlex.quote(str(local["cms-local-site"])))
    if domain.get("server"):
        write("/etc/cvmfs/domain.d/%s.local" % plain(domain.get("name", "cern.ch")),
              "CVMFS_SERVER_URL=%s\n" % shlex.quote(str(domain["server"])))
    for name, key in (config.get("keys") or {}).items():
        write("/etc/cvmfs/keys/%s" % plain(name), key)
    if local.get("cache-base"):
        os.makedirs(place(local["cache-base"]), 0o755, exist_ok=True)
    if config.get("start", True):
        run("cvmfs_config", "setup")
        if config.get("probe", True):
            run("cvmfs_config", "probe")


def word(key, value):
    if key == "repositories":
        return ",".join(words(value))
    if key == "strict-mount" and isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def plain(name):
    if not re.match(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", str(name)):
        raise Failed("%s is no name of a file" % name)
    return name

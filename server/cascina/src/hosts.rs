//! Which driver reaches a host: its address says so.

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Simulated,
    /// A gateway on this machine, which makes routers in network namespaces.
    Gateway,
    Libvirt,
}

/// # Errors
///
/// No driver reaches it; what is allowed, for people.
pub fn scheme(uri: &str) -> Result<Scheme, &'static str> {
    const LIBVIRT: [&str; 8] = [
        "qemu:///system",
        "qemu:///session",
        "qemu+unix:///",
        "qemu+ssh://",
        "qemu+libssh2://",
        "qemu+tls://",
        "qemu+tcp://",
        "test:///",
    ];
    match uri {
        "sim:" => Ok(Scheme::Simulated),
        _ if uri == "netns:" || uri.starts_with("netns:?") => Ok(Scheme::Gateway),
        _ if LIBVIRT.iter().any(|start| uri.starts_with(start)) => Ok(Scheme::Libvirt),
        _ => Err("`sim:` (simulated), `qemu:///system`, `qemu+ssh://…`, `qemu+tls://…`, `qemu+unix://…`, `test:///…` \
                  (libvirt), `netns:` (routers in namespaces of this machine)"),
    }
}

//! Links of the host and of routers' namespaces, by `ip`.

use cascina_core::network::Mac;
use serde::Deserialize;

use super::Site;
use super::program::{ProgramError, Where, run};

/// A link as `ip -j link` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Link {
    #[serde(rename = "ifname")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) address: String,
    #[serde(default)]
    pub(super) master: Option<String>,
    pub(super) mtu: u32,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        self.flags.iter().any(|flag| flag == "UP")
    }
}

/// One end on a bridge of the host, the other in a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Veth {
    /// The host's end.
    pub(super) port: String,
    pub(super) bridge: String,
    /// The router's end.
    pub(super) name: &'static str,
    pub(super) mac: Mac,
    pub(super) mtu: u32,
}

impl Veth {
    /// Whether both ends are there and where they should be.
    fn is(&self, port: Option<&Link>, inside: &[Link]) -> bool {
        let end = inside.iter().find(|link| link.name == self.name);
        let attached = port.is_some_and(|link| link.master.as_deref() == Some(&self.bridge) && link.is_up());
        attached && end.is_some_and(|link| link.address == self.mac.to_string())
    }

    /// Neither end has an address of the host's: who sends to it reaches nobody.
    fn lines(&self, namespace: &str) -> String {
        let Veth { port, bridge, name, mac, mtu } = self;
        let quiet = no_address(port);
        format!(
            "link add {port} mtu {mtu} type veth peer name {name} mtu {mtu} address {mac} netns {namespace}\n\
             {quiet}link set {port} master {bridge} up\n"
        )
    }
}

/// A line that keeps the kernel from giving the link an address of its own making, by which guests could
/// reach the host. Where there is no IPv6 there is nothing to keep it from.
pub(super) fn no_address(link: &str) -> String {
    match std::path::Path::new("/proc/sys/net/ipv6").exists() {
        true => format!("link set {link} addrgenmode none\n"),
        false => String::new(),
    }
}

fn parse(text: &str) -> Result<Vec<Link>, ProgramError> {
    // With nothing to say, it says nothing.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|error| ProgramError::Failed { program: "ip", said: error.to_string() })
}

impl Site {
    pub(super) async fn link(&self, name: &str) -> Result<Option<Link>, ProgramError> {
        let ended = run(Where::Host(&self.stand), "ip", ["-j", "link", "show", "dev", name], "").await?;
        if ended.code != Some(0) && ended.stderr.contains("does not exist") {
            return Ok(None);
        }
        Ok(parse(&ended.ok()?)?.pop())
    }

    /// What is on a bridge.
    pub(super) async fn ports(&self, bridge: &str) -> Result<Vec<Link>, ProgramError> {
        let arguments = ["-j", "link", "show", "master", bridge];
        parse(&run(Where::Host(&self.stand), "ip", arguments, "").await?.ok()?)
    }

    pub(super) async fn links_in(&self, namespace: &str) -> Result<Vec<Link>, ProgramError> {
        parse(&run(Where::Namespace(namespace), "ip", ["-j", "link", "show"], "").await?.ok()?)
    }

    /// Commands of `ip`, a line each; none is done after one that fails.
    pub(super) async fn ip(&self, lines: &str) -> Result<(), ProgramError> {
        run(Where::Host(&self.stand), "ip", ["-batch", "-"], lines).await?.ok().map(drop)
    }

    pub(super) async fn remove_link(&self, name: &str) -> Result<(), ProgramError> {
        let ended = run(Where::Host(&self.stand), "ip", ["link", "del", "dev", name], "").await?;
        let gone = ["Cannot find device", "does not exist"].iter().any(|words| ended.stderr.contains(words));
        if gone { Ok(()) } else { ended.ok().map(drop) }
    }

    /// Whether the router has its two ends. Says which it has not.
    pub(super) async fn missing_veth<'a>(
        &self,
        namespace: &str,
        veths: &'a [Veth],
    ) -> Result<Option<&'a Veth>, ProgramError> {
        let inside = self.links_in(namespace).await?;
        for veth in veths {
            let port = self.link(&veth.port).await?;
            if !veth.is(port.as_ref(), &inside) {
                return Ok(Some(veth));
            }
        }
        Ok(None)
    }

    /// Both ends are there, new if they were not as they should be.
    pub(super) async fn make_veths(&self, namespace: &str, veths: &[Veth]) -> Result<(), ProgramError> {
        let inside = self.links_in(namespace).await?;
        let mut lines = String::new();
        for veth in veths {
            let port = self.link(&veth.port).await?;
            if veth.is(port.as_ref(), &inside) {
                continue;
            }
            if port.is_some() {
                self.remove_link(&veth.port).await?;
            }
            lines += &veth.lines(namespace);
        }
        if lines.is_empty() { Ok(()) } else { self.ip(&lines).await }
    }
}

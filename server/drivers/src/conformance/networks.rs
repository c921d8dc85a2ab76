//! Networks, and what passes on them.

use cascina_core::id::{RuleId, SecurityGroupId};
use cascina_core::security_group::{Direction, Firewall, Peer, Ports, Rule, Traffic};
use cascina_core::state::Guest;
use ipnet::IpNet;

use super::Run;
use crate::HostCall;

impl Run<'_> {
    pub(super) async fn networks(&mut self) {
        self.guest_is("a host begins without the trial's instance", self.trial.instance.guest, None).await;
        self.guest_is("a host begins without the trial's router", self.trial.router.guest, None).await;
        self.network_is("a host begins without the trial's network", None).await;
        self.twice("a network that is not there can be removed", &self.remove_network()).await;
        self.refused("a network that is not there has no firewall", &self.firewall(1)).await;
        self.network_is("a refused firewall makes no network", None).await;
        self.twice("a network can be defined twice", &self.define_network()).await;
        self.network_is(
            "a network that was defined is in the inventory, once, with its farm, and lets nothing through",
            Some(0),
        )
        .await;
    }

    pub(super) async fn firewalls(&mut self) {
        self.twice("a firewall can be applied twice", &self.firewall(2)).await;
        self.network_is("the inventory has the revision of a firewall", Some(2)).await;
        self.twice("an older firewall that comes late does no harm", &self.firewall(1)).await;
        self.network_is("an older firewall changes nothing", Some(2)).await;
        self.twice("a newer firewall can be applied", &self.firewall(3)).await;
        self.network_is("a newer firewall is enforced", Some(3)).await;
        self.done("a network with a firewall can be defined again", &self.define_network()).await;
        self.network_is("defining a network again leaves its firewall", Some(3)).await;
    }

    /// Everybody may come to the instance on one port more than the revision before, and it may go
    /// everywhere.
    fn firewall(&self, revision: u64) -> HostCall {
        let group = SecurityGroupId(u64::MAX);
        let rule = |id, direction, traffic| {
            let peer = Peer::Net(IpNet::V4(ipnet::Ipv4Net::default()));
            Rule { id: RuleId(id), direction, traffic, peer, description: None }
        };
        let port = |port: u16| Traffic::Tcp(Ports { from: port, to: port });
        let last = u16::try_from(revision).unwrap_or(u16::MAX);
        let mut rules: Vec<Rule> = (1..=last).map(|n| rule(n.into(), Direction::Ingress, port(n))).collect();
        rules.push(rule(u64::MAX, Direction::Egress, Traffic::All));
        let mut firewall = Firewall::default();
        firewall.group(group, Some(rules));
        if let Guest::Instance(_) = self.trial.instance.guest {
            firewall.member(self.trial.instance.ip, Some([group].into()));
        }
        HostCall::ApplyFirewall { network: self.trial.network.id, revision, firewall: firewall.into() }
    }
}

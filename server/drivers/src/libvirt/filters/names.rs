//! Names of filters. They are all that a list of filters shows, so they say whose each one is; and,
//! since filters carry no marks of ours, which revision of a firewall a host enforces.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use cascina_core::id::{FarmId, NetworkId, RouterId, SecurityGroupId};

use super::Filter;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilterName {
    /// What a guest with this address may do. By address, since a firewall comes before its guests.
    Port(NetworkId, Ipv4Addr),
    /// What the router may do inside.
    Router(NetworkId),
    /// A security group.
    Group(NetworkId, SecurityGroupId),
    /// What holds for all guests of a network.
    Guests(NetworkId),
    /// What holds for all ports of a network.
    Net(NetworkId),
    /// What a router may do on the public side.
    Outside(RouterId),
    /// Is no filter: by its name it says that a network is there, and how far its filters are.
    Marker(Marker),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marker {
    pub network: NetworkId,
    pub farm: FarmId,
    /// Of the firewall; 0: none.
    pub revision: u64,
}

impl FilterName {
    /// None: it is a router's.
    pub fn network(self) -> Option<NetworkId> {
        match self {
            FilterName::Port(network, _)
            | FilterName::Router(network)
            | FilterName::Group(network, _)
            | FilterName::Guests(network)
            | FilterName::Net(network)
            | FilterName::Marker(Marker { network, .. }) => Some(network),
            FilterName::Outside(_) => None,
        }
    }
}

impl fmt::Display for FilterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterName::Port(network, ip) => write!(f, "cascina-{network}-{ip}"),
            FilterName::Router(network) => write!(f, "cascina-{network}-router"),
            FilterName::Group(network, group) => write!(f, "cascina-{network}-{group}"),
            FilterName::Guests(network) => write!(f, "cascina-{network}-guests"),
            FilterName::Net(network) => write!(f, "cascina-{network}-net"),
            FilterName::Outside(router) => write!(f, "cascina-{router}-outside"),
            FilterName::Marker(Marker { network, farm, revision }) => {
                write!(f, "cascina-{network}-{farm}-rev-{revision}")
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is the name of no filter of ours")]
pub struct FilterNameError(String);

impl FromStr for FilterName {
    type Err = FilterNameError;

    fn from_str(name: &str) -> Result<Self, FilterNameError> {
        let read = || {
            let rest = name.strip_prefix("cascina-")?;
            if let Some(router) = rest.strip_suffix("-outside") {
                return router.parse().ok().map(FilterName::Outside);
            }
            // Ids of networks are all of one length.
            let (network, rest) = rest.split_at_checked(NetworkId::PREFIX.len() + 17)?;
            let network = network.parse().ok()?;
            match rest.strip_prefix('-')? {
                "router" => Some(FilterName::Router(network)),
                "guests" => Some(FilterName::Guests(network)),
                "net" => Some(FilterName::Net(network)),
                rest if rest.starts_with(SecurityGroupId::PREFIX) => {
                    Some(FilterName::Group(network, rest.parse().ok()?))
                }
                rest if rest.starts_with(FarmId::PREFIX) => {
                    let (farm, revision) = rest.split_once("-rev-")?;
                    let (farm, revision) = (farm.parse().ok()?, revision.parse().ok()?);
                    Some(FilterName::Marker(Marker { network, farm, revision }))
                }
                rest => Some(FilterName::Port(network, rest.parse().ok()?)),
            }
        };
        // In one spelling only: `+1` is a number too.
        let right = read().filter(|read: &FilterName| read.to_string() == name);
        right.ok_or_else(|| FilterNameError(name.chars().take(120).collect()))
    }
}

/// Networks that are there, with the newest revision that all of their filters have had.
#[must_use]
pub fn networks<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeMap<NetworkId, Marker> {
    let mut found: BTreeMap<NetworkId, Marker> = BTreeMap::new();
    for name in names {
        if let Ok(FilterName::Marker(marker)) = name.parse() {
            let known = found.entry(marker.network).or_insert(marker);
            *known = (*known).max_by_revision(marker);
        }
    }
    found
}

impl Marker {
    fn max_by_revision(self, other: Marker) -> Marker {
        if other.revision > self.revision { other } else { self }
    }
}

/// Of the names on a host, those of the network that are not wanted, in an order in which they can be
/// undefined: what refers to others before them, and markers last.
#[must_use]
pub fn stale<'a>(
    network: NetworkId,
    existing: impl IntoIterator<Item = &'a str>,
    wanted: &[Filter],
) -> Vec<FilterName> {
    let ours = existing.into_iter().filter_map(|name| name.parse::<FilterName>().ok());
    let mut stale: Vec<FilterName> = ours
        .filter(|name| name.network() == Some(network) && !wanted.iter().any(|filter| filter.name == *name))
        .collect();
    stale.sort_unstable();
    stale
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: NetworkId = NetworkId(4);

    fn marker(revision: u64) -> FilterName {
        FilterName::Marker(Marker { network: NETWORK, farm: FarmId(3), revision })
    }

    #[test]
    fn names_lead_back() {
        for name in [
            FilterName::Port(NETWORK, Ipv4Addr::new(10, 64, 7, 20)),
            FilterName::Router(NETWORK),
            FilterName::Group(NETWORK, SecurityGroupId(u64::MAX)),
            FilterName::Guests(NETWORK),
            FilterName::Net(NETWORK),
            FilterName::Outside(RouterId(2)),
            marker(0),
            marker(u64::MAX),
        ] {
            assert_eq!(name.to_string().parse(), Ok(name));
            assert!(name.to_string().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'), "{name}");
        }
        let net = FilterName::Net(NETWORK).to_string();
        let network = net.strip_suffix("-net").unwrap();
        for other in [
            "clean-traffic",
            "cascina-",
            "cascina-outside",
            network,
            &format!("{network}-"),
            &format!("{network}-nets"),
            &format!("{network}-10.64.07.20"),
            &format!("{network}-farm-00000000000000003-rev-+1"),
            &format!("{network}-farm-00000000000000003-rev-01"),
        ] {
            assert!(other.parse::<FilterName>().is_err(), "{other}");
        }
    }

    #[test]
    fn the_newest_marker_counts() {
        let names: Vec<String> =
            [marker(9), marker(10), FilterName::Net(NetworkId(5))].iter().map(ToString::to_string).collect();
        let found = networks(names.iter().map(String::as_str));
        assert_eq!(found, [(NETWORK, Marker { network: NETWORK, farm: FarmId(3), revision: 10 })].into());
    }

    #[test]
    fn only_what_is_the_networks_own_and_not_wanted_is_stale() {
        let port = FilterName::Port(NETWORK, Ipv4Addr::new(10, 64, 7, 20));
        let group = FilterName::Group(NETWORK, SecurityGroupId(1));
        let there = [
            marker(1),
            FilterName::Net(NETWORK),
            group,
            port,
            FilterName::Net(NetworkId(5)),
            FilterName::Outside(RouterId(1)),
        ];
        let mut names: Vec<String> = there.iter().map(ToString::to_string).collect();
        names.push("clean-traffic".into());
        let names = || names.iter().map(String::as_str);
        let wanted = [Filter { name: FilterName::Net(NETWORK), xml: String::new() }];
        assert_eq!(stale(NETWORK, names(), &wanted), [port, group, marker(1)]);
        assert_eq!(stale(NETWORK, names(), &[]), [port, group, FilterName::Net(NETWORK), marker(1)]);
    }
}

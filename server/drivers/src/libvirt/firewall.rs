//! What may pass at ports, as filters of libvirt's.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cascina_core::id::NetworkId;
use cascina_core::security_group::Firewall;
use virt::connect::Connect;
use virt::error::ErrorNumber;
use virt::nwfilter::NWFilter;

use super::driver::Site;
use super::filters::{self, Filter, FilterName};
use super::trouble::{Trouble, found};
use crate::NetworkSpec;

impl Site {
    pub(super) fn filter_names(&self, connect: &Connect) -> Result<Vec<String>, Trouble> {
        let mut names = Vec::new();
        let filters = match connect.list_all_nw_filters(0) {
            Ok(filters) => filters,
            // libvirt's test driver has none.
            Err(error) if error.code() == ErrorNumber::NoSupport => return Ok(names),
            Err(error) => return Err(error.into()),
        };
        for filter in filters {
            names.extend(found(filter.get_name())?);
        }
        Ok(names)
    }

    pub(super) fn is_defined(&self, connect: &Connect, name: FilterName) -> Result<bool, Trouble> {
        Ok(found(NWFilter::lookup_by_name(connect, &name.to_string()))?.is_some())
    }

    /// It holds at all ports that refer to it when this ends.
    pub(super) fn define_filter(&self, connect: &Connect, filter: &Filter) -> Result<(), Trouble> {
        NWFilter::define_xml(connect, &filter.xml)?;
        Ok(())
    }

    /// All of a network's. Those that are not wanted any more go, unless there was none before.
    pub(super) fn define_filters(
        &self,
        connect: &Connect,
        network: &NetworkSpec,
        revision: u64,
        firewall: &Firewall,
        is_new: bool,
    ) -> Result<(), Trouble> {
        let here: Vec<Ipv4Addr> = match is_new {
            true => Vec::new(),
            false => self.ports_on(connect, network.id)?,
        };
        let wanted = filters::filters(network, revision, firewall, &here)?;
        for filter in &wanted {
            self.define_filter(connect, filter)?;
        }
        let names = self.filter_names(connect)?;
        for name in filters::stale(network.id, names.iter().map(String::as_str), &wanted) {
            self.undefine_filter(connect, name)?;
        }
        Ok(())
    }

    /// Addresses of guests whose ports are on the network.
    fn ports_on(&self, connect: &Connect, network: NetworkId) -> Result<Vec<Ipv4Addr>, Trouble> {
        let all = self.all_here(connect)?;
        let on = all.iter().map(|here| &here.seen).filter(|seen| seen.marks.network == network && seen.has_port);
        let instances = on.filter(|seen| matches!(seen.marks.guest, cascina_core::state::Guest::Instance(_)));
        Ok(instances.map(|seen| seen.marks.ip).collect())
    }

    pub(super) fn undefine_filter(&self, connect: &Connect, name: FilterName) -> Result<(), Trouble> {
        if let Some(filter) = found(NWFilter::lookup_by_name(connect, &name.to_string()))? {
            found(filter.undefine())?;
        }
        Ok(())
    }

    pub(super) fn apply_firewall(&self, network: NetworkId, revision: u64, firewall: &Firewall) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let (_, spec) = self.network(&connect, network)?.ok_or(Trouble::NoNetwork(network))?;
        let names = self.filter_names(&connect)?;
        let there = filters::networks(names.iter().map(String::as_str)).get(&network).map(|marker| marker.revision);
        if there.is_some_and(|there| there > revision) {
            return Ok(());
        }
        let lost = filters::unenforceable(firewall);
        if !lost.is_empty() {
            tracing::warn!(host = %self.host.name, %network, rules = ?lost, "rules that filters cannot have let nothing through");
        }
        self.define_filters(&connect, &spec, revision, firewall, false)
    }

    /// The port's filter, which is there when this ends. The network's turn is the caller's.
    pub(super) fn port_filter(
        &self,
        connect: &Connect,
        network: &NetworkSpec,
        ip: Ipv4Addr,
    ) -> Result<FilterName, Trouble> {
        let name = FilterName::Port(network.id, ip);
        if !self.is_defined(connect, name)? {
            self.define_filter(connect, &filters::closed_port(network, ip)?)?;
        }
        Ok(name)
    }

    pub(super) fn remove_filters(&self, connect: &Connect, network: NetworkId) -> Result<(), Trouble> {
        let names = self.filter_names(connect)?;
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        for name in filters::stale(network, names, &[]) {
            self.undefine_filter(connect, name)?;
        }
        Ok(())
    }
}

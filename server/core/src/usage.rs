//! What a tenant, a share or the cluster uses: sums over live rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decision::Amounts;
use crate::host::Host;
use crate::id::{HostId, ShareId, TenantId};
use crate::name::Name;
use crate::quota::Usage;
use crate::refusal::Refusal;
use crate::state::{Guest, State};
use crate::tenant::Tenant;
use crate::units::{Gib, Timestamp};
use crate::view::{ClusterView, ShareRow};

/// A share in numbers: what its policy needs to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShareUsage {
    pub vcpus: u32,
    pub vcpus_own: u32,
    pub vcpus_lent: u32,
}

impl State {
    /// Used and held by class; the `None` row is everything together.
    fn consumption(&self, tenant: TenantId, now: Timestamp) -> BTreeMap<Option<&Name>, (Amounts, Amounts)> {
        let mut sums: BTreeMap<Option<&Name>, (Amounts, Amounts)> = BTreeMap::new();
        for ((_, class), taken) in self.indexes.taken.range((tenant, None)..).take_while(|((of, _), _)| *of == tenant) {
            sums.entry(class.as_ref()).or_default().0 = *taken;
        }
        let mut all = sums.remove(&None).unwrap_or_default();
        for id in self.indexes.holds_by_tenant.of(&tenant) {
            let Some(hold) = self.rows.holds.get(&id).filter(|hold| hold.expires > now) else { continue };
            for (class, amounts) in &hold.amounts {
                all.1 = all.1.plus(*amounts);
                if class.is_some() {
                    let sum = sums.entry(class.as_ref()).or_default();
                    sum.1 = sum.1.plus(*amounts);
                }
            }
        }
        sums.insert(None, all);
        sums
    }

    /// One row a scope: the tenant as a whole first, then each class that has a limit or is used.
    pub fn usage(&self, tenant: TenantId, now: Timestamp) -> Vec<Usage> {
        let mut sums = self.consumption(tenant, now);
        let mut limits: BTreeMap<Option<&Name>, Amounts> = BTreeMap::new();
        for id in self.indexes.quotas_by_tenant.of(&tenant) {
            if let Some(quota) = self.rows.quotas.get(&id) {
                sums.entry(quota.class.as_ref()).or_default();
                let limit = limits.entry(quota.class.as_ref()).or_insert(Amounts::UNLIMITED);
                *limit = limit.min(quota.limit);
            }
        }
        sums.into_iter()
            .map(|(class, (used, held))| {
                let limit = limits.get(&class).copied().unwrap_or(Amounts::UNLIMITED);
                Usage { class: class.cloned(), limit, used, held }
            })
            .collect()
    }

    /// The server's own check: would `wanted` more, by class, stay within every limit?
    pub fn check_quota(
        &self,
        tenant: &Tenant,
        wanted: &[(Option<Name>, Amounts)],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        for usage in self.usage(tenant.id, now) {
            let more = wanted
                .iter()
                .filter(|(class, _)| usage.class.is_none() || *class == usage.class)
                .fold(Amounts::default(), |sum, (_, amounts)| sum.plus(*amounts));
            // Only what is asked for can be refused: a limit lowered below use takes nothing away.
            let total = usage.used.plus(usage.held).plus(more);
            for (i, (resource, wanted)) in more.fields().into_iter().enumerate() {
                let limit = usage.limit.fields()[i].1;
                if wanted > 0 && total.fields()[i].1 > limit {
                    let scope = match &usage.class {
                        Some(class) => format!("tenant {} in class {class}", tenant.name),
                        None => format!("tenant {}", tenant.name),
                    };
                    let (used, held) = (usage.used.fields()[i].1, usage.held.fields()[i].1);
                    return Err(Refusal::Quota { scope, resource, wanted, used, held, limit, decision: None });
                }
            }
        }
        Ok(())
    }

    /// What is taken of the volume store of a class.
    pub fn stored_in(&self, class: &Name) -> Gib {
        Gib(self.indexes.stored_by_class.with(class).map(|size| size.0).sum())
    }

    /// How a share is used, by its owner's group and by others.
    pub fn share_usage(&self, share: ShareId) -> ShareUsage {
        let Some(row) = self.rows.shares.get(&share) else { return ShareUsage::default() };
        let mut usage = ShareUsage::default();
        for host in self.rows.hosts.values().filter(|host| host.share == share) {
            usage.vcpus = usage.vcpus.saturating_add(host.capacity.vcpus.0);
            for guest in self.indexes.guests_by_host.of(&host.id) {
                let Guest::Instance(id) = guest else { continue };
                let Some(instance) = self.rows.instances.get(&id) else { continue };
                let Some((_, claim)) = instance.claim() else { continue };
                let own =
                    self.rows.tenants.get(&instance.tenant).is_some_and(|tenant| tenant.groups.contains(&row.group));
                let side = if own { &mut usage.vcpus_own } else { &mut usage.vcpus_lent };
                *side = side.saturating_add(claim.vcpus.0);
            }
        }
        usage
    }

    /// The cluster in columns, as it stands now.
    pub fn view(&self) -> ClusterView {
        let mut view = ClusterView {
            revision: self.seq,
            classes: Arc::new(self.rows.classes.keys().cloned().collect()),
            shares: Arc::new(
                self.rows
                    .shares
                    .values()
                    .map(|share| ShareRow {
                        id: share.id,
                        name: share.name.clone(),
                        group: share.group.clone(),
                        lends: share.lends,
                        recalled: share.recalled,
                    })
                    .collect(),
            ),
            ..ClusterView::default()
        };
        for host in self.rows.hosts.values() {
            view.push(host, self.used_on(host.id));
        }
        view
    }

    /// Brings a view up to date, touching only what changed since it was last.
    pub fn refresh(&mut self, view: &mut Arc<ClusterView>) {
        let dirty = std::mem::take(&mut self.dirty_hosts);
        if std::mem::take(&mut self.dirty_view) {
            *view = Arc::new(self.view());
            return;
        }
        let seq = self.seq;
        let view = Arc::make_mut(view);
        view.revision = seq;
        for id in dirty {
            if let (Some(host), Some(row)) = (self.host(id), view.row(id)) {
                view.set(row, &host, self.used_on(id));
            }
        }
    }

    fn host(&self, id: HostId) -> Option<Arc<Host>> {
        self.rows.hosts.get(&id).cloned()
    }
}

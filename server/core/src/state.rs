//! Everything that is true now: the rows, and indexes derived from them.
//!
//! `apply` is the only way to change it, and the indexes follow from the rows alone: `rebuilt`
//! proves it in tests and in `fsck`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::address::{AddressState, ElasticIp};
use crate::decision::Amounts;
use crate::event::Change;
use crate::farm::Farm;
use crate::flavor::Flavor;
use crate::host::{Host, HostClass, Share};
use crate::id::*;
use crate::image::Image;
use crate::index::Index;
use crate::instance::Instance;
use crate::ipam;
use crate::key_pair::KeyPair;
use crate::launch::UserData;
use crate::name::Name;
use crate::network::{VRouter, VirtualNetwork};
use crate::operation::{Operation, SagaKind};
use crate::plan::{Plan, Shortage, Turn};
use crate::policy::{Binding, Digest, PolicyVersion};
use crate::quota::{Hold, Quota};
use crate::replica::{ImageReplica, ReplicaId};
use crate::security_group::{Firewall, SecurityGroup};
use crate::site::Site;
use crate::snapshot::Snapshot;
use crate::tag::{Tags, TagsId};
use crate::tenant::{AccessKey, Tenant, User};
use crate::units::{Gib, Size, Timestamp};
use crate::upkeep::Upkeep;
use crate::volume::Volume;

/// An answer kept for a client that repeats its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub id: ReceiptId,
    /// SHA-256 of the request, in hex: the same key with another request is an error.
    pub request: String,
    pub outcome: crate::command::Outcome,
    pub expires: Timestamp,
}

macro_rules! tables {
    ($($variant:ident $noun:literal $field:ident: $key:ty => $value:ty, $id:expr;)*) => {
        /// A row of any table.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Row { $($variant(Arc<$value>),)* }

        /// The key of a row of any table.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Key { $($variant($key),)* }

        /// One map a noun.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Rows { $(pub $field: BTreeMap<$key, Arc<$value>>,)* }

        impl Row {
            pub fn key(&self) -> Key {
                match self { $(Row::$variant(row) => { let id: fn(&$value) -> $key = $id; Key::$variant(id(row)) })* }
            }

            /// Name of the table, which is the noun.
            pub fn noun(&self) -> &'static str {
                match self { $(Row::$variant(_) => $noun,)* }
            }
        }

        impl Key {
            pub fn noun(&self) -> &'static str {
                match self { $(Key::$variant(_) => $noun,)* }
            }
        }

        impl Rows {
            /// Names of all tables.
            pub const NOUNS: &'static [&'static str] = &[$($noun),*];

            fn put(&mut self, row: Row) -> Option<Row> {
                match (row.key(), row) {
                    $((Key::$variant(key), Row::$variant(row)) => self.$field.insert(key, row).map(Row::$variant),)*
                    _ => unreachable!("a row's key is of its own table"),
                }
            }

            fn remove(&mut self, key: &Key) -> Option<Row> {
                match key { $(Key::$variant(key) => self.$field.remove(key).map(Row::$variant),)* }
            }

            pub fn find(&self, key: &Key) -> Option<Row> {
                match key { $(Key::$variant(key) => self.$field.get(key).cloned().map(Row::$variant),)* }
            }

            /// Every row, tables in the order of their definition.
            pub fn all(&self) -> impl Iterator<Item = Row> + '_ {
                std::iter::empty()$(.chain(self.$field.values().cloned().map(Row::$variant)))*
            }
        }

        $(impl From<$value> for Row {
            fn from(row: $value) -> Row { Row::$variant(Arc::new(row)) }
        })*
    };
}

tables! {
    Site "site" site: () => Site, |_| ();
    Class "class" classes: Name => HostClass, |row| row.name.clone();
    Share "share" shares: ShareId => Share, |row| row.id;
    Host "host" hosts: HostId => Host, |row| row.id;
    Flavor "flavor" flavors: Name => Flavor, |row| row.name.clone();
    Image "image" images: ImageId => Image, |row| row.id;
    Tenant "tenant" tenants: TenantId => Tenant, |row| row.id;
    User "user" users: UserId => User, |row| row.id;
    AccessKey "access_key" access_keys: AccessKeyId => AccessKey, |row| row.id;
    Quota "quota" quotas: QuotaId => Quota, |row| row.id;
    Hold "hold" holds: HoldId => Hold, |row| row.id;
    Farm "farm" farms: FarmId => Farm, |row| row.id;
    Network "network" networks: NetworkId => VirtualNetwork, |row| row.id;
    Router "router" routers: RouterId => VRouter, |row| row.id;
    Address "address" addresses: AddressId => ElasticIp, |row| row.id;
    Instance "instance" instances: InstanceId => Instance, |row| row.id;
    Policy "policy" policies: Digest => PolicyVersion, |row| row.digest;
    Binding "binding" bindings: BindingId => Binding, |row| row.id;
    Operation "operation" operations: OperationId => Operation, |row| row.id;
    SecurityGroup "security_group" security_groups: SecurityGroupId => SecurityGroup, |row| row.id;
    KeyPair "key_pair" key_pairs: KeyPairId => KeyPair, |row| row.id;
    Tags "tags" tags: TagsId => Tags, |row| row.id();
    UserData "user_data" user_data: InstanceId => UserData, |row| row.instance;
    Volume "volume" volumes: VolumeId => Volume, |row| row.id;
    Snapshot "snapshot" snapshots: SnapshotId => Snapshot, |row| row.id;
    ImageReplica "image_replica" replicas: ReplicaId => ImageReplica, |row| row.id();
    Receipt "receipt" receipts: ReceiptId => Receipt, |row| row.id;
    Plan "plan" plans: PlanId => Plan, |row| row.id;
    Turn "turn" turns: Name => Turn, |row| row.name.clone();
    Shortage "shortage" shortages: DecisionId => Shortage, |row| row.decision;
    Upkeep "upkeep" upkeeps: HostId => Upkeep, |row| row.host;
}

/// What can have a claim on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "id")]
pub enum Guest {
    Instance(InstanceId),
    Router(RouterId),
}

impl std::fmt::Display for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Guest::Instance(id) => id.fmt(f),
            Guest::Router(id) => id.fmt(f),
        }
    }
}

/// Derived from the rows, never written otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    /// With what each keeps from others on its host.
    pub guests_by_host: Index<HostId, Guest, Size>,
    /// With their rows: sums over a farm are made all the time.
    pub instances_by_farm: Index<FarmId, InstanceId, Arc<Instance>>,
    pub farms_by_tenant: Index<TenantId, FarmId>,
    pub users_by_tenant: Index<Option<TenantId>, UserId>,
    pub keys_by_user: Index<UserId, AccessKeyId>,
    pub quotas_by_tenant: Index<TenantId, QuotaId>,
    pub holds_by_tenant: Index<TenantId, HoldId>,
    pub holds_by_operation: Index<OperationId, HoldId>,
    pub addresses_by_farm: Index<FarmId, AddressId>,
    pub networks_by_farm: Index<FarmId, NetworkId>,
    pub routers_by_farm: Index<FarmId, RouterId>,
    /// Hosts that a farm's instances keep something of, with how many of them do.
    pub hosts_by_farm: Index<FarmId, HostId, u32>,
    /// Unfinished ones only.
    pub operations_by_farm: Index<FarmId, OperationId, SagaKind>,
    pub unfinished: BTreeSet<OperationId>,
    /// Plans that are not over.
    pub open_plans: BTreeSet<PlanId>,
    pub guest_ips: BTreeSet<(FarmId, Ipv4Addr)>,
    pub groups_by_farm: Index<FarmId, SecurityGroupId>,
    /// Asked for with every instance that comes or goes.
    pub firewalls: BTreeMap<FarmId, Firewall>,
    /// What live rows take, by whom and of which class if of one: asked for with every launch.
    pub taken: BTreeMap<(TenantId, Option<Name>), Amounts>,
    pub group_names: BTreeMap<(FarmId, String), SecurityGroupId>,
    pub key_pairs_by_farm: Index<FarmId, KeyPairId>,
    pub key_pair_names: BTreeMap<(FarmId, String), KeyPairId>,
    pub volumes_by_farm: Index<FarmId, VolumeId>,
    pub volumes_by_instance: Index<InstanceId, VolumeId>,
    pub snapshots_by_farm: Index<FarmId, SnapshotId>,
    pub images_by_farm: Index<FarmId, ImageId>,
    /// With what each takes of the store.
    pub stored_by_class: Index<Name, Stored, Gib>,
    pub tenant_names: BTreeMap<Name, TenantId>,
    /// Farms that are not over.
    pub farm_names: BTreeMap<(TenantId, Name), FarmId>,
    pub user_names: BTreeMap<(Option<TenantId>, Name), UserId>,
    pub host_names: BTreeMap<Name, HostId>,
    pub share_names: BTreeMap<Name, ShareId>,
    pub image_names: BTreeMap<(Option<TenantId>, Name), ImageId>,
    pub access_keys: BTreeMap<String, AccessKeyId>,
    pub policy_labels: BTreeMap<String, Digest>,
    pub binding_names: BTreeMap<Name, BindingId>,
    pub segments: BTreeMap<u32, NetworkId>,
    pub public_ips: BTreeMap<Ipv4Addr, AddressId>,
    pub free_segments: BTreeSet<u32>,
    pub free_public_ips: BTreeSet<Ipv4Addr>,
    /// What ends by itself, and when.
    pub expiries: BTreeSet<(Timestamp, Key)>,
    /// What is over and since when; it is forgotten after the site's retention.
    pub over: BTreeSet<(Timestamp, Key)>,
}

/// What lies in the volume store of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "id")]
pub enum Stored {
    Volume(VolumeId),
    Snapshot(SnapshotId),
}

impl Indexes {
    fn protect(&mut self, farm: FarmId, change: impl FnOnce(&mut Firewall)) {
        let firewall = self.firewalls.entry(farm).or_default();
        change(firewall);
        if firewall.is_empty() {
            self.firewalls.remove(&farm);
        }
    }

    /// Also counts as what the tenant takes of everything.
    fn take(&mut self, tenant: TenantId, class: Option<&Name>, amounts: Amounts, present: bool) {
        for scope in class.map(Some).into_iter().chain([None]) {
            let taken = self.taken.entry((tenant, scope.cloned())).or_default();
            *taken = if present { taken.plus(amounts) } else { taken.minus(amounts) };
            if *taken == Amounts::default() {
                self.taken.remove(&(tenant, scope.cloned()));
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct State {
    /// Number of the last event applied.
    pub seq: u64,
    pub rows: Rows,
    pub indexes: Indexes,
    /// Hosts whose row in the cluster view is out of date.
    pub dirty_hosts: BTreeSet<HostId>,
    /// Hosts, classes or shares came, went or changed: the view must be made anew.
    pub dirty_view: bool,
}

impl State {
    pub fn site(&self) -> Arc<Site> {
        self.rows.site.get(&()).cloned().unwrap_or_default()
    }

    /// Copies of an image, by the numbers of their hosts.
    pub fn replicas_of(&self, image: ImageId) -> impl Iterator<Item = &Arc<ImageReplica>> {
        let of = |host| ReplicaId { image, host: HostId(host) };
        self.rows.replicas.range(of(0)..=of(u32::MAX)).map(|(_, row)| row)
    }

    /// Where instances go that name no class: the first class of workers, else the first.
    pub fn default_class(&self) -> Name {
        let classes = self.rows.classes.values();
        let workers = classes.clone().find(|class| class.kind == crate::host::ClassKind::Workers);
        let class = workers.or_else(|| self.rows.classes.values().next());
        class.map_or_else(|| self.site().router_class.clone(), |class| class.name.clone())
    }

    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(row) => {
                match self.rows.put(row.clone()) {
                    Some(old) if indexed_alike(&old, row) => {
                        if let Row::Instance(row) = row {
                            self.indexes.instances_by_farm.put(row.farm, row.id, Some(row.clone()));
                        }
                        return;
                    }
                    Some(old) => self.index(&old, false),
                    None => {}
                }
                self.index(row, true);
            }
            Change::Remove(key) => {
                if let Some(old) = self.rows.remove(key) {
                    self.index(&old, false);
                }
            }
        }
    }

    /// The same state with its indexes made from the rows alone.
    pub fn rebuilt(&self) -> State {
        let mut state = State { seq: self.seq, ..State::default() };
        for row in self.rows.all() {
            state.apply(&Change::Put(row));
        }
        state
    }

    fn index(&mut self, row: &Row, present: bool) {
        let ix = &mut self.indexes;
        match row {
            Row::Site(site) => {
                if present {
                    ix.free_segments = (1..=ipam::segments(site)).filter(|s| !ix.segments.contains_key(s)).collect();
                    ix.free_public_ips =
                        ipam::public_addresses(site).filter(|ip| !ix.public_ips.contains_key(ip)).collect();
                } else {
                    ix.free_segments.clear();
                    ix.free_public_ips.clear();
                }
            }
            Row::Class(_) => self.dirty_view = true,
            Row::Share(share) => {
                named(&mut ix.share_names, share.name.clone(), share.id, present);
                self.dirty_view = true;
            }
            Row::Host(host) => {
                named(&mut ix.host_names, host.name.clone(), host.id, present);
                self.dirty_view = true;
            }
            Row::Flavor(_) => {}
            Row::Image(image) => {
                named(&mut ix.image_names, (image.tenant, image.name.clone()), image.id, present);
                if let Some(farm) = image.farm {
                    ix.images_by_farm.set(farm, image.id, present);
                }
            }
            Row::Tenant(tenant) => named(&mut ix.tenant_names, tenant.name.clone(), tenant.id, present),
            Row::User(user) => {
                ix.users_by_tenant.set(user.tenant, user.id, present);
                named(&mut ix.user_names, (user.tenant, user.name.clone()), user.id, present);
            }
            Row::AccessKey(key) => {
                ix.keys_by_user.set(key.user, key.id, present);
                named(&mut ix.access_keys, key.public.clone(), key.id, present);
            }
            Row::Quota(quota) => ix.quotas_by_tenant.set(quota.tenant, quota.id, present),
            Row::Hold(hold) => {
                ix.holds_by_tenant.set(hold.tenant, hold.id, present);
                ix.holds_by_operation.set(hold.operation, hold.id, present);
                timed(&mut ix.expiries, hold.expires, Key::Hold(hold.id), present);
            }
            Row::Farm(farm) => {
                ix.farms_by_tenant.set(farm.tenant, farm.id, present);
                if farm.state.is_over() {
                    timed(&mut ix.over, farm.updated, Key::Farm(farm.id), present);
                } else {
                    named(&mut ix.farm_names, (farm.tenant, farm.name.clone()), farm.id, present);
                }
            }
            Row::Network(network) => {
                ix.networks_by_farm.set(network.farm, network.id, present);
                named(&mut ix.segments, network.segment, network.id, present);
                ix.take(network.tenant, None, Amounts { networks: 1, ..Amounts::default() }, present);
                if present {
                    ix.free_segments.remove(&network.segment);
                } else if self.rows.site.get(&()).is_some_and(|site| network.segment <= ipam::segments(site)) {
                    ix.free_segments.insert(network.segment);
                }
            }
            Row::Router(router) => {
                ix.routers_by_farm.set(router.farm, router.id, present);
                if let Some(host) = router.host {
                    ix.guests_by_host.put(host, Guest::Router(router.id), present.then_some(router.size));
                    self.dirty_hosts.insert(host);
                }
                // Where it goes, room is kept for it.
                if let Some(host) = router.bound_for {
                    ix.guests_by_host.put(host, Guest::Router(router.id), present.then_some(router.size));
                    self.dirty_hosts.insert(host);
                }
            }
            Row::Address(address) => self.index_address(address, present),
            Row::Instance(instance) => {
                ix.instances_by_farm.put(instance.farm, instance.id, present.then(|| instance.clone()));
                if instance.is_live() {
                    set(&mut ix.guest_ips, (instance.farm, instance.ip), present);
                    let groups = || instance.groups.iter().copied().collect();
                    ix.protect(instance.farm, |firewall| firewall.member(instance.ip, present.then(groups)));
                    let amounts = Amounts::of_instances(instance.size, 1);
                    ix.take(instance.tenant, Some(&instance.class), amounts, present);
                } else {
                    timed(&mut ix.over, instance.updated, Key::Instance(instance.id), present);
                }
                for (host, size) in instance.claims() {
                    ix.guests_by_host.put(host, Guest::Instance(instance.id), present.then_some(size));
                    ix.hosts_by_farm.count(instance.farm, host, present);
                    self.dirty_hosts.insert(host);
                }
            }
            Row::Policy(policy) => named(&mut ix.policy_labels, policy.label(), policy.digest, present),
            Row::Binding(binding) => named(&mut ix.binding_names, binding.name.clone(), binding.id, present),
            Row::Operation(operation) => {
                if operation.state.is_over() {
                    timed(&mut ix.over, operation.updated, Key::Operation(operation.id), present);
                } else {
                    ix.operations_by_farm.put(operation.farm, operation.id, present.then_some(operation.saga));
                    set(&mut ix.unfinished, operation.id, present);
                }
            }
            Row::SecurityGroup(group) => {
                ix.groups_by_farm.set(group.farm, group.id, present);
                named(&mut ix.group_names, (group.farm, group.name.clone()), group.id, present);
                ix.protect(group.farm, |firewall| firewall.group(group.id, present.then(|| group.rules.clone())));
            }
            Row::KeyPair(pair) => {
                ix.key_pairs_by_farm.set(pair.farm, pair.id, present);
                named(&mut ix.key_pair_names, (pair.farm, pair.name.clone()), pair.id, present);
            }
            Row::Tags(_) | Row::UserData(_) | Row::ImageReplica(_) => {}
            Row::Volume(volume) => {
                ix.volumes_by_farm.set(volume.farm, volume.id, present);
                if let Some(attachment) = &volume.attachment {
                    ix.volumes_by_instance.set(attachment.instance, volume.id, present);
                }
                let stored = Stored::Volume(volume.id);
                ix.stored_by_class.put(volume.class.clone(), stored, present.then_some(volume.size));
                let disk = Amounts { disk_gib: volume.size.0, ..Amounts::default() };
                ix.take(volume.tenant, Some(&volume.class), disk, present);
            }
            Row::Snapshot(snapshot) => {
                ix.snapshots_by_farm.set(snapshot.farm, snapshot.id, present);
                let stored = Stored::Snapshot(snapshot.id);
                ix.stored_by_class.put(snapshot.class.clone(), stored, present.then_some(snapshot.size));
                let disk = Amounts { disk_gib: snapshot.size.0, ..Amounts::default() };
                ix.take(snapshot.tenant, Some(&snapshot.class), disk, present);
            }
            Row::Receipt(receipt) => {
                timed(&mut ix.expiries, receipt.expires, Key::Receipt(receipt.id), present);
            }
            Row::Plan(plan) => match plan.forget_at {
                Some(at) => timed(&mut ix.expiries, at, Key::Plan(plan.id), present),
                None => set(&mut ix.open_plans, plan.id, present),
            },
            Row::Turn(_) | Row::Upkeep(_) => {}
            Row::Shortage(row) => timed(&mut ix.expiries, row.expires, Key::Shortage(row.decision), present),
        }
    }

    fn index_address(&mut self, address: &ElasticIp, present: bool) {
        let ix = &mut self.indexes;
        named(&mut ix.public_ips, address.ip, address.id, present);
        if present {
            ix.free_public_ips.remove(&address.ip);
        } else if self.rows.site.get(&()).is_some_and(|site| ipam::public_addresses(site).any(|ip| ip == address.ip)) {
            ix.free_public_ips.insert(address.ip);
        }
        match address.state {
            AddressState::Quarantined { until } => {
                timed(&mut ix.expiries, until, Key::Address(address.id), present);
            }
            AddressState::Allocated | AddressState::Associated { .. } => {
                ix.addresses_by_farm.set(address.farm, address.id, present);
                ix.take(address.tenant, None, Amounts { addresses: 1, ..Amounts::default() }, present);
            }
        }
    }

    /// What the guests on a host keep from others.
    pub fn used_on(&self, host: HostId) -> Size {
        self.indexes.guests_by_host.with(&host).fold(Size::ZERO, |used, size| used + *size)
    }
}

/// Whether no index tells the two apart. Only asked of what changes all the time: most changes are
/// steps of operations, and instances that go from one state to the next.
fn indexed_alike(old: &Row, new: &Row) -> bool {
    match (old, new) {
        (Row::Instance(old), Row::Instance(new)) => {
            let live = old.is_live() && new.is_live();
            live && (old.farm, old.ip, old.claim(), old.bound_for) == (new.farm, new.ip, new.claim(), new.bound_for)
                && (&old.class, old.size, &old.groups) == (&new.class, new.size, &new.groups)
        }
        (Row::Operation(old), Row::Operation(new)) => {
            !old.state.is_over() && !new.state.is_over() && old.farm == new.farm
        }
        _ => false,
    }
}

fn named<K: Ord, V: PartialEq>(names: &mut BTreeMap<K, V>, name: K, id: V, present: bool) {
    if present {
        names.insert(name, id);
    } else if names.get(&name) == Some(&id) {
        names.remove(&name);
    }
}

fn set<T: Ord>(set: &mut BTreeSet<T>, value: T, present: bool) {
    if present {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}

fn timed(expiries: &mut BTreeSet<(Timestamp, Key)>, at: Timestamp, key: Key, present: bool) {
    set(expiries, (at, key), present);
}

//! A cluster in all states of fullness, as rows; and a farm that asks for one more host.

use cascina_core::event::Change;
use cascina_core::farm::{Farm, FarmRequest, FarmState};
use cascina_core::host::HostState;
use cascina_core::id::*;
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::launch::OnShutdown;
use cascina_core::name::Name;
use cascina_core::network::Mac;
use cascina_core::policy::{Binding, Digest, Fallback, Hook, Mode, Scope};
use cascina_core::state::{Row, State};
use cascina_core::tenant::{Tenant, TenantRequest, TenantState};
use cascina_core::units::{Size, Timestamp};

use crate::site::{self, name};

/// The farm that asks, and its tenant.
pub const FARM: FarmId = FarmId(1);
pub const TENANT: TenantId = TenantId(1);
/// Whoever fills the other hosts.
const OTHERS: u64 = 2;

pub fn tenant(id: TenantId) -> Tenant {
    Tenant {
        id,
        name: name(&format!("tenant-{}", id.0)),
        groups: vec![name("physics")],
        tier: name("standard"),
        state: TenantState::Active,
        approver: None,
        decision: None,
        with_farm: false,
        created: Timestamp(1),
        updated: Timestamp(1),
    }
}

pub fn farm(id: FarmId, tenant: &Tenant) -> Farm {
    let request = TenantRequest { name: tenant.name.clone(), groups: tenant.groups.clone(), tier: tenant.tier.clone() };
    let farm = name(&format!("farm-{}", id.0));
    Farm {
        id,
        tenant: tenant.id,
        name: farm.clone(),
        state: FarmState::Active,
        note: None,
        request: FarmRequest {
            name: farm,
            tenant: request,
            user: name("ann"),
            ssh_key: None,
            items: Vec::new(),
            lease_s: 0,
            labels: Default::default(),
        },
        user: None,
        approver: None,
        decision: DecisionId(1),
        operation: None,
        requested_by: "ann".into(),
        created: Timestamp(1),
        updated: Timestamp(1),
    }
}

pub fn instance(id: u64, farm: &Farm, host: HostId, size: Size, flavor: &Name) -> Instance {
    let [.., a, b] = (id as u32).to_be_bytes();
    Instance {
        id: InstanceId(id),
        farm: farm.id,
        tenant: farm.tenant,
        name: name(&format!("small-{id}")),
        flavor: flavor.clone(),
        image: ImageId(1),
        class: name(site::WORKERS),
        size,
        state: InstanceState::Running,
        powered: true,
        note: None,
        host: Some(host),
        ip: [10, 64, a, b].into(),
        mac: Mac([2, 0, 0, 0, a, b]),
        decision: Some(DecisionId(id)),
        operation: Some(OperationId(id)),
        reservation: ReservationId(id),
        launch_index: 0,
        groups: Vec::new(),
        key: None,
        terminate_protected: false,
        stop_protected: false,
        on_shutdown: OnShutdown::Stop,
        metadata: Default::default(),
        client_token: None,
        launched: Timestamp(1),
        created: Timestamp(1),
        updated: Timestamp(1),
    }
}

pub fn binding(policy: &str, hook: Hook, digest: Digest) -> Binding {
    Binding {
        id: BindingId(1),
        name: name(policy),
        hook,
        scope: Scope::Site,
        digest,
        policy: format!("{policy}@1.0.0"),
        settings: "{}".into(),
        order: 100,
        weight: 100,
        mode: Mode::Enforce,
        on_error: Fallback::Deny,
        quarantined: None,
        trial: None,
        previous: None,
        created: Timestamp(1),
        updated: Timestamp(1),
    }
}

/// `hosts` workers of 16 vCPUs and 64 GiB: one in 16 is full, one in 64 cordoned, the others hold
/// anything between nothing and nearly all.
pub fn state(hosts: u32, pack: Digest) -> State {
    let mut state = State::default();
    let mut put = |row: Row| state.apply(&Change::Put(row));
    let spec = site::spec(0, hosts, Size::new(16, 65_536, 1_000));
    put(spec.site.into());
    spec.classes.into_iter().for_each(|row| put(row.into()));
    spec.flavors.into_iter().for_each(|row| put(row.into()));
    put(binding("placement-pack", Hook::Placement, pack).into());
    let (asking, others) = (tenant(TENANT), tenant(TenantId(OTHERS)));
    let (mine, theirs) = (farm(FARM, &asking), farm(FarmId(OTHERS), &others));
    for row in [asking.into(), others.into(), mine.clone().into(), theirs.clone().into()] {
        put(row);
    }
    let flavor = name("m1.small");
    for (at, mut host) in spec.hosts.into_iter().enumerate() {
        let at = at as u32;
        host.id = HostId(at + 1);
        host.state = if at % 64 == 63 { HostState::Cordoned } else { HostState::Up };
        let (cores, memory) = if at % 16 == 5 { (16, 65_536) } else { (at * 7 % 16, u64::from(at * 5_003 % 63_488)) };
        if cores + memory as u32 > 0 {
            let farm = if at % 4 == 0 && at < 40 { &mine } else { &theirs };
            put(instance(u64::from(at) + 1, farm, host.id, Size::new(cores, memory, 20), &flavor).into());
        }
        put(host.into());
    }
    state.seq = 1_000_000;
    state
}

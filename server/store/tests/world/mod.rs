//! A small site and things in it, for tests and benchmarks.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use cascina_core::address::{AddressState, ElasticIp};
use cascina_core::decision::*;
use cascina_core::event::{Change, Event};
use cascina_core::farm::{Farm, FarmRequest, FarmState};
use cascina_core::host::{ClassKind, Host, HostClass, HostState, Share};
use cascina_core::id::*;
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::ipam;
use cascina_core::launch::OnShutdown;
use cascina_core::name::Name;
use cascina_core::network::VirtualNetwork;
use cascina_core::operation::*;
use cascina_core::policy::{Digest, Fallback, Hook, PolicyVersion, Scope};
use cascina_core::site::Site;
use cascina_core::state::{Row, State};
use cascina_core::tenant::{AccessKey, Tenant, TenantRequest, TenantState};
use cascina_core::units::{Gib, Size, Timestamp};
use cascina_store::{Batch, Store};
use sha2::Digest as _;

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn site() -> Site {
    let public = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 200));
    Site { public_pool: vec![public], ..Site::default() }
}

pub fn class() -> HostClass {
    HostClass { name: name("workers"), kind: ClassKind::Workers, cpu_overcommit_permille: 1000, volumes: Gib(1000) }
}

pub fn share() -> Share {
    Share {
        id: ShareId(1),
        name: name("lab"),
        group: name("lab"),
        lends: true,
        recalled: false,
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

pub fn host(id: u32) -> Host {
    Host {
        id: HostId(id),
        name: name(&format!("worker-{id:05}")),
        class: name("workers"),
        share: ShareId(1),
        uri: "sim:".into(),
        capacity: Size::new(1600, 6_400_000, 100_000),
        measured: false,
        facts: None,
        state: HostState::Up,
        note: None,
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

pub fn tenant(id: u64) -> Tenant {
    Tenant {
        id: TenantId(id),
        name: name(&format!("tenant-{id}")),
        groups: vec![name("lab")],
        tier: name("restricted"),
        state: TenantState::Active,
        approver: None,
        decision: None,
        with_farm: false,
        created: Timestamp(1),
        updated: Timestamp(1),
    }
}

pub fn farm(id: u64, tenant: u64, state: FarmState) -> Farm {
    let request = TenantRequest { name: name("t"), groups: vec![], tier: name("restricted") };
    Farm {
        id: FarmId(id),
        tenant: TenantId(tenant),
        name: name(&format!("farm-{id}")),
        state,
        note: None,
        request: FarmRequest {
            name: name("f"),
            tenant: request,
            user: name("u"),
            ssh_key: None,
            items: vec![],
            lease_s: 0,
            labels: [("a".to_string(), "b \"quoted\" é".to_string())].into(),
        },
        user: None,
        approver: None,
        decision: DecisionId(7),
        operation: None,
        requested_by: "somebody".into(),
        created: Timestamp(2),
        updated: Timestamp(2),
    }
}

pub fn network(segment: u32, farm: u64, tenant: u64) -> VirtualNetwork {
    VirtualNetwork {
        id: NetworkId(segment.into()),
        farm: FarmId(farm),
        tenant: TenantId(tenant),
        segment,
        cidr: ipam::subnet(&site(), segment).unwrap(),
        firewall: 1,
        created: Timestamp(2),
    }
}

pub fn address(id: u64, last: u8, farm: u64, tenant: u64) -> ElasticIp {
    ElasticIp {
        id: AddressId(id),
        ip: Ipv4Addr::new(192, 0, 2, last),
        tenant: TenantId(tenant),
        farm: FarmId(farm),
        state: AddressState::Allocated,
        primary: false,
        created: Timestamp(2),
        updated: Timestamp(2),
    }
}

pub fn key(id: u64, public: &str) -> AccessKey {
    AccessKey {
        id: AccessKeyId(id),
        user: UserId(1),
        public: public.into(),
        farm: None,
        sealed: "s".into(),
        shown: true,
        disabled: false,
        last_used: None,
        created: Timestamp(1),
    }
}

/// The guest with the `nth` address of the network.
pub fn instance(id: u64, network: &VirtualNetwork, nth: u32, host: u32, state: InstanceState) -> Instance {
    let ip = Ipv4Addr::from(u32::from(network.cidr.network()) + 10 + nth);
    Instance {
        id: InstanceId(id),
        farm: network.farm,
        tenant: network.tenant,
        name: name(&format!("small-{nth}")),
        flavor: name("m1.small"),
        image: ImageId(0x1234_5678_9abc_def0),
        class: name("workers"),
        size: Size::new(1, 2048, 20),
        state,
        powered: true,
        note: None,
        host: Some(HostId(host)),
        bound_for: None,
        ip,
        mac: network.mac(ip),
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
        launched: Timestamp(1_790_000_000_000),
        created: Timestamp(1_790_000_000_000),
        updated: Timestamp(1_790_000_000_000),
    }
}

pub fn operation(id: u64, instance: &Instance, state: OperationState) -> Operation {
    let step = |step: &str| StepRecord {
        step: step.into(),
        state: StepState::Pending,
        attempts: 0,
        error: None,
        note: None,
        updated: Timestamp(1_790_000_000_000),
    };
    Operation {
        id: OperationId(id),
        saga: SagaKind::InstanceRun,
        version: 1,
        tenant: Some(instance.tenant),
        farm: instance.farm,
        instances: vec![instance.id],
        min_count: 1,
        address: None,
        volume: None,
        snapshot: None,
        image: None,
        state,
        steps: vec![step("stage"), step("define"), step("start"), step("settle")],
        cursor: 0,
        error: None,
        cancel: false,
        retry_at: None,
        actor: "alice@tenant".into(),
        created: Timestamp(1_790_000_000_000),
        updated: Timestamp(1_790_000_000_000),
    }
}

pub fn component() -> (Digest, Vec<u8>) {
    let bytes = b"\0asm component".to_vec();
    (Digest(sha2::Sha256::digest(&bytes).into()), bytes)
}

pub fn policy(digest: Digest, version: &str) -> PolicyVersion {
    PolicyVersion {
        digest,
        name: name("placement-pack"),
        version: version.into(),
        summary: "packs".into(),
        hooks: vec![Hook::Placement],
        settings_schema: String::new(),
        size: 15,
        embedded: true,
        uploaded_by: "system".into(),
        created: Timestamp(0),
        about: Default::default(),
    }
}

/// A placement decision of ordinary length.
pub fn decision(id: u64, tenant: u64, farm: u64, operation: u64, hook: Hook, revision: u64) -> Decision {
    let opinion = Opinion {
        binding: BindingId(3),
        name: name("pack"),
        policy: "placement-pack@1.0.0".into(),
        digest: component().0,
        scope: Scope::Site,
        counts: true,
        said: Said::Ranked {
            candidates: 35,
            excluded: 0,
            best: vec![(HostId(4), 91_000), (HostId(9), 87_000), (HostId(1), 4)],
        },
        reasons: vec![Reason::info("packed", "The fullest host that still fits leaves least stranded.")],
        log: vec![],
        fuel: 123_456,
    };
    let owner = Opinion {
        name: name("owner"),
        policy: "placement-owner@1.0.0".into(),
        said: Said::Failed { error: "out of fuel".into(), fallback: Fallback::Next },
        ..opinion.clone()
    };
    Decision {
        id: DecisionId(id),
        hook,
        abi: ABI.into(),
        at: Timestamp(1_790_000_000_000),
        revision,
        seed: 0x1111_2222_3333_4444,
        actor: "alice@tenant".into(),
        roles: vec!["member".into()],
        tenant: Some(TenantId(tenant)),
        tenant_name: "tenant".into(),
        groups: vec![name("lab")],
        tier: name("restricted"),
        farm: Some(FarmId(farm)),
        farm_name: "farm".into(),
        operation: Some(OperationId(operation)),
        question: match hook {
            Hook::Quota => {
                let wanted = Amounts::of_instances(Size::new(1, 2048, 20), 1);
                Question::CheckQuota { verb: "run-instances".into(), class: "workers".into(), wanted }
            }
            _ => Question::Place(PlacementQuestion {
                router: false,
                flavor: "m1.small".into(),
                image: Some(ImageId(0x1234_5678_9abc_def0)),
                class: name("workers"),
                size: Size { disk: Gib(20), ..Size::new(1, 2048, 0) },
                count: 1,
                cause: "create".into(),
                only: vec![],
                avoid: vec![],
                taken: vec![],
                reserved: Vec::new(),
            }),
        },
        candidates: 35,
        dropped: vec![],
        opinions: vec![opinion, owner],
        decided: match hook {
            Hook::Quota => Decided::Allowed,
            _ => Decided::Placed { hosts: vec![HostId(4)] },
        },
        micros: 42,
    }
}

pub fn event(seq: u64, kind: &str, subject: &str, changes: Vec<Change>) -> Event {
    Event {
        seq,
        at: Timestamp(1_790_000_000_000 + seq),
        kind: kind.into(),
        actor: "alice@tenant".into(),
        tenant: None,
        farm: None,
        operation: None,
        decision: None,
        subject: subject.into(),
        text: format!("{subject} is there."),
        changes,
    }
}

pub fn puts(rows: impl IntoIterator<Item = Row>) -> Vec<Change> {
    rows.into_iter().map(Change::Put).collect()
}

/// Site, class, share, hosts, tenants, farms with a network each; event 1.
pub fn beginning(hosts: u32, farms: u32) -> Event {
    let mut rows: Vec<Row> = vec![site().into(), class().into(), share().into()];
    rows.extend((1..=hosts).map(|id| Row::from(host(id))));
    for id in 1..=farms {
        rows.push(tenant(id.into()).into());
        rows.push(farm(id.into(), id.into(), FarmState::Active).into());
        rows.push(network(id, id.into(), id.into()).into());
    }
    event(1, "site.applied", "cascina", puts(rows))
}

/// What creating one instance leaves: one event with two rows, and two decisions.
pub fn create(seq: u64, id: u64, network: &VirtualNetwork, nth: u32, host: u32) -> (Event, [Arc<Decision>; 2]) {
    let instance = instance(id, network, nth, host, InstanceState::Scheduled);
    let operation = operation(id, &instance, OperationState::Running);
    let (tenant, farm) = (network.tenant.0, network.farm.0);
    let decisions = [
        Arc::new(decision(id ^ 1 << 20, tenant, farm, id, Hook::Quota, seq - 1)),
        Arc::new(decision(id, tenant, farm, id, Hook::Placement, seq - 1)),
    ];
    let event = Event {
        tenant: Some(network.tenant),
        farm: Some(network.farm),
        operation: Some(operation.id),
        decision: Some(decisions[1].id),
        ..event(seq, "instance.scheduled", &instance.id.to_string(), puts([instance.into(), operation.into()]))
    };
    (event, decisions)
}

pub fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("cascina.db")).unwrap();
    let (digest, bytes) = component();
    store.put_component(digest, &bytes).unwrap();
    (folder, store)
}

pub fn commit(store: &mut Store, events: &[Event]) {
    store.commit(&Batch { events, decisions: &[] }).unwrap();
}

/// The log's events folded by hand.
pub fn folded<'a>(events: impl IntoIterator<Item = &'a Event>) -> State {
    let mut state = State::default();
    for event in events {
        event.changes.iter().for_each(|change| state.apply(change));
        state.seq = event.seq;
    }
    state
}

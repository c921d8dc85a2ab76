//! Makes the database: the site as the engine writes it, farms and instances straight into the store.

use std::path::Path;
use std::time::Duration;

use cascina_benches::{cluster, site};
use cascina_core::event::{Change, Event};
use cascina_core::farm::Farm;
use cascina_core::id::*;
use cascina_core::ipam;
use cascina_core::network::{RouterState, VRouter, VirtualNetwork};
use cascina_core::operation::{Operation, OperationState, SagaKind, StepRecord, StepState};
use cascina_core::principal::Role;
use cascina_core::state::Row;
use cascina_core::tenant::User;
use cascina_core::units::{Size, Timestamp};
use cascina_store::{Batch, Store};

/// A tenant has so many instances, in farms of so many.
pub const TENANT: u32 = 10_000;
const FARM: u32 = 400;
/// Operations that ended lately; older ones have been forgotten.
const OPERATIONS: u32 = 10_000;

fn event(seq: u64, kind: &str, changes: Vec<Change>) -> Event {
    Event {
        seq,
        at: Timestamp(1_790_000_000_000),
        kind: kind.into(),
        actor: "ann".into(),
        tenant: None,
        farm: None,
        operation: None,
        decision: None,
        subject: format!("subject-{seq}"),
        text: "made for a benchmark".into(),
        changes,
    }
}

fn operation(id: u64, farm: &Farm) -> Operation {
    let step = |step: &str| StepRecord {
        step: step.into(),
        state: StepState::Done,
        attempts: 0,
        error: None,
        note: None,
        updated: Timestamp(1),
    };
    Operation {
        id: OperationId(id),
        saga: SagaKind::InstanceRun,
        version: 1,
        tenant: Some(farm.tenant),
        farm: farm.id,
        instances: vec![InstanceId(id)],
        min_count: 1,
        address: None,
        volume: None,
        snapshot: None,
        image: None,
        state: OperationState::Done,
        steps: vec![step("stage"), step("boot"), step("finish")],
        cursor: 3,
        error: None,
        cancel: false,
        retry_at: None,
        actor: "ann".into(),
        created: Timestamp(1),
        // Not so old that the first sweep takes it.
        updated: Timestamp(u64::MAX >> 12),
    }
}

/// The rows of a farm without its instances.
fn farm_rows(number: u32, farm: &Farm, services: u32, site: &cascina_core::site::Site) -> Vec<Row> {
    let network = VirtualNetwork {
        id: NetworkId(number.into()),
        farm: farm.id,
        tenant: farm.tenant,
        segment: number,
        cidr: ipam::subnet(site, number).unwrap(),
        firewall: 1,
        created: Timestamp(1),
    };
    let router = VRouter {
        bound_for: None,
        id: RouterId(number.into()),
        farm: farm.id,
        network: network.id,
        class: site::name(site::SERVICES),
        size: Size::new(1, 150, 1),
        host: Some(HostId(number % services + 1)),
        state: RouterState::Running,
        forwards: Vec::new(),
        desired_revision: 1,
        applied_revision: 1,
        created: Timestamp(1),
        updated: Timestamp(1),
    };
    vec![farm.clone().into(), network.into(), router.into()]
}

fn user(tenant: TenantId) -> User {
    User {
        id: UserId(tenant.0),
        tenant: Some(tenant),
        name: site::name("ann"),
        role: Role::TenantAdmin,
        groups: Vec::new(),
        ssh_key: None,
        with_farm: false,
        active: true,
        created: Timestamp(1),
        updated: Timestamp(1),
    }
}

pub async fn site(folder: &Path, hosts: u32, instances: u32) {
    let sandbox = site::sandbox(folder);
    let engine = site::start(folder, super::spec(hosts), sandbox, std::sync::Arc::new(site::hosts())).await;
    engine.shutdown().await;
    drop(engine);
    let path = folder.join("cascina.db");
    let mut store = loop {
        // The agents let go of it at their next turn.
        match Store::open(&path) {
            Ok(store) => break store,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let state = store.load().unwrap();
    let (site, services) = (state.site(), hosts / 100);
    let workers = hosts - services;
    let (flavor, image) = (site::name("m1.small"), *state.rows.images.keys().next().unwrap());
    let mut made = 0;
    let mut farm = cluster::farm(FarmId(0), &cluster::tenant(TenantId(0)));
    while made < instances {
        let mut events = Vec::new();
        let mut seq = store.head().seq;
        let mut tell = |kind: &str, rows: Vec<Row>| {
            seq += 1;
            events.push(event(seq, kind, rows.into_iter().map(Change::Put).collect()));
        };
        for number in made..instances.min(made + 200) {
            if number % TENANT == 0 {
                let tenant = cluster::tenant(TenantId(u64::from(number / TENANT) + 1));
                tell("tenant.created", vec![tenant.clone().into(), user(tenant.id).into()]);
            }
            if number % FARM == 0 {
                let tenant = cluster::tenant(TenantId(u64::from(number / TENANT) + 1));
                farm = cluster::farm(FarmId(u64::from(number / FARM) + 1), &tenant);
                tell("farm.created", farm_rows(number / FARM + 1, &farm, services, &site));
            }
            // Spread, as if many farms had grown beside one another.
            let id = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let host = HostId(services + number % workers + 1);
            let mut row = cluster::instance(id, &farm, host, Size::new(1, 512, 1), &flavor);
            let network = ipam::subnet(&site, number / FARM + 1).unwrap();
            row.ip = (u32::from(network.network()) + 10 + number % FARM).into();
            let [_, a, b, c] = row.ip.octets();
            row.mac = cascina_core::network::Mac([2, 0, 0, a, b, c]);
            row.name = site::name(&format!("small-{}", number % FARM));
            row.image = image;
            let mut rows = vec![row.into()];
            if instances - number <= OPERATIONS {
                rows.push(operation(id, &farm).into());
            }
            tell("instance.scheduled", rows);
        }
        made = instances.min(made + 200);
        store.commit(&Batch { events: &events, decisions: &[] }).unwrap();
    }
    let violations = cascina_core::invariant::check(&store.load().unwrap());
    assert!(violations.is_empty(), "{:?}", &violations[..3.min(violations.len())]);
}

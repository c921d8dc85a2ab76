//! Images spread in waves, measured in virtual time.
#![allow(clippy::unwrap_used)]

mod components;

use cascina_core::command::Command;
use cascina_core::host::{ClassKind, Host, HostClass, HostState};
use cascina_core::id::{HostId, ShareId};
use cascina_core::image::{Image, ImageState};
use cascina_core::name::Name;
use cascina_core::replica::ReplicaState;
use cascina_core::site::{Site, SiteSpec};
use cascina_core::spread::ImageCare;
use cascina_core::state::State;
use cascina_core::units::{Gib, Size, Timestamp};
use cascina_drivers::sim::{CallKind, Fault, Incident, Latencies, Rule};
use cascina_sim::{BEGIN, Crashes, Keep, Pace, Request, Setup, Simulation, check};
use components::policies;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn worker(number: u32) -> Host {
    Host {
        id: HostId(0),
        name: name(&format!("w{number:02}")),
        class: name("workers"),
        share: ShareId(0),
        uri: "sim:".into(),
        capacity: Size::new(16, 32_768, 200),
        measured: false,
        facts: None,
        state: HostState::Up,
        note: None,
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

fn site(workers: u32, care: ImageCare) -> Simulation {
    let class =
        HostClass { name: name("workers"), kind: ClassKind::Workers, cpu_overcommit_permille: 1000, volumes: Gib(0) };
    let setup = Setup {
        seed: 1,
        site: SiteSpec {
            site: Site { images: Some(care), router_class: name("workers"), ..Site::default() },
            classes: vec![class],
            hosts: (1..=workers).map(worker).collect(),
            images: vec![Image::of_site(name("debian"), "debian", Gib(1))],
            ..SiteSpec::default()
        },
        bindings: Vec::new(),
        policies: policies().clone(),
        // A GiB takes 20 s between any two, as is the simulation's default.
        latencies: Latencies { jitter_permille: 0, ..Latencies::default() },
        pace: Pace {
            commit_ms: (1, 4),
            decide_ms: (0, 3),
            restart_ms: (500, 1000),
            call_deadline_ms: 30_000,
            reconcile_ms: Some(60_000),
        },
        keep: Keep::Log,
        crashes: Crashes::none(),
        check_every: 1,
        told: false,
    };
    Simulation::new(setup).unwrap()
}

fn ready(state: &State) -> usize {
    state.rows.replicas.values().filter(|row| row.is_ready()).count()
}

/// Seconds until so many hosts have it.
fn spread_to(sim: &mut Simulation, count: usize) -> f64 {
    let begun = sim.now;
    while ready(&sim.books.state) < count {
        let until = sim.now.plus_ms(100);
        sim.run_until(until).unwrap();
        assert!(sim.now.0 - begun.0 < 3_600_000, "{} of {count} have it", ready(&sim.books.state));
    }
    (sim.now.0 - begun.0) as f64 / 1000.0
}

fn settle(sim: &mut Simulation) {
    let until = sim.now.plus_ms(150_000);
    sim.run_until(until).unwrap();
    check::images::check(&sim.books.state, &sim.world).unwrap();
}

/// How many sources were at work at the same time, and in how many rounds of the copying they were.
#[test]
fn thirty_five_workers_have_it_after_six_rounds() {
    const ROUND_S: f64 = 20.0;
    let mut sim = site(35, ImageCare::default());
    let took = spread_to(&mut sim, 35);
    let copies = |from_server: bool| {
        let all = sim.books.log.iter().filter(|event| event.kind == "image.copying");
        all.flat_map(|event| event.changes.iter()).filter(move |change| {
            let cascina_core::event::Change::Put(cascina_core::state::Row::ImageReplica(row)) = change else {
                return false;
            };
            matches!(row.state, ReplicaState::Copying { from, .. } if from.is_none() == from_server)
        })
    };
    let (server, hosts) = (copies(true).count(), copies(false).count());
    println!(
        "35 workers: {took:.1} s, {:.2} rounds; {server} copies from the server, {hosts} from hosts",
        took / ROUND_S
    );
    assert_eq!(server + hosts, 35);
    // Six rounds, and what it takes to see that one is over.
    assert!((6.0..6.6).contains(&(took / ROUND_S)), "{took} s");
    assert!(server <= 6, "the server gave {server}");
    settle(&mut sim);

    for workers in [1, 3, 7, 15, 31, 63] {
        let mut sim = site(workers, ImageCare::default());
        let took = spread_to(&mut sim, workers as usize);
        println!("{workers} workers: {took:.1} s, {:.2} rounds", took / ROUND_S);
    }
}

#[test]
fn a_new_host_gets_what_the_others_have() {
    let mut sim = site(3, ImageCare::default());
    spread_to(&mut sim, 3);
    let (host, capacity) = (name("w99"), Size::new(8, 16_384, 100));
    sim.world.strike(&Incident::AddHost { host: host.clone(), capacity }).unwrap();
    sim.submit(Request::admin(Command::AddHost {
        name: host,
        class: name("workers"),
        share: None,
        uri: "sim:".into(),
        capacity,
    }));
    let took = spread_to(&mut sim, 4);
    assert!(took < 30.0, "{took} s");
    settle(&mut sim);
}

#[test]
fn what_was_copied_before_a_crash_is_not_copied_again() {
    let mut sim = site(1, ImageCare::default());
    // Three of four parts are there.
    sim.run_until(BEGIN.plus_ms(17_000)).unwrap();
    let part = sim.world.hosts()[&name("w01")].parts.get("debian").copied();
    assert_eq!(part, Some(3 << 28));
    sim.crash_after(0);
    let took = spread_to(&mut sim, 1);
    assert_eq!(sim.starts, 2);
    assert!(took < 8.0, "{took} s after the crash");
    settle(&mut sim);
}

#[test]
fn a_source_that_is_lost_midway_is_left_for_another() {
    let mut sim = site(15, ImageCare::default());
    spread_to(&mut sim, 1);
    let first = sim.books.state.rows.replicas.values().find(|row| row.is_ready()).unwrap().host;
    let first = sim.books.state.rows.hosts[&first].name.clone();
    sim.run_until(sim.now.plus_ms(7_000)).unwrap();
    sim.world.strike(&Incident::Lose { host: first.clone() }).unwrap();
    let took = spread_to(&mut sim, 15);
    println!("15 workers, the first source lost in the second round: {took:.1} s more");
    let failed = sim.books.log.iter().filter(|event| event.kind == "image.failed").count();
    assert_eq!(failed, 1);
    sim.world.strike(&Incident::Restore { host: first }).unwrap();
    settle(&mut sim);
}

#[test]
fn a_file_of_no_use_is_said_and_is_used_when_it_was_put_right() {
    let mut sim = site(2, ImageCare::default());
    let refuse = Fault::Refuse { why: "it is laid over another file".into() };
    sim.world.set_faults(vec![Rule { call: Some(CallKind::CheckImage), ..Rule::always(refuse) }]);
    sim.run_until(BEGIN.plus_ms(100_000)).unwrap();
    let image = sim.books.state.rows.images.values().next().unwrap();
    assert_eq!(image.state, ImageState::Failed);
    assert!(image.note.as_ref().unwrap().contains("laid over another file"));
    assert!(sim.books.state.rows.replicas.is_empty());
    sim.world.set_faults(Vec::new());
    spread_to(&mut sim, 2);
    assert_eq!(sim.books.state.rows.images.values().next().unwrap().state, ImageState::Available);
    settle(&mut sim);
}

#[test]
fn an_evicted_one_stays_away_until_it_is_asked_for() {
    let mut sim = site(2, ImageCare::default());
    spread_to(&mut sim, 2);
    let image = sim.books.state.rows.images.values().next().unwrap().id;
    let host = sim.books.state.indexes.host_names[&name("w01")];
    sim.submit(Request::admin(Command::EvictImage { image, host }));
    settle(&mut sim);
    assert_eq!(ready(&sim.books.state), 1);
    assert!(sim.world.hosts()[&name("w01")].images.is_empty());
    sim.submit(Request::admin(Command::SpreadImage { image, to: Vec::new() }));
    spread_to(&mut sim, 2);
    settle(&mut sim);
}

#[test]
fn nothing_spreads_unasked_where_it_should_not() {
    let mut sim = site(2, ImageCare { spread: false, ..ImageCare::default() });
    settle(&mut sim);
    assert!(sim.books.state.rows.replicas.is_empty());
    let image = sim.books.state.rows.images.values().next().unwrap();
    let (image, host) = (image.id, sim.books.state.indexes.host_names[&name("w02")]);
    sim.submit(Request::admin(Command::SpreadImage { image, to: vec![host] }));
    spread_to(&mut sim, 1);
    settle(&mut sim);
    assert_eq!(sim.books.state.rows.replicas.len(), 1);
}

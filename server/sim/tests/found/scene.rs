//! A site in virtual time to which things are done one by one. Every commit is checked.

use cascina_core::command::{Command, NewFarm, NewInstances, Outcome};
use cascina_core::id::{FarmId, HostId, InstanceId, OperationId};
use cascina_core::instance::Instance;
use cascina_core::launch::Launch;
use cascina_core::name::Name;
use cascina_core::operation::{Operation, OperationState};
use cascina_core::policy::Hook;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_drivers::HostRef;
use cascina_drivers::sim::{CallKind, Fault, Latencies, Rule};
use cascina_sim::schedule::small_site;
use cascina_sim::{Crashes, Heard, Keep, Pace, Request, Setup, Simulation, bound, check};

use crate::components::policies;

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub struct Scene {
    pub sim: Simulation,
}

impl Scene {
    /// A server that has just begun to start.
    pub fn starting() -> Scene {
        let binding = |text: &str, hook| bound(&name(text), hook);
        let setup = Setup {
            seed: 1,
            site: small_site(),
            bindings: vec![
                binding("admission-default", Hook::Admission),
                binding("quota-tiers", Hook::Quota),
                binding("placement-pack", Hook::Placement),
            ],
            policies: policies().clone(),
            latencies: Latencies::default(),
            pace: Pace {
                commit_ms: (1, 4),
                decide_ms: (0, 3),
                restart_ms: (500, 1000),
                call_deadline_ms: 30_000,
                reconcile_ms: Some(45_000),
            },
            keep: Keep::Log,
            crashes: Crashes::none(),
            check_every: 1,
            told: false,
        };
        let mut scene = Scene { sim: Simulation::new(setup).unwrap() };
        scene.pass(0);
        scene
    }

    pub fn new() -> Scene {
        let mut scene = Scene::starting();
        scene.pass(1000);
        assert!(scene.sim.is_ready());
        scene
    }

    pub fn state(&self) -> &State {
        &self.sim.books.state
    }

    pub fn pass(&mut self, ms: u64) {
        let until = self.sim.now.plus_ms(ms);
        self.sim.run_until(until).unwrap();
    }

    pub fn ask(&mut self, command: Command) -> Result<Outcome, Refusal> {
        let id = self.sim.submit(Request::admin(command));
        self.pass(50);
        let place = self.sim.answers.iter().position(|answered| answered.id == id).unwrap();
        match self.sim.answers.swap_remove(place).heard {
            Heard::Done(outcome) => Ok(outcome),
            Heard::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until an operation is over or stuck.
    pub fn wait(&mut self, id: OperationId) -> Operation {
        for _ in 0..1000 {
            let row = Operation::clone(&self.state().rows.operations[&id]);
            if row.state.is_over() || row.state == OperationState::Stuck {
                return row;
            }
            self.pass(500);
        }
        panic!("it does not end")
    }

    /// Asks, and waits until what follows is done.
    pub fn make(&mut self, command: Command) -> Outcome {
        let outcome = self.ask(command).unwrap();
        let operation = self.wait(outcome.operation.unwrap());
        assert_eq!(operation.state, OperationState::Done, "{operation:#?}");
        outcome
    }

    pub fn farm(&mut self, instances: Vec<NewInstances>) -> FarmId {
        let made = self.make(Command::CreateFarm(farm(instances)));
        made.subject.parse().unwrap()
    }

    pub fn run(&mut self, farm: FarmId, ask: NewInstances) -> InstanceId {
        self.make(Command::RunInstances { farm, ask }).instances[0]
    }

    pub fn instance(&self, id: InstanceId) -> &Instance {
        &self.state().rows.instances[&id]
    }

    pub fn host(&self, id: HostId) -> HostRef {
        let row = &self.state().rows.hosts[&id];
        HostRef { id, name: row.name.clone(), uri: row.uri.clone(), class: row.class.clone() }
    }

    pub fn faults(&mut self, rules: Vec<Rule>) {
        self.sim.world.set_faults(rules);
    }

    /// Lets the reconciler look twice; then rows, hosts and stores must agree.
    pub fn settle(&mut self) {
        self.pass(100_000);
        check::hosts::check(&self.sim.books.state, &self.sim.world).unwrap();
        check::stores::check(&self.sim.books.state, &self.sim.world).unwrap();
        check::guests::check(&self.sim.books.state, &self.sim.world).unwrap();
    }
}

pub fn farm(instances: Vec<NewInstances>) -> NewFarm {
    NewFarm {
        name: name("farm"),
        tenant: name("alice"),
        groups: Vec::new(),
        tier: Some(name("unlimited")),
        user: None,
        ssh_key: None,
        instances,
        lease_s: 0,
        labels: Default::default(),
    }
}

pub fn line(flavor: &str, host: Option<&str>) -> NewInstances {
    NewInstances {
        name: None,
        flavor: name(flavor),
        image: "debian".into(),
        class: None,
        min_count: 1,
        max_count: 1,
        host: host.map(name),
        launch: Launch::default(),
    }
}

/// This call goes wrong, so many times.
pub fn rule(call: CallKind, times: u32, fault: Fault) -> Rule {
    Rule { call: Some(call), times: Some(times), ..Rule::always(fault) }
}

pub fn refuse() -> Fault {
    Fault::Refuse { why: "broken on purpose".into() }
}

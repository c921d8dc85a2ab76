//! The trial of an upload: it describes itself, and each of its hooks answers generated questions
//! within the contract, twice the same.
//!
//! A `failure` is a proper answer here: invented tenants and hosts may well make no sense to a
//! policy. A trap, an answer outside the contract, or a second answer unlike the first is not.

use cascina_core::cluster::Cluster;
use cascina_core::decision::Amounts;
use cascina_core::farm::{FarmRequest, Item};
use cascina_core::id::{FarmId, ImageId, InstanceId, ShareId};
use cascina_core::name::Name;
use cascina_core::policy::Hook;
use cascina_core::quota::Usage;
use cascina_core::state::Guest;
use cascina_core::tenant::TenantRequest;
use cascina_core::units::{Size, Timestamp};

use crate::abi::v1::placement;
use crate::abi::v1::types::Context;
use crate::chain::Subject;
use crate::component::Loaded;
use crate::error::{EvaluationError, UploadError};
use crate::evaluate::Evaluated;
use crate::hook::choose_victims::{Demand, Victims};
use crate::hook::placement::Workload;
use crate::hook::quota::Consumption;
use crate::hook::{self};
use crate::sandbox::{Inspected, Sandbox, describe};
use crate::schema::Schema;
use crate::wording;

const HOSTS: [u32; 4] = [0, 1, 40, 1_000];
const MOST_SUMMARY: usize = 300;
const NOW_MS: u64 = 1_760_000_000_000;

pub(crate) fn inspect(sandbox: &Sandbox, loaded: &Loaded) -> Result<Inspected, UploadError> {
    let bounds = &sandbox.runner.bounds;
    let described =
        describe(&sandbox.runner, loaded).answer.map_err(|error| UploadError::Describe(error.to_string()))?;
    let name: Name = described.name.parse().map_err(|error| UploadError::Describe(format!("{error}")))?;
    let version = described.version;
    if let Err(error) = semver::Version::parse(&version) {
        let version = wording::printable(wording::cut(&version, 80));
        return Err(UploadError::Describe(format!("its version `{version}` is not a semantic version: {error}")));
    }
    if version.len() > 64 || described.summary.len() > MOST_SUMMARY {
        let error = format!("its version has more than 64 bytes, or its summary more than {MOST_SUMMARY}");
        return Err(UploadError::Describe(error));
    }
    let mut settings = String::from("{}");
    if !described.settings_schema.is_empty() {
        let schema = Schema::parse(&described.settings_schema, bounds.settings_bytes).map_err(UploadError::Describe)?;
        if let Some(example) = schema.example() {
            settings = example.to_string();
        }
    }
    // Its opinion of made-up settings does not matter, only that it has one.
    let validated: Evaluated<Result<(), Vec<crate::abi::v1::types::Failure>>> =
        sandbox.runner.call(loaded, &loaded.exports.validate_settings, (settings.as_str(),), 0);
    if let Err(error) = validated.answer {
        return Err(UploadError::Describe(format!("validate-settings: {error}")));
    }
    let trial = Trial { sandbox, loaded, settings: &settings, subject: subject() };
    for hook in loaded.exports.hooks() {
        match hook {
            Hook::Admission => trial.admission()?,
            Hook::Quota => trial.quota()?,
            Hook::Placement => trial.placement()?,
            Hook::Reallocation => trial.reallocation()?,
            Hook::ChooseVictims => trial.choose_victims()?,
        }
    }
    Ok(Inspected {
        digest: loaded.digest,
        name,
        version,
        summary: wording::printable(&described.summary),
        hooks: loaded.exports.hooks(),
        settings_schema: described.settings_schema,
        imports: loaded.imports.clone(),
        manifest: loaded.manifest.clone(),
    })
}

fn subject() -> Subject {
    Subject {
        tenant: "trial".into(),
        groups: vec!["trial-group".into()],
        tier: "standard".into(),
        farm: "trial-farm".into(),
        actor: "trial-user".into(),
        roles: vec!["member".into()],
    }
}

/// Names in this file are constants and proper.
fn name(text: &str) -> Name {
    #[expect(clippy::unwrap_used, reason = "a constant")]
    text.parse().unwrap()
}

struct Trial<'a> {
    sandbox: &'a Sandbox,
    loaded: &'a Loaded,
    settings: &'a str,
    subject: Subject,
}

impl Trial<'_> {
    fn twice<T: PartialEq>(
        &self,
        hook: Hook,
        input: &str,
        ask: impl Fn(Context<'_>) -> Evaluated<T>,
    ) -> Result<(), UploadError> {
        let context = Context {
            decision: "decision-00000000000000000",
            now_ms: NOW_MS,
            seed: 42,
            revision: 7,
            dry_run: true,
            settings: self.settings,
        };
        let refuse = |error: String| UploadError::Trial { hook, input: input.to_owned(), error };
        let (first, second) = (ask(context), ask(context));
        for answer in [&first.answer, &second.answer] {
            match answer {
                Ok(_) | Err(EvaluationError::Declared { .. }) => {}
                Err(error) => return Err(refuse(error.to_string())),
            }
        }
        // What is kept warm need not take the same way twice, but must come to the same.
        let fuel = self.loaded.is_warm() || first.fuel == second.fuel;
        if first.answer != second.answer || first.log != second.log || !fuel {
            return Err(refuse("asked the same twice, it did not do the same".into()));
        }
        Ok(())
    }

    fn admission(&self) -> Result<(), UploadError> {
        let runner = &self.sandbox.runner;
        for tenants in [0, 1_000] {
            self.twice(Hook::Admission, &format!("a tenant, {tenants} exist"), |context| {
                hook::admission::evaluate_tenant(runner, self.loaded, context, &self.subject, tenants, None)
            })?;
        }
        for (items, count) in [(0, 0), (1, 1), (2, 10), (20, 1_000)] {
            let request = farm(items, count);
            let usage = usage();
            let farm = hook::admission::Farm::new(&request, 2, &usage);
            self.twice(Hook::Admission, &format!("a farm of {items} items, {count} of each"), |context| {
                hook::admission::evaluate_farm(runner, self.loaded, context, &self.subject, &farm, None)
            })?;
        }
        Ok(())
    }

    fn quota(&self) -> Result<(), UploadError> {
        let runner = &self.sandbox.runner;
        for classes in [vec![], vec![name("services"), name("workers")]] {
            self.twice(Hook::Quota, &format!("a tenant's limits, {} classes", classes.len()), |context| {
                hook::quota::evaluate_assign(runner, self.loaded, context, &self.subject, &classes)
            })?;
        }
        for count in [1, 10_000] {
            let usage = usage();
            let wanted = Amounts::of_instances(Size::new(4, 8_192, 40), count);
            let consumption = Consumption { verb: "create-instances", class: "workers", wanted, usage: &usage };
            self.twice(Hook::Quota, &format!("{count} instances"), |context| {
                hook::quota::evaluate_check(runner, self.loaded, context, &self.subject, &consumption, None)
            })?;
        }
        Ok(())
    }

    fn placement(&self) -> Result<(), UploadError> {
        let share =
            placement::Share { number: 1, own: false, recalled: false, vcpus: 160, vcpus_own: 32, vcpus_lent: 16 };
        for hosts in HOSTS {
            let columns = Columns::new(hosts);
            for (share, cause) in [(None, "create"), (Some(share), "migrate")] {
                let work = Workload {
                    router: false,
                    flavor: "m1.small",
                    image: "ami-00000000000000001",
                    class: "workers",
                    size: Size::new(2, 4_096, 20),
                    count: 1,
                    cause,
                };
                let at = if share.is_some() { ", at a share" } else { "" };
                self.twice(Hook::Placement, &format!("{hosts} hosts{at}"), |context| {
                    hook::placement::evaluate(
                        &self.sandbox.runner,
                        self.loaded,
                        context,
                        &self.subject,
                        &work,
                        share,
                        columns.placement(),
                    )
                })?;
            }
        }
        Ok(())
    }

    fn reallocation(&self) -> Result<(), UploadError> {
        for hosts in HOSTS {
            let cluster = Columns::new(hosts).reallocation();
            self.twice(Hook::Reallocation, &format!("{hosts} hosts"), |context| {
                hook::reallocation::evaluate(&self.sandbox.runner, self.loaded, context, &cluster, 16)
            })?;
        }
        Ok(())
    }

    fn choose_victims(&self) -> Result<(), UploadError> {
        let size = Size::new(4, 8_192, 0);
        let demand = Demand { share: ShareId(1), size, deadline: Timestamp(NOW_MS + 900_000) };
        for count in HOSTS {
            let victims = Columns::new(count).victims();
            self.twice(Hook::ChooseVictims, &format!("{count} instances"), |context| {
                let (runner, subject) = (&self.sandbox.runner, &self.subject);
                hook::choose_victims::evaluate(runner, self.loaded, context, subject, demand, &victims)
            })?;
        }
        Ok(())
    }
}

fn farm(items: usize, count: u32) -> FarmRequest {
    let item = Item {
        name: name("worker"),
        flavor: name("m1.small"),
        class: name("workers"),
        image: ImageId(1),
        size: Size::new(2, 4_096, 20),
        min_count: count.min(1),
        max_count: count,
    };
    FarmRequest {
        name: name("trial-farm"),
        tenant: TenantRequest { name: name("trial"), groups: vec![name("trial-group")], tier: name("standard") },
        user: name("trial-user"),
        ssh_key: None,
        items: vec![item; items],
        lease_s: 86_400,
        labels: [("purpose".to_owned(), "trial".to_owned())].into(),
    }
}

fn usage() -> Vec<Usage> {
    let used = Amounts::of_instances(Size::new(2, 4_096, 20), 3);
    [None, Some(name("workers"))]
        .map(|class| Usage { class, limit: Amounts::UNLIMITED, used, held: Amounts::default() })
        .into()
}

/// A made-up cluster, with hosts in all states of fullness.
struct Columns {
    id: Vec<u32>,
    vcpus: Vec<u32>,
    vcpus_free: Vec<u32>,
    memory_mib: Vec<u32>,
    memory_free_mib: Vec<u32>,
    disk_free_gib: Vec<u32>,
    load_permille: Vec<u32>,
    same_farm: Vec<u32>,
    share: Vec<u32>,
    bits: Vec<u32>,
    zeros: Vec<u32>,
    ends_ms: Vec<u64>,
}

impl Columns {
    fn new(hosts: u32) -> Columns {
        let column = |of: fn(u32) -> u32| (1..=hosts).map(of).collect::<Vec<u32>>();
        Columns {
            id: column(|i| i),
            vcpus: column(|_| 16),
            vcpus_free: column(|i| 2 + i * 7 % 15),
            memory_mib: column(|_| 65_536),
            memory_free_mib: column(|i| 4_096 + i * 5_003 % 61_440),
            disk_free_gib: column(|i| 20 + i * 37 % 980),
            load_permille: column(|i| i * 131 % 1_000),
            same_farm: column(|i| u32::from(i % 5 == 0)),
            share: column(|i| i % 3),
            bits: column(|i| i % 2),
            zeros: column(|_| 0),
            ends_ms: (1..=u64::from(hosts)).map(|i| NOW_MS + i * 1_000).collect(),
        }
    }

    fn placement(&self) -> placement::Hosts<'_> {
        placement::Hosts {
            id: &self.id,
            vcpus: &self.vcpus,
            vcpus_free: &self.vcpus_free,
            memory_mib: &self.memory_mib,
            memory_free_mib: &self.memory_free_mib,
            disk_free_gib: &self.disk_free_gib,
            load_permille: &self.load_permille,
            same_farm: &self.same_farm,
            share: &self.share,
            traits: &self.bits,
        }
    }

    fn reallocation(&self) -> Cluster {
        Cluster {
            host: self.id.clone(),
            host_vcpus: self.vcpus.clone(),
            host_vcpus_free: self.vcpus_free.clone(),
            host_memory_mib: self.memory_mib.clone(),
            host_memory_free_mib: self.memory_free_mib.clone(),
            host_load_permille: self.load_permille.clone(),
            host_class: self.zeros.clone(),
            host_share: self.share.clone(),
            host_state: self.zeros.clone(),
            // One instance a host.
            instance: self.id.clone(),
            farm: self.id.clone(),
            home: self.id.clone(),
            vcpus: self.vcpus_free.clone(),
            memory_mib: self.memory_free_mib.clone(),
            cpu_permille: self.load_permille.clone(),
            idle_s: self.zeros.clone(),
            traits: self.bits.clone(),
            share: self.id.clone(),
            share_vcpus: self.vcpus.clone(),
            share_vcpus_own: self.bits.clone(),
            share_vcpus_lent: self.zeros.clone(),
            share_state: self.zeros.clone(),
            lease_farm: self.id.clone(),
            lease_ends_ms: self.ends_ms.clone(),
            pending: Amounts::of_instances(Size::new(2, 4_096, 20), 1),
            guests: self.id.iter().map(|id| Guest::Instance(InstanceId(u64::from(*id)))).collect(),
            farms: self.id.iter().map(|id| FarmId(u64::from(*id))).collect(),
        }
    }

    fn victims(&self) -> Victims {
        Victims {
            ids: self.id.iter().map(|id| InstanceId(u64::from(*id))).collect(),
            farm: self.id.clone(),
            vcpus: self.vcpus_free.clone(),
            memory_mib: self.memory_free_mib.clone(),
            cpu_permille: self.load_permille.clone(),
            idle_s: self.zeros.clone(),
            age_s: self.id.clone(),
        }
    }
}

//! Decisions are made here, off the writer, on an immutable snapshot.
//!
//! `gather` reads what a command's decisions depend on; `Gathered::decide` asks the policies without
//! holding any lock. The writer checks everything again before it commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::cluster::Cluster;
use cascina_core::decision::{ABI, Amounts, Decided, Decision, Opinion, PlacementQuestion, Question, Reason, Severity};
use cascina_core::feasible::{self, Need};
use cascina_core::id::{DecisionId, FarmId, HostId, OperationId, ShareId, TenantId};
use cascina_core::name::Name;
use cascina_core::policy::{Binding, Hook, Mode, Scope};
use cascina_core::principal::Principal;
use cascina_core::quota::Usage;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::tenant::TenantRequest;
use cascina_core::units::{Size, Timestamp};
use cascina_core::usage::ShareUsage;
use cascina_core::view::ClusterView;
use cascina_policy::{Ask, Demand, PlacementFacts, Sandbox, ShareFacts, Subject, Victims, Workload};

use crate::veil::veiled;

/// Who asks, for whom: enough to ask policies, also about a tenant that does not exist yet.
#[derive(Debug, Clone)]
pub struct Party {
    pub tenant: Option<TenantId>,
    pub tenant_name: String,
    pub groups: Vec<Name>,
    pub tier: Name,
    pub farm: Option<FarmId>,
    pub farm_name: String,
    pub actor: String,
    pub roles: Vec<String>,
}

impl Party {
    pub fn of_tenant(state: &State, tenant: TenantId, who: &Principal) -> Option<Party> {
        let row = state.rows.tenants.get(&tenant)?;
        Some(Party {
            tenant: Some(tenant),
            tenant_name: row.name.to_string(),
            groups: row.groups.clone(),
            tier: row.tier.clone(),
            farm: None,
            farm_name: String::new(),
            actor: who.name.clone(),
            roles: vec![who.role.as_str().into()],
        })
    }

    pub fn of_farm(state: &State, farm: FarmId, who: &Principal) -> Option<Party> {
        let row = state.rows.farms.get(&farm)?;
        let mut party = Party::of_tenant(state, row.tenant, who)?;
        party.farm = Some(farm);
        party.farm_name = row.name.to_string();
        Some(party)
    }

    pub fn of_request(state: &State, request: &TenantRequest, who: &Principal) -> Party {
        Party {
            tenant: state.indexes.tenant_names.get(&request.name).copied(),
            tenant_name: request.name.to_string(),
            groups: request.groups.clone(),
            tier: request.tier.clone(),
            farm: None,
            farm_name: String::new(),
            actor: who.name.clone(),
            roles: vec![who.role.as_str().into()],
        }
    }

    /// The site itself, when something is asked about all of it.
    pub fn of_site(state: &State, who: &Principal) -> Party {
        Party {
            tenant: None,
            tenant_name: String::new(),
            groups: Vec::new(),
            tier: state.site().default_tier.clone(),
            farm: None,
            farm_name: String::new(),
            actor: who.name.clone(),
            roles: vec![who.role.as_str().into()],
        }
    }

    /// The party of a decision that is made again.
    pub fn again(decision: &Decision) -> Party {
        Party {
            tenant: decision.tenant,
            tenant_name: decision.tenant_name.clone(),
            groups: decision.groups.clone(),
            tier: decision.tier.clone(),
            farm: decision.farm,
            farm_name: decision.farm_name.clone(),
            actor: decision.actor.clone(),
            roles: decision.roles.clone(),
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            tenant: self.tenant_name.clone(),
            groups: self.groups.iter().map(Name::to_string).collect(),
            tier: self.tier.to_string(),
            farm: self.farm_name.clone(),
            actor: self.actor.clone(),
            roles: self.roles.clone(),
        }
    }
}

/// One question with all the facts that its answer depends on.
pub struct Asking {
    pub party: Party,
    pub operation: Option<OperationId>,
    pub question: Question,
    pub(crate) chain: Vec<Arc<Binding>>,
    pub(crate) facts: Facts,
    /// Who asks, for owners of shares that may not know it.
    veiled: Vec<(ShareId, Subject)>,
}

pub(crate) enum Facts {
    Tenants(u32),
    Farm {
        farms: u32,
        usage: Vec<Usage>,
    },
    Classes(Vec<Name>),
    Usage(Vec<Usage>),
    Cluster {
        same_farm: Vec<(HostId, u32)>,
        cached: Vec<HostId>,
        shares: Vec<(cascina_core::id::ShareId, bool, bool, ShareUsage)>,
    },
    Everything(Box<Cluster>),
    Victims(Box<Victims>),
}

/// When, from which snapshot, with which luck.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub now: Timestamp,
    pub revision: u64,
    pub seed: u64,
    pub id: DecisionId,
    pub dry_run: bool,
}

/// The bindings of a hook that concern a tenant, in the order of authority.
fn chain(state: &State, hook: Hook, party: &Party) -> Vec<Arc<Binding>> {
    let own = |id| state.rows.shares.get(&id).is_some_and(|share| party.groups.contains(&share.group));
    let mut chain: Vec<Arc<Binding>> = state
        .rows
        .bindings
        .values()
        .filter(|binding| binding.hook == hook && binding.mode != Mode::Off)
        .filter(|binding| match binding.scope {
            Scope::Site => true,
            // An owner speaks for its hosts, whoever wants them, and otherwise for tenants of its group.
            Scope::Share(id) => matches!(hook, Hook::Placement | Hook::Reallocation) || own(id),
            Scope::Tenant(of) => Some(of) == party.tenant,
        })
        .flat_map(|binding| tried(binding, &party.tenant_name))
        .collect();
    chain.sort_by_key(|binding| binding.rank());
    chain
}

/// A binding, and its candidate after it. Where the candidate decides, the active one is asked without effect,
/// so that the two can be compared everywhere.
fn tried(binding: &Arc<Binding>, tenant: &str) -> impl Iterator<Item = Arc<Binding>> + use<> {
    let mut active = Arc::clone(binding);
    let candidate = binding.candidate().map(|mut candidate| {
        let takes = binding.trial.as_ref().is_some_and(|trial| trial.stage.takes(binding.id, tenant));
        if takes && binding.mode == Mode::Enforce {
            candidate.mode = Mode::Enforce;
            Arc::make_mut(&mut active).mode = Mode::Shadow;
        }
        Arc::new(candidate)
    });
    [active].into_iter().chain(candidate)
}

/// Reads what the answer to a question depends on.
pub fn gather(
    state: &State,
    now: Timestamp,
    party: Party,
    operation: Option<OperationId>,
    question: Question,
) -> Asking {
    let usage = || party.tenant.map(|tenant| state.usage(tenant, now)).unwrap_or_default();
    let (hook, facts) = match &question {
        Question::AdmitTenant { .. } => (Hook::Admission, Facts::Tenants(state.rows.tenants.len() as u32)),
        Question::AdmitFarm { .. } => {
            let farms = party.tenant.map_or(0, |tenant| {
                state
                    .indexes
                    .farms_by_tenant
                    .of(&tenant)
                    .filter(|id| state.rows.farms.get(id).is_some_and(|farm| !farm.state.is_over()))
                    .count() as u32
            });
            (Hook::Admission, Facts::Farm { farms, usage: usage() })
        }
        Question::AssignQuota { .. } => (Hook::Quota, Facts::Classes(state.rows.classes.keys().cloned().collect())),
        Question::CheckQuota { .. } => (Hook::Quota, Facts::Usage(usage())),
        Question::Reallocate { .. } => (Hook::Reallocation, Facts::Everything(Box::new(Cluster::of(state, now)))),
        Question::ChooseVictims { instances, .. } => {
            (Hook::ChooseVictims, Facts::Victims(Box::new(victims(state, now, instances))))
        }
        Question::Place(place) => {
            let mut same_farm = Vec::new();
            if let Some(farm) = party.farm {
                same_farm.extend(state.indexes.hosts_by_farm.pairs(&farm).map(|(host, count)| (host, *count)));
            }
            let copies = place.image.into_iter().flat_map(|image| state.replicas_of(image));
            let cached = copies.filter(|row| row.is_ready()).map(|row| row.host).collect();
            (Hook::Placement, Facts::Cluster { same_farm, cached, shares: Vec::new() })
        }
    };
    let mut chain = chain(state, hook, &party);
    if let Question::Reallocate { binding: Some(only), .. } = &question {
        chain.retain(|binding| binding.name == *only);
    }
    let facts = match facts {
        Facts::Cluster { same_farm, cached, .. } => {
            // Summing a share up costs a walk over its guests, so only for those whose owner is asked.
            let shares = chain
                .iter()
                .filter_map(|binding| match binding.scope {
                    Scope::Share(id) => state.rows.shares.get(&id),
                    Scope::Site | Scope::Tenant(_) => None,
                })
                .map(|share| {
                    (share.id, party.groups.contains(&share.group), share.recalled, state.share_usage(share.id))
                })
                .collect();
            Facts::Cluster { same_farm, cached, shares }
        }
        other => other,
    };
    let strangers = chain.iter().filter_map(|binding| match binding.scope {
        Scope::Share(id) => state.rows.shares.get(&id).filter(|share| !party.groups.contains(&share.group)),
        Scope::Site | Scope::Tenant(_) => None,
    });
    let subject = party.subject();
    let veiled = strangers.map(|share| (share.id, veiled(state, share.id, &subject))).collect();
    Asking { party, operation, question, chain, facts, veiled }
}

/// What a borrower knows of its own instances.
fn victims(state: &State, now: Timestamp, ids: &[cascina_core::id::InstanceId]) -> Victims {
    let mut victims = Victims::default();
    let mut farms: Vec<FarmId> = Vec::new();
    for row in ids.iter().filter_map(|id| state.rows.instances.get(id)) {
        let farm = farms.iter().position(|farm| *farm == row.farm).unwrap_or_else(|| {
            farms.push(row.farm);
            farms.len() - 1
        });
        victims.ids.push(row.id);
        victims.farm.push(farm as u32 + 1);
        victims.vcpus.push(row.size.vcpus.0);
        victims.memory_mib.push(u32::try_from(row.size.memory.0).unwrap_or(u32::MAX));
        victims.cpu_permille.push(0);
        victims.idle_s.push(0);
        let age_s = now.0.saturating_sub(row.launched.0) / 1000;
        victims.age_s.push(u32::try_from(age_s).unwrap_or(u32::MAX));
    }
    victims
}

/// Reads what the answers to several questions of one request depend on.
pub fn gather_all(
    state: &State,
    now: Timestamp,
    operation: Option<OperationId>,
    asked: Vec<(Party, Question)>,
) -> Vec<Asking> {
    asked.into_iter().map(|(party, question)| gather(state, now, party, operation, question)).collect()
}

impl Asking {
    /// Asks the policies. The view is only needed for placement.
    pub fn decide(self, sandbox: &Sandbox, view: &Arc<ClusterView>, moment: Moment) -> Decision {
        let ask = Ask {
            chain: &self.chain,
            decision: moment.id,
            at: moment.now,
            seed: moment.seed,
            revision: moment.revision,
            dry_run: moment.dry_run,
            subject: self.party.subject(),
            veiled: &self.veiled,
        };
        let mut candidates = 0;
        let mut dropped = Vec::new();
        let (hook, judged) = match (&self.question, &self.facts) {
            (Question::AdmitTenant { tenant }, Facts::Tenants(tenants)) => {
                (Hook::Admission, sandbox.admit_tenant(&ask, tenant, *tenants))
            }
            (Question::AdmitFarm { farm }, Facts::Farm { farms, usage }) => {
                (Hook::Admission, sandbox.admit_farm(&ask, farm, *farms, usage))
            }
            (Question::AssignQuota { .. }, Facts::Classes(classes)) => {
                (Hook::Quota, sandbox.assign_quota(&ask, classes))
            }
            (Question::CheckQuota { verb, class, wanted }, Facts::Usage(usage)) => {
                (Hook::Quota, sandbox.check_quota(&ask, verb, class, *wanted, usage))
            }
            (Question::Reallocate { max_moves, .. }, Facts::Everything(cluster)) => {
                candidates = u32::try_from(cluster.host.len()).unwrap_or(u32::MAX);
                (Hook::Reallocation, sandbox.propose(&ask, cluster, *max_moves))
            }
            (Question::ChooseVictims { share, size, deadline, .. }, Facts::Victims(victims)) => {
                let demand = Demand { share: *share, size: *size, deadline: *deadline };
                (Hook::ChooseVictims, sandbox.choose_victims(&ask, demand, victims))
            }
            (Question::Place(place), Facts::Cluster { .. }) => {
                let placed = self.place(sandbox, &ask, view, place);
                candidates = placed.candidates;
                dropped = placed.dropped;
                let judgement = cascina_policy::Judgement { decided: placed.decided, opinions: placed.opinions };
                (Hook::Placement, judgement)
            }
            _ => unreachable!("gather pairs each question with its facts"),
        };
        if !moment.dry_run {
            sandbox.observe(&self.chain, moment.id, moment.now, &self.party.tenant_name, &judged.opinions);
        }
        Decision {
            id: moment.id,
            hook,
            abi: ABI.into(),
            at: moment.now,
            revision: moment.revision,
            seed: moment.seed,
            actor: self.party.actor.clone(),
            roles: self.party.roles.clone(),
            tenant: self.party.tenant,
            tenant_name: self.party.tenant_name.clone(),
            groups: self.party.groups.clone(),
            tier: self.party.tier.clone(),
            farm: self.party.farm,
            farm_name: self.party.farm_name.clone(),
            operation: self.operation,
            question: self.question,
            candidates,
            dropped,
            opinions: judged.opinions,
            decided: judged.decided,
            micros: 0,
        }
    }

    /// Leaves room alone that is held for somebody else.
    pub(crate) fn keep_clear_of(&mut self, reserved: &[(HostId, Size)]) {
        if let Question::Place(place) = &mut self.question {
            place.reserved.extend_from_slice(reserved);
        }
    }

    /// Who asks, as the owner of a binding may know it.
    pub(crate) fn subject_for(&self, binding: &Binding) -> Subject {
        let veiled = self.veiled.iter().find(|(share, _)| binding.scope == Scope::Share(*share));
        veiled.map_or_else(|| self.party.subject(), |(_, subject)| subject.clone())
    }

    pub(crate) fn shares(&self) -> Vec<ShareFacts> {
        let Facts::Cluster { shares, .. } = &self.facts else { return Vec::new() };
        let facts = shares.iter().map(|(id, own, recalled, usage)| ShareFacts {
            number: id.0,
            own: *own,
            recalled: *recalled,
            vcpus: usage.vcpus,
            vcpus_own: usage.vcpus_own,
            vcpus_lent: usage.vcpus_lent,
        });
        facts.collect()
    }

    /// The hosts with the room taken that earlier lines of the request take, and how many instances of the
    /// same farm are where, by row.
    pub(crate) fn neighbours(
        &self,
        view: &Arc<ClusterView>,
        question: &PlacementQuestion,
    ) -> (Arc<ClusterView>, BTreeMap<u32, u32>) {
        let mut neighbours: BTreeMap<u32, u32> = BTreeMap::new();
        if let Facts::Cluster { same_farm, .. } = &self.facts {
            for (host, count) in same_farm {
                if let Some(row) = view.row(*host) {
                    *neighbours.entry(row as u32).or_default() += count;
                }
            }
        }
        let mut view = Arc::clone(view);
        for (host, size) in &question.reserved {
            if let Some(row) = view.row(*host) {
                Arc::make_mut(&mut view).take(row, *size);
            }
        }
        for (host, size) in &question.taken {
            if let Some(row) = view.row(*host) {
                Arc::make_mut(&mut view).take(row, *size);
                *neighbours.entry(row as u32).or_default() += 1;
            }
        }
        (view, neighbours)
    }

    /// Chooses hosts one by one, each with the earlier ones counted.
    fn place(&self, sandbox: &Sandbox, ask: &Ask<'_>, view: &Arc<ClusterView>, question: &PlacementQuestion) -> Placed {
        let image = question.image.map(|id| id.to_string()).unwrap_or_default();
        let work = Workload {
            router: question.router,
            flavor: &question.flavor,
            image: &image,
            class: question.class.as_str(),
            size: question.size,
            count: question.count,
            cause: &question.cause,
        };
        let need = Need {
            class: &question.class,
            size: question.size,
            groups: &self.party.groups,
            only: &question.only,
            avoid: &question.avoid,
        };
        let shares = self.shares();
        let (mut view, mut neighbours) = self.neighbours(view, question);
        // Hosts come in the order of their numbers, and so do rows.
        let cached: Vec<u32> = match &self.facts {
            Facts::Cluster { cached, .. } => {
                cached.iter().filter_map(|host| view.row(*host)).map(|row| row as u32).collect()
            }
            _ => Vec::new(),
        };
        let mut placed = Placed::default();
        let mut hosts = Vec::new();
        for round in 0..question.count {
            let found = feasible::candidates(&view, &need);
            if round == 0 {
                placed.candidates = found.rows.len() as u32;
            }
            placed.dropped = found.dropped;
            let rows: Vec<(u32, u32)> = neighbours.iter().map(|(row, count)| (*row, *count)).collect();
            let facts = PlacementFacts { same_farm: &rows, cached: &cached, shares: &shares };
            let best = if found.rows.is_empty() {
                None
            } else {
                let ranking = sandbox.rank(ask, &work, &view, &found.rows, &facts);
                // The first round tells how policies judge; the last why they stopped.
                if round == 0 || ranking.best.is_none() {
                    placed.opinions = ranking.opinions;
                }
                ranking.best
            };
            let Some(row) = best else { break };
            hosts.push(HostId(view.ids[row as usize]));
            *neighbours.entry(row).or_default() += 1;
            if round + 1 < question.count {
                Arc::make_mut(&mut view).take(row as usize, question.size);
            }
        }
        placed.decided = if hosts.len() as u32 == question.count {
            Decided::Placed { hosts }
        } else {
            Decided::NoHost { placed: hosts }
        };
        placed
    }
}

struct Placed {
    candidates: u32,
    dropped: Vec<cascina_core::decision::Dropped>,
    opinions: Vec<Opinion>,
    decided: Decided,
}

impl Default for Placed {
    fn default() -> Placed {
        Placed {
            candidates: 0,
            dropped: Vec::new(),
            opinions: Vec::new(),
            decided: Decided::NoHost { placed: Vec::new() },
        }
    }
}

/// Asks several questions of one request in turn. Later placements see the room that earlier ones
/// take; `until_refused` stops at the first no.
pub fn decide_all(
    askings: Vec<Asking>,
    sandbox: &Sandbox,
    view: &Arc<ClusterView>,
    mut moment: impl FnMut() -> Moment,
    until_refused: bool,
) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = Vec::with_capacity(askings.len());
    let mut taken = Vec::new();
    for mut asking in askings {
        if let Question::Place(place) = &mut asking.question {
            place.taken.extend_from_slice(&taken);
        }
        let decision = asking.decide(sandbox, view, moment());
        if let (Question::Place(place), Decided::Placed { hosts } | Decided::NoHost { placed: hosts }) =
            (&decision.question, &decision.decided)
        {
            taken.extend(hosts.iter().map(|host| (*host, place.size)));
        }
        let stop = until_refused && refusal(&decision).is_some();
        decisions.push(decision);
        if stop {
            break;
        }
    }
    decisions
}

/// The denials among what policies said, for the person who asked.
pub fn denials(decision: &Decision) -> Vec<Reason> {
    let counted = decision.opinions.iter().filter(|opinion| opinion.counts);
    let reasons: Vec<Reason> = counted
        .clone()
        .flat_map(|opinion| opinion.reasons.iter())
        .filter(|reason| reason.severity == Severity::Denial)
        .cloned()
        .collect();
    if !reasons.is_empty() {
        return reasons;
    }
    counted
        .filter_map(|opinion| match &opinion.said {
            cascina_core::decision::Said::Failed { error, .. } => {
                Some(Reason::denial("policy-failed", format!("policy {} failed: {error}", opinion.name)))
            }
            cascina_core::decision::Said::Quarantined { .. } => {
                Some(Reason::denial("policy-quarantined", format!("policy {} is in quarantine", opinion.name)))
            }
            _ => None,
        })
        .collect()
}

/// Turns a decision into a refusal, if it is one.
pub fn refusal(decision: &Decision) -> Option<Refusal> {
    match &decision.decided {
        Decided::Denied => Some(Refusal::Denied { decision: decision.id, reasons: denials(decision) }),
        Decided::Offered { offer } => {
            let reasons = decision.opinions.iter().filter(|o| o.counts).flat_map(|o| o.reasons.clone()).collect();
            Some(Refusal::Offered { decision: decision.id, offer: *offer, reasons })
        }
        Decided::NoHost { placed } => {
            let mut why: Vec<String> = decision
                .dropped
                .iter()
                .map(|dropped| format!("{} hosts {}", dropped.hosts, dropped.why.sentence()))
                .collect();
            why.extend(denials(decision).into_iter().map(|reason| reason.text));
            if !placed.is_empty() {
                why.insert(0, format!("only {} could be placed", placed.len()));
            }
            if why.is_empty() {
                why.push("the site has no hosts".into());
            }
            Some(Refusal::NoHost { decision: decision.id, why: why.join("; ") })
        }
        Decided::Allowed
        | Decided::Pending { .. }
        | Decided::Placed { .. }
        | Decided::Assigned { .. }
        | Decided::Wished { .. }
        | Decided::Victims { .. } => None,
    }
}

/// Limits that a decision assigned, as quota rows want them.
pub fn limits(decision: &Decision) -> Vec<(Option<String>, Amounts)> {
    match &decision.decided {
        Decided::Assigned { limits } => {
            limits.iter().map(|(class, amounts)| ((!class.is_empty()).then(|| class.clone()), *amounts)).collect()
        }
        _ => Vec::new(),
    }
}

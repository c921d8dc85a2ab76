//! The engine in a real server: one door for everybody who acts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use cascina_core::command::{Command, NewBinding, Outcome, TrialStep};
use cascina_core::decision::{Decided, Decision, Opinion};
use cascina_core::event::Event;
use cascina_core::id::{DecisionId, InstanceId, OperationId, PlanId, ReceiptId, UserId};
use cascina_core::instance::InstanceState;
use cascina_core::plan::Plan;
use cascina_core::policy::{Binding, Digest};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::site::SiteSpec;
use cascina_core::state::{Guest, State};
use cascina_core::tenant::AccessKey;
use cascina_core::units::Timestamp;
use cascina_core::view::ClusterView;
use cascina_drivers::{DriverError, HostCall, Hypervisor, Reply};
use cascina_policy::case::Case;
use cascina_policy::{Metered, Sandbox, TrialTally};
use cascina_store::{DecisionFilter, EventFilter, Reader, Store};
use parking_lot::{Mutex, RwLock};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use crate::clock::Clock;
use crate::command::{Setback, questions};
use crate::deciders::Deciders;
use crate::error::{EngineError, Fault};
use crate::kernel::{Kernel, Proposal, Ticket, repeated};
use crate::need::Rota;
use crate::number::Numbers;
use crate::offers::Offers;
use crate::policies::check_settings;
use crate::power::Power;
use crate::reconcile::reference;
use crate::replay::Gate;
use crate::replays::Replays;
use crate::seal::{NewSecret, Sealer};
use crate::signers::Supply;
use crate::verdict::{Moment, Party, decide_all, gather, gather_all};
use crate::writer::{self, Message};
use crate::{agent, case, runner};

/// Lost races before a client is asked to try again.
pub const RACES: u32 = 50;
/// Calls to hosts under way at the same time.
const CALLS: usize = 512;

pub struct EngineConfig {
    pub store_path: PathBuf,
    pub site: SiteSpec,
    /// Components that ship inside the program: name, bytes.
    pub embedded: Vec<(String, Vec<u8>)>,
    /// Made at the first start only.
    pub bindings: Vec<NewBinding>,
    pub sandbox: Arc<Sandbox>,
    pub hypervisor: Arc<dyn Hypervisor>,
    pub clock: Arc<dyn Clock>,
    /// After this a call to a host counts as unanswered.
    pub call_deadline: Duration,
    /// Seals the secrets of access keys.
    pub sealer: Sealer,
    pub reconcile_every: Duration,
    /// Switches hosts on and off.
    pub power: Arc<dyn Power>,
    /// What a replay must show before a policy may decide.
    pub gates: Vec<Gate>,
    /// Whose signatures count, and what is locked.
    pub supply: Supply,
    /// For crash tests: where the process ends itself.
    pub crash_at: Option<String>,
}

/// What makes repeating a request safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of the request, in hex.
    pub request: String,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub principal: Principal,
    pub command: Command,
    pub idempotency: Option<Idempotency>,
}

/// A decision made again from the books.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The same outcome, opinions and fuel.
    pub same: bool,
    pub decided: Decided,
    pub opinions: Vec<Opinion>,
}

/// What the engine's parts have in common.
pub struct Shared {
    pub published: RwLock<State>,
    pub view: ArcSwap<ClusterView>,
    pub events: broadcast::Sender<Arc<Event>>,
    pub clock: Arc<dyn Clock>,
    pub sandbox: Arc<Sandbox>,
    pub hypervisor: Arc<dyn Hypervisor>,
    pub reader: Reader,
    pub call_deadline: Duration,
    pub sealer: Sealer,
    pub calls: Semaphore,
    pub crash_at: Option<String>,
    pub gates: Vec<Gate>,
    pub supply: Supply,
    pub(crate) replays: Replays,
    pub(crate) offers: Offers,
    outbox: mpsc::Sender<Message>,
    numbers: Mutex<Numbers>,
    rota: Mutex<Rota>,
    deciders: Deciders,
    runtime: tokio::runtime::Handle,
    weak: std::sync::OnceLock<std::sync::Weak<Shared>>,
    store_sound: AtomicBool,
    ready: AtomicBool,
}

#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

fn fresh_seed() -> u64 {
    StdRng::from_os_rng().next_u64()
}

impl Shared {
    pub fn moment(&self, now: Timestamp, revision: u64) -> Moment {
        let mut numbers = self.numbers.lock();
        Moment { now, revision, seed: numbers.random(), id: DecisionId(numbers.id(now)), dry_run: false }
    }

    /// Runs what computes beside the threads that serve, as many at a time as there are cores.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        self.deciders.run(work).await
    }

    pub async fn propose(&self, proposal: Proposal) -> Result<Result<Outcome, Setback>, Fault> {
        let (sender, receiver) = oneshot::channel();
        let stopping = || Fault::Unavailable("stopping".into());
        self.outbox.send(Message::Proposal(proposal, sender)).await.map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())?
    }

    pub async fn store_component(&self, digest: Digest, bytes: Vec<u8>) -> Result<(), Fault> {
        let (sender, receiver) = oneshot::channel();
        let stopping = || Fault::Unavailable("stopping".into());
        self.outbox.send(Message::Component(digest, bytes, sender)).await.map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())?
    }

    /// Sees to it that somebody works on an operation.
    pub fn wake(&self, id: OperationId) {
        if !self.rota.lock().wake(id) {
            return;
        }
        let Some(shared) = self.weak.get().and_then(std::sync::Weak::upgrade) else { return };
        self.runtime.spawn(async move {
            loop {
                runner::run(Arc::clone(&shared), id).await;
                if shared.rota.lock().leave(id) {
                    return;
                }
            }
        });
    }

    pub fn retry_operations(&self) {
        let ids: Vec<_> = self.published.read().indexes.unfinished.iter().copied().collect();
        for id in ids {
            self.wake(id);
        }
    }

    /// Whether the last batch could be stored.
    pub fn set_store_sound(&self, sound: bool) {
        self.store_sound.store(sound, Ordering::Relaxed);
    }

    /// Persists that the sandbox gave up on a binding, or on a candidate for its place.
    pub fn drain_quarantine(&self) {
        let quarantines = self.sandbox.quarantine_due().into_iter();
        let quarantines = quarantines.map(|(binding, why)| Command::Quarantine { binding, why });
        let trials = self.sandbox.trials_due().into_iter();
        let trials = trials.map(|(binding, why)| Command::Trial { binding, step: TrialStep::Withdraw { why } });
        for command in quarantines.chain(trials) {
            let Some(shared) = self.weak.get().and_then(std::sync::Weak::upgrade) else { return };
            self.runtime.spawn(async move {
                let command = Box::new(command);
                let who = Principal::system();
                let proposal = Proposal::Command { who, command, decisions: Vec::new(), ticket: None };
                if let Err(error) = shared.propose(proposal).await {
                    tracing::warn!(error = %error, "a quarantine could not be recorded");
                }
            });
        }
    }
}

/// Ends the process as the loss of power would: nothing is flushed, closed or told.
pub fn die() -> ! {
    // Should the signal not be sent, this ends it all the same.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

impl Engine {
    /// Opens the store, takes up what was under way, and starts the agents.
    pub async fn start(config: EngineConfig) -> Result<Engine, EngineError> {
        let fault = |error: cascina_store::StoreError| Fault::Unreadable(error.to_string());
        let store = Store::open(&config.store_path).map_err(fault)?;
        let mut state = store.load().map_err(fault)?;
        let mut view = Arc::new(ClusterView::default());
        state.dirty_view = true;
        state.refresh(&mut view);
        let kernel = Kernel::new(state.clone(), fresh_seed());
        let numbers = Numbers::after(&state, fresh_seed());
        let (outbox, inbox) = mpsc::channel(4096);
        let (events, _) = broadcast::channel(4096);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let shared = Arc::new(Shared {
            published: RwLock::new(state),
            view: ArcSwap::new(view),
            events,
            clock: config.clock,
            sandbox: config.sandbox,
            hypervisor: config.hypervisor,
            reader: store.reader(),
            call_deadline: config.call_deadline,
            sealer: config.sealer,
            calls: Semaphore::new(CALLS),
            crash_at: config.crash_at,
            gates: config.gates,
            supply: config.supply,
            replays: Replays::default(),
            offers: Offers::default(),
            outbox,
            numbers: Mutex::new(numbers),
            rota: Mutex::new(Rota::default()),
            deciders: Deciders::start(cores.max(2))?,
            runtime: tokio::runtime::Handle::current(),
            weak: std::sync::OnceLock::new(),
            store_sound: AtomicBool::new(true),
            ready: AtomicBool::new(false),
        });
        // Set once, here.
        let _ = shared.weak.set(Arc::downgrade(&shared));
        let for_writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer::run(store, kernel, for_writer, inbox))
            .map_err(|error| Fault::Internal(error.to_string()))?;
        let engine = Engine { shared };
        let site = Command::ApplySite(Box::new(config.site));
        engine.submit(Request { principal: Principal::system(), command: site, idempotency: None }).await?;
        engine.load_policies(config.embedded, config.bindings).await?;
        engine.shared.retry_operations();
        tokio::spawn(agent::sweep(engine.clone()));
        tokio::spawn(agent::spread(engine.clone()));
        tokio::spawn(agent::plan(engine.clone()));
        tokio::spawn(agent::switch(engine.clone(), config.power));
        tokio::spawn(agent::reconcile(engine.clone(), config.reconcile_every));
        engine.shared.ready.store(true, Ordering::Relaxed);
        Ok(engine)
    }

    /// Lets the writer finish its batch. Operations go on at the next start.
    pub async fn shutdown(&self) {
        self.shared.ready.store(false, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        if self.shared.outbox.send(Message::Stop(sender)).await.is_ok() {
            let _ = receiver.await;
        }
    }

    /// Decides, commits and answers; what takes longer goes on as an operation.
    pub async fn submit(&self, request: Request) -> Result<Outcome, EngineError> {
        let ticket = request.idempotency.as_ref().map(|given| ticket(&request.principal, given));
        if let Some(ticket) = &ticket
            && let Some(outcome) = repeated(&self.shared.published.read(), ticket)?
        {
            return Ok(outcome);
        }
        check_settings(&self.shared.published.read(), &self.shared.sandbox, &request.command)?;
        self.check_gates(&request.command)?;
        for _ in 0..RACES {
            let decisions = self.decide(&request.principal, &request.command, false).await?;
            let proposal = Proposal::Command {
                who: request.principal.clone(),
                command: Box::new(request.command.clone()),
                decisions: decisions.into_iter().map(Arc::new).collect(),
                ticket: ticket.clone(),
            };
            match self.shared.propose(proposal).await? {
                Ok(outcome) => return Ok(outcome),
                Err(Setback::Refused(refusal)) => return Err(refusal.into()),
                Err(Setback::Stale) => {}
            }
        }
        Err(Fault::Unavailable("too many others want the same hosts".into()).into())
    }

    /// Decides and checks as [`Engine::submit`] would, and changes nothing: policies are told that it is a
    /// rehearsal, and the commit happens on a copy of what is true. For people who ask what would happen; a
    /// copy of a large site takes its time.
    ///
    /// # Errors
    ///
    /// What `submit` would have refused.
    pub async fn rehearse(&self, request: &Request) -> Result<(), EngineError> {
        check_settings(&self.shared.published.read(), &self.shared.sandbox, &request.command)?;
        for _ in 0..RACES {
            let decisions = self.decide(&request.principal, &request.command, true).await?;
            let decisions = decisions.into_iter().map(Arc::new).collect();
            let (who, command) = (request.principal.clone(), Box::new(request.command.clone()));
            let (shared, now) = (Arc::clone(&self.shared), self.shared.clock.now());
            let taken = self.shared.blocking(move || {
                let mut kernel = Kernel::new(shared.published.read().clone(), fresh_seed());
                kernel.take(now, &Proposal::Command { who, command, decisions, ticket: None }).0
            });
            match taken.await? {
                Ok(_) => return Ok(()),
                Err(Setback::Refused(refusal)) => return Err(refusal.into()),
                Err(Setback::Stale) => {}
            }
        }
        Err(Fault::Unavailable("too many others want the same hosts".into()).into())
    }

    /// The plan that would be made, without making it.
    ///
    /// # Errors
    ///
    /// What `submit` would have refused.
    pub async fn draft(&self, request: &Request) -> Result<Option<Plan>, EngineError> {
        let decisions = self.decide(&request.principal, &request.command, true).await?;
        let decisions = decisions.into_iter().map(Arc::new).collect();
        let (who, command) = (request.principal.clone(), Box::new(request.command.clone()));
        let (shared, now) = (Arc::clone(&self.shared), self.shared.clock.now());
        let drawn = self.shared.blocking(move || {
            let mut kernel = Kernel::new(shared.published.read().clone(), fresh_seed());
            let outcome = kernel.take(now, &Proposal::Command { who, command, decisions, ticket: None }).0?;
            let id = outcome.subject.parse().ok();
            Ok(id.and_then(|id: PlanId| kernel.state.rows.plans.get(&id).map(|plan| Plan::clone(plan))))
        });
        match drawn.await? {
            Ok(plan) => Ok(plan),
            Err(Setback::Refused(refusal)) => Err(refusal.into()),
            Err(Setback::Stale) => Err(Fault::Unavailable("things changed meanwhile; ask again".into()).into()),
        }
    }

    async fn decide(&self, who: &Principal, command: &Command, dry_run: bool) -> Result<Vec<Decision>, EngineError> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let (askings, view) = {
            let state = shared.published.read();
            let questions = questions(&state, who, command, now)?;
            if questions.is_empty() {
                return Ok(Vec::new());
            }
            let mut askings = gather_all(&state, now, None, questions);
            let reserved = shared.offers.reserved(now);
            askings.iter_mut().for_each(|asking| asking.keep_clear_of(&reserved));
            (askings, shared.view.load_full())
        };
        let decider = Arc::clone(shared);
        let decisions = shared
            .blocking(move || {
                let moment = || Moment { dry_run, ..decider.moment(now, view.revision) };
                decide_all(askings, &decider.sandbox, &view, moment, true)
            })
            .await?;
        shared.drain_quarantine();
        Ok(decisions)
    }

    /// Looks at what is true. Keep it short: commits wait for readers.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.published.read())
    }

    pub fn view(&self) -> Arc<ClusterView> {
        self.shared.view.load_full()
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.shared.events.subscribe()
    }

    /// A secret for a key of this user, to be shown once. Only its sealed form goes into commands.
    pub fn new_secret(&self, user: UserId) -> NewSecret {
        self.shared.sealer.make(user)
    }

    /// What an access key signs with, if it has been given a secret.
    pub fn secret(&self, key: &AccessKey) -> Option<String> {
        self.shared.sealer.open(key.user, &key.sealed)
    }

    /// Asks a host what an instance wrote to its console last. Empty before it has one.
    pub async fn console(&self, id: InstanceId) -> Result<Vec<u8>, EngineError> {
        let shared = &self.shared;
        let host = self.read(|state| {
            let row =
                state.rows.instances.get(&id).filter(|row| row.is_live() && row.state != InstanceState::Scheduled);
            row.and_then(|row| row.host).and_then(|on| state.rows.hosts.get(&on)).map(|host| reference(host))
        });
        let Some(host) = host else { return Ok(Vec::new()) };
        let _permit = shared.calls.acquire().await;
        let call = shared.hypervisor.call(&host, HostCall::Console { guest: Guest::Instance(id) });
        match tokio::time::timeout(shared.call_deadline, call).await {
            Ok(Ok(Reply::Console(bytes))) => Ok(bytes),
            // It is not there yet, or not any more.
            Ok(Err(DriverError::Refused { .. })) => Ok(Vec::new()),
            Ok(Ok(_)) => Err(Fault::Internal("a host did not answer what it was asked".into()).into()),
            Ok(Err(error)) => Err(Fault::Unavailable(error.to_string()).into()),
            Err(_) => Err(Fault::Unavailable(format!("host {} did not answer in time", host.name)).into()),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Relaxed) && self.shared.store_sound.load(Ordering::Relaxed)
    }

    /// How the trial of a binding goes.
    pub fn trial(&self, binding: &Binding) -> TrialTally {
        self.shared.sandbox.trial(binding)
    }

    /// What bindings have used since the start.
    pub fn metered(&self) -> Vec<Metered> {
        self.shared.sandbox.metered()
    }

    pub fn reader(&self) -> &Reader {
        &self.shared.reader
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    async fn look_up<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reader) -> Result<T, cascina_store::StoreError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let reader = self.shared.reader.clone();
        let found = tokio::task::spawn_blocking(move || look(&reader)).await;
        Ok(found.map_err(|error| Fault::Internal(error.to_string()))?.map_err(|e| Fault::Store(e.to_string()))?)
    }

    pub async fn decision(&self, id: DecisionId) -> Result<Option<Decision>, EngineError> {
        self.look_up(move |reader| reader.decision(id)).await
    }

    pub async fn decisions(&self, filter: DecisionFilter) -> Result<Vec<Decision>, EngineError> {
        self.look_up(move |reader| reader.decisions(&filter)).await
    }

    pub async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, EngineError> {
        self.look_up(move |reader| reader.events(&filter)).await
    }

    /// What a policy was asked for a decision, from the state at its revision. `may` says whose bindings the
    /// caller may look through; with several left, `wanted` names one.
    ///
    /// # Errors
    ///
    /// If there is no such decision, or none or several bindings are left.
    pub async fn case(
        &self,
        id: DecisionId,
        wanted: Option<&str>,
        may: impl Fn(&Binding) -> bool,
    ) -> Result<Case, EngineError> {
        let missing = || Refusal::not_found("decision", id);
        let decision = self.decision(id).await?.ok_or_else(missing)?;
        let revision = decision.revision;
        let state = self.look_up(move |reader| reader.state_at(revision)).await?;
        let party = Party::again(&decision);
        let asking = gather(&state, decision.at, party, decision.operation, decision.question.clone());
        let named = |binding: &&Arc<Binding>| {
            // A candidate was asked the same as what is active, but for its settings.
            !binding.is_candidate()
                && may(binding)
                && wanted.is_none_or(|text| binding.name.as_str() == text || binding.id.to_string() == text)
        };
        match asking.chain.iter().filter(named).collect::<Vec<_>>()[..] {
            [binding] => Ok(case::of(&asking, &decision, binding, &Arc::new(state.view()))),
            [] => Err(missing().into()),
            ref several => {
                let names: Vec<_> = several.iter().map(|binding| binding.name.as_str()).collect();
                Err(Refusal::invalid("binding", wanted.unwrap_or_default(), format!("one of {}", names.join(", ")))
                    .into())
            }
        }
    }

    /// The bytes of a component that was uploaded.
    pub async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, EngineError> {
        self.look_up(move |reader| reader.component(&digest)).await
    }

    /// Makes a decision again from the state at its revision, with the same components and seed.
    pub async fn replay(&self, id: DecisionId) -> Result<Replay, EngineError> {
        let Some(decision) = self.decision(id).await? else {
            return Err(Refusal::not_found("decision", id).into());
        };
        let revision = decision.revision;
        let state = self.look_up(move |reader| reader.state_at(revision)).await?;
        let shared = Arc::clone(&self.shared);
        let replay = shared.blocking({
            let shared = Arc::clone(&self.shared);
            move || {
                let party = Party::again(&decision);
                let view = Arc::new(state.view());
                let moment = Moment { now: decision.at, revision, seed: decision.seed, id, dry_run: false };
                let asking = gather(&state, decision.at, party, decision.operation, decision.question.clone());
                let again = asking.decide(&shared.sandbox, &view, moment);
                let same = again.decided == decision.decided
                    && same_opinions(&shared.sandbox, &again.opinions, &decision.opinions);
                Replay { same, decided: again.decided, opinions: again.opinions }
            }
        });
        Ok(replay.await?)
    }
}

/// Instances that are used again need not take the same way twice: there, fuel does not count.
fn same_opinions(sandbox: &Sandbox, one: &[Opinion], other: &[Opinion]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            let fuel = if sandbox.is_warm(&one.digest) { other.fuel } else { one.fuel };
            Opinion { fuel, ..one.clone() } == *other
        })
}

/// One key of one caller; another caller's same key is another.
pub fn ticket(who: &Principal, given: &Idempotency) -> Ticket {
    let mut hash = Sha256::new();
    hash.update(who.user.map_or(0, |user| user.0).to_be_bytes());
    hash.update(who.name.as_bytes());
    hash.update([0]);
    hash.update(given.key.as_bytes());
    let bytes: [u8; 32] = hash.finalize().into();
    let number = u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]);
    Ticket { id: ReceiptId(number), key: given.key.clone(), request: given.request.clone() }
}

//! Counter-offers: what a search found, held for ten minutes for whoever was refused.
//!
//! Quota is held in the books, as for an operation under way. Room on hosts is kept clear here: whoever asks for
//! a place meanwhile is told that it is taken, and the decision's question records that. A restart forgets
//! offers, and the quota comes free when its time is over.

use std::sync::Arc;

use cascina_core::command::{Command, Outcome};
use cascina_core::decision::{Decided, Decision, Question};
use cascina_core::id::{HoldId, HostId};
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::units::{Size, Timestamp};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::engine::{Engine, Request};
use crate::error::EngineError;
use crate::nearest::{Frozen, Grant, GrantKind};

const HELD_MS: u64 = 600_000;
/// Offers of all callers together; the oldest gives way.
const KEPT: usize = 256;

/// Room on a host that somebody may yet take.
pub type Reserved = (HostId, Size);

/// What would be granted, and how it is taken if it is held.
#[derive(Debug, Clone)]
pub struct Offer {
    pub grant: Grant,
    /// None: found, and not held.
    pub token: Option<String>,
    pub expires: Option<Timestamp>,
}

struct Held {
    token: String,
    who: Principal,
    command: Command,
    expires: Timestamp,
    reserved: Vec<Reserved>,
    hold: Option<HoldId>,
}

#[derive(Default)]
pub struct Offers(Mutex<Vec<Held>>);

impl Offers {
    /// Room that is kept clear now.
    pub fn reserved(&self, now: Timestamp) -> Vec<Reserved> {
        let mut held = self.0.lock();
        held.retain(|held| held.expires > now);
        held.iter().flat_map(|held| held.reserved.iter().copied()).collect()
    }
}

/// Rooms that the placements among these decisions chose.
fn rooms(decisions: &[Arc<Decision>]) -> Vec<Reserved> {
    let mut rooms = Vec::new();
    for decision in decisions {
        if let (Question::Place(place), Decided::Placed { hosts }) = (&decision.question, &decision.decided) {
            rooms.extend(hosts.iter().map(|host| (*host, place.size)));
        }
    }
    rooms
}

/// Quota that these decisions were about, by class.
fn quota(decisions: &[Arc<Decision>]) -> Vec<(Option<Name>, cascina_core::decision::Amounts)> {
    let of = |decision: &Arc<Decision>| match &decision.question {
        Question::AdmitFarm { farm } => Some(farm.by_class()),
        Question::CheckQuota { class, wanted, .. } => Some(vec![(class.parse().ok(), *wanted)]),
        Question::AdmitTenant { .. }
        | Question::AssignQuota { .. }
        | Question::Place(_)
        | Question::Reallocate { .. }
        | Question::ChooseVictims { .. } => None,
    };
    decisions.iter().find_map(of).unwrap_or_default()
}

impl Engine {
    /// What would be granted in place of a request that was refused; the nearest of it is held for the caller.
    ///
    /// # Errors
    ///
    /// If the server is stopping.
    pub async fn offers(&self, who: &Principal, command: &Command) -> Result<Vec<Offer>, EngineError> {
        let shared = self.shared();
        let now = self.now();
        // An earlier offer of the same caller gives way before the search, so that it is not in its own way.
        let gone = {
            let mut held = shared.offers.0.lock();
            let (mine, others) = held.drain(..).partition::<Vec<_>, _>(|held| held.who == *who || held.expires <= now);
            *held = others;
            mine
        };
        for held in gone {
            self.drop_hold(held.hold).await;
        }
        let (searcher, caller, asked) = (Arc::clone(&shared), who.clone(), command.clone());
        let found = shared.blocking(move || {
            let (state, view) = (searcher.published.read().clone(), searcher.view.load_full());
            let reserved = searcher.offers.reserved(now);
            let frozen = Frozen {
                state: &state,
                view: &view,
                sandbox: &searcher.sandbox,
                who: &caller,
                now,
                reserved: &reserved,
            };
            let grants = frozen.search(&asked);
            let held = grants.iter().find(|grant| !matches!(grant.kind, GrantKind::Later(_))).cloned();
            let decisions = held.as_ref().and_then(|grant| frozen.decisions(&grant.command).ok()).unwrap_or_default();
            (grants, held, decisions)
        });
        let (grants, held, decisions) = found.await?;
        let mut token = None;
        if let Some(grant) = &held {
            let expires = now.plus_ms(HELD_MS);
            let tenant = decisions.first().and_then(|decision| decision.tenant);
            let amounts = quota(&decisions);
            let hold = match tenant.filter(|_| !amounts.is_empty()) {
                Some(tenant) => {
                    let command = Command::HoldOffer { tenant, amounts, expires };
                    let request = Request { principal: Principal::system(), command, idempotency: None };
                    match self.submit(request).await {
                        Ok(outcome) => outcome.subject.parse().ok(),
                        // Somebody was faster: it is found all the same, and not held.
                        Err(EngineError::Refusal(_)) => None,
                        Err(error) => return Err(error),
                    }
                }
                // It would come with the farm.
                None => None,
            };
            if tenant.is_none() || hold.is_some() {
                let mut rng = StdRng::from_os_rng();
                // Of the form of all ids. It is good for its caller only, so it need not be a secret.
                let text = format!("offer-0{:016x}", rng.next_u64());
                let mut all = shared.offers.0.lock();
                if all.len() >= KEPT {
                    all.remove(0);
                }
                all.push(Held {
                    token: text.clone(),
                    who: who.clone(),
                    command: grant.command.clone(),
                    expires,
                    reserved: rooms(&decisions),
                    hold,
                });
                token = Some((text, expires));
            }
        }
        let offer = |grant: Grant| {
            let token = token.clone().filter(|_| held.as_ref() == Some(&grant));
            let (token, expires) = token.unzip();
            Offer { grant, token, expires }
        };
        Ok(grants.into_iter().map(offer).collect())
    }

    /// What would be granted in place of a request that was refused, without holding any of it.
    ///
    /// # Errors
    ///
    /// If the server is stopping.
    pub async fn nearest(&self, who: &Principal, command: &Command) -> Result<Vec<Grant>, EngineError> {
        let shared = self.shared();
        let now = self.now();
        let (searcher, who, command) = (Arc::clone(&shared), who.clone(), command.clone());
        let found = shared.blocking(move || {
            let (state, view) = (searcher.published.read().clone(), searcher.view.load_full());
            let reserved = searcher.offers.reserved(now);
            let sandbox = &searcher.sandbox;
            Frozen { state: &state, view: &view, sandbox, who: &who, now, reserved: &reserved }.search(&command)
        });
        Ok(found.await?)
    }

    async fn drop_hold(&self, hold: Option<HoldId>) {
        let Some(hold) = hold else { return };
        let request =
            Request { principal: Principal::system(), command: Command::DropHold { hold }, idempotency: None };
        if let Err(error) = self.submit(request).await {
            // It ends by itself.
            tracing::warn!(%error, "the hold of an offer stays until its time is over");
        }
    }

    /// Takes an offer: the request that it stands for, with what was held for it.
    ///
    /// # Errors
    ///
    /// If there is no such offer for the caller any more, or what `submit` refuses.
    pub async fn accept_offer(&self, who: &Principal, token: &str) -> Result<Outcome, EngineError> {
        let now = self.now();
        let found = {
            let shared = self.shared();
            let mut held = shared.offers.0.lock();
            let mine = |held: &Held| held.token == token && held.who == *who && held.expires > now;
            held.iter().position(mine).map(|at| held.remove(at))
        };
        let Some(held) = found else {
            let shown: String = token.chars().take(80).collect();
            return Err(Refusal::not_found("offer", shown).into());
        };
        self.drop_hold(held.hold).await;
        self.submit(Request { principal: who.clone(), command: held.command, idempotency: None }).await
    }
}

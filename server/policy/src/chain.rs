//! A chain of bindings: who is asked, what counts, and what happens when one fails.

use std::sync::Arc;

use cascina_core::decision::{Amounts, Approver, Decided, Opinion, Reason, Said, Verdict};
use cascina_core::id::{DecisionId, ShareId};
use cascina_core::policy::{Binding, Fallback, Mode, Scope};
use cascina_core::units::Timestamp;
use serde::{Deserialize, Serialize};

use crate::abi::v1::types as abi;
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::Evaluated;
use crate::sandbox::Sandbox;

/// Who asks, and for whom, as policies see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subject {
    pub tenant: String,
    pub groups: Vec<String>,
    pub tier: String,
    /// Empty when the question is about a tenant.
    pub farm: String,
    pub actor: String,
    pub roles: Vec<String>,
}

/// What all questions have in common.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Bindings of one hook, sorted by `Binding::rank`.
    pub chain: &'a [Arc<Binding>],
    pub decision: DecisionId,
    pub at: Timestamp,
    pub seed: u64,
    /// Number of the event at which the facts stand.
    pub revision: u64,
    /// A replay or a what-if: failures do not count towards quarantine.
    pub dry_run: bool,
    pub subject: Subject,
    /// The same for owners of shares that may not know who asks.
    pub veiled: &'a [(ShareId, Subject)],
}

impl Ask<'_> {
    /// Who asks, as a policy of this scope may know it.
    pub(crate) fn subject(&self, scope: Scope) -> &Subject {
        let veiled = self.veiled.iter().find(|(share, _)| scope == Scope::Share(*share));
        veiled.map_or(&self.subject, |(_, subject)| subject)
    }
}

/// What a chain decided, and who said what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub decided: Decided,
    pub opinions: Vec<Opinion>,
}

impl Subject {
    pub(crate) fn lower(&self) -> abi::Subject<'_> {
        abi::Subject {
            tenant: &self.tenant,
            groups: &self.groups,
            tier: &self.tier,
            farm: &self.farm,
            actor: &self.actor,
            roles: &self.roles,
        }
    }
}

/// What one binding does to the decision.
pub(crate) enum Effect<T> {
    Answer(T),
    /// It failed, and is bound to deny then.
    Deny,
    /// It failed and is bound to allow or to stand aside then, or it is in shadow.
    None,
}

impl Sandbox {
    /// Asks one binding. None if it is off.
    pub(crate) fn consult<T>(
        &self,
        ask: &Ask<'_>,
        binding: &Binding,
        evaluate: impl FnOnce(&Loaded, abi::Context<'_>) -> Evaluated<T>,
        say: impl FnOnce(&mut T) -> (Said, Vec<Reason>),
    ) -> Option<(Opinion, Effect<T>)> {
        let counts = match binding.mode {
            Mode::Enforce => true,
            Mode::Shadow => false,
            Mode::Off => return None,
        };
        let mut opinion = Opinion {
            binding: binding.id,
            name: binding.name.clone(),
            policy: binding.policy.clone(),
            digest: binding.digest,
            scope: binding.scope,
            counts,
            said: Said::Quarantined { fallback: binding.on_error },
            reasons: Vec::new(),
            log: Vec::new(),
            fuel: 0,
        };
        let fallback = || match binding.on_error {
            Fallback::Deny if counts => Effect::Deny,
            // A filter that says yes and one that says nothing come to the same.
            Fallback::Deny | Fallback::Allow | Fallback::Next => Effect::None,
        };
        if binding.quarantined.is_some() {
            return Some((opinion, fallback()));
        }
        let evaluated = match self.loaded(&binding.digest) {
            None => Evaluated::failed(EvaluationError::NotLoaded(binding.digest)),
            Some(loaded) if !loaded.exports.has(binding.hook) => {
                Evaluated::failed(EvaluationError::NoHook(binding.hook))
            }
            Some(loaded) => {
                let decision = ask.decision.to_string();
                let context = abi::Context {
                    decision: &decision,
                    now_ms: ask.at.0,
                    seed: ask.seed,
                    revision: ask.revision,
                    dry_run: ask.dry_run || !counts,
                    settings: &binding.settings,
                };
                evaluate(&loaded, context)
            }
        };
        opinion.log = evaluated.log;
        opinion.fuel = evaluated.fuel;
        let failed = matches!(&evaluated.answer, Err(error) if error.is_misbehaviour());
        if !ask.dry_run {
            self.meter.add(binding, ask.at, evaluated.fuel, evaluated.micros, failed);
        }
        // What a candidate does wrong ends its trial, and is not the active one's fault.
        if !ask.dry_run && !binding.is_candidate() {
            match &evaluated.answer {
                Err(error) if error.is_misbehaviour() => self.quarantine.failed(binding.id, error),
                Ok(_) => self.quarantine.succeeded(binding.id),
                Err(_) => {}
            }
        }
        let effect = match evaluated.answer {
            Ok(mut answer) => {
                (opinion.said, opinion.reasons) = say(&mut answer);
                if counts { Effect::Answer(answer) } else { Effect::None }
            }
            Err(error) => {
                opinion.said = Said::Failed { error: error.to_string(), fallback: binding.on_error };
                fallback()
            }
        };
        Some((opinion, effect))
    }
}

/// Adds verdicts up: any denial wins, then waiting for a person, then the smallest of all offers.
#[derive(Default)]
pub(crate) struct Tally {
    denied: bool,
    pending: Option<Approver>,
    offer: Option<Amounts>,
}

impl Tally {
    pub fn add(&mut self, verdict: Effect<Verdict>) {
        match verdict {
            Effect::Answer(Verdict::Allow) | Effect::None => {}
            Effect::Answer(Verdict::Deny) | Effect::Deny => self.denied = true,
            Effect::Answer(Verdict::Pend(approver)) => {
                // Whoever may approve for the whole site may approve for an owner too.
                let site = self.pending == Some(Approver::SiteAdmin) || approver == Approver::SiteAdmin;
                self.pending = Some(if site { Approver::SiteAdmin } else { Approver::Owner });
            }
            Effect::Answer(Verdict::CounterOffer(offer)) => {
                self.offer = Some(self.offer.map_or(offer, |known| known.min(offer)));
            }
        }
    }

    pub fn decided(self) -> Decided {
        match (self.denied, self.pending, self.offer) {
            (true, _, _) => Decided::Denied,
            (false, Some(approver), _) => Decided::Pending { approver },
            (false, None, Some(offer)) => Decided::Offered { offer },
            (false, None, None) => Decided::Allowed,
        }
    }
}

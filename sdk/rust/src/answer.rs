//! Building an answer rule by rule: the strictest verdict wins, and every reason is kept.

use crate::{Answer, Approver, Reason, Resources, Verdict};

/// Most reasons that the server takes.
const MAX_REASONS: usize = 32;

impl Answer {
    /// Where every answer starts: no objection.
    pub fn allow() -> Self {
        Self { verdict: Verdict::Allow, reasons: Vec::new() }
    }

    /// No. Nothing that follows can take it back.
    pub fn deny(self, code: &str, text: impl Into<String>) -> Self {
        self.stricter(Verdict::Deny, Reason::denial(code, text))
    }

    /// A person must approve, unless another rule says no or offers less. Where two rules ask for
    /// different people, the site's administrator decides.
    pub fn pend(self, approver: Approver, code: &str, text: impl Into<String>) -> Self {
        self.stricter(Verdict::Pend(approver), Reason::warning(code, text))
    }

    /// Not this much, but `offer` would do. Of two offers, the smaller amount of everything counts.
    pub fn counter_offer(self, offer: Resources, code: &str, text: impl Into<String>) -> Self {
        self.stricter(Verdict::CounterOffer(offer), Reason::denial(code, text))
    }

    /// Adds a reason and leaves the verdict alone.
    pub fn note(mut self, code: &str, text: impl Into<String>) -> Self {
        self.push(Reason::info(code, text));
        self
    }

    /// Adds a warning and leaves the verdict alone.
    pub fn warn(mut self, code: &str, text: impl Into<String>) -> Self {
        self.push(Reason::warning(code, text));
        self
    }

    fn stricter(mut self, verdict: Verdict, reason: Reason) -> Self {
        self.verdict = match (self.verdict, verdict) {
            (Verdict::Deny, _) | (_, Verdict::Deny) => Verdict::Deny,
            (Verdict::CounterOffer(a), Verdict::CounterOffer(b)) => Verdict::CounterOffer(a.min(b)),
            (offer @ Verdict::CounterOffer(_), _) | (_, offer @ Verdict::CounterOffer(_)) => offer,
            (Verdict::Pend(Approver::Owner), Verdict::Pend(Approver::Owner)) => Verdict::Pend(Approver::Owner),
            (Verdict::Pend(_), Verdict::Pend(_)) => Verdict::Pend(Approver::SiteAdmin),
            (pend @ Verdict::Pend(_), _) | (_, pend @ Verdict::Pend(_)) => pend,
            (Verdict::Allow, Verdict::Allow) => Verdict::Allow,
        };
        self.push(reason);
        self
    }

    /// More reasons than the server takes would cost the whole answer; the first ones matter most.
    fn push(&mut self, reason: Reason) {
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vcpus(vcpus: u32) -> Resources {
        Resources { vcpus, ..Resources::ZERO }
    }

    #[test]
    fn the_strictest_verdict_wins_in_any_order() {
        let pend = |a: Answer| a.pend(Approver::SiteAdmin, "large", "Large.");
        let offer = |a: Answer| a.counter_offer(vcpus(8), "too-large", "Too large.");
        let deny = |a: Answer| a.deny("banned", "Banned.");

        assert_eq!(offer(pend(Answer::allow())).verdict, Verdict::CounterOffer(vcpus(8)));
        assert_eq!(pend(offer(Answer::allow())).verdict, Verdict::CounterOffer(vcpus(8)));
        assert_eq!(deny(pend(Answer::allow())).verdict, Verdict::Deny);
        assert_eq!(pend(deny(Answer::allow())).verdict, Verdict::Deny);
        assert_eq!(pend(deny(Answer::allow())).reasons.len(), 2);
    }

    #[test]
    fn two_offers_give_the_smaller() {
        let answer = Answer::allow().counter_offer(vcpus(8), "a", "A.").counter_offer(vcpus(4), "b", "B.");
        assert_eq!(answer.verdict, Verdict::CounterOffer(vcpus(4)));
    }

    #[test]
    fn reasons_stay_within_what_the_server_takes() {
        let answer = (0..40).fold(Answer::allow(), |answer, _| answer.note("n", "N."));
        assert_eq!(answer.reasons.len(), MAX_REASONS);
    }
}

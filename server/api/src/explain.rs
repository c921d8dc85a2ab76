//! A decision in words: who was asked what, who said what and why, what came of it.

use std::collections::BTreeMap;

use cascina_core::decision::{Amounts, Approver, Decided, Decision, Opinion, Question, Said, Verdict};
use cascina_core::id::{HostId, ShareId};
use cascina_core::policy::{Fallback, Scope};

/// Names of what decisions know by number.
#[derive(Debug, Default)]
pub struct Names {
    pub hosts: BTreeMap<HostId, String>,
    pub shares: BTreeMap<ShareId, String>,
    /// Whether the reader may know which hosts there are.
    pub shows_hosts: bool,
}

impl Names {
    /// Hosts that are gone have only their number.
    pub fn host(&self, id: HostId) -> String {
        self.hosts.get(&id).cloned().unwrap_or_else(|| format!("host {id}"))
    }

    pub fn share(&self, id: ShareId) -> String {
        self.shares.get(&id).cloned().unwrap_or_else(|| format!("share {id}"))
    }

    fn list(&self, ids: &[HostId]) -> String {
        ids.iter().map(|id| self.host(*id)).collect::<Vec<_>>().join(", ")
    }
}

pub fn explain(decision: &Decision, names: &Names) -> Vec<String> {
    let mut sentences = vec![asked(decision)];
    if let Question::Place(question) = &decision.question {
        sentences.push(match decision.candidates {
            0 => format!("No host can take {} ({}).", question.flavor, question.size),
            1 => format!("1 host can take {} ({}).", question.flavor, question.size),
            many => format!("{many} hosts can take {} ({}).", question.flavor, question.size),
        });
    }
    for dropped in &decision.dropped {
        let count =
            if dropped.hosts == 1 { "1 host fell out:".into() } else { format!("{} hosts fell out:", dropped.hosts) };
        let mut sentence = format!("{count} they {}", dropped.why.sentence());
        if names.shows_hosts && !dropped.examples.is_empty() {
            let more = if dropped.hosts as usize > dropped.examples.len() { ", …" } else { "" };
            sentence.push_str(&format!(" ({}{more})", names.list(&dropped.examples)));
        }
        sentences.push(sentence + ".");
    }
    if decision.opinions.is_empty() {
        sentences.push(format!("No policy is bound to {}.", decision.hook));
    }
    sentences.extend(decision.opinions.iter().map(|opinion| said(opinion, names)));
    sentences.push(outcome(&decision.decided, names));
    sentences
}

fn asked(decision: &Decision) -> String {
    let tenant = &decision.tenant_name;
    let what = match &decision.question {
        Question::AdmitTenant { tenant } => format!("may tenant {} (tier {}) be admitted?", tenant.name, tenant.tier),
        Question::AdmitFarm { farm } => {
            format!("may tenant {tenant} have the farm {} with {}?", farm.name, amounts(farm.total()))
        }
        Question::AssignQuota { tenant, tier, .. } => format!("which limits does tenant {tenant} of tier {tier} get?"),
        Question::CheckQuota { verb, class, wanted } => {
            let within = if class.is_empty() { String::new() } else { format!(" in class {class}") };
            format!("may tenant {tenant} have {} more{within} ({verb})?", amounts(*wanted))
        }
        Question::Place(place) => {
            let guest = if place.router { "the router" } else { place.flavor.as_str() };
            let farm = if decision.farm_name.is_empty() { "-" } else { decision.farm_name.as_str() };
            let class = &place.class;
            format!("which host of class {class} takes {} × {guest} of farm {farm} ({})?", place.count, place.cause)
        }
        Question::Reallocate { trigger, .. } => format!("what should move ({trigger})?"),
        Question::ChooseVictims { size, instances, .. } => {
            let of = instances.len();
            format!("which of its {of} instances does tenant {tenant} give back, so that {size} are free?")
        }
    };
    format!("{} asked: {what}", decision.actor)
}

fn whose(opinion: &Opinion, names: &Names) -> String {
    match opinion.scope {
        Scope::Site => "the site".into(),
        Scope::Share(id) => format!("the owner of share {}", names.share(id)),
        Scope::Tenant(_) => "the tenant".into(),
    }
}

fn fallback(fallback: Fallback) -> &'static str {
    match fallback {
        Fallback::Deny => "its fallback refuses",
        Fallback::Allow => "its fallback allows",
        Fallback::Next => "its fallback leaves the decision to the others",
    }
}

fn said(opinion: &Opinion, names: &Names) -> String {
    let what = match &opinion.said {
        Said::Verdict(Verdict::Allow) => "allowed it".into(),
        Said::Verdict(Verdict::Deny) => "denied it".into(),
        Said::Verdict(Verdict::Pend(by)) => format!("wants {} to approve it first", approver(*by)),
        Said::Verdict(Verdict::CounterOffer(offer)) => format!("offered at most {} instead", limits(*offer)),
        Said::Ranked { candidates, excluded, best } => {
            let mut text = format!("ranked {candidates} hosts and excluded {excluded}");
            if names.shows_hosts && !best.is_empty() {
                let scored = |(host, score): &(HostId, u64)| format!("{} ({score})", names.host(*host));
                text.push_str(&format!("; best: {}", best.iter().map(scored).collect::<Vec<_>>().join(", ")));
            }
            text
        }
        Said::Refused => "found no host good enough".into(),
        Said::Abstained => "had nothing to say".into(),
        Said::Assigned { limits } => format!("assigned {}", assigned(limits)),
        Said::Proposed { moves, before, after } => {
            format!("proposed {moves} moves, which it says take {before} to {after}")
        }
        Said::Chose { victims } => format!("chose {victims} instances"),
        Said::Failed { error, fallback: then } => format!("failed ({error}), and {}", fallback(*then)),
        Said::Quarantined { fallback: then } => format!("stands in quarantine, and {}", fallback(*then)),
    };
    let shadow = if opinion.counts { "" } else { " (in shadow mode, without effect)" };
    let mut sentence =
        format!("Policy {}, bound as {} by {}, {what}{shadow}", opinion.policy, opinion.name, whose(opinion, names));
    if !opinion.reasons.is_empty() {
        let reasons: Vec<_> = opinion.reasons.iter().map(|reason| reason.text.trim_end_matches('.')).collect();
        sentence.push_str(&format!(": {}", reasons.join("; ")));
    }
    sentence + "."
}

fn outcome(decided: &Decided, names: &Names) -> String {
    match decided {
        Decided::Allowed => "Outcome: allowed.".into(),
        Decided::Denied => "Outcome: denied.".into(),
        Decided::Pending { approver: by } => format!("Outcome: waits for approval by {}.", approver(*by)),
        Decided::Offered { offer } => format!("Outcome: not granted as asked; at most {} would be.", limits(*offer)),
        Decided::Placed { hosts } if names.shows_hosts => format!("Outcome: placed on {}.", names.list(hosts)),
        Decided::Placed { hosts } => format!("Outcome: placed ({}).", hosts.len()),
        Decided::NoHost { placed } if placed.is_empty() => "Outcome: no host was left.".into(),
        Decided::NoHost { placed } => format!("Outcome: not enough hosts were left; {} could be placed.", placed.len()),
        Decided::Assigned { limits } => format!("Outcome: {}.", assigned(limits)),
        Decided::Wished { moves, .. } => format!("Outcome: {} moves are wished for.", moves.len()),
        Decided::Victims { instances } => format!("Outcome: {} instances were chosen.", instances.len()),
    }
}

fn approver(approver: Approver) -> &'static str {
    match approver {
        Approver::SiteAdmin => "a site-admin",
        Approver::Owner => "the owner",
    }
}

fn unit(name: &str, amount: u64) -> &str {
    match (name, amount) {
        ("vcpus", 1) => "vCPU",
        ("vcpus", _) => "vCPUs",
        ("memory_mib", _) => "MiB memory",
        ("disk_gib", _) => "GiB disk",
        ("instances", 1) => "instance",
        ("addresses", 1) => "elastic IP",
        ("addresses", _) => "elastic IPs",
        ("networks", 1) => "network",
        (other, _) => other,
    }
}

/// What is asked for: zeros are not worth a word.
fn amounts(amounts: Amounts) -> String {
    let some: Vec<_> = amounts
        .fields()
        .into_iter()
        .filter(|(_, amount)| *amount > 0)
        .map(|(name, amount)| format!("{amount} {}", unit(name, amount)))
        .collect();
    if some.is_empty() { "nothing".into() } else { some.join(", ") }
}

/// What is granted: zeros count, and what has no limit is not worth a word.
fn limits(limit: Amounts) -> String {
    let some: Vec<_> = limit
        .fields()
        .into_iter()
        .zip(Amounts::UNLIMITED.fields())
        .filter(|((_, amount), (_, most))| amount < most)
        .map(|((name, amount), _)| format!("{amount} {}", unit(name, amount)))
        .collect();
    if some.is_empty() { "no limit".into() } else { some.join(", ") }
}

fn assigned(scopes: &[(String, Amounts)]) -> String {
    let one = |(class, limit): &(String, Amounts)| match class.as_str() {
        "" => format!("to the tenant: {}", limits(*limit)),
        class => format!("in class {class}: {}", limits(*limit)),
    };
    if scopes.is_empty() { "no limits".into() } else { scopes.iter().map(one).collect::<Vec<_>>().join("; ") }
}

#[cfg(test)]
mod tests;

//! Candidates: how another version comes to a binding's place, and goes from it again.
//!
//! A policy author may let one run in the shadow of what is active. That it decides, for some or for all, is
//! for those who make the rules of the scope.

use cascina_core::command::{NewTrial, Outcome, TrialStep};
use cascina_core::id::BindingId;
use cascina_core::policy::{Binding, Fallback, Hook, Mode, Scope, Stage, Trial};
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_core::state::State;

use super::policy::{check, find, former, may_bind};
use super::{admin, outcome, told};
use crate::tx::Tx;

/// May this person run a candidate beside what is active here, without effect?
pub fn may_shadow(state: &State, who: &Principal, scope: Scope) -> Result<(), Refusal> {
    let allowed = match scope {
        Scope::Site => who.role == Role::PolicyAuthor,
        Scope::Share(id) => {
            let share = state.rows.shares.get(&id);
            who.role == Role::PolicyAuthor && share.is_some_and(|share| who.groups.contains(&share.group))
        }
        Scope::Tenant(_) => false,
    };
    if allowed { Ok(()) } else { may_bind(state, who, scope) }
}

pub fn step(tx: &mut Tx<'_>, who: &Principal, id: BindingId, step: &TrialStep) -> Result<Outcome, Refusal> {
    let row = tx.state().rows.bindings.get(&id).cloned().ok_or_else(|| Refusal::not_found("binding", id))?;
    let effect = match step {
        TrialStep::Begin(new) => new.stage != Stage::Shadow,
        TrialStep::Stage(stage) => *stage != Stage::Shadow,
        TrialStep::Promote | TrialStep::Rollback => true,
        // Whoever may let one in may take one out, unless it decides.
        TrialStep::Withdraw { .. } => row.trial.as_ref().is_some_and(|trial| trial.stage != Stage::Shadow),
    };
    match effect {
        true => may_bind(tx.state(), who, row.scope)?,
        false => may_shadow(tx.state(), who, row.scope)?,
    }
    let mut row = Binding::clone(&row);
    let none = || Refusal::Conflict(format!("binding {} has no candidate; begin with a trial", row.name));
    let (kind, text) = match step {
        TrialStep::Begin(new) => {
            row.trial = Some(trial(tx, who, &row, new)?);
            let policy = row.trial.as_ref().map(|trial| trial.policy.clone()).unwrap_or_default();
            ("trial.begun", format!("{policy} is tried beside {} as {} ({})", row.policy, row.name, word(&new.stage)))
        }
        TrialStep::Stage(stage) => {
            proper(stage)?;
            let trial = row.trial.as_mut().ok_or_else(none)?;
            trial.stage = stage.clone();
            trial.since = tx.now;
            (
                "trial.staged",
                format!("{} goes on beside {} as {} ({})", trial.policy, row.policy, row.name, word(stage)),
            )
        }
        TrialStep::Promote => {
            let trial = row.trial.take().ok_or_else(none)?;
            row.previous = Some(former(&row, tx.now));
            let text = format!("{} takes the place of {} as {}", trial.policy, row.policy, row.name);
            (row.digest, row.policy, row.settings) = (trial.digest, trial.policy, trial.settings);
            row.quarantined = None;
            ("trial.promoted", text)
        }
        TrialStep::Withdraw { why } => {
            let trial = row.trial.take().ok_or_else(none)?;
            ("trial.withdrawn", format!("{} is no longer tried as {}: {why}", trial.policy, row.name))
        }
        TrialStep::Rollback => {
            let nothing = || Refusal::Conflict(format!("binding {} has not been anything else", row.name));
            let before = row.previous.take().ok_or_else(nothing)?;
            if !tx.state().rows.policies.contains_key(&before.digest) {
                return Err(Refusal::Conflict(format!("{} was removed; bind another", before.policy)));
            }
            row.previous = Some(former(&row, tx.now));
            let text = format!("{} is again what decides as {}, in place of {}", before.policy, row.name, row.policy);
            (row.digest, row.policy, row.settings) = (before.digest, before.policy, before.settings);
            // What came in its place is not tried on.
            row.trial = None;
            row.quarantined = None;
            ("binding.rolled-back", text)
        }
    };
    row.updated = tx.now;
    tx.put(row);
    tx.tell(told(kind, id, text));
    Ok(outcome(id))
}

fn word(stage: &Stage) -> String {
    match stage {
        Stage::Shadow => "shadow".into(),
        Stage::Canary { percent, tenants } if tenants.is_empty() => format!("canary for {percent} %"),
        Stage::Canary { percent, tenants } => format!("canary for {percent} % and {}", tenants.join(", ")),
    }
}

fn proper(stage: &Stage) -> Result<(), Refusal> {
    let Stage::Canary { percent, tenants } = stage else { return Ok(()) };
    if *percent > 100 {
        return Err(Refusal::invalid("percent", percent, "0 to 100"));
    }
    if *percent == 0 && tenants.is_empty() {
        return Err(Refusal::invalid("percent", percent, "above 0, or tenants"));
    }
    match tenants.iter().find(|pattern| pattern.is_empty() || pattern.len() > 64) {
        Some(pattern) => Err(Refusal::invalid("tenants", pattern, "names or patterns of 1 to 64 bytes")),
        None if tenants.len() > 100 => Err(Refusal::invalid("tenants", tenants.len(), "at most 100")),
        None => Ok(()),
    }
}

fn trial(tx: &Tx<'_>, who: &Principal, row: &Binding, new: &NewTrial) -> Result<Trial, Refusal> {
    proper(&new.stage)?;
    if new.bounds.disagreements_permille > 1000 {
        return Err(Refusal::invalid("max_disagreements_permille", new.bounds.disagreements_permille, "0 to 1000"));
    }
    let policy = find(tx.state(), new.policy.as_deref().unwrap_or(&row.digest.to_string()))?;
    let settings = new.settings.clone().unwrap_or_else(|| row.settings.clone());
    if policy.digest == row.digest && settings == row.settings {
        let allowed = "another version, or other settings, than what is active";
        return Err(Refusal::invalid("policy", policy.label(), allowed));
    }
    let trial = Trial {
        digest: policy.digest,
        policy: policy.label(),
        settings,
        stage: new.stage.clone(),
        bounds: new.bounds,
        by: who.name.clone(),
        since: tx.now,
    };
    let with = Binding { trial: Some(trial.clone()), ..row.clone() };
    check(&with, &policy)?;
    Ok(trial)
}

/// Every rule that did not ship with the program is switched off, and what ships takes the hooks that are left
/// without one.
pub fn panic(tx: &mut Tx<'_>, who: &Principal) -> Result<Outcome, Refusal> {
    admin(who, "go back to the policies of the program")?;
    let embedded =
        |state: &State, row: &Binding| state.rows.policies.get(&row.digest).is_some_and(|policy| policy.embedded);
    let rows: Vec<_> = tx.state().rows.bindings.values().cloned().collect();
    let mut switched = 0;
    for row in &rows {
        let ours = embedded(tx.state(), row);
        if ours && row.trial.is_none() || !ours && row.mode == Mode::Off && row.trial.is_none() {
            continue;
        }
        let mut row = Binding::clone(row);
        row.trial = None;
        if !ours {
            row.mode = Mode::Off;
        }
        row.updated = tx.now;
        switched += 1;
        tx.put(row);
    }
    for (hook, policy) in
        [(Hook::Admission, "admission-default"), (Hook::Quota, "quota-tiers"), (Hook::Placement, "placement-pack")]
    {
        let left = tx.state().rows.bindings.values().any(|row| {
            row.hook == hook && row.scope == Scope::Site && row.mode == Mode::Enforce && row.quarantined.is_none()
        });
        if left {
            continue;
        }
        // One of an earlier panic is used again.
        let name = format!("panic-{hook}");
        let found = tx.state().rows.bindings.values().find(|row| row.name.as_str() == name).cloned();
        let policies = tx.state().rows.policies.values();
        let newest = policies.filter(|row| row.embedded && row.name.as_str() == policy).max_by_key(|row| row.created);
        let Some(policy) = newest.cloned() else {
            return Err(Refusal::Conflict(format!("{policy}, which ships with the program, is not here")));
        };
        let (id, created) = match &found {
            Some(row) => (row.id, row.created),
            None => (BindingId(tx.number()), tx.now),
        };
        let name = name.parse().map_err(|error| Refusal::Conflict(format!("{error}")))?;
        let row = Binding {
            id,
            name,
            hook,
            scope: Scope::Site,
            digest: policy.digest,
            policy: policy.label(),
            settings: "{}".into(),
            order: 100,
            weight: 100,
            mode: Mode::Enforce,
            on_error: Fallback::Deny,
            quarantined: None,
            trial: None,
            previous: None,
            created,
            updated: tx.now,
        };
        switched += 1;
        tx.put(row);
    }
    let text = format!("back to the policies of the program: {switched} bindings changed");
    tx.tell(told("policies.panic", "policies", text));
    Ok(outcome("policies"))
}

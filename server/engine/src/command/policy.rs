//! Policies and bindings. Bytes and settings have been checked by the sandbox before they come here.

use cascina_core::command::{BindingChange, NewBinding, Outcome};
use cascina_core::id::BindingId;
use cascina_core::policy::{Binding, Digest, Former, PolicyVersion, Scope};
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_core::state::{Key, State};
use cascina_core::units::Timestamp;

use super::{admin, outcome, told};
use crate::tx::Tx;

pub fn add(tx: &mut Tx<'_>, who: &Principal, version: &PolicyVersion) -> Result<Outcome, Refusal> {
    may_upload(who)?;
    if let Some(known) = tx.state().rows.policies.get(&version.digest).cloned() {
        // The same bytes; somebody more may vouch for them now.
        let news = version.about.signatures.iter().filter(|one| !known.about.signatures.contains(one));
        let news: Vec<_> = news.cloned().collect();
        if !news.is_empty() {
            let names: Vec<&str> = news.iter().map(|one| one.signer.as_str()).collect();
            let text = format!("policy {} is signed by {}", version.label(), names.join(", "));
            let mut row = PolicyVersion::clone(&known);
            row.about.signatures.extend(news.iter().cloned());
            tx.put(row);
            tx.tell(told("policy.signed", version.label(), text));
        }
        return Ok(outcome(version.label()));
    }
    if let Some(other) = tx.state().indexes.policy_labels.get(&version.label()) {
        return Err(Refusal::Conflict(format!(
            "{} exists with other bytes ({other}); raise the version in the policy's metadata",
            version.label()
        )));
    }
    tx.put(version.clone());
    tx.tell(told("policy.added", version.label(), format!("policy {} ({})", version.label(), version.digest)));
    Ok(outcome(version.label()))
}

/// The policies and bindings of a site that has none yet.
pub fn first(
    tx: &mut Tx<'_>,
    who: &Principal,
    versions: &[PolicyVersion],
    bindings: &[NewBinding],
) -> Result<Outcome, Refusal> {
    admin(who, "make the first bindings")?;
    for version in versions {
        add(tx, who, version)?;
    }
    for binding in bindings {
        bind(tx, who, binding)?;
    }
    Ok(outcome("policies"))
}

pub fn may_upload(who: &Principal) -> Result<(), Refusal> {
    if matches!(who.role, Role::Viewer | Role::Member) {
        return Err(Refusal::Forbidden("policies are uploaded by policy authors, owners and admins".into()));
    }
    Ok(())
}

pub fn remove(tx: &mut Tx<'_>, who: &Principal, digest: Digest) -> Result<Outcome, Refusal> {
    admin(who, "remove policies")?;
    let row = tx.state().rows.policies.get(&digest).cloned().ok_or_else(|| Refusal::not_found("policy", digest))?;
    if row.embedded {
        return Err(Refusal::Conflict(format!("{} is part of the program and cannot be removed", row.label())));
    }
    let uses = |binding: &Binding| {
        let tried = binding.trial.as_ref().map(|trial| trial.digest);
        binding.digest == digest || tried == Some(digest)
    };
    if let Some(binding) = tx.state().rows.bindings.values().find(|binding| uses(binding)) {
        return Err(Refusal::Conflict(format!("{} is bound by {}; unbind it first", row.label(), binding.name)));
    }
    tx.remove(Key::Policy(digest));
    tx.tell(told("policy.removed", row.label(), format!("policy {} removed", row.label())));
    Ok(outcome(row.label()))
}

/// A digest, `name@version`, or a bare name for its newest version.
pub fn find(state: &State, text: &str) -> Result<PolicyVersion, Refusal> {
    let digest = text.parse::<Digest>().ok().or_else(|| state.indexes.policy_labels.get(text).copied());
    let named = || state.rows.policies.values().filter(|row| row.name.as_str() == text).max_by_key(|row| row.created);
    digest
        .and_then(|digest| state.rows.policies.get(&digest))
        .or_else(named)
        .map(|row| PolicyVersion::clone(row))
        .ok_or_else(|| Refusal::not_found("policy", text))
}

/// May this person make rules in this scope?
pub fn may_bind(state: &State, who: &Principal, scope: Scope) -> Result<(), Refusal> {
    match scope {
        Scope::Site => admin(who, "bind policies for the site"),
        Scope::Share(id) => {
            let share = state.rows.shares.get(&id).ok_or_else(|| Refusal::not_found("share", id))?;
            if who.owns(&share.group) {
                return Ok(());
            }
            Err(Refusal::Forbidden(format!("only the owner of share {} makes its rules", share.name)))
        }
        Scope::Tenant(id) => {
            if !who.sees(id) || !state.rows.tenants.contains_key(&id) {
                return Err(Refusal::not_found("tenant", id));
            }
            if who.administers(id) {
                return Ok(());
            }
            Err(Refusal::Forbidden("only a tenant-admin makes rules for a tenant".into()))
        }
    }
}

pub(super) fn check(binding: &Binding, policy: &PolicyVersion) -> Result<(), Refusal> {
    if !policy.hooks.contains(&binding.hook) {
        let hooks: Vec<_> = policy.hooks.iter().map(|hook| hook.as_str()).collect();
        let allowed = format!("a hook that {} implements: {}", policy.label(), hooks.join(", "));
        return Err(Refusal::invalid("hook", binding.hook, allowed));
    }
    if !(1..=1000).contains(&binding.weight) {
        return Err(Refusal::invalid("weight", binding.weight, "1 to 1000"));
    }
    Ok(())
}

pub fn bind(tx: &mut Tx<'_>, who: &Principal, ask: &NewBinding) -> Result<Outcome, Refusal> {
    may_bind(tx.state(), who, ask.scope)?;
    let policy = find(tx.state(), &ask.policy)?;
    if tx.state().indexes.binding_names.contains_key(&ask.name) {
        return Err(Refusal::Conflict(format!("binding {} exists already", ask.name)));
    }
    let id = BindingId(tx.number());
    let binding = Binding {
        id,
        name: ask.name.clone(),
        hook: ask.hook,
        scope: ask.scope,
        digest: policy.digest,
        policy: policy.label(),
        settings: ask.settings.clone(),
        order: ask.order,
        weight: ask.weight,
        mode: ask.mode,
        on_error: ask.on_error,
        quarantined: None,
        trial: None,
        previous: None,
        created: tx.now,
        updated: tx.now,
    };
    check(&binding, &policy)?;
    let text = format!("{} now decides {} as {}", policy.label(), ask.hook, ask.name);
    tx.put(binding);
    tx.tell(told("binding.created", id, text));
    Ok(outcome(id))
}

pub(super) fn former(row: &Binding, until: Timestamp) -> Former {
    Former { digest: row.digest, policy: row.policy.clone(), settings: row.settings.clone(), until }
}

pub(super) fn existing(tx: &Tx<'_>, who: &Principal, id: BindingId) -> Result<Binding, Refusal> {
    let row = tx.state().rows.bindings.get(&id).cloned().ok_or_else(|| Refusal::not_found("binding", id))?;
    may_bind(tx.state(), who, row.scope)?;
    Ok(Binding::clone(&row))
}

pub fn rebind(tx: &mut Tx<'_>, who: &Principal, id: BindingId, change: &BindingChange) -> Result<Outcome, Refusal> {
    let mut row = existing(tx, who, id)?;
    let before = former(&row, tx.now);
    let policy = find(tx.state(), change.policy.as_deref().unwrap_or(&row.digest.to_string()))?;
    row.digest = policy.digest;
    row.policy = policy.label();
    row.settings = change.settings.clone().unwrap_or(row.settings);
    row.order = change.order.unwrap_or(row.order);
    row.weight = change.weight.unwrap_or(row.weight);
    row.mode = change.mode.unwrap_or(row.mode);
    row.on_error = change.on_error.unwrap_or(row.on_error);
    // Another component gets another chance.
    if change.release || change.policy.is_some() {
        row.quarantined = None;
    }
    if before.digest != row.digest || before.settings != row.settings {
        row.previous = Some(before);
        if row.is_candidate() {
            row.trial = None;
        }
    }
    row.updated = tx.now;
    check(&row, &policy)?;
    let text = format!("binding {} changed: {}", row.name, row.policy);
    tx.put(row);
    tx.tell(told("binding.changed", id, text));
    Ok(outcome(id))
}

pub fn unbind(tx: &mut Tx<'_>, who: &Principal, id: BindingId) -> Result<Outcome, Refusal> {
    let row = existing(tx, who, id)?;
    tx.remove(Key::Binding(id));
    tx.tell(told("binding.removed", id, format!("binding {} removed", row.name)));
    Ok(outcome(id))
}

pub fn quarantine(tx: &mut Tx<'_>, who: &Principal, id: BindingId, why: &str) -> Result<Outcome, Refusal> {
    let mut row = existing(tx, who, id)?;
    if row.quarantined.is_none() {
        row.quarantined = Some(why.into());
        row.updated = tx.now;
        let text = format!("binding {} stands in quarantine: {why}", row.name);
        tx.put(row);
        tx.tell(told("binding.quarantined", id, text));
    }
    Ok(outcome(id))
}

//! Tenants as strangers see them: the owner of a share judges requests of others without learning who they are.
//!
//! A pseudonym is the same for the same tenant and owner for good, so that a policy can treat a tenant alike each
//! time, and different for another owner, so that two of them learn nothing by comparing.

use cascina_core::id::ShareId;
use cascina_core::policy::Scope;
use cascina_core::principal::Principal;
use cascina_core::state::State;
use cascina_policy::Subject;
use sha2::{Digest as _, Sha256};

/// What the owner of a share may know of somebody who is not of its group.
pub fn veiled(state: &State, share: ShareId, subject: &Subject) -> Subject {
    let veil = state.site().veil;
    let pseudonym = |kind: &str, name: &str| {
        if name.is_empty() {
            return String::new();
        }
        let mut hash = Sha256::new();
        hash.update(veil.to_be_bytes());
        hash.update(share.0.to_be_bytes());
        hash.update(kind.as_bytes());
        hash.update(subject.tenant.as_bytes());
        // Names hold no zero byte: what was written before cannot run into this.
        hash.update([0]);
        hash.update(name.as_bytes());
        format!("{kind}-{}", hex::encode(&hash.finalize()[..8]))
    };
    Subject {
        tenant: pseudonym("tenant", &subject.tenant),
        groups: Vec::new(),
        tier: subject.tier.clone(),
        farm: pseudonym("farm", &subject.farm),
        actor: pseudonym("actor", &subject.actor),
        roles: subject.roles.clone(),
    }
}

/// The name of a tenant, as somebody who makes rules in this scope may know it.
pub fn tenant_for(state: &State, who: &Principal, scope: Scope, name: &str) -> String {
    let groups = state.indexes.tenant_names.get(name);
    let groups = groups.and_then(|id| state.rows.tenants.get(id)).map(|row| row.groups.clone()).unwrap_or_default();
    let share = match scope {
        _ if who.is_admin() => return name.to_owned(),
        // Its own requests only.
        Scope::Tenant(_) => return name.to_owned(),
        Scope::Share(id) => match state.rows.shares.get(&id) {
            Some(share) if groups.contains(&share.group) => return name.to_owned(),
            _ => id,
        },
        // A policy author, whose candidate runs in the shadow of the site's.
        Scope::Site => ShareId(0),
    };
    veiled(state, share, &Subject { tenant: name.to_owned(), ..Subject::default() }).tenant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_for_one_owner_and_another_for_the_next() {
        let state = State::default();
        let subject =
            Subject { tenant: "atlas".into(), actor: "ann".into(), groups: vec!["grid".into()], ..Subject::default() };
        let seen = |share| veiled(&state, ShareId(share), &subject);
        assert_eq!(seen(1), seen(1));
        assert_ne!(seen(1).tenant, seen(2).tenant);
        assert!(!format!("{:?}", seen(1)).contains("atlas") && seen(1).groups.is_empty() && seen(1).farm.is_empty());
    }
}

//! What is done with tenants, their limits and their people.

use cascina_core::command::Command;
use cascina_core::decision::Amounts;
use cascina_core::id::TenantId;
use cascina_core::principal::Role;
use cascina_core::tenant::{TenantRequest, TenantState};

use super::play::Play;
use super::site::name;

fn tenant(play: &mut Play) -> Option<TenantId> {
    play.pick(|state| state.rows.tenants.keys().copied().collect())
}

pub fn quota(play: &mut Play) {
    let Some(tenant) = tenant(play) else { return };
    let small = Amounts { instances: play.chance.below(8) as u32, ..Amounts::UNLIMITED };
    let limit = if play.chance.permille(600) { Amounts::UNLIMITED } else { small };
    let class = play.chance.permille(250).then(|| name("workers"));
    play.ask(Command::SetQuota { tenant, class, limit });
}

pub fn suspend(play: &mut Play) {
    if let Some(tenant) = tenant(play) {
        let suspended = play.state().rows.tenants.get(&tenant).is_some_and(|row| row.state == TenantState::Active);
        play.ask(Command::SuspendTenant { tenant, suspended });
    }
}

pub fn found(play: &mut Play) {
    let tiers = ["restricted", "standard", "unlimited"];
    let tier = name(play.chance.pick(&tiers).unwrap_or("standard"));
    let groups = if play.chance.permille(400) { vec![name("astro")] } else { Vec::new() };
    let request = TenantRequest { name: play.name("tenant-"), groups, tier };
    play.ask(Command::CreateTenant(request));
}

pub fn close(play: &mut Play) {
    if let Some(tenant) = tenant(play) {
        play.ask(Command::CloseTenant { tenant });
    }
}

pub fn people(play: &mut Play) {
    let user = play.pick(|state| state.rows.users.keys().copied().collect());
    let command = match (play.chance.below(5), user) {
        (0, Some(user)) => Command::DeleteUser { user },
        (1, Some(user)) => Command::CreateAccessKey { user, farm: None, sealed: "sealed".into() },
        (2, _) => match play.pick(|state| state.rows.access_keys.keys().copied().collect()) {
            Some(key) => Command::DeleteAccessKey { key },
            None => return,
        },
        _ => {
            let Some(tenant) = tenant(play) else { return };
            let (name, role) = (play.name("user-"), play.chance.pick(&[Role::TenantAdmin, Role::Member]));
            let role = role.unwrap_or(Role::Member);
            Command::CreateUser { tenant: Some(tenant), name, role, groups: Vec::new(), ssh_key: None }
        }
    };
    play.ask(command);
}

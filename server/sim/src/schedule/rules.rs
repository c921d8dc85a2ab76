//! Policies come, change and go while everything runs.

use cascina_core::command::{BindingChange, Command, NewBinding};
use cascina_core::policy::{Fallback, Hook, Mode, Scope};

use super::play::Play;
use super::site::name;
use crate::policies::bound;

pub fn bind(play: &mut Play) {
    let placement = ["placement-pack", "placement-spread", "placement-owner", "placement-none"];
    let policy = name(play.chance.pick(&placement).unwrap_or("placement-pack"));
    let share = play.pick(|state| state.rows.shares.keys().copied().collect());
    let tenant = play.pick(|state| state.rows.tenants.keys().copied().collect());
    let scope = match (play.chance.below(4), share, tenant) {
        (0 | 1, Some(share), _) => Scope::Share(share),
        (2, _, Some(tenant)) => Scope::Tenant(tenant),
        _ => Scope::Site,
    };
    let mode = play.chance.pick(&[Mode::Enforce, Mode::Enforce, Mode::Shadow]).unwrap_or(Mode::Enforce);
    let on_error = play.chance.pick(&[Fallback::Deny, Fallback::Allow, Fallback::Next]).unwrap_or(Fallback::Deny);
    let weight = play.chance.between((1, 1000)) as u32;
    let binding =
        NewBinding { name: play.name("rule-"), scope, mode, on_error, weight, ..bound(&policy, Hook::Placement) };
    play.ask(Command::Bind(binding));
}

pub fn rebind(play: &mut Play) {
    let Some(binding) = play.pick(|state| state.rows.bindings.keys().copied().collect()) else { return };
    let modes = [Mode::Enforce, Mode::Enforce, Mode::Shadow, Mode::Off];
    let policies = ["placement-pack", "placement-spread"];
    let change = BindingChange {
        policy: play.chance.pick(&policies).filter(|_| play.chance.permille(400)).map(String::from),
        settings: play.chance.permille(100).then(|| r#"{"nonsense": 1}"#.into()),
        mode: play.chance.pick(&modes).filter(|_| play.chance.permille(400)),
        order: play.chance.permille(300).then_some(50),
        weight: play.chance.permille(300).then_some(500),
        ..BindingChange::default()
    };
    play.ask(Command::Rebind { binding, change });
}

/// Any but the site's first ones, so that there is something left to obey.
pub fn unbind(play: &mut Play) {
    let ours = |text: &str| text.starts_with("rule-");
    let binding = play
        .pick(|state| state.rows.bindings.values().filter(|row| ours(row.name.as_str())).map(|row| row.id).collect());
    if let Some(binding) = binding {
        play.ask(Command::Unbind { binding });
    }
}

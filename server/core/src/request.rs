//! What people ask for, as they say it: names are looked up by the engine.

use std::collections::BTreeMap;

use crate::id::FarmId;
use crate::launch::Launch;
use crate::name::Name;
use crate::policy::{Fallback, Hook, Mode, Scope, Stage, TrialBounds};

/// A farm as people ask for it: names are looked up by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFarm {
    pub name: Name,
    /// Made with the farm if it does not exist.
    pub tenant: Name,
    pub groups: Vec<Name>,
    /// None: the site's default.
    pub tier: Option<Name>,
    /// Made with the farm if it does not exist; None: named as the tenant.
    pub user: Option<Name>,
    pub ssh_key: Option<String>,
    pub instances: Vec<NewInstances>,
    pub lease_s: u64,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInstances {
    /// None: the flavor's, with a number.
    pub name: Option<Name>,
    pub flavor: Name,
    /// Id or name.
    pub image: String,
    /// None: `workers`.
    pub class: Option<Name>,
    pub min_count: u32,
    pub max_count: u32,
    /// Only this host; for admins.
    pub host: Option<Name>,
    pub launch: Launch,
}

/// What of an image changes; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageChange {
    pub description: Option<String>,
    pub public: Option<bool>,
    pub share_with: Vec<FarmId>,
    pub unshare_with: Vec<FarmId>,
    /// Accounts that no farm has; see [`Image::strangers`](crate::image::Image::strangers).
    pub strangers: Vec<String>,
    pub no_strangers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBinding {
    pub name: Name,
    pub hook: Hook,
    pub scope: Scope,
    /// `name`, `name@version` or a digest; a bare name means its newest version.
    pub policy: String,
    pub settings: String,
    pub order: u32,
    pub weight: u32,
    pub mode: Mode,
    pub on_error: Fallback,
}

/// What of a binding changes; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindingChange {
    pub policy: Option<String>,
    pub settings: Option<String>,
    pub order: Option<u32>,
    pub weight: Option<u32>,
    pub mode: Option<Mode>,
    pub on_error: Option<Fallback>,
    /// Let it out of quarantine.
    pub release: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialStep {
    Begin(Box<NewTrial>),
    /// The candidate decides for some, or for nobody again.
    Stage(Stage),
    /// The candidate takes the place of the active one.
    Promote,
    Withdraw {
        why: String,
    },
    /// What was active before becomes active again.
    Rollback,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTrial {
    /// None: the component that is active, with other settings.
    pub policy: Option<String>,
    /// None: the settings that are active.
    pub settings: Option<String>,
    pub stage: Stage,
    pub bounds: TrialBounds,
}

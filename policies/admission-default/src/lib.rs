//! Who may have a tenant, and which farms go ahead, wait for approval, shrink, or are denied. See
//! the README beside this crate.

mod rules;
mod settings;
mod shrink;

use cascina_policy_sdk::admission::{Admission, FarmRequest, TenantRequest};
use cascina_policy_sdk::{Answer, Context, Failure, Policy};
use settings::Settings;

struct Gate {
    settings: Settings,
}

impl Policy for Gate {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Admits tenants and farms by group, number, size and lease, and asks an admin about large ones.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        settings.complaints()
    }
}

impl Admission for Gate {
    fn admit_tenant(&self, _ctx: &Context, request: &TenantRequest) -> Result<Answer, Failure> {
        let answer = rules::groups(&self.settings, &request.subject, Answer::allow());
        Ok(rules::tenants(&self.settings, request, answer))
    }

    fn admit_farm(&self, _ctx: &Context, request: &FarmRequest) -> Result<Answer, Failure> {
        let answer = rules::groups(&self.settings, &request.subject, Answer::allow());
        let answer = rules::farms(&self.settings, request, answer);
        let answer = rules::lease(&self.settings, request, answer);
        let answer = rules::size(&self.settings, request, answer);
        Ok(rules::approval(&self.settings, request, answer))
    }
}

cascina_policy_sdk::export!(Gate: admission);

#[cfg(test)]
mod tests;

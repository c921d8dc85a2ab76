//! What EC2 clients sign with: a farm, a user of it, and a key for both.

use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::farm::Farm;
use cascina_core::id::{AccessKeyId, UserId};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;

use super::{Answer, made};
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::At;
use crate::problem::Problem;
use crate::router::App;
use crate::wire::tenant::FarmCredentials;

/// The caller's own key for its tenant's farm; for people of the site, the farm's user's.
fn holder(state: &cascina_core::state::State, who: &Principal, farm: &Farm) -> Result<UserId, Refusal> {
    let own = who.user.filter(|_| who.tenant == Some(farm.tenant));
    own.or(farm.user.filter(|id| state.rows.users.contains_key(id)))
        .ok_or_else(|| Refusal::Conflict(format!("farm {} has no user yet", farm.name)))
}

/// Get credentials for EC2 clients. The secret is in this answer and in no other: asking again makes
/// another key.
#[utoipa::path(post, path = "/v1/farms/{farm}/credentials", responses((status = 201, body = FarmCredentials)))]
pub async fn farm_credentials(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let Some(ec2) = app.ec2.clone() else {
        return Err(Refusal::Conflict("the EC2 API of this server is switched off".into()).into());
    };
    let (farm, user, unseen) = app.engine.read(|state| {
        let farm = find::farm(state, &ask.who, &text)?;
        let user = holder(state, &ask.who, &farm)?;
        let keys = state.indexes.keys_by_user.of(&user).filter_map(|id| state.rows.access_keys.get(&id));
        let unseen = keys.into_iter().find(|key| key.farm == Some(farm.id) && !key.shown).map(|key| key.id);
        Ok::<_, Problem>((farm, user, unseen))
    })?;
    let sealed = app.engine.new_secret(user).sealed;
    let command = match unseen {
        Some(key) => Command::ResealAccessKey { key, sealed },
        None => Command::CreateAccessKey { user, farm: Some(farm.id), sealed },
    };
    let outcome = ask.submit(&app, command).await?;
    let id: Option<AccessKeyId> = outcome.subject.parse().ok();
    let key = id.and_then(|id| app.engine.read(|state| state.rows.access_keys.get(&id).cloned()));
    let shown = key.and_then(|key| {
        Some(FarmCredentials {
            farm: farm.id.to_string(),
            farm_name: farm.name.to_string(),
            user: key.user.to_string(),
            key: key.id.to_string(),
            access_key: key.public.clone(),
            secret: app.engine.secret(&key)?,
            url: ec2.url.clone(),
            region: ec2.region.clone(),
        })
    });
    Ok(made(&outcome, "/v1/access-keys", shown))
}

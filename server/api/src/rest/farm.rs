//! Virtual farms.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use cascina_core::address::ElasticIp;
use cascina_core::command::{self, Command};
use cascina_core::farm;
use cascina_core::id::{FarmId, HostId};
use cascina_core::name::Name;

use super::offer::with_offers;
use super::{Answer, done};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::farm::{Farm, FarmAccepted, FarmDetail, Instance, NewFarm, NewInstances};
use crate::wire::network::{Address, Network, Router};
use crate::wire::{Approver, Note, Outcome, decision_link, text as as_text};

/// List farms.
#[utoipa::path(get, path = "/v1/farms", params(PageQuery), responses((status = 200, body = Page<Farm>)))]
pub async fn list_farms(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Farm>>, Problem> {
    let keep = |_: &_, row: &_| find::sees_farm(&who, row);
    page(&app, &query, |state| &state.rows.farms, keep, |_, _| (), |row, ()| Farm::from(row)).map(Json)
}

/// Ask for a farm. Policies decide at once; what is granted is made by an operation that goes on.
#[utoipa::path(post, path = "/v1/farms", request_body = NewFarm, responses((status = 202, body = FarmAccepted)))]
pub async fn create_farm(State(app): State<App>, ask: Ask<NewFarm>) -> Answer {
    let Ask { who, body, .. } = &ask;
    tracing::debug!(actor = %who.name, farm = %body.name, "a farm is asked for");
    let command = Command::CreateFarm(command::NewFarm::from(body.clone()));
    let outcome = match ask.submit(&app, command.clone()).await {
        Ok(outcome) => outcome,
        Err(problem) => return Err(with_offers(&app, who, &command, problem).await),
    };
    let id: Option<FarmId> = outcome.subject.parse().ok();
    let row = id.and_then(|id| app.engine.read(|state| state.rows.farms.get(&id).cloned()));
    let accepted = FarmAccepted {
        id: outcome.subject.clone(),
        farm: outcome.subject.clone(),
        state: row.as_ref().map(|row| row.state.into()),
        operation: as_text(&outcome.operation),
        pending: outcome.pending,
        approver: row.as_ref().and_then(|row| row.approver).map(Approver::from),
        decisions: outcome.decisions.iter().copied().map(decision_link).collect(),
    };
    let location = [(header::LOCATION, format!("/v1/farms/{}", accepted.id))];
    Ok((StatusCode::ACCEPTED, location, Json(accepted)).into_response())
}

/// Show a farm with everything that belongs to it.
#[utoipa::path(get, path = "/v1/farms/{farm}", responses((status = 200, body = FarmDetail)))]
pub async fn show_farm(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<FarmDetail>, Problem> {
    let shows = find::sees_hosts(&who);
    let detail = app.engine.read(|state| {
        let row = find::farm(state, &who, &text)?;
        let (rows, indexes) = (&state.rows, &state.indexes);
        let host = |id: Option<HostId>| {
            let row = id.filter(|_| shows).and_then(|id| rows.hosts.get(&id));
            row.map(|row| row.name.to_string())
        };
        let network = indexes.networks_by_farm.of(&row.id).find_map(|id| rows.networks.get(&id));
        let router = indexes.routers_by_farm.of(&row.id).find_map(|id| rows.routers.get(&id));
        let addresses = indexes.addresses_by_farm.of(&row.id).filter_map(|id| rows.addresses.get(&id));
        let mut instances: Vec<_> = indexes.instances_by_farm.with(&row.id).collect();
        instances.sort_by_key(|row| row.ip);
        Ok::<_, Problem>(FarmDetail {
            farm: Farm::from(&*row),
            user_name: row.user.and_then(|id| rows.users.get(&id)).map(|user| user.name.to_string()),
            network: network.map(|row| Network::from(&**row)),
            router: router.map(|row| Router::of(row, host(row.host))),
            addresses: addresses.map(|row| Address::from(row as &ElasticIp)).collect(),
            instances: instances.into_iter().map(|row| Instance::of(row, host(row.host))).collect(),
            quota: format!("/v1/quotas?tenant={}", row.tenant),
        })
    })?;
    Ok(Json(detail))
}

/// Delete a farm with everything in it; allowed in every state.
#[utoipa::path(delete, path = "/v1/farms/{farm}", responses((status = 202, body = Outcome)))]
pub async fn delete_farm(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let farm = app.engine.read(|state| find::farm(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::DeleteFarm { farm }).await?))
}

async fn judged(app: &App, text: &str, ask: Ask<Note>, approved: bool) -> Answer {
    let farm = app.engine.read(|state| find::farm(state, &ask.who, text))?.id;
    let command = Command::ApproveFarm { farm, approved, note: ask.body.note.clone() };
    Ok(done(&ask.submit(app, command).await?))
}

/// Say yes to a farm that waits for approval.
#[utoipa::path(post, path = "/v1/farms/{farm}/approve", request_body = Note, responses((status = 202, body = Outcome)))]
pub async fn approve_farm(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    judged(&app, &text, ask, true).await
}

/// Say no to a farm that waits for approval.
#[utoipa::path(post, path = "/v1/farms/{farm}/reject", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn reject_farm(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    judged(&app, &text, ask, false).await
}

/// List a farm's instances.
#[utoipa::path(get, path = "/v1/farms/{farm}/instances", params(PageQuery), responses((status = 200, body = Page<Instance>)))]
pub async fn list_farm_instances(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Instance>>, Problem> {
    let farm: std::sync::Arc<farm::Farm> = app.engine.read(|state| find::farm(state, &who, &text))?;
    super::instance::listed(&app, &who, &query, |row| row.farm == farm.id).map(Json)
}

/// Run more instances in a farm.
#[utoipa::path(post, path = "/v1/farms/{farm}/instances", request_body = NewInstances, responses((status = 202, body = Outcome)))]
pub async fn run_instances(State(app): State<App>, At(text): At, ask: Ask<NewInstances>) -> Answer {
    let farm = app.engine.read(|state| find::farm(state, &ask.who, &text))?.id;
    let command = Command::RunInstances { farm, ask: command::NewInstances::from(ask.body.clone()) };
    match ask.submit(&app, command.clone()).await {
        Ok(outcome) => Ok(done(&outcome)),
        Err(problem) => Err(with_offers(&app, &ask.who, &command, problem).await),
    }
}

/// Name of a host, for those who see hosts.
pub fn host_name(state: &cascina_core::state::State, shows: bool, id: Option<HostId>) -> Option<Name> {
    id.filter(|_| shows).and_then(|id| state.rows.hosts.get(&id)).map(|row| row.name.clone())
}

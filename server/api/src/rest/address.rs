//! Elastic IPs.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;

use super::user::in_field;
use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::network::{Address, Association, NewAddress};

/// List elastic IPs.
#[utoipa::path(get, path = "/v1/addresses", params(PageQuery), responses((status = 200, body = Page<Address>)))]
pub async fn list_addresses(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Address>>, Problem> {
    let keep = |_: &_, row: &_| find::sees_address(&who, row);
    page(&app, &query, |state| &state.rows.addresses, keep, |_, _| (), |row, ()| Address::from(row)).map(Json)
}

/// Take an address out of the pool for a farm.
#[utoipa::path(post, path = "/v1/addresses", request_body = NewAddress, responses((status = 201, body = Address)))]
pub async fn allocate_address(State(app): State<App>, ask: Ask<NewAddress>) -> Answer {
    let text = &ask.body.farm;
    let found = app.engine.read(|state| find::farm(state, &ask.who, text));
    let farm = found.map_err(|refusal| in_field("farm", text, refusal))?.id;
    let outcome = ask.submit(&app, Command::AllocateAddress { farm, tags: std::collections::BTreeMap::new() }).await?;
    let id = outcome.subject.parse().ok();
    let row = id.and_then(|id| app.engine.read(|state| state.rows.addresses.get(&id).cloned()));
    Ok(made(&outcome, "/v1/addresses", row.map(|row| Address::from(&*row))))
}

/// Show an elastic IP, by its id or by the address itself.
#[utoipa::path(get, path = "/v1/addresses/{address}", responses((status = 200, body = Address)))]
pub async fn show_address(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Address>, Problem> {
    let row = app.engine.read(|state| find::address(state, &who, &text))?;
    Ok(Json(Address::from(&*row)))
}

/// Give an address back to the pool.
#[utoipa::path(delete, path = "/v1/addresses/{address}", responses((status = 200, body = Outcome)))]
pub async fn release_address(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let address = app.engine.read(|state| find::address(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::ReleaseAddress { address }).await?))
}

/// Let an instance, or the farm's router, answer at an address.
#[utoipa::path(post, path = "/v1/addresses/{address}/associate", request_body = Association, responses((status = 202, body = Outcome)))]
pub async fn associate_address(State(app): State<App>, At(text): At, ask: Ask<Association>) -> Answer {
    let address = app.engine.read(|state| find::address(state, &ask.who, &text))?.id;
    let instance = match &ask.body.instance {
        None => None,
        Some(text) => {
            let found = app.engine.read(|state| find::instance(state, &ask.who, text));
            Some(found.map_err(|refusal| in_field("instance", text, refusal))?.id)
        }
    };
    Ok(done(&ask.submit(&app, Command::AssociateAddress { address, instance }).await?))
}

/// Let nobody answer at an address.
#[utoipa::path(post, path = "/v1/addresses/{address}/disassociate", responses((status = 202, body = Outcome)))]
pub async fn disassociate_address(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let address = app.engine.read(|state| find::address(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::DisassociateAddress { address }).await?))
}

//! Operations: work under way, done, failed or stuck.

use axum::Json;
use axum::extract::State;
use cascina_core::command::{Command, Remedy};
use cascina_core::operation;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, done};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::operation::{Operation, OperationState};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OperationQuery {
    /// Id or name.
    pub farm: Option<String>,
    pub state: Option<OperationState>,
    /// At most so many, 1 to 1000; 100 if not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// List operations.
#[utoipa::path(get, path = "/v1/operations", params(OperationQuery), responses((status = 200, body = Page<Operation>)))]
pub async fn list_operations(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<OperationQuery>,
) -> Result<Json<Page<Operation>>, Problem> {
    let farm = query.farm.as_deref().map(|text| app.engine.read(|state| find::farm(state, &who, text))).transpose()?;
    let wanted = query.state.map(operation::OperationState::from);
    let paging = PageQuery { limit: query.limit, cursor: query.cursor };
    page(
        &app,
        &paging,
        |state| &state.rows.operations,
        |state, row| {
            farm.as_ref().is_none_or(|farm| farm.id == row.farm)
                && wanted.is_none_or(|wanted| wanted == row.state)
                && find::sees_operation(state, &who, row)
        },
        |_, _| (),
        |row, ()| Operation::from(row),
    )
    .map(Json)
}

/// Show an operation with its steps.
#[utoipa::path(get, path = "/v1/operations/{operation}", responses((status = 200, body = Operation)))]
pub async fn show_operation(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
) -> Result<Json<Operation>, Problem> {
    let row = app.engine.read(|state| find::operation(state, &who, &text))?;
    Ok(Json(Operation::from(&*row)))
}

async fn mended(app: &App, text: &str, ask: Ask<Nothing>, remedy: Remedy) -> Answer {
    let operation = app.engine.read(|state| find::operation(state, &ask.who, text))?.id;
    Ok(done(&ask.submit(app, Command::Mend { operation, remedy }).await?))
}

/// Try the step of a stuck operation again.
#[utoipa::path(post, path = "/v1/operations/{operation}/retry", responses((status = 202, body = Outcome)))]
pub async fn retry_operation(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    mended(&app, &text, ask, Remedy::Retry).await
}

/// Go on without the step of a stuck operation.
#[utoipa::path(post, path = "/v1/operations/{operation}/skip", responses((status = 202, body = Outcome)))]
pub async fn skip_operation(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    mended(&app, &text, ask, Remedy::Skip).await
}

/// The step has been done by hand: go on as if it had succeeded.
#[utoipa::path(post, path = "/v1/operations/{operation}/adopt", responses((status = 202, body = Outcome)))]
pub async fn adopt_operation(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    mended(&app, &text, ask, Remedy::Adopt).await
}

/// Undo what has been done, as long as that is possible.
#[utoipa::path(post, path = "/v1/operations/{operation}/cancel", responses((status = 202, body = Outcome)))]
pub async fn cancel_operation(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    mended(&app, &text, ask, Remedy::Cancel).await
}

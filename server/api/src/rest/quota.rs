//! Quotas: limits, and what of them is used, held and available.

use std::ops::Bound;

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::decision::Amounts;
use cascina_core::id::TenantId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, done};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::Ask;
use crate::page::{Asked, At, Page, cursor, limit};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::tenant::{NewQuota, Quota};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuotaQuery {
    /// Id or name; all that the caller sees if left out.
    pub tenant: Option<String>,
    /// At most so many tenants, 1 to 1000; 100 if not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Limits, use and reservations of every scope. A page holds whole tenants.
#[utoipa::path(get, path = "/v1/quotas", params(QuotaQuery), responses((status = 200, body = Page<Quota>)))]
pub async fn list_quotas(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<QuotaQuery>,
) -> Result<Json<Page<Quota>>, Problem> {
    let most = limit(query.limit)? as usize;
    let after: Option<TenantId> = cursor(query.cursor.as_deref())?;
    let now = app.engine.now();
    let page = app.engine.read(|state| {
        let only = query.tenant.as_deref().map(|text| find::tenant(state, &who, text)).transpose()?.map(|row| row.id);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = state
            .rows
            .tenants
            .range((from, Bound::Unbounded))
            .map(|(_, row)| row)
            .filter(|row| who.sees(row.id) && only.is_none_or(|id| id == row.id));
        let rows: Vec<_> = found.by_ref().take(most).collect();
        let more = rows.len() == most && found.next().is_some();
        let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
        let usage = |row| state.usage(row, now);
        let items = rows.iter().flat_map(|row| usage(row.id).into_iter().map(|scope| Quota::of(row, &scope))).collect();
        Ok::<_, Problem>(Page { items, next })
    })?;
    Ok(Json(page))
}

/// Set the limits of a tenant, or of a tenant in a host class.
#[utoipa::path(put, path = "/v1/quotas/{tenant}", request_body = NewQuota, responses((status = 200, body = Outcome)))]
pub async fn set_quota(State(app): State<App>, At(text): At, ask: Ask<NewQuota>) -> Answer {
    let tenant = app.engine.read(|state| find::tenant(state, &ask.who, &text))?.id;
    let command = Command::SetQuota { tenant, class: ask.body.class.clone(), limit: Amounts::from(ask.body.limit) };
    Ok(done(&ask.submit(&app, command).await?))
}

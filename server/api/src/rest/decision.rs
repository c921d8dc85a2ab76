//! Decisions: what policies were asked, who said what, and why.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use cascina_core::decision::{self, Decided, Opinion as Said, Said as What};
use cascina_core::id::{DecisionId, HostId};
use cascina_core::policy::Binding;
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_engine::command::policy::may_bind;
use cascina_engine::{Case, DecisionFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::explain::Names;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, cursor, limit};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::decision::{Decision, DecisionDetail, DecisionResult, Opinion, Replay};
use crate::wire::policy::Hook;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DecisionQuery {
    /// Id or name.
    pub tenant: Option<String>,
    /// Id or name.
    pub farm: Option<String>,
    pub operation: Option<String>,
    pub hook: Option<Hook>,
    /// At most so many, 1 to 1000; 100 if not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

fn hosts_of(opinions: &[Said], decided: &Decided, into: &mut BTreeSet<HostId>) {
    for opinion in opinions {
        if let What::Ranked { best, .. } = &opinion.said {
            into.extend(best.iter().map(|(host, _)| *host));
        }
    }
    if let Decided::Placed { hosts } | Decided::NoHost { placed: hosts } = decided {
        into.extend(hosts);
    }
}

/// Names of the hosts and shares that decisions speak of; shares are few.
pub(super) fn names(app: &App, who: &Principal, hosts: &BTreeSet<HostId>) -> Names {
    let shows_hosts = find::sees_hosts(who);
    app.engine.read(|state| Names {
        hosts: hosts
            .iter()
            .filter_map(|id| state.rows.hosts.get(id))
            .map(|row| (row.id, row.name.to_string()))
            .collect(),
        shares: state.rows.shares.values().map(|row| (row.id, row.name.to_string())).collect(),
        shows_hosts,
    })
}

/// List decisions, newest first.
#[utoipa::path(get, path = "/v1/decisions", params(DecisionQuery), responses((status = 200, body = Page<Decision>)))]
pub async fn list_decisions(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<DecisionQuery>,
) -> Result<Json<Page<Decision>>, Problem> {
    let most = limit(query.limit)?;
    let before: Option<DecisionId> = cursor(query.cursor.as_deref())?;
    let (mut tenant, farm, operation) = app.engine.read(|state| {
        let tenant = query.tenant.as_deref().map(|text| find::tenant(state, &who, text)).transpose()?;
        let farm = query.farm.as_deref().map(|text| find::farm(state, &who, text)).transpose()?;
        let operation = query.operation.as_deref().map(|text| find::operation(state, &who, text)).transpose()?;
        Ok::<_, Refusal>((tenant.map(|row| row.id), farm.map(|row| row.id), operation.map(|row| row.id)))
    })?;
    // What is found by its farm or operation is seen already; the rest is narrowed to the caller's own.
    if !who.is_admin() && tenant.is_none() && farm.is_none() && operation.is_none() {
        tenant = who.tenant.filter(|tenant| who.sees(*tenant));
        if tenant.is_none() {
            return Ok(Json(Page { items: Vec::new(), next: None }));
        }
    }
    let hook = query.hook.map(Into::into);
    let filter = DecisionFilter { tenant, farm, operation, hook, before, limit: most, ..DecisionFilter::default() };
    let rows = app.engine.decisions(filter).await?;
    let next = rows.last().filter(|_| rows.len() == most as usize).map(|row| row.id.to_string());
    let mut hosts = BTreeSet::new();
    rows.iter().for_each(|row| hosts_of(&[], &row.decided, &mut hosts));
    let names = names(&app, &who, &hosts);
    Ok(Json(Page { items: rows.iter().map(|row| Decision::of(row, &names)).collect(), next }))
}

async fn found(app: &App, who: &Principal, text: &str) -> Result<decision::Decision, Problem> {
    let missing = || Refusal::not_found("decision", text.chars().take(80).collect::<String>());
    let id: DecisionId = text.parse().map_err(|_| missing())?;
    let row = app.engine.decision(id).await?.ok_or_else(missing)?;
    if app.engine.read(|state| find::sees_decision(state, who, &row)) { Ok(row) } else { Err(missing().into()) }
}

/// Show a decision: everything that was recorded, and the same in words.
#[utoipa::path(get, path = "/v1/decisions/{decision}", responses((status = 200, body = DecisionDetail)))]
pub async fn show_decision(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
) -> Result<Json<DecisionDetail>, Problem> {
    let row = found(&app, &who, &text).await?;
    let mut hosts = BTreeSet::new();
    hosts_of(&row.opinions, &row.decided, &mut hosts);
    hosts.extend(row.dropped.iter().flat_map(|dropped| dropped.examples.iter().copied()));
    let names = names(&app, &who, &hosts);
    Ok(Json(DecisionDetail::of(&row, &names)))
}

/// Make a decision again from the books: the facts as they stood, the same components, the same seed.
#[utoipa::path(post, path = "/v1/decisions/{decision}/replay", responses((status = 200, body = Replay)))]
pub async fn replay_decision(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Result<Json<Replay>, Problem> {
    let row = found(&app, &ask.who, &text).await?;
    let replay = app.engine.replay(row.id).await?;
    let mut hosts = BTreeSet::new();
    hosts_of(&replay.opinions, &replay.decided, &mut hosts);
    let names = names(&app, &ask.who, &hosts);
    Ok(Json(Replay {
        same: replay.same,
        decided: DecisionResult::of(&replay.decided, &names),
        opinions: replay.opinions.iter().map(|opinion| Opinion::of(opinion, &names)).collect(),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CaseQuery {
    /// Name or id of one of the bindings that were asked; needed if there are several.
    pub binding: Option<String>,
}

/// Show what a policy was asked for a decision, whole, so that it can be asked again elsewhere. For those
/// who make the rules that the binding belongs to.
#[utoipa::path(
    get,
    path = "/v1/decisions/{decision}/case",
    params(CaseQuery),
    responses((status = 200, body = Object))
)]
pub async fn decision_case(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
    Asked(query): Asked<CaseQuery>,
) -> Result<Json<Case>, Problem> {
    let row = match found(&app, &who, &text).await {
        Ok(row) => row,
        // Owners judge what others ask of their hosts, and may look at that.
        Err(problem) if who.role == Role::Owner => {
            let id: DecisionId = text.parse().map_err(|_| problem)?;
            app.engine.decision(id).await?.ok_or_else(|| Refusal::not_found("decision", id))?
        }
        Err(problem) => return Err(problem),
    };
    let may = |binding: &Binding| app.engine.read(|state| may_bind(state, &who, binding.scope).is_ok());
    Ok(Json(app.engine.case(row.id, query.binding.as_deref(), may).await?))
}

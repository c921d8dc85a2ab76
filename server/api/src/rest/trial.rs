//! Candidates on their way: replayed from the books, in the shadow of what is active, deciding for some; and the
//! way back.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use cascina_core::command::{self, Command, TrialStep};
use cascina_core::decision::{Decided, Said};
use cascina_core::id::{BindingId, HostId};
use cascina_core::policy::{self, Scope, TrialBounds};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state;
use cascina_engine::command::trial::may_shadow;
use cascina_engine::{ReplayAsk as Asked_, Standing};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::decision::names;
use super::{Answer, done};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::trial::{NewTrial, PolicyReplay, PolicyUse, PolicyUses, ReplayAsk, Trial};

const MONTH_S: u64 = 30 * 24 * 3_600;

/// A binding that the caller may try candidates at; what it may not see does not exist.
fn tried(state: &state::State, who: &Principal, text: &str) -> Result<policy::Binding, Refusal> {
    let row = find::binding(state, who, text)?;
    may_shadow(state, who, row.scope)?;
    Ok(policy::Binding::clone(&row))
}

fn shown(app: &App, who: &Principal, standing: &Standing) -> PolicyReplay {
    let mut hosts: BTreeSet<HostId> = BTreeSet::new();
    if let Standing::Done(report) = standing {
        for decided in report.examples.iter().flat_map(|changed| [&changed.before, &changed.after]) {
            if let Decided::Placed { hosts: chosen } | Decided::NoHost { placed: chosen } = decided {
                hosts.extend(chosen);
            }
        }
    }
    PolicyReplay::of(standing, &names(app, who, &hosts))
}

/// Make recorded decisions again with this policy in place of what is active, to see what it would change.
/// Takes a while: ask again for how far it is.
#[utoipa::path(
    post,
    path = "/v1/policies/{policy}/replay",
    request_body = ReplayAsk,
    responses((status = 200, body = PolicyReplay))
)]
pub async fn replay_policy(
    State(app): State<App>,
    At(text): At,
    ask: Ask<ReplayAsk>,
) -> Result<Json<PolicyReplay>, Problem> {
    let body = &ask.body;
    let binding = match &body.binding {
        Some(text) => Some(app.engine.read(|state| tried(state, &ask.who, text))?.id),
        None => None,
    };
    let since_s = body.since_s.unwrap_or(MONTH_S);
    if !(1..=100 * 366 * 86_400).contains(&since_s) {
        return Err(Problem::invalid("since_s", since_s, "1 to a hundred years"));
    }
    let settings = body.settings.clone().map(|settings| Value::Object(settings).to_string());
    let asked = Asked_ { policy: text, binding, settings, since_ms: since_s * 1000 };
    let (engine, who) = (app.engine.clone(), ask.who.clone());
    let standing = tokio::task::spawn_blocking(move || engine.start_replay(&who, &asked)).await;
    let standing = standing.map_err(|_| Problem::internal("the replay did not begin; the server's log says why"))??;
    Ok(Json(shown(&app, &ask.who, &standing)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReplayQuery {
    /// Name or id.
    pub binding: Option<String>,
}

/// How far the last replay of a policy is, or what came of it.
#[utoipa::path(
    get,
    path = "/v1/policies/{policy}/replay",
    params(ReplayQuery),
    responses((status = 200, body = PolicyReplay))
)]
pub async fn show_replay(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
    Asked(query): Asked<ReplayQuery>,
) -> Result<Json<PolicyReplay>, Problem> {
    let binding: Option<BindingId> = match &query.binding {
        Some(text) => Some(app.engine.read(|state| tried(state, &who, text))?.id),
        None => None,
    };
    let standing = app.engine.replay_standing(&who, &text, binding)?;
    Ok(Json(shown(&app, &who, &standing)))
}

fn trial(app: &App, who: &Principal, row: &policy::Binding) -> Option<Trial> {
    let tally = app.engine.trial(row);
    let mut hosts: BTreeSet<HostId> = BTreeSet::new();
    for said in tally.recent.iter().flat_map(|seen| [&seen.active, &seen.candidate]) {
        if let Said::Ranked { best, .. } = said {
            hosts.extend(best.iter().map(|(host, _)| *host));
        }
    }
    let names = names(app, who, &hosts);
    let tenant = |name: &str| app.engine.read(|state| cascina_engine::tenant_for(state, who, row.scope, name));
    row.trial.as_ref().map(|trial| Trial::of(row, trial, &tally, &names, tenant))
}

/// Show the candidate that is tried beside what a binding has, and where the two disagree.
#[utoipa::path(get, path = "/v1/bindings/{binding}/trial", responses((status = 200, body = Trial)))]
pub async fn show_trial(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Trial>, Problem> {
    let row = app.engine.read(|state| tried(state, &who, &text))?;
    let found = trial(&app, &who, &row).ok_or_else(|| Refusal::not_found("trial", text))?;
    Ok(Json(found))
}

/// Try a candidate beside what a binding has: in its shadow, or deciding for some. One that is tried already
/// gives way.
#[utoipa::path(
    put,
    path = "/v1/bindings/{binding}/trial",
    request_body = NewTrial,
    responses((status = 200, body = Outcome))
)]
pub async fn begin_trial(State(app): State<App>, At(text): At, ask: Ask<NewTrial>) -> Answer {
    let row = app.engine.read(|state| tried(state, &ask.who, &text))?;
    let body = &ask.body;
    let stage = body.stage();
    // The same candidate only goes on to another stage, and keeps its bounds.
    let digest = match &body.policy {
        Some(text) => Some(app.engine.read(|state| find::policy(state, text))?.digest),
        None => row.trial.as_ref().map(|trial| trial.digest),
    };
    let goes_on = row.trial.as_ref().is_some_and(|trial| Some(trial.digest) == digest) && body.settings.is_none();
    let bounds = (body.max_disagreements_permille, body.after, body.max_failures);
    let step = if goes_on && bounds == (None, None, None) {
        TrialStep::Stage(stage)
    } else {
        let usual = row.trial.as_ref().map_or_else(TrialBounds::default, |trial| trial.bounds);
        TrialStep::Begin(Box::new(command::NewTrial {
            policy: body.policy.clone(),
            settings: body.settings.clone().map(|settings| Value::Object(settings).to_string()),
            stage,
            bounds: TrialBounds {
                disagreements_permille: bounds.0.unwrap_or(usual.disagreements_permille),
                after: bounds.1.unwrap_or(usual.after),
                failures: bounds.2.unwrap_or(usual.failures),
            },
        }))
    };
    Ok(done(&ask.submit(&app, Command::Trial { binding: row.id, step }).await?))
}

async fn step(app: &App, text: &str, ask: Ask<Nothing>, step: TrialStep) -> Answer {
    let binding = app.engine.read(|state| tried(state, &ask.who, text))?.id;
    Ok(done(&ask.submit(app, Command::Trial { binding, step }).await?))
}

/// Take a candidate away; what is active stays as it is.
#[utoipa::path(delete, path = "/v1/bindings/{binding}/trial", responses((status = 200, body = Outcome)))]
pub async fn withdraw_trial(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let why = format!("{} took it away", ask.who.name);
    step(&app, &text, ask, TrialStep::Withdraw { why }).await
}

/// Put a candidate in the place of what is active.
#[utoipa::path(post, path = "/v1/bindings/{binding}/promote", responses((status = 200, body = Outcome)))]
pub async fn promote_trial(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    step(&app, &text, ask, TrialStep::Promote).await
}

/// Make active again what was active before.
#[utoipa::path(post, path = "/v1/bindings/{binding}/rollback", responses((status = 200, body = Outcome)))]
pub async fn roll_back(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    step(&app, &text, ask, TrialStep::Rollback).await
}

/// Back to the policies that ship with the program: every other rule is switched off, and no candidate stays.
#[utoipa::path(post, path = "/v1/policy-panic", responses((status = 200, body = Outcome)))]
pub async fn panic_policies(State(app): State<App>, ask: Ask<Nothing>) -> Answer {
    Ok(done(&ask.submit(&app, Command::PanicPolicies).await?))
}

/// What policies have used since the server started: those whose rules the caller makes.
#[utoipa::path(get, path = "/v1/policy-use", responses((status = 200, body = PolicyUses)))]
pub async fn policy_use(State(app): State<App>, Caller(who): Caller) -> Json<PolicyUses> {
    let metered = app.engine.metered();
    let items = app.engine.read(|state| {
        let row = |used: cascina_engine::Metered| {
            let row = state.rows.bindings.get(&used.binding)?;
            may_shadow(state, &who, row.scope).ok()?;
            Some(PolicyUse {
                binding: row.name.to_string(),
                policy: row.policy.clone(),
                hook: used.hook.into(),
                owner: owner(state, used.scope),
                asked: used.asked,
                failed: used.failed,
                fuel: used.fuel,
                micros: used.micros,
            })
        };
        metered.into_iter().filter_map(row).collect()
    });
    Json(PolicyUses { items })
}

/// Whose rule it is, in words.
pub fn owner(state: &state::State, scope: Scope) -> String {
    match scope {
        Scope::Site => "site".into(),
        Scope::Share(id) => match state.rows.shares.get(&id) {
            Some(share) => format!("share {}", share.name),
            None => format!("share {id}"),
        },
        Scope::Tenant(id) => match state.rows.tenants.get(&id) {
            Some(tenant) => format!("tenant {}", tenant.name),
            None => format!("tenant {id}"),
        },
    }
}

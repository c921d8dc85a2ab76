//! What would be granted in place of what was refused.

use axum::extract::State;
use cascina_core::command::{Command, NewInstances};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_engine::EngineError;
use cascina_engine::nearest::GrantKind;

use super::{Answer, done};
use crate::idempotency::{Ask, Nothing};
use crate::page::At;
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::offer::{Grant, Kind, Line};
use crate::wire::time;

fn lines(command: &Command) -> Vec<Line> {
    let line = |line: &NewInstances| Line {
        flavor: line.flavor.to_string(),
        class: line.class.as_ref().map(ToString::to_string),
        count: line.max_count,
    };
    match command {
        Command::CreateFarm(ask) => ask.instances.iter().map(line).collect(),
        Command::RunInstances { ask, .. } => vec![line(ask)],
        _ => Vec::new(),
    }
}

/// A refusal, with what would be granted now if anything would.
pub async fn with_offers(app: &App, who: &Principal, command: &Command, problem: Problem) -> Problem {
    if !["denied", "offered", "quota-exceeded", "no-host"].iter().any(|kind| problem.kind.ends_with(kind)) {
        return problem;
    }
    match app.engine.offers(who, command).await {
        Ok(offers) => {
            let grants = offers.into_iter().map(|offer| Grant {
                kind: match offer.grant.kind {
                    GrantKind::Fewer => Kind::Fewer,
                    GrantKind::Smaller => Kind::Smaller,
                    GrantKind::OtherClass => Kind::OtherClass,
                    GrantKind::Later(_) => Kind::Later,
                },
                from: match offer.grant.kind {
                    GrantKind::Later(at) => Some(time(at)),
                    _ => None,
                },
                instances: lines(&offer.grant.command),
                text: offer.grant.text,
                token: offer.token,
                expires: offer.expires.map(time),
            });
            Problem { grants: grants.collect(), ..problem }
        }
        // The refusal is what was asked about.
        Err(EngineError::Refusal(_) | EngineError::Fault(_)) => problem,
    }
}

/// Take an offer that came with a refusal, within its ten minutes: the smaller request is made, with what was held
/// for it.
#[utoipa::path(post, path = "/v1/offers/{offer}/accept", responses((status = 200, body = Outcome)))]
pub async fn accept_offer(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    match app.engine.accept_offer(&ask.who, &text).await {
        Ok(outcome) => Ok(done(&outcome)),
        Err(EngineError::Refusal(Refusal::NotFound { .. })) => {
            let text: String = text.chars().take(80).collect();
            Err(Refusal::not_found("offer", format!("{text} (it may be over; ask again for another)")).into())
        }
        Err(error) => Err(error.into()),
    }
}

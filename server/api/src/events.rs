//! What has happened, as pages; what happens, as a stream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cascina_core::event;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_engine::{Engine, EventFilter};
use futures::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::find;
use crate::page::{Asked, Page, cursor, limit};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::operation::Event;

/// So often a line goes over an idle connection, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So often a stream looks whether the server is stopping.
const LOOK: Duration = Duration::from_secs(1);
/// Events that are read from the books at a time.
const CHUNK: u32 = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventQuery {
    /// Id or name.
    pub tenant: Option<String>,
    /// Id or name.
    pub farm: Option<String>,
    pub operation: Option<String>,
    /// `noun.verb`
    pub kind: Option<String>,
    /// Id of the thing that they are about.
    pub subject: Option<String>,
    /// Only events after this number.
    pub after: Option<u64>,
    /// At most so many, 1 to 1000; 100 if not given. A stream has no limit.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

fn filter(app: &App, who: &Principal, query: &EventQuery) -> Result<EventFilter, Problem> {
    let (mut tenant, farm, operation) = app.engine.read(|state| {
        let tenant = query.tenant.as_deref().map(|text| find::tenant(state, who, text)).transpose()?;
        let farm = query.farm.as_deref().map(|text| find::farm(state, who, text)).transpose()?;
        let operation = query.operation.as_deref().map(|text| find::operation(state, who, text)).transpose()?;
        Ok::<_, Refusal>((tenant.map(|row| row.id), farm.map(|row| row.id), operation.map(|row| row.id)))
    })?;
    if !who.is_admin() {
        let own = who.tenant.filter(|tenant| who.sees(*tenant));
        let own = own.ok_or_else(|| Refusal::Forbidden("events are for tenants' users and site-admins".into()))?;
        tenant = Some(own);
    }
    let after: Option<u64> = cursor(query.cursor.as_deref())?;
    Ok(EventFilter {
        after: after.or(query.after).unwrap_or(0),
        tenant,
        farm,
        operation,
        subject: query.subject.clone(),
        kind: query.kind.clone(),
        limit: limit(query.limit)?,
    })
}

/// List events, oldest first; with `Accept: text/event-stream`, follow them as they happen. A stream
/// begins now, or after `Last-Event-ID`, `after` or `cursor`.
#[utoipa::path(
    get,
    path = "/v1/events",
    params(EventQuery, ("Last-Event-ID" = Option<u64>, Header, description = "Where a stream broke off.")),
    responses((status = 200, content((Page<Event> = "application/json"), (Event = "text/event-stream"))))
)]
pub async fn list_events(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = filter(&app, &who, &query)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/event-stream") {
        let last = last_event(&headers)?;
        let from = last.or(query.after).or(query.cursor.as_ref().map(|_| filter.after));
        let stream = follow(app.engine.clone(), filter, from);
        let keep = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
        return Ok(Sse::new(stream).keep_alive(keep).into_response());
    }
    let most = filter.limit as usize;
    let rows = app.engine.events(filter).await?;
    let next = rows.last().filter(|_| rows.len() == most).map(|row| row.seq.to_string());
    Ok(Json(Page { items: rows.iter().map(Event::from).collect(), next }).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    const HEADER: &str = "Last-Event-ID";
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    let shown = || String::from_utf8_lossy(value.as_bytes()).into_owned();
    number.map(Some).ok_or_else(|| Problem::invalid(HEADER, shown(), "the number of an event"))
}

fn wanted(event: &event::Event, filter: &EventFilter) -> bool {
    filter.tenant.is_none_or(|tenant| event.tenant == Some(tenant))
        && filter.farm.is_none_or(|farm| event.farm == Some(farm))
        && filter.operation.is_none_or(|operation| event.operation == Some(operation))
        && filter.subject.as_ref().is_none_or(|subject| event.subject == *subject)
        && filter.kind.as_ref().is_none_or(|kind| event.kind == *kind)
}

/// A reader of the stream, which first catches up from the books and then listens.
struct Follower {
    engine: Engine,
    filter: EventFilter,
    live: Receiver<Arc<event::Event>>,
    /// Read and not yet sent.
    waiting: VecDeque<Event>,
    /// Number of the last event that was looked at.
    last: u64,
    /// There may be events in the books that were not sent.
    behind: bool,
}

fn follow(
    engine: Engine,
    filter: EventFilter,
    from: Option<u64>,
) -> impl Stream<Item = Result<Message, Infallible>> + Send {
    // Listens before it reads: what happens in between is heard, and known by its number.
    let live = engine.subscribe();
    let last = from.unwrap_or_else(|| engine.read(|state| state.seq));
    let follower = Follower { engine, filter, live, waiting: VecDeque::new(), last, behind: from.is_some() };
    stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        let message = Message::default().id(event.seq.to_string());
        let message = message.json_data(&event).unwrap_or_else(|_| Message::default().comment("unreadable"));
        Some((Ok(message), follower))
    })
}

impl Follower {
    /// None when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            match tokio::time::timeout(LOOK, self.live.recv()).await {
                Ok(Ok(event)) => {
                    if event.seq <= self.last {
                        continue;
                    }
                    self.last = event.seq;
                    if wanted(&event, &self.filter) {
                        return Some(Event::from(&*event));
                    }
                }
                // Too slow for the live stream: the books have what was missed.
                Ok(Err(RecvError::Lagged(_))) => self.behind = true,
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) if !self.engine.is_ready() => return None,
                Err(_) => {}
            }
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        let filter = EventFilter { after: self.last, limit: CHUNK, ..self.filter.clone() };
        let rows = match self.engine.events(filter).await {
            Ok(rows) => rows,
            Err(error) => {
                // The client comes back with the number of the last event that it has.
                tracing::warn!(error = %error, "a stream of events could not be read");
                return None;
            }
        };
        self.behind = rows.len() == CHUNK as usize;
        if let Some(last) = rows.last() {
            self.last = last.seq;
        }
        self.waiting.extend(rows.iter().map(Event::from));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_core::id::{FarmId, TenantId};
    use cascina_core::units::Timestamp;

    #[test]
    fn strangers_events_are_not_wanted() {
        let event = event::Event {
            seq: 1,
            at: Timestamp(0),
            kind: "farm.created".into(),
            actor: "alice".into(),
            tenant: Some(TenantId(1)),
            farm: Some(FarmId(1)),
            operation: None,
            decision: None,
            subject: "farm".into(),
            text: "…".into(),
            changes: Vec::new(),
        };
        let of = |tenant| EventFilter { tenant, ..EventFilter::default() };
        assert!(wanted(&event, &of(None)) && wanted(&event, &of(Some(TenantId(1)))));
        assert!(!wanted(&event, &of(Some(TenantId(2)))));
        let site = event::Event { tenant: None, ..event };
        assert!(!wanted(&site, &of(Some(TenantId(1)))), "what is the site's is not a tenant's");
    }

    #[test]
    fn where_a_stream_broke_off_is_a_number() {
        let mut headers = HeaderMap::new();
        assert_eq!(last_event(&headers).ok(), Some(None));
        headers.insert("last-event-id", "17".parse().unwrap());
        assert_eq!(last_event(&headers).ok(), Some(Some(17)));
        headers.insert("last-event-id", "x".parse().unwrap());
        assert_eq!(last_event(&headers).unwrap_err().field.as_deref(), Some("Last-Event-ID"));
    }
}

//! Lists, a page at a time.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Bound;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use cascina_core::id::*;
use cascina_core::name::Name;
use cascina_core::policy::Digest;
use cascina_core::state::State;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;
use crate::router::App;

const MOST: u32 = 1000;
const USUAL: u32 = 100;

/// Which page.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// At most so many, 1 to 1000; 100 if not given.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `limit` as asked for, if it may be.
pub fn limit(given: Option<u32>) -> Result<u32, Problem> {
    match given {
        None => Ok(USUAL),
        Some(limit) if (1..=MOST).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::invalid("limit", limit, "1 to 1000")),
    }
}

/// A cursor as the id that it is.
pub fn cursor<K: Cursor>(given: Option<&str>) -> Result<Option<K>, Problem> {
    let Some(text) = given else { return Ok(None) };
    let wrong = || Problem::invalid("cursor", text, "the `next` of the page before");
    K::read(text).map(Some).ok_or_else(wrong)
}

/// A key by which a table is sorted.
pub trait Cursor: Ord + Clone + Display {
    fn read(text: &str) -> Option<Self>;
}

macro_rules! cursors {
    ($($name:ident)*) => {$(
        impl Cursor for $name {
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

cursors! {
    Name Digest TenantId UserId AccessKeyId FarmId InstanceId NetworkId RouterId AddressId ImageId BindingId
    DecisionId OperationId PlanId u64
}

impl Cursor for HostId {
    fn read(text: &str) -> Option<HostId> {
        text.parse().ok().map(HostId)
    }
}

impl Cursor for ShareId {
    fn read(text: &str) -> Option<ShareId> {
        text.parse().ok().map(ShareId)
    }
}

/// A page of a table: the rows that `keep` lets through, and what `beside` looks up for each. Made into
/// answers only after the lock is gone.
pub fn page<K: Cursor, R, E, W>(
    app: &App,
    query: &PageQuery,
    table: impl Fn(&State) -> &BTreeMap<K, Arc<R>>,
    keep: impl Fn(&State, &R) -> bool,
    beside: impl Fn(&State, &R) -> E,
    wire: impl Fn(&R, E) -> W,
) -> Result<Page<W>, Problem> {
    let limit = limit(query.limit)? as usize;
    let after = cursor::<K>(query.cursor.as_deref())?;
    let (rows, next) = app.engine.read(|state| {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = table(state).range((from, Bound::Unbounded)).filter(|(_, row)| keep(state, row));
        let mut rows = Vec::new();
        let mut last = None;
        for (key, row) in found.by_ref().take(limit) {
            rows.push((Arc::clone(row), beside(state, row)));
            last = Some(key.clone());
        }
        let more = rows.len() == limit && found.next().is_some();
        (rows, last.filter(|_| more))
    });
    let items = rows.into_iter().map(|(row, extra)| wire(&row, extra)).collect();
    Ok(Page { items, next: next.map(|key| key.to_string()) })
}

/// The query of a request; what is wrong in it is named.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Asked<T>, Problem> {
        let given = Query::<T>::try_from_uri(&parts.uri);
        given.map(|Query(value)| Asked(value)).map_err(|error| query_problem(&error.body_text()))
    }
}

fn query_problem(text: &str) -> Problem {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    let quoted = text.split_once("field `").and_then(|(_, rest)| rest.split('`').next());
    let field = quoted.or_else(|| text.split_once(": ").map(|(field, _)| field)).unwrap_or("query");
    let allowed = text.split_once("expected ").map(|(_, expected)| expected.to_owned());
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Not valid", format!("query: {text}"));
    Problem { field: Some(field.to_owned()), allowed, ..problem }
}

/// The one variable part of a path.
pub struct At(pub String);

impl FromRequestParts<App> for At {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<At, Problem> {
        let given: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, app).await;
        given.map(|Path(text)| At(text)).map_err(|error| {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid", "Not valid", error.body_text());
            Problem { field: Some("path".into()), ..problem }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_bounds() {
        assert_eq!(limit(None).ok(), Some(100));
        assert_eq!(limit(Some(1000)).ok(), Some(1000));
        for wrong in [0, 1001, u32::MAX] {
            assert_eq!(limit(Some(wrong)).unwrap_err().field.as_deref(), Some("limit"));
        }
    }

    #[test]
    fn cursors_are_ids_of_their_list() {
        assert_eq!(cursor::<FarmId>(Some("farm-00000000000000001")).ok(), Some(Some(FarmId(1))));
        assert_eq!(cursor::<HostId>(Some("7")).ok(), Some(Some(HostId(7))));
        assert_eq!(cursor::<FarmId>(None).ok(), Some(None));
        for wrong in ["", "i-00000000000000001", "' OR 1=1", "farm-1"] {
            assert_eq!(cursor::<FarmId>(Some(wrong)).unwrap_err().field.as_deref(), Some("cursor"), "{wrong}");
        }
    }

    #[test]
    fn queries_name_what_is_wrong() {
        let of = |uri: &'static str| {
            let uri = axum::http::Uri::from_static(uri);
            query_problem(&Query::<PageQuery>::try_from_uri(&uri).unwrap_err().body_text())
        };
        assert_eq!(of("/?limit=many").field.as_deref(), Some("limit"));
        assert_eq!(of("/?colour=red").field.as_deref(), Some("colour"));
    }
}

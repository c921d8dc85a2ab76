//! What Describe actions of a farm's things have in common: some by their ids or all, filters, pages.

use std::collections::{BTreeMap, BTreeSet};

use cascina_core::state::State;

use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters};
use crate::ids;
use crate::noun::Noun;
use crate::page;
use crate::wire::xml::Set;

/// A kind of thing that is listed.
pub struct Kind<R: 'static> {
    pub noun: Noun,
    /// Of its ids.
    pub prefix: &'static str,
    pub id: fn(&R) -> String,
    pub columns: Columns<'static, R>,
}

/// What of a list is asked for.
pub struct Listing<'q> {
    pub ids: &'q [String],
    pub filter: &'q [Filter],
    pub max_results: Option<i64>,
    pub next_token: Option<&'q str>,
}

/// The request of such an action, by the name of the parameter that ids come in, and those parameters of
/// Amazon's that change nothing here.
macro_rules! listing {
    ($name:ident by $ids:ident $(, and $idle:ident of $text:literal)*) => {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "PascalCase", deny_unknown_fields)]
        pub struct $name {
            #[serde(default)]
            $ids: Vec<String>,
            #[serde(default)]
            filter: Vec<crate::filter::Filter>,
            max_results: Option<i64>,
            next_token: Option<String>,
            $(#[serde(rename = $text)]
            $idle: Option<bool>,)*
        }

        impl $name {
            fn listing(&self) -> $crate::action::listing::Listing<'_> {
                $crate::action::listing::Listing {
                    ids: &self.$ids,
                    filter: &self.filter,
                    max_results: self.max_results,
                    next_token: self.next_token.as_deref(),
                }
            }
        }
    };
}
pub(super) use listing;

impl<R> Kind<R> {
    /// There is none with this id.
    pub fn absent(&self, id: &str) -> Fault {
        if ids::looks(self.prefix, id) { self.noun.not_found(id) } else { self.noun.malformed(id) }
    }
}

impl Listing<'_> {
    /// Those of `rows` that were asked for, in the order of their ids, and the token of the next page.
    ///
    /// # Errors
    ///
    /// For filters and pages that cannot be, and if one that was named is not there.
    pub fn select<R>(
        &self,
        call: &Call,
        kind: &Kind<R>,
        rows: impl FnOnce(&State) -> Vec<R>,
    ) -> Result<(Set<R>, Option<String>), Fault> {
        let filters = Filters::new(self.filter, &kind.columns)?;
        let named: BTreeSet<&str> = self.ids.iter().map(String::as_str).collect();
        let page = call.page::<String>(self.max_results, self.next_token, !named.is_empty(), page::USUAL)?;
        let rows = call.engine.read(rows);
        let mut rows: BTreeMap<String, R> = rows.into_iter().map(|row| ((kind.id)(&row), row)).collect();
        if let Some(missing) = named.iter().find(|id| !rows.contains_key(**id)) {
            return Err(kind.absent(missing));
        }
        rows.retain(|id, row| (named.is_empty() || named.contains(id.as_str())) && filters.accept(row));
        let (rows, next_token) = page.cut(rows);
        Ok((rows.into(), next_token))
    }
}

//! Decisions: recorded once, found by id, or newest first.

use cascina_core::decision::{Decided, Decision};
use cascina_core::id::{DecisionId, FarmId, OperationId, TenantId};
use cascina_core::policy::Hook;
use cascina_core::units::Timestamp;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use crate::error::StoreError;
use crate::read::Reader;
use crate::text::{Json, Text};

/// Which decisions. What is `None` does not matter.
#[derive(Debug, Clone)]
pub struct DecisionFilter {
    pub tenant: Option<TenantId>,
    pub farm: Option<FarmId>,
    pub operation: Option<OperationId>,
    pub hook: Option<Hook>,
    /// Only what was recorded before this one: the last of a page, to get the next.
    pub before: Option<DecisionId>,
    /// Only what was recorded after this one.
    pub after: Option<DecisionId>,
    /// At most so many.
    pub limit: u32,
}

impl Default for DecisionFilter {
    fn default() -> DecisionFilter {
        DecisionFilter { tenant: None, farm: None, operation: None, hook: None, before: None, after: None, limit: 100 }
    }
}

const INSERT: &str = "INSERT INTO decision (id, hook, at, tenant, farm, operation, revision, decided, body) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub fn record(conn: &Connection, decision: &Decision, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, decision)
        .map_err(|source| StoreError::Unwritable { noun: "decision", source })?;
    conn.prepare_cached(INSERT)?.execute(params![
        Text::of(&decision.id),
        decision.hook.as_str(),
        decision.at.0.cast_signed(),
        Text::maybe(&decision.tenant),
        Text::maybe(&decision.farm),
        Text::maybe(&decision.operation),
        decision.revision.cast_signed(),
        outcome(&decision.decided),
        Json(buffer),
    ])?;
    Ok(())
}

/// One word for the table's `decided` column.
pub fn outcome(decided: &Decided) -> &'static str {
    match decided {
        Decided::Allowed => "allowed",
        Decided::Denied => "denied",
        Decided::Pending { .. } => "pending",
        Decided::Offered { .. } => "offered",
        Decided::Placed { .. } => "placed",
        Decided::NoHost { .. } => "no-host",
        Decided::Assigned { .. } => "assigned",
        Decided::Wished { .. } => "wished",
        Decided::Victims { .. } => "victims",
    }
}

fn parse(row: &Row<'_>, place: usize) -> Result<Decision, StoreError> {
    let body = row.get_ref(place)?.as_bytes().map_err(rusqlite::Error::from)?;
    serde_json::from_slice(body).map_err(|error| StoreError::damaged(format!("a decision: {error}")))
}

impl Reader {
    /// # Errors
    ///
    /// If it cannot be read, or the disk fails.
    pub fn decision(&self, id: DecisionId) -> Result<Option<Decision>, StoreError> {
        let conn = self.connection()?;
        let mut statement = conn.prepare_cached("SELECT body FROM decision WHERE id = ?")?;
        let mut rows = statement.query([Text::of(&id)])?;
        rows.next()?.map(|row| parse(row, 0)).transpose()
    }

    /// Those that the filter lets through, newest first. A cursor that names no decision finds nothing.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or the disk fails.
    pub fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<Decision>, StoreError> {
        let conn = self.connection()?;
        let mut wanted = Wanted::default();
        wanted.text("tenant = ?", &filter.tenant);
        wanted.text("farm = ?", &filter.farm);
        wanted.text("operation = ?", &filter.operation);
        wanted.text("hook = ?", &filter.hook);
        for (condition, cursor) in [("number < ?", filter.before), ("number > ?", filter.after)] {
            let Some(cursor) = cursor else { continue };
            let number: Option<i64> = conn
                .prepare_cached("SELECT number FROM decision WHERE id = ?")?
                .query_row([Text::of(&cursor)], |row| row.get(0))
                .optional()?;
            let Some(number) = number else { return Ok(Vec::new()) };
            wanted.number(condition, number);
        }
        let sql = wanted.select("body", "decision", "number DESC", filter.limit);
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&wanted.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(parse(row, 0)?);
        }
        Ok(found)
    }
}

impl Reader {
    /// All decisions of a hook since a moment, in the order of the facts that they were made from. `each` says
    /// whether it wants the next.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or the disk fails.
    pub fn each_decision(
        &self,
        hook: Hook,
        since: Timestamp,
        mut each: impl FnMut(Decision) -> bool,
    ) -> Result<(), StoreError> {
        // A connection of its own: this may take a minute, and others want the few that are lent.
        let conn = crate::open::readable(self.path())?;
        let sql = "SELECT body FROM decision WHERE hook = ? AND at >= ? ORDER BY revision, number";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query(params![hook.as_str(), since.0.cast_signed()])?;
        while let Some(row) = rows.next()? {
            if !each(parse(row, 0)?) {
                break;
            }
        }
        Ok(())
    }

    /// How many [`each_decision`](Self::each_decision) would give, and what the first was made from.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn count_decisions(&self, hook: Hook, since: Timestamp) -> Result<(u64, u64), StoreError> {
        let conn = self.connection()?;
        let sql = "SELECT count(*), coalesce(min(revision), 0) FROM decision WHERE hook = ? AND at >= ?";
        let found = conn.prepare_cached(sql)?.query_row(params![hook.as_str(), since.0.cast_signed()], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(found)
    }
}

/// Conditions put together from a filter. Their texts are ours; what people say is only ever bound.
#[derive(Default)]
pub struct Wanted {
    conditions: Vec<&'static str>,
    pub values: Vec<Bound>,
}

pub enum Bound {
    Text(String),
    Number(i64),
}

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Bound::Text(text) => text.to_sql(),
            Bound::Number(number) => number.to_sql(),
        }
    }
}

impl Wanted {
    pub fn text(&mut self, condition: &'static str, value: &Option<impl ToString>) {
        if let Some(value) = value {
            self.conditions.push(condition);
            self.values.push(Bound::Text(value.to_string()));
        }
    }

    pub fn number(&mut self, condition: &'static str, value: i64) {
        self.conditions.push(condition);
        self.values.push(Bound::Number(value));
    }

    pub fn select(&mut self, columns: &str, table: &str, order: &str, limit: u32) -> String {
        let conditions = if self.conditions.is_empty() { "true".into() } else { self.conditions.join(" AND ") };
        self.values.push(Bound::Number(limit.into()));
        format!("SELECT {columns} FROM {table} WHERE {conditions} ORDER BY {order} LIMIT ?")
    }
}

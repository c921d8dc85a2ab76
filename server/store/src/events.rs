//! Reading the event log.

use cascina_core::event::Event;
use cascina_core::id::{FarmId, OperationId, TenantId};
use cascina_core::units::Timestamp;
use rusqlite::{Row, params_from_iter};

use crate::decisions::Wanted;
use crate::error::StoreError;
use crate::journal;
use crate::read::Reader;

/// Which events. What is `None` does not matter.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// Only later ones than this number; 0 begins at the beginning.
    pub after: u64,
    pub tenant: Option<TenantId>,
    pub farm: Option<FarmId>,
    pub operation: Option<OperationId>,
    /// Id of the thing that they are about.
    pub subject: Option<String>,
    /// `noun.verb`.
    pub kind: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Default for EventFilter {
    fn default() -> EventFilter {
        EventFilter { after: 0, tenant: None, farm: None, operation: None, subject: None, kind: None, limit: 100 }
    }
}

const BRIEF: &str = "seq, at, kind, actor, tenant, farm, operation, decision, subject, text";

impl Reader {
    /// Those that the filter lets through, oldest first, with empty `changes`: these are long, and few
    /// readers want them.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or the disk fails.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        self.find_events(filter, BRIEF, parse)
    }

    /// The same with the rows that each event left.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or the disk fails.
    pub fn events_with_changes(&self, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        self.find_events(filter, journal::COLUMNS, |row| {
            let mut event = parse(row)?;
            let changes = row.get_ref(10)?.as_bytes().map_err(rusqlite::Error::from)?;
            event.changes = serde_json::from_slice(changes)
                .map_err(|error| StoreError::damaged(format!("event {}: {error}", event.seq)))?;
            Ok(event)
        })
    }

    fn find_events(
        &self,
        filter: &EventFilter,
        columns: &str,
        parse: impl Fn(&Row<'_>) -> Result<Event, StoreError>,
    ) -> Result<Vec<Event>, StoreError> {
        let conn = self.connection()?;
        let mut wanted = Wanted::default();
        wanted.number("seq > ?", i64::try_from(filter.after).unwrap_or(i64::MAX));
        wanted.text("tenant = ?", &filter.tenant);
        wanted.text("farm = ?", &filter.farm);
        wanted.text("operation = ?", &filter.operation);
        wanted.text("subject = ?", &filter.subject);
        wanted.text("kind = ?", &filter.kind);
        let sql = wanted.select(columns, "event", "seq", filter.limit);
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&wanted.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(parse(row)?);
        }
        Ok(found)
    }
}

fn parse(row: &Row<'_>) -> Result<Event, StoreError> {
    let seq = row.get::<_, i64>(0)?.cast_unsigned();
    Ok(Event {
        seq,
        at: Timestamp(row.get::<_, i64>(1)?.cast_unsigned()),
        kind: row.get(2)?,
        actor: row.get(3)?,
        tenant: id(row, seq, 4)?,
        farm: id(row, seq, 5)?,
        operation: id(row, seq, 6)?,
        decision: id(row, seq, 7)?,
        subject: row.get(8)?,
        text: row.get(9)?,
        changes: Vec::new(),
    })
}

fn id<T: std::str::FromStr>(row: &Row<'_>, seq: u64, place: usize) -> Result<Option<T>, StoreError>
where
    T::Err: std::fmt::Display,
{
    let text = row.get_ref(place)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    text.map(|text| text.parse().map_err(|error| StoreError::damaged(format!("event {seq}: {error}")))).transpose()
}

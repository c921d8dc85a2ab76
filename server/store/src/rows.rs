//! What is true now: the row tables. One line a noun, and nothing else to add for a new one beside
//! its table in a migration.

use cascina_core::address::ElasticIp;
use cascina_core::farm::Farm;
use cascina_core::flavor::Flavor;
use cascina_core::host::{Host, HostClass, Share};
use cascina_core::image::Image;
use cascina_core::instance::Instance;
use cascina_core::key_pair::KeyPair;
use cascina_core::launch::UserData;
use cascina_core::network::{VRouter, VirtualNetwork};
use cascina_core::operation::Operation;
use cascina_core::plan::{Plan, Shortage, Turn};
use cascina_core::policy::{Binding, PolicyVersion};
use cascina_core::quota::{Hold, Quota};
use cascina_core::replica::ImageReplica;
use cascina_core::security_group::SecurityGroup;
use cascina_core::site::Site;
use cascina_core::snapshot::Snapshot;
use cascina_core::state::{Key, Receipt, Row};
use cascina_core::tag::Tags;
use cascina_core::tenant::{AccessKey, Tenant, User};
use cascina_core::upkeep::Upkeep;
use cascina_core::volume::Volume;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};

use crate::error::StoreError;
use crate::text::{Json, Text};

macro_rules! tables {
    ($($variant:ident $noun:literal: $value:ty, |$key:ident| $id:expr, |$row:ident| { $($column:ident: $content:expr),* };)*) => {
        /// Names of all tables, in the order in which a state is put together.
        #[cfg(test)]
        const NOUNS: &[&str] = &[$($noun),*];

        /// What names the row within its table.
        pub fn id(key: &Key) -> Text {
            match key { $(Key::$variant($key) => $id,)* }
        }

        /// Adds or replaces a row; `body` is its JSON.
        pub fn put(conn: &Connection, row: &Row, body: &[u8]) -> Result<(), StoreError> {
            match row {
                $(Row::$variant($row) => {
                    let key = id(&row.key());
                    let columns: &[&dyn ToSql] = &[$(&$content),*];
                    // Most changes leave the columns as they are. An upsert would write their indexes
                    // anew all the same; the plus keeps SQLite from looking the row up by them.
                    if !columns.is_empty() {
                        let sql = concat!(
                            "UPDATE ", $noun, " SET body = ? WHERE id = ?", $(" AND +", stringify!($column), " = ?",)*
                        );
                        if execute(conn, sql, &[&Json(body), &key], columns)? > 0 {
                            return Ok(());
                        }
                    }
                    let sql = concat!(
                        "INSERT INTO ", $noun, " (id, body", $(", ", stringify!($column),)* ") VALUES (?, ?",
                        $(", ?", tables!(@nothing $column),)*
                        ") ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                        $(", ", stringify!($column), " = excluded.", stringify!($column),)*
                    );
                    execute(conn, sql, &[&key, &Json(body)], columns)?;
                })*
            }
            Ok(())
        }

        pub fn remove(conn: &Connection, key: &Key) -> Result<(), StoreError> {
            let sql = match key { $(Key::$variant(_) => concat!("DELETE FROM ", $noun, " WHERE id = ?"),)* };
            conn.prepare_cached(sql)?.execute([id(key)])?;
            Ok(())
        }

        /// Gives every row of every table to `each`, with its table's name, id and JSON, and its other
        /// columns' values.
        pub fn scan(
            conn: &Connection,
            mut each: impl FnMut(Stored<'_>) -> Result<(), StoreError>,
        ) -> Result<(), StoreError> {
            $({
                let sql = concat!("SELECT id, body", $(", ", stringify!($column),)* " FROM ", $noun);
                let mut statement = conn.prepare(sql)?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    each(Stored { noun: $noun, row, parse: |body| Ok(Row::from(serde_json::from_slice::<$value>(body)?)) })?;
                }
            })*
            Ok(())
        }

        /// The columns beside id and body, as they must be.
        pub fn columns(row: &Row) -> Vec<(&'static str, Value)> {
            match row {
                $(Row::$variant($row) => {
                    #[allow(unused_variables)]
                    let row = $row;
                    vec![$((stringify!($column), value(&$content))),*]
                })*
            }
        }
    };
    (@nothing $column:ident) => { "" };
}

tables! {
    Site "site": Site, |_id| Text::of(&"site"), |_row| {};
    Class "class": HostClass, |id| Text::of(id), |_row| {};
    Share "share": Share, |id| Text::of(id), |row| { name: row.name.as_str() };
    Host "host": Host, |id| Text::of(id), |row| { name: row.name.as_str() };
    Flavor "flavor": Flavor, |id| Text::of(id), |_row| {};
    Image "image": Image, |id| Text::of(id), |_row| {};
    Tenant "tenant": Tenant, |id| Text::of(id), |row| { name: row.name.as_str() };
    User "user": User, |id| Text::of(id), |row| { owner: owner(&row.tenant), name: row.name.as_str() };
    AccessKey "access_key": AccessKey, |id| Text::of(id), |row| { public: row.public.as_str() };
    Quota "quota": Quota, |id| Text::of(id), |row| { tenant: Text::of(&row.tenant), class: owner(&row.class) };
    Hold "hold": Hold, |id| Text::of(id), |_row| {};
    Farm "farm": Farm, |id| Text::of(id), |row| {
        tenant: Text::of(&row.tenant), name: row.name.as_str(), live: !row.state.is_over()
    };
    Network "network": VirtualNetwork, |id| Text::of(id), |row| { segment: row.segment, cidr: Text::of(&row.cidr) };
    Router "router": VRouter, |id| Text::of(id), |_row| {};
    Address "address": ElasticIp, |id| Text::of(id), |row| { ip: Text::of(&row.ip) };
    Instance "instance": Instance, |id| Text::of(id), |row| {
        farm: Text::of(&row.farm), ip: Text::of(&row.ip), mac: Text::of(&row.mac), live: row.is_live()
    };
    Policy "policy": PolicyVersion, |id| Text::of(id), |row| { label: row.label() };
    Binding "binding": Binding, |id| Text::of(id), |row| { name: row.name.as_str() };
    Operation "operation": Operation, |id| Text::of(id), |_row| {};
    SecurityGroup "security_group": SecurityGroup, |id| Text::of(id), |row| {
        farm: Text::of(&row.farm), name: row.name.as_str()
    };
    KeyPair "key_pair": KeyPair, |id| Text::of(id), |row| { farm: Text::of(&row.farm), name: row.name.as_str() };
    Tags "tags": Tags, |id| Text::of(id), |_row| {};
    UserData "user_data": UserData, |id| Text::of(id), |_row| {};
    Volume "volume": Volume, |id| Text::of(id), |_row| {};
    Snapshot "snapshot": Snapshot, |id| Text::of(id), |_row| {};
    ImageReplica "image_replica": ImageReplica, |id| Text::of(id), |_row| {};
    Receipt "receipt": Receipt, |id| Text::of(id), |_row| {};
    Plan "plan": Plan, |id| Text::of(id), |_row| {};
    Turn "turn": Turn, |id| Text::of(id), |_row| {};
    Shortage "shortage": Shortage, |id| Text::of(id), |_row| {};
    Upkeep "upkeep": Upkeep, |id| Text::of(id), |_row| {};
}

/// How many rows it changed.
fn execute(conn: &Connection, sql: &str, own: &[&dyn ToSql], columns: &[&dyn ToSql]) -> Result<usize, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    for (place, value) in own.iter().chain(columns).enumerate() {
        statement.raw_bind_parameter(place + 1, value)?;
    }
    Ok(statement.raw_execute()?)
}

/// Whose, or which: SQL counts no two NULLs as the same, so nobody is written as ''.
fn owner<T: std::fmt::Display>(of: &Option<T>) -> Text {
    Text::maybe(of).unwrap_or_else(|| Text::of(&""))
}

fn value(content: &dyn ToSql) -> Value {
    match content.to_sql() {
        Ok(ToSqlOutput::Owned(value)) => value,
        Ok(ToSqlOutput::Borrowed(value)) => Value::try_from(value).unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

/// A row as it lies in its table.
pub struct Stored<'a> {
    pub noun: &'static str,
    row: &'a rusqlite::Row<'a>,
    parse: fn(&[u8]) -> Result<Row, serde_json::Error>,
}

impl Stored<'_> {
    pub fn id(&self) -> Result<&str, StoreError> {
        self.row.get_ref(0)?.as_str().map_err(|error| StoreError::damaged(format!("a {}: {error}", self.noun)))
    }

    /// # Errors
    ///
    /// If the JSON is not a row of this table, or one with another id.
    pub fn parsed(&self) -> Result<Row, StoreError> {
        let stored = self.id()?;
        let damaged = |why: String| StoreError::damaged(format!("{} {stored}: {why}", self.noun));
        let body = self.row.get_ref(1)?.as_bytes().map_err(|error| damaged(error.to_string()))?;
        let row = (self.parse)(body).map_err(|error| damaged(error.to_string()))?;
        if id(&row.key()).as_bytes() != stored.as_bytes() {
            return Err(damaged("its JSON has another id".into()));
        }
        Ok(row)
    }

    /// The column that does not say what the row says, if any.
    pub fn deviant(&self, row: &Row) -> Result<Option<&'static str>, StoreError> {
        for (place, (column, expected)) in columns(row).into_iter().enumerate() {
            if self.row.get_ref(place + 2)? != ValueRef::from(&expected) {
                return Ok(Some(column));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use cascina_core::state::Rows;

    use super::*;

    #[test]
    fn every_noun_has_its_table() {
        assert_eq!(NOUNS, Rows::NOUNS);
        let schema = crate::open::current_schema().unwrap();
        for noun in NOUNS {
            assert!(schema.iter().any(|(name, _)| name == noun), "{noun}");
        }
    }
}

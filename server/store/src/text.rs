//! Short texts on their way into SQL, without an allocation each: a commit writes dozens of ids.

use std::fmt::{self, Display, Write};

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// Longest text: a policy's digest has 64 bytes, a name 63.
const ROOM: usize = 72;

#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Text {
    pub fn of(value: &impl Display) -> Text {
        let mut text = Text { bytes: [0; ROOM], len: 0 };
        // Everything that comes here (ids, names, addresses, digests) is shorter than ROOM by its type.
        let written = write!(text, "{value}");
        debug_assert!(written.is_ok());
        text
    }

    pub fn maybe<T: Display>(value: &Option<T>) -> Option<Text> {
        value.as_ref().map(Text::of)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len + part.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl ToSql for Text {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.as_bytes())))
    }
}

/// JSON that has just been written, so known to be UTF-8.
pub struct Json<'a>(pub &'a [u8]);

impl ToSql for Json<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

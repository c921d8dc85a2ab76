//! A file in which the simulated hosts, and what they share, outlive the server, as real ones do.
//!
//! One JSON line a change, written before the change is true and not synced: it survives the death
//! of the process, not of the machine. A line counts once its newline is there, so a last line
//! without one is a write that was cut off and is dropped. Anything else that cannot be read is an
//! error, never a guess.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::state::State;
use super::world::{Settings, World};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot {action} the journal of simulated hosts {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("line {line} of the journal of simulated hosts {} is damaged: {why}", path.display())]
    Damaged { path: PathBuf, line: u64, why: String },
}

/// First line of every journal: no other file is taken for one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    journal: String,
    version: u32,
}

impl Header {
    fn ours() -> Header {
        Header { journal: "cascina-simulated-hosts".into(), version: 1 }
    }
}

/// A journal, read.
struct Folded {
    state: State,
    /// Bytes of whole lines.
    length: u64,
    /// Whole lines, the header among them.
    lines: u64,
    /// A cut-off line follows.
    torn: bool,
}

fn fold(path: &Path, file: File) -> Result<Folded, JournalError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut folded = Folded { state: State::default(), length: 0, lines: 0, torn: false };
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(|source| JournalError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        if line.last() != Some(&b'\n') {
            folded.torn = read > 0;
            folded.state.forget_unused();
            return Ok(folded);
        }
        let damaged = |why: String| JournalError::Damaged { path: path.to_owned(), line: folded.lines + 1, why };
        if folded.lines == 0 {
            let header: Header = serde_json::from_slice(&line).map_err(|error| damaged(error.to_string()))?;
            if header != Header::ours() {
                return Err(damaged(format!("`{}` of version {} is not known", header.journal, header.version)));
            }
        } else {
            let change: Change = serde_json::from_slice(&line).map_err(|error| damaged(error.to_string()))?;
            folded.state.apply(&change).map_err(damaged)?;
        }
        folded.length += read as u64;
        folded.lines += 1;
    }
}

/// The world in a journal that no driver has open, as `fsck` wants to see it. The file is not
/// touched.
///
/// # Errors
///
/// The file cannot be read (a missing one too), or is damaged.
pub fn read_world(path: &Path) -> Result<World, JournalError> {
    let file = File::open(path).map_err(|source| JournalError::Io { action: "open", path: path.to_owned(), source })?;
    Ok(World::with_state(Settings { default_capacity: Size::ZERO, ..Settings::default() }, fold(path, file)?.state))
}

/// The open end of a journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    length: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// Reads what there is, none if there is no file, and makes the file as short as it can be.
    pub fn open(path: &Path) -> Result<(Journal, State), JournalError> {
        let io = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        let folded = match File::open(path) {
            Ok(file) => fold(path, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Folded { state: State::default(), length: 0, lines: 0, torn: false }
            }
            Err(error) => return Err(io("open")(error)),
        };
        let needed = 1 + folded.state.changes().count() as u64;
        let mut length = folded.length;
        if folded.lines != needed || folded.torn {
            length = rewrite(path, &folded.state).map_err(io("compact"))?;
        }
        let mut file = OpenOptions::new().write(true).open(path).map_err(io("open"))?;
        file.seek(SeekFrom::End(0)).map_err(io("open"))?;
        Ok((Journal { path: path.to_owned(), file, length, buffer: Vec::new() }, folded.state))
    }

    /// All of the changes or none: what was written of them is taken back if the rest cannot be.
    pub fn append(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        let written = changes
            .iter()
            .try_for_each(|change| write_line(&mut self.buffer, change))
            .and_then(|()| self.file.write_all(&self.buffer));
        match written {
            Ok(()) => {
                self.length += self.buffer.len() as u64;
                Ok(())
            }
            Err(source) => {
                // If this fails too, the next open finds a cut-off or damaged line and says so.
                let cut = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
                if let Err(error) = cut {
                    tracing::error!(path = %self.path.display(), %error, "cannot take back half a line");
                }
                Err(JournalError::Io { action: "append to", path: self.path.clone(), source })
            }
        }
    }
}

fn write_line(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Writes the shortest journal of this state in place of the old one, all at once. Gives its
/// length in bytes.
fn rewrite(path: &Path, state: &State) -> io::Result<u64> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut writer = BufWriter::new(File::create(&beside)?);
    write_line(&mut writer, &Header::ours())?;
    for change in state.changes() {
        write_line(&mut writer, &change)?;
    }
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    // The old journal is complete; the new one must be before it takes its place.
    file.sync_all()?;
    let length = file.metadata()?.len();
    std::fs::rename(&beside, path)?;
    Ok(length)
}

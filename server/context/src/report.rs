//! What guests say of themselves when they are done, as it comes: a stranger's bytes.
//!
//! The same JSON comes over the metadata service and a virtio port, and on the console in numbered lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cascina_core::contextualization::{ContextState, HandlerOutcome, HandlerReport, Report};
use serde::Deserialize;

/// Bytes of a report.
pub const MOST: usize = 64 << 10;
/// Where a guest posts it at the metadata service, with a token.
pub const PATH: &str = "/cascina/v1/report";
/// The virtio port that it writes it to.
pub const PORT: &str = "org.cascina.context.0";
/// How lines of a console begin that have a piece of it.
pub const MARKER: &str = "CASCINA-CONTEXT ";
/// Pieces of a report on a console.
const MOST_PIECES: usize = 256;

/// Entries of each list that are kept.
const KEPT: usize = 64;
const MOST_WORD: usize = 64;
const MOST_LINE: usize = 400;
const MOST_LOG: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("{given} bytes of report are too many: at most {MOST}")]
    TooLong { given: usize },
    #[error("this is no report of version 1: {said}")]
    Form { said: String },
    #[error("it is another instance's")]
    Other,
}

#[derive(Deserialize)]
struct Given {
    version: u64,
    #[serde(default)]
    instance: String,
    result: String,
    #[serde(default)]
    handlers: Vec<GivenHandler>,
    #[serde(default)]
    scripts: Vec<String>,
    #[serde(default)]
    cloud_init: Vec<String>,
}

#[derive(Deserialize)]
struct GivenHandler {
    block: String,
    result: String,
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    seconds: Option<f64>,
    #[serde(default)]
    log: String,
}

/// As it came over the metadata service or a port. `instance`: whose it has to be, if it says that at all.
///
/// # Errors
///
/// If it is none.
pub fn parse(bytes: &[u8], instance: Option<&str>) -> Result<Report, ReportError> {
    if bytes.len() > MOST {
        return Err(ReportError::TooLong { given: bytes.len() });
    }
    let form = |said: &str| ReportError::Form { said: said.chars().take(120).collect() };
    let given: Given = serde_json::from_slice(bytes).map_err(|error| form(&error.to_string()))?;
    if given.version != 1 {
        return Err(form(&format!("its version is {}", given.version)));
    }
    if instance.is_some_and(|known| given.instance.starts_with("i-") && given.instance != known) {
        return Err(ReportError::Other);
    }
    let claimed = match given.result.as_str() {
        "contextualized" => ContextState::Contextualized,
        "degraded" => ContextState::Degraded,
        "failed" => ContextState::Failed,
        _ => return Err(form("result is contextualized, degraded or failed")),
    };
    let handlers: Vec<HandlerReport> = given
        .handlers
        .into_iter()
        .take(KEPT)
        .map(handler)
        .collect::<Option<_>>()
        .ok_or_else(|| form("a handler's result is ok, failed or missing"))?;
    let scripts = lines(given.scripts);
    // Whatever it claims, it has not succeeded if a part of it has not.
    let failed = !scripts.is_empty() || handlers.iter().any(|handler| handler.outcome != HandlerOutcome::Ok);
    let state = if failed { ContextState::Failed } else { claimed };
    Ok(Report { state, handlers, scripts, warnings: lines(given.cloud_init) })
}

fn handler(given: GivenHandler) -> Option<HandlerReport> {
    let outcome = match given.result.as_str() {
        "ok" => HandlerOutcome::Ok,
        "failed" => HandlerOutcome::Failed,
        "missing" => HandlerOutcome::Missing,
        _ => return None,
    };
    let millis = given.seconds.filter(|seconds| seconds.is_finite() && (0.0..1e9).contains(seconds));
    Some(HandlerReport {
        block: text(&given.block, MOST_WORD, false),
        outcome,
        errors: lines(given.errors),
        // Checked to be in range.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e12")]
        took: millis.map(|seconds| (seconds * 1000.0) as u64),
        log: end(&given.log),
    })
}

fn lines(given: Vec<String>) -> Vec<String> {
    given.iter().take(KEPT).map(|line| text(line, MOST_LINE, false)).collect()
}

/// Without what moves cursors or rings bells.
fn text(given: &str, most: usize, broken: bool) -> String {
    let mut out = String::new();
    for letter in given.chars() {
        let letter = match letter {
            '\n' if broken => '\n',
            '\t' => ' ',
            _ if letter.is_control()
                || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
            {
                '\u{fffd}'
            }
            _ => letter,
        };
        if out.len() + letter.len_utf8() > most {
            break;
        }
        out.push(letter);
    }
    out
}

/// The end of a log, from the beginning of a line if one is there.
fn end(given: &str) -> String {
    let mut from = given.len().saturating_sub(MOST_LOG);
    while !given.is_char_boundary(from) {
        from += 1;
    }
    let rest = &given[from..];
    let rest = if from > 0 { rest.split_once('\n').map_or(rest, |(_, rest)| rest) } else { rest };
    text(&rest.replace('\r', ""), MOST_LOG, true)
}

/// The last whole report that a guest wrote to its console, if there is one. Other lines may stand between
/// its pieces, and something before the marker.
pub fn of_console(console: &[u8], instance: Option<&str>) -> Option<Result<Report, ReportError>> {
    let mut found = None;
    let mut pieces: Vec<&str> = Vec::new();
    let mut expected = 0;
    for line in console.split(|&byte| byte == b'\n') {
        let Some(at) = line.windows(MARKER.len()).position(|word| word == MARKER.as_bytes()) else { continue };
        let piece = std::str::from_utf8(&line[at + MARKER.len()..]).ok().and_then(|rest| {
            let (number, rest) = rest.split_once('/')?;
            let (count, data) = rest.split_once(' ')?;
            Some((number.parse::<usize>().ok()?, count.parse::<usize>().ok()?, data.trim_end()))
        });
        let Some((number, count, data)) =
            piece.filter(|(number, count, _)| (1..=MOST_PIECES).contains(count) && number <= count)
        else {
            pieces.clear();
            continue;
        };
        if number == 1 {
            pieces.clear();
            expected = count;
        }
        if number != pieces.len() + 1 || count != expected {
            pieces.clear();
            continue;
        }
        pieces.push(data);
        if number == count {
            let packed = pieces.concat();
            if packed.len() <= MOST * 4 / 3 + 4
                && let Ok(bytes) = STANDARD.decode(packed.as_bytes())
            {
                // What is cut off takes nothing from what was whole.
                match parse(&bytes, instance) {
                    Err(_) if found.is_some() => {}
                    parsed => found = Some(parsed),
                }
            }
            pieces.clear();
        }
    }
    found
}

/// As a guest's last script writes it to a console, for guests that are no more than a story.
pub fn to_console(json: &str) -> String {
    let packed = STANDARD.encode(json);
    let pieces: Vec<&[u8]> = packed.as_bytes().chunks(400).collect();
    let lines = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| format!("{MARKER}{}/{} {}\r\n", at + 1, pieces.len(), String::from_utf8_lossy(piece)));
    lines.collect()
}

#[cfg(test)]
mod tests;

//! Traces as files: plain CSV without quotes, columns found by their names in the first line.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use super::{Trace, TraceHost, TraceRequest};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    #[error("{file} cannot be read: {error}")]
    File { file: String, error: String },
    #[error("{file} cannot be written: {error}")]
    Write { file: String, error: String },
    #[error("{file}, line {line}: {field} = `{value}`; allowed: {allowed}")]
    Field { file: String, line: usize, field: &'static str, value: String, allowed: &'static str },
    #[error("{file}, line 1: column {field} is missing")]
    Column { file: String, field: &'static str },
    #[error("{file}, line {line}: {found} fields, but the first line names {wanted}")]
    Fields { file: String, line: usize, found: usize, wanted: usize },
    #[error("{file} has no rows")]
    Empty { file: String },
}

const REQUESTS: &str = "requests.csv";
const HOSTS: &str = "hosts.csv";
const REQUEST_COLUMNS: &str = "id,arrive_s,depart_s,cpu_milli,mem_mib,gpu,gpu_milli,gpu_spec,class,scheduled_s";
const HOST_COLUMNS: &str = "id,cpu_milli,mem_mib,gpu,gpu_model";

/// A class whose pods may be evicted: best effort.
const LOW: &str = "BE";
const HIGH: &str = "LS";

/// One line, with the names of its fields.
struct Line<'a> {
    file: &'a str,
    number: usize,
    columns: &'a BTreeMap<&'a str, usize>,
    fields: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn text(&self, field: &'static str) -> Result<&'a str, TraceError> {
        let place = self.columns.get(field).and_then(|place| self.fields.get(*place));
        place.copied().ok_or_else(|| TraceError::Column { file: self.file.into(), field })
    }

    fn wrong(&self, field: &'static str, value: &str, allowed: &'static str) -> TraceError {
        let (file, value) = (self.file.into(), value.chars().take(40).collect());
        TraceError::Field { file, line: self.number, field, value, allowed }
    }

    fn number<T: FromStr>(&self, field: &'static str) -> Result<T, TraceError> {
        let text = self.text(field)?;
        text.parse().map_err(|_| self.wrong(field, text, "a whole number, not negative"))
    }

    fn optional(&self, field: &'static str) -> Result<Option<u64>, TraceError> {
        if self.text(field)?.is_empty() { Ok(None) } else { self.number(field).map(Some) }
    }

    fn request(&self) -> Result<TraceRequest, TraceError> {
        let request = TraceRequest {
            id: self.text("id")?.into(),
            arrive_s: self.number("arrive_s")?,
            depart_s: self.optional("depart_s")?,
            cpu_milli: self.number("cpu_milli")?,
            mem_mib: self.number("mem_mib")?,
            gpu: self.number("gpu")?,
            low: self.text("class")? == LOW,
        };
        if request.depart_s.is_some_and(|depart| depart < request.arrive_s) {
            return Err(self.wrong("depart_s", self.text("depart_s")?, "empty, or not before arrive_s"));
        }
        Ok(request)
    }

    fn host(&self) -> Result<TraceHost, TraceError> {
        Ok(TraceHost {
            id: self.text("id")?.into(),
            cpu_milli: self.number("cpu_milli")?,
            mem_mib: self.number("mem_mib")?,
            gpu: self.number("gpu")?,
        })
    }
}

fn rows<T>(file: &str, text: &str, row: impl Fn(&Line<'_>) -> Result<T, TraceError>) -> Result<Vec<T>, TraceError> {
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> = lines.next().map(|(_, line)| line.split(',').collect()).unwrap_or_default();
    let columns = header.iter().enumerate().map(|(place, name)| (name.trim(), place)).collect();
    let mut rows = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != header.len() {
            let (found, wanted) = (fields.len(), header.len());
            return Err(TraceError::Fields { file: file.into(), line: number + 1, found, wanted });
        }
        rows.push(row(&Line { file, number: number + 1, columns: &columns, fields })?);
    }
    if rows.is_empty() { Err(TraceError::Empty { file: file.into() }) } else { Ok(rows) }
}

pub fn requests(file: &str, text: &str) -> Result<Vec<TraceRequest>, TraceError> {
    let mut requests = rows(file, text, |line| line.request())?;
    requests.sort_by_key(|request| request.arrive_s);
    Ok(requests)
}

pub fn hosts(file: &str, text: &str) -> Result<Vec<TraceHost>, TraceError> {
    rows(file, text, |line| line.host())
}

impl Trace {
    /// Reads `requests.csv` and, if it is there, `hosts.csv`.
    pub fn read(folder: &Path) -> Result<Trace, TraceError> {
        let read = |name: &str| {
            let path = folder.join(name);
            let file = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok((file, text)),
                Err(error) => Err(TraceError::File { file, error: error.to_string() }),
            }
        };
        let (file, text) = read(REQUESTS)?;
        let requests = requests(&file, &text)?;
        let hosts = match folder.join(HOSTS).exists() {
            true => read(HOSTS).and_then(|(file, text)| hosts(&file, &text))?,
            false => Vec::new(),
        };
        Ok(Trace { source: folder.display().to_string(), seed: None, requests, hosts })
    }

    /// Writes both files, in the form in which they are read.
    pub fn write(&self, folder: &Path) -> Result<(), TraceError> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            let failed = |error: std::io::Error| TraceError::Write {
                file: path.display().to_string(),
                error: error.to_string(),
            };
            std::fs::create_dir_all(folder).map_err(failed)?;
            std::fs::write(&path, text).map_err(failed)
        };
        write(REQUESTS, self.requests_csv())?;
        write(HOSTS, self.hosts_csv())
    }

    pub fn requests_csv(&self) -> String {
        let mut text = format!("{REQUEST_COLUMNS}\n");
        for TraceRequest { id, arrive_s, depart_s, cpu_milli, mem_mib, gpu, low } in &self.requests {
            let depart = depart_s.map(|depart| depart.to_string()).unwrap_or_default();
            let class = if *low { LOW } else { HIGH };
            text += &format!("{id},{arrive_s},{depart},{cpu_milli},{mem_mib},{gpu},0,,{class},\n");
        }
        text
    }

    pub fn hosts_csv(&self) -> String {
        let mut text = format!("{HOST_COLUMNS}\n");
        for TraceHost { id, cpu_milli, mem_mib, gpu } in &self.hosts {
            text += &format!("{id},{cpu_milli},{mem_mib},{gpu},\n");
        }
        text
    }
}

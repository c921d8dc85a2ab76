//! What the host keeps for one evaluation: limits on growth, with a memory of what was denied, and
//! the lines that the policy logs.

use wasmtime::{ResourceLimiter, Result};

use crate::bounds::Bounds;

pub(crate) struct Guest {
    memory_bytes: usize,
    table_elements: usize,
    instances: usize,
    memories: usize,
    /// A refused growth reaches the policy as an ordinary -1, and most then run into
    /// `unreachable`: only what is noted here tells the operator why.
    pub memory_denied: bool,
    pub table_denied: bool,
    pub log: Log,
}

impl Guest {
    pub fn new(bounds: &Bounds, memory_bytes: usize) -> Guest {
        Guest {
            memory_bytes,
            table_elements: bounds.table_elements,
            instances: bounds.instances as usize,
            memories: bounds.memories as usize,
            memory_denied: false,
            table_denied: false,
            log: Log::new(bounds),
        }
    }

    /// What was logged since the last question.
    pub fn take_log(&mut self, bounds: &Bounds) -> Vec<String> {
        std::mem::replace(&mut self.log, Log::new(bounds)).into_lines()
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let allowed = desired <= self.memory_bytes;
        self.memory_denied |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let allowed = desired <= self.table_elements;
        self.table_denied |= !allowed;
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }
}

/// Lines of one evaluation. Logging is a courtesy: what is too long is cut and what is too much is
/// counted, so that a chatty policy still gets its answer through.
pub(crate) struct Log {
    lines: Vec<String>,
    bytes: usize,
    dropped: u32,
    most_lines: usize,
    most_bytes: usize,
    most_line: usize,
}

impl Log {
    fn new(bounds: &Bounds) -> Log {
        Log {
            lines: Vec::new(),
            bytes: 0,
            dropped: 0,
            most_lines: bounds.log_lines,
            most_bytes: bounds.log_bytes,
            most_line: bounds.log_line_bytes,
        }
    }

    /// How much of a message is worth decoding.
    pub fn room(&self) -> usize {
        if self.lines.len() < self.most_lines { self.most_line.min(self.most_bytes - self.bytes) } else { 0 }
    }

    pub fn push(&mut self, line: String) {
        self.bytes = (self.bytes + line.len()).min(self.most_bytes);
        self.lines.push(line);
    }

    pub fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    pub fn into_lines(mut self) -> Vec<String> {
        if self.dropped > 0 {
            self.lines.push(format!("server: {} more lines were dropped", self.dropped));
        }
        self.lines
    }
}

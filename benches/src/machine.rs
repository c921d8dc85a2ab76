//! The machine, and what this process takes of it.

use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::samples::{Samples, short};

/// Processor time of all threads so far.
pub fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Memory of this process now, and at its highest, in MiB.
pub fn memory() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    (field("VmRSS:").unwrap_or_default() / 1024, field("VmHWM:").unwrap_or_default() / 1024)
}

/// One line: enough to judge the figures by.
pub fn describe() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal").split(' ').next().and_then(|kib| kib.parse::<u64>().ok());
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{cores} cores of {}, {} GiB; load average at the start {}; appending 16 KiB and fdatasync take {} (p50)",
        field("/proc/cpuinfo", "model name"),
        memory.unwrap_or_default() >> 20,
        loads.split(' ').next().unwrap_or("unknown"),
        short(sync()),
    )
}

/// What the disk takes to make a small write safe.
fn sync() -> Duration {
    let folder = folder();
    let mut file = File::create(folder.path().join("sync")).unwrap();
    let mut samples = Samples::default();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[7; 16 << 10]).unwrap();
        file.sync_data().unwrap();
        samples.push(start.elapsed());
    }
    samples.p50()
}

/// A folder on the disk that the build is on: `/tmp` may be memory, which makes nothing durable.
pub fn folder() -> tempfile::TempDir {
    let within = std::env::current_exe().unwrap();
    tempfile::Builder::new().prefix("cascina-bench-").tempdir_in(within.parent().unwrap()).unwrap()
}

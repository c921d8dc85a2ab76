//! Durations, and what they come to.

use std::hint::black_box;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub fn append(&mut self, other: Samples) {
        self.0.extend(other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What so many of a thousand do not exceed.
    pub fn permille(&self, part: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get(last * part / 1000).copied().unwrap_or_default()
    }

    pub fn p50(&self) -> Duration {
        self.permille(500)
    }

    pub fn p99(&self) -> Duration {
        self.permille(990)
    }
}

/// Several ways to the same end, each with a name. They take turns, so that none has the quiet minute.
pub struct Turns<'a> {
    ways: Vec<(&'static str, Box<dyn FnMut() + 'a>, Samples)>,
}

/// Uninterrupted repeats of one way within its turn.
const REPEATS: usize = 8;

impl<'a> Turns<'a> {
    pub fn new() -> Turns<'a> {
        Turns { ways: Vec::new() }
    }

    #[must_use]
    pub fn way<T>(mut self, name: &'static str, mut act: impl FnMut() -> T + 'a) -> Turns<'a> {
        let act = move || {
            black_box(act());
        };
        self.ways.push((name, Box::new(act), Samples::default()));
        self
    }

    /// For about this long, after a few turns that do not count.
    pub fn run(mut self, time: Duration) -> Vec<(&'static str, Samples)> {
        let begun = Instant::now();
        let mut warm = false;
        loop {
            for (_, act, samples) in &mut self.ways {
                for _ in 0..REPEATS {
                    let start = Instant::now();
                    act();
                    samples.push(start.elapsed());
                }
            }
            if !warm && begun.elapsed() * 5 > time {
                warm = true;
                self.ways.iter_mut().for_each(|(_, _, samples)| *samples = Samples::default());
            }
            let enough = self.ways.iter().all(|(_, _, samples)| samples.len() >= 5 * REPEATS);
            if warm && enough && begun.elapsed() > time {
                return self.ways.into_iter().map(|(name, _, samples)| (name, samples)).collect();
            }
        }
    }
}

impl Default for Turns<'_> {
    fn default() -> Self {
        Turns::new()
    }
}

/// Three digits, with a unit that suits.
pub fn short(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    let (value, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let places = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.places$} {unit}")
}

//! Requests made up from a seed.
//!
//! No month of requests to a public or private cloud can be had under a licence that would let it be
//! shipped, so this draws them from what has been published about such months. What is measured and
//! what is assumed is told apart below and in every report.
//!
//! | what | how it is drawn | from |
//! |---|---|---|
//! | sizes | fifteen types, [`SIZES`] | read off the published chart of Huawei-East-1, one region, 125,430 creations in 31 days (Huawei, VMAgent): good to ±0.003 |
//! | arrivals | Poisson, 169 an hour on average | the same |
//! | daily rhythm | rate × (1 + 0.5 sin), lowest at night | its alternating growing and flat phases; the amplitude is an assumption |
//! | short lives, 60 % | log-normal, median 10 min, upper quartile 36 min | measured in Alibaba's cluster-trace-gpu-v2023 |
//! | middle lives, 33 % | log-normal, median 6 h, deviation 1 | an assumption |
//! | long lives, 7 % | longer than the run | 8,000 of Huawei's were alive at the end of the month |
//! | bursts | 2 % of arrivals bring 2 to 30 in the same second | SURF's traces of batch jobs (2022) have up to 30 in a second; the share is an assumption |
//! | priority | 20 % low | the two classes of Azure's packing trace; the share is an assumption |
//! | hosts | 40 cores, 90 GiB | VMAgent's standard host |

use super::{Trace, TraceHost, TraceRequest};
use crate::chance::Chance;

/// vCPUs, GiB, and how many of 10,000 requests want them.
pub const SIZES: [(u64, u64, u64); 15] = [
    (1, 1, 2200),
    (1, 2, 4370),
    (1, 4, 270),
    (2, 4, 1340),
    (2, 8, 190),
    (4, 8, 910),
    (4, 16, 170),
    (8, 16, 270),
    (8, 32, 100),
    (12, 24, 50),
    (16, 32, 90),
    (24, 48, 5),
    (32, 64, 10),
    (48, 96, 5),
    (64, 128, 20),
];

/// What the requests are a mixture of.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    pub days: u64,
    pub per_hour: f64,
    /// 0 for no daily rhythm, 1 for nights without any request.
    pub rhythm: f64,
    pub short_permille: u64,
    pub long_permille: u64,
    pub burst_permille: u64,
    pub burst_most: u64,
    pub low_permille: u64,
    pub hosts: u64,
}

impl Default for Mixture {
    fn default() -> Mixture {
        Mixture {
            days: 31,
            per_hour: 169.0,
            rhythm: 0.5,
            short_permille: 600,
            long_permille: 70,
            burst_permille: 20,
            burst_most: 30,
            low_permille: 200,
            hosts: 50,
        }
    }
}

impl std::fmt::Display for Mixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let middle = 1000 - self.short_permille - self.long_permille;
        let percent = |permille: u64| permille as f64 / 10.0;
        write!(
            f,
            "{} days at {} an hour with a daily rhythm of {}; lives: {} % short (median 10 min, measured), \
             {} % of median 6 h (assumed), {} % longer than the run; {} % of arrivals bring up to {} (assumed); \
             {} % low priority (assumed); sizes of Huawei-East-1",
            self.days,
            self.per_hour,
            self.rhythm,
            percent(self.short_permille),
            percent(middle),
            percent(self.long_permille),
            percent(self.burst_permille),
            self.burst_most,
            percent(self.low_permille),
        )
    }
}

const DAY_S: f64 = 86_400.0;

/// Makes a trace. The same seed and mixture make the same one.
pub fn generate(seed: u64, mixture: &Mixture) -> Trace {
    let mut chance = Chance::new(seed);
    let end = mixture.days as f64 * DAY_S;
    let burst = mixture.burst_permille as f64 / 1000.0;
    let a_time = 1.0 - burst + burst * (2.0 + mixture.burst_most as f64) / 2.0;
    let fastest = mixture.per_hour / 3600.0 / a_time * (1.0 + mixture.rhythm);
    let mut requests = Vec::new();
    let mut at = 0.0;
    loop {
        at += chance.exponential(1.0 / fastest);
        if at >= end {
            break;
        }
        // Arrivals at the fastest rate, thinned to the rate of the hour; the day begins at midnight.
        let rate = 1.0 + mixture.rhythm * (std::f64::consts::TAU * (at / DAY_S - 0.3)).sin();
        if chance.unit() * (1.0 + mixture.rhythm) > rate {
            continue;
        }
        let count = match chance.permille(mixture.burst_permille) {
            true => chance.between((2, mixture.burst_most)),
            false => 1,
        };
        for _ in 0..count {
            let id = format!("r-{:06}", requests.len());
            requests.push(request(&mut chance, mixture, id, at, end));
        }
    }
    let host = |i| TraceHost { id: format!("host-{i:04}"), cpu_milli: 40_000, mem_mib: 90 << 10, gpu: 0 };
    Trace {
        source: format!("made up: {mixture}"),
        seed: Some(seed),
        requests,
        hosts: (0..mixture.hosts).map(host).collect(),
    }
}

fn request(chance: &mut Chance, mixture: &Mixture, id: String, at: f64, end: f64) -> TraceRequest {
    let (vcpus, gib) = size(chance);
    let arrive_s = at as u64;
    TraceRequest {
        id,
        arrive_s,
        depart_s: Some(arrive_s + life(chance, mixture, end).max(1.0) as u64),
        cpu_milli: vcpus * 1000,
        mem_mib: gib << 10,
        gpu: 0,
        low: chance.permille(mixture.low_permille),
    }
}

fn size(chance: &mut Chance) -> (u64, u64) {
    let all = SIZES.iter().map(|(_, _, weight)| weight).sum();
    let mut drawn = chance.below(all);
    for (vcpus, gib, weight) in SIZES {
        if drawn < weight {
            return (vcpus, gib);
        }
        drawn -= weight;
    }
    (1, 1)
}

/// Seconds.
fn life(chance: &mut Chance, mixture: &Mixture, end: f64) -> f64 {
    let kind = chance.below(1000);
    let spread = chance.normal();
    if kind < mixture.short_permille {
        // ln(36 / 10) over the upper quartile of the normal distribution.
        600.0 * (1.899 * spread).exp()
    } else if kind < 1000 - mixture.long_permille {
        6.0 * 3600.0 * spread.exp()
    } else {
        end
    }
}

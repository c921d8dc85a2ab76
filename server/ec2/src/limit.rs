//! How often an access key may ask.

use std::collections::HashMap;

use cascina_core::units::Timestamp;
use parking_lot::Mutex;

/// Keys that are remembered at the same time. Those that have not asked for a while are forgotten first,
/// which changes nothing for them.
const REMEMBERED: usize = 10_000;

/// A bucket of tokens for each key: a request takes one, and time brings them back.
pub struct Limiter {
    /// Tokens a second.
    rate: u64,
    /// Tokens that a bucket holds.
    burst: u64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In thousandths of a token, so that a millisecond brings `rate` of them.
    left: u64,
    at: Timestamp,
}

impl Limiter {
    /// `rate` requests a second in the long run, and up to `burst` at once. Either 0 means no limit.
    pub fn new(rate: u32, burst: u32) -> Limiter {
        Limiter { rate: rate.into(), burst: burst.into(), buckets: Mutex::default() }
    }

    /// Whether a key may ask once more. Only keys that have proved who they are should get here, so that
    /// nobody uses up what is another's.
    pub fn take(&self, key: &str, now: Timestamp) -> bool {
        if self.rate == 0 || self.burst == 0 {
            return true;
        }
        let mut buckets = self.buckets.lock();
        let full = Bucket { left: self.burst * 1000, at: now };
        if !buckets.contains_key(key) {
            if buckets.len() >= REMEMBERED {
                self.forget(&mut buckets, now);
            }
            buckets.insert(key.to_owned(), full);
        }
        let Some(bucket) = buckets.get_mut(key) else { return true };
        *bucket = self.filled(*bucket, now);
        let left = bucket.left.checked_sub(1000);
        bucket.left = left.unwrap_or(bucket.left);
        left.is_some()
    }

    /// As it is by now. A clock that was set back brings nothing.
    fn filled(&self, bucket: Bucket, now: Timestamp) -> Bucket {
        let brought = now.0.saturating_sub(bucket.at.0).saturating_mul(self.rate);
        Bucket { left: bucket.left.saturating_add(brought).min(self.burst * 1000), at: now }
    }

    /// Drops buckets that are full, and half of them all if that is not enough.
    fn forget(&self, buckets: &mut HashMap<String, Bucket>, now: Timestamp) {
        buckets.retain(|_, bucket| self.filled(*bucket, now).left < self.burst * 1000);
        if buckets.len() < REMEMBERED {
            return;
        }
        let mut ages: Vec<Timestamp> = buckets.values().map(|bucket| bucket.at).collect();
        let middle = ages.len() / 2;
        let (_, &mut middle, _) = ages.select_nth_unstable(middle);
        buckets.retain(|_, bucket| bucket.at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn taken(limiter: &Limiter, key: &str, now: Timestamp) -> usize {
        (0..1000).take_while(|_| limiter.take(key, now)).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let limiter = Limiter::new(2, 10);
        assert_eq!(taken(&limiter, "a", NOW), 10);
        assert_eq!(taken(&limiter, "b", NOW), 10);
        assert_eq!(taken(&limiter, "a", NOW.plus_ms(499)), 0);
        assert_eq!(taken(&limiter, "a", NOW.plus_ms(500)), 1);
        assert_eq!(taken(&limiter, "a", NOW.plus_ms(2500)), 4);
        assert_eq!(taken(&limiter, "a", NOW.plus_ms(1_000_000)), 10);
        assert_eq!(taken(&limiter, "a", NOW), 0);
    }

    #[test]
    fn no_limit() {
        assert_eq!(taken(&Limiter::new(0, 0), "a", NOW), 1000);
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = Limiter::new(1, 2);
        for i in 0..50_000_u64 {
            limiter.take(&i.to_string(), NOW.plus_ms(i / 100));
            assert!(limiter.buckets.lock().len() <= REMEMBERED);
        }
        // At the same moment, too.
        for i in 0..50_000_u64 {
            limiter.take(&i.to_string(), NOW.plus_ms(1_000_000));
        }
        assert!(limiter.buckets.lock().len() <= REMEMBERED);
    }
}

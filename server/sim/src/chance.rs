//! Chance from a seed.

use cascina_drivers::sim::Rng;

/// A source of chance. Whole numbers are the same on every machine.
#[derive(Debug, Clone)]
pub struct Chance(Rng);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(Rng::new(seed))
    }

    /// A source of its own: what is drawn from it does not move what is drawn from this one.
    pub fn branch(&mut self) -> Chance {
        Chance::new(self.number())
    }

    pub fn number(&mut self) -> u64 {
        self.0.draw()
    }

    /// `0..end`; 0 if that is empty.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias is far below what anything here could notice.
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// Both ends included.
    pub fn between(&mut self, (first, last): (u64, u64)) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    pub fn permille(&mut self, of_1000: u64) -> bool {
        self.below(1000) < of_1000
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len() as u64) as usize).copied()
    }

    /// Evenly spread over `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        self.0.unit()
    }

    /// Time between two of those things that come by themselves, `mean` apart.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Normally distributed, with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_bounds_and_reach_them() {
        let mut chance = Chance::new(7);
        let drawn: Vec<u64> = (0..1000).map(|_| chance.between((3, 5))).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&5)));
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.pick::<u8>(&[]), None);
        let mean = (0..20_000).map(|_| chance.exponential(10.0)).sum::<f64>() / 20_000.0;
        assert!((9.5..10.5).contains(&mean), "{mean}");
        let spread = (0..20_000).map(|_| chance.normal().powi(2)).sum::<f64>() / 20_000.0;
        assert!((0.95..1.05).contains(&spread), "{spread}");
    }
}

//! Random numbers to spread things with. Not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers that threads share without waiting for each other: `SplitMix64` (G. Steele, D. Lea and
/// C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), whose whole state is a counter.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

impl Random {
    /// A source that starts where no other does: at a key that `HashMap` draws from the operating system.
    pub(crate) fn seeded() -> Self {
        Self::from_seed(RandomState::new().build_hasher().finish())
    }

    /// A source whose numbers are the same for the same seed.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number; every value is as likely as any other.
    pub(crate) fn next(&self) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.0.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        // From the reference implementation, seed 1234567.
        let random = Random::from_seed(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], expected);
        assert_ne!(Random::seeded().next(), Random::seeded().next());
    }
}

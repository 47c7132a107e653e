//! Chance that can be repeated: the same seed gives the same numbers.

/// A sequence of numbers that follows from a seed.
pub(crate) struct Seeded(u64);

impl Seeded {
    /// The sequence of `seed`, or of `SWARM_TEST_SEED` in its place, which is printed for when a test fails.
    pub(crate) fn new(seed: u64) -> Seeded {
        let seed = std::env::var("SWARM_TEST_SEED").map_or(seed, |chosen| chosen.parse().unwrap());
        println!("SWARM_TEST_SEED={seed}");
        Seeded::from(seed)
    }

    /// The sequence of `seed` and no other.
    pub(crate) fn from(seed: u64) -> Seeded {
        Seeded(seed)
    }

    /// A sequence of its own, which follows from this one.
    pub(crate) fn branch(&mut self) -> Seeded {
        Seeded(self.below(u64::MAX))
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// The next number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64: every seed is a good one.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// The next index into something with `length` places.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// Brings the items into another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = self.index(end + 1);
            items.swap(end, other);
        }
    }
}

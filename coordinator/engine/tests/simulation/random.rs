//! Random numbers: the choices in a world, as its seed gives them.

use swarm_engine::{id::LeaseToken, rule::retry::mix};

/// The distance between streams of a seed: a world draws far fewer numbers than that.
const STREAM: u64 = 1 << 40;

/// See the module.
#[derive(Clone)]
pub(crate) struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    /// The numbers of a stream of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Random {
        let drawn = stream.wrapping_mul(STREAM);
        Random { seed, drawn }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        mix(self.seed, self.drawn)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn token(&mut self) -> LeaseToken {
        LeaseToken(self.bytes())
    }

    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()
    }
}

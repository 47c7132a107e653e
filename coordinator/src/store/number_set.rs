//! A set of numbers: some of 256 in a row. An index keeps one set under a key in place of 256 keys.

use super::error::StoreError;

/// How many numbers a set is about.
pub const SET_NUMBERS: u64 = 256;

const BYTES: usize = SET_NUMBERS as usize / 8;

/// A number, and the key of the set that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMember {
    /// The set's key.
    pub key: Vec<u8>,
    /// The number.
    pub number: u64,
}

/// See the module. Stored as 32 bytes, the lowest bit of the first for the lowest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumberSet([u8; BYTES]);

impl NumberSet {
    /// The set in a stored value.
    ///
    /// # Errors
    ///
    /// When the value is no set. `key` is the value's key, for the message.
    pub fn stored(key: &[u8], value: &[u8]) -> Result<NumberSet, StoreError> {
        value
            .try_into()
            .map(NumberSet)
            .map_err(|_| StoreError::value(key, "it is no set of numbers"))
    }

    /// The numbers in order, where the set is the one about the numbers from `index * SET_NUMBERS` on.
    pub fn numbers(self, index: u64) -> impl DoubleEndedIterator<Item = u64> {
        let first = index.saturating_mul(SET_NUMBERS);
        (0..SET_NUMBERS)
            .filter(move |place| self.0[*place as usize / 8] & (1 << (place % 8)) != 0)
            .map(move |place| first.saturating_add(place))
    }

    pub(super) fn set(&mut self, number: u64, is_in: bool) {
        let place = number % SET_NUMBERS;
        let (byte, bit) = (&mut self.0[place as usize / 8], 1 << (place % 8));
        *byte = if is_in { *byte | bit } else { *byte & !bit };
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == [0; BYTES]
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The set with the numbers of `more` and without those of `less`.
    pub(super) fn changed(self, more: NumberSet, less: NumberSet) -> NumberSet {
        let mut changed = self;
        for ((byte, more), less) in changed.0.iter_mut().zip(more.0).zip(less.0) {
            *byte = (*byte | more) & !less;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_order_from_both_ends() {
        let mut set = NumberSet::default();
        for number in [512, 767, 600, 601] {
            set.set(number, true);
        }
        set.set(601, false);
        let read = NumberSet::stored(b"k", &set.bytes()).unwrap();
        assert_eq!(read.numbers(2).collect::<Vec<_>>(), [512, 600, 767]);
        assert_eq!(read.numbers(2).rev().collect::<Vec<_>>(), [767, 600, 512]);
        let mut gone = NumberSet::default();
        gone.set(600, true);
        let left = read.changed(NumberSet::default(), gone);
        assert_eq!(left.numbers(2).collect::<Vec<_>>(), [512, 767]);
        assert!(left.changed(NumberSet::default(), left).is_empty());
        assert!(NumberSet::stored(b"k", b"short").is_err());
    }
}

//! The free space of the disk, and what is refused when there is little of it.
//!
//! Refused first is what makes more work, then what begins it. What has begun can end: the
//! journal has space in reserve, and the store, which is only a view, waits until there is more.

use crate::{
    backlog::Load,
    limits::{CLAIM_FREE_BYTES, SUBMIT_FREE_BYTES},
};

/// How short of space the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Shortage {
    /// Nothing is refused.
    #[default]
    Nothing,
    /// Submits are refused.
    Submits,
    /// Claims are refused as well.
    Claims,
}

impl Shortage {
    /// The shortage with so many free bytes. What was refused is taken again only when there is a quarter more, so
    /// that it does not change every second.
    pub(crate) fn with(self, free: u64) -> Shortage {
        let below = |bytes: u64, was_below: bool| free < if was_below { bytes / 4 * 5 } else { bytes };
        if below(CLAIM_FREE_BYTES, self >= Shortage::Claims) {
            Shortage::Claims
        } else if below(SUBMIT_FREE_BYTES, self >= Shortage::Submits) {
            Shortage::Submits
        } else {
            Shortage::Nothing
        }
    }

    /// Whether such a request is refused.
    pub(crate) fn refuses(self, load: Load) -> bool {
        match load {
            Load::Submit => self >= Shortage::Submits,
            Load::Claim => self >= Shortage::Claims,
            Load::Other | Load::Complete => false,
        }
    }
}

impl From<u8> for Shortage {
    fn from(level: u8) -> Shortage {
        match level {
            0 => Shortage::Nothing,
            1 => Shortage::Submits,
            _ => Shortage::Claims,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submits_are_refused_before_claims_and_taken_again_after_them() {
        let mut shortage = Shortage::Nothing;
        let mut after = |free: u64| {
            shortage = shortage.with(free);
            (shortage.refuses(Load::Submit), shortage.refuses(Load::Claim))
        };
        assert_eq!(after(SUBMIT_FREE_BYTES), (false, false));
        assert_eq!(after(SUBMIT_FREE_BYTES - 1), (true, false));
        assert_eq!(after(CLAIM_FREE_BYTES - 1), (true, true));
        assert_eq!(after(0), (true, true));
        assert_eq!(after(CLAIM_FREE_BYTES), (true, true));
        assert_eq!(after(CLAIM_FREE_BYTES / 4 * 5), (true, false));
        assert_eq!(after(SUBMIT_FREE_BYTES), (true, false));
        assert_eq!(after(SUBMIT_FREE_BYTES / 4 * 5), (false, false));
        assert!(!Shortage::Claims.refuses(Load::Complete) && !Shortage::Claims.refuses(Load::Other));
        for level in [Shortage::Nothing, Shortage::Submits, Shortage::Claims] {
            assert_eq!(Shortage::from(level as u8), level);
        }
    }
}

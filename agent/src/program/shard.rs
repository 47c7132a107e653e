//! The shard of all tasks that this agent asks for.

use std::str::FromStr;

use swarm_proto::{limits::MAX_SHARDS, v1::Shard};

/// The choice of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardId {
    /// Shards that the coordinator chooses.
    Auto,
    /// This shard, counted from 0.
    Fixed(u32),
}

/// The shard to claim from; `None` is all tasks.
pub(crate) fn of(count: u32, id: ShardId) -> Option<Shard> {
    let index = match id {
        ShardId::Auto => None,
        ShardId::Fixed(index) => Some(index),
    };
    (count > 1).then_some(Shard { count, index })
}

/// The fault of this choice among so many shards.
pub(crate) fn fault(count: u32, id: ShardId) -> Option<String> {
    match id {
        ShardId::Fixed(index) if index >= count => {
            let there = match count {
                1 => "is only shard 0".to_owned(),
                _ => format!("are only the shards 0 to {}", count - 1),
            };
            Some(format!(
                "--shard-id is {index}, and with --shard-count {count} there {there}"
            ))
        }
        ShardId::Auto | ShardId::Fixed(_) => None,
    }
}

impl FromStr for ShardId {
    type Err = String;

    fn from_str(text: &str) -> Result<ShardId, String> {
        if text == "auto" {
            return Ok(ShardId::Auto);
        }
        match text.parse() {
            Ok(index) if index < MAX_SHARDS => Ok(ShardId::Fixed(index)),
            _ => Err(format!("expected auto, or a number from 0 to {}", MAX_SHARDS - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::config::Config;

    fn shard(flags: &[&str]) -> Result<Option<Shard>, String> {
        Config::read(["agent"].iter().chain(flags))
            .map(|config| config.shard())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_shard_is_no_shard_and_auto_leaves_the_choice_to_the_coordinator() {
        assert_eq!(shard(&[]), Ok(None));
        assert_eq!(shard(&["--shard-id", "0"]), Ok(None));
        let auto = Shard {
            count: 4,
            index: None,
        };
        assert_eq!(shard(&["--shard-count", "4"]), Ok(Some(auto)));
        let last = Shard {
            count: 4,
            index: Some(3),
        };
        assert_eq!(shard(&["--shard-count", "4", "--shard-id", "3"]), Ok(Some(last)));
    }

    #[test]
    fn a_shard_that_there_is_not_is_refused_with_those_there_are() {
        let refused = shard(&["--shard-count", "4", "--shard-id", "4"]).unwrap_err();
        assert!(refused.contains("the shards 0 to 3"), "{refused}");
        for flags in [
            ["--shard-count", "0"],
            ["--shard-count", "257"],
            ["--shard-id", "x"],
        ] {
            assert!(shard(&flags).is_err(), "{flags:?}");
        }
    }
}

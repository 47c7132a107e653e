//! The coordinator's clock and this machine's: its times are shown, and ages are counted from ours.

use std::time::Duration;

use jiff::Timestamp;
use swarm_proto::{duration::format_duration, v1::GetStatusRequest};

use super::client::Client;
use crate::{
    output::{Output, text},
    program::{clock, terminal::hint},
};

/// A larger difference is told: it is plainly seen in ages.
const MAX_DIFFERENCE: Duration = Duration::from_secs(5);

/// Tells people that read ages when the clocks differ.
pub(crate) async fn compare(client: &Client, output: &Output) {
    if !output.format.is_for_people() {
        return;
    }
    let asked = clock::now();
    // What was asked for is shown; a failure of this extra question is not worth a word.
    let Ok(status) = client.call(GetStatusRequest {}).await else {
        return;
    };
    if let Some(theirs) = status.server_time.as_ref().and_then(text::moment)
        && let Some(difference) = difference(asked, clock::now(), theirs)
    {
        hint(format!(
            "this machine's clock is {difference} the coordinator's, and ages are counted from it"
        ));
    }
}

/// `2m ahead of`, unless the way of question and answer explains it.
fn difference(asked: Timestamp, answered: Timestamp, theirs: Timestamp) -> Option<String> {
    let (length, direction) = match theirs > answered {
        true => (theirs.duration_since(answered), "behind"),
        false => (asked.duration_since(theirs), "ahead of"),
    };
    let length = Duration::from_secs(u64::try_from(length.as_secs()).ok()?);
    (length > MAX_DIFFERENCE).then(|| format!("{} {direction}", format_duration(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_that_the_way_does_not_explain() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let told = |theirs| difference(at(100), at(110), at(theirs));
        assert_eq!(told(230).as_deref(), Some("2m behind"));
        assert_eq!(told(40).as_deref(), Some("1m ahead of"));
        for theirs in [95, 100, 105, 110, 115] {
            assert_eq!(told(theirs), None, "{theirs}");
        }
    }
}

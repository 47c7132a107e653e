//! Who answers at the coordinator's addresses, as far as is known (pure).
//!
//! An address may pass to another coordinator with other data. So after every lost answer the agent asks an address
//! for its cluster id again, before it sends anything that belongs to one cluster.

use std::time::{Duration, Instant};

/// How often the log repeats that the coordinator is away.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// The knowledge about all addresses.
pub(super) struct Contact {
    /// The cluster that this agent works for; `None` before it has joined one.
    cluster_id: Option<String>,
    addresses: Vec<AddressRecord>,
    silence: Option<Silence>,
    stranger: Option<Stranger>,
}

/// The knowledge about one address.
#[derive(Clone, Copy, Default)]
struct AddressRecord {
    /// Answers that were lost or came from another coordinator.
    losses: u64,
    /// The number of losses when the address last named the right cluster.
    verified: Option<u64>,
}

/// The time without any answer.
struct Silence {
    since: Instant,
    said: Instant,
}

/// Another coordinator, with other data, at the address of our own.
#[derive(Clone, Debug)]
pub(crate) struct Stranger {
    /// The cluster id of the other coordinator.
    pub(crate) cluster_id: String,
    /// When the other coordinator first answered.
    pub(crate) since: Instant,
    said: Instant,
}

impl Stranger {
    /// Whether our own coordinator has not answered for this long since then.
    pub(crate) fn is_lasting(&self, now: Instant, long: Duration) -> bool {
        now.duration_since(self.since) >= long
    }
}

/// A question that an address has to answer before it is believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The cluster id that the address has to name.
    pub(super) expected: String,
    losses: u64,
}

impl Contact {
    /// Knows nothing about any of so many addresses.
    pub(super) fn new(count: usize) -> Contact {
        Contact {
            cluster_id: None,
            addresses: vec![AddressRecord::default(); count],
            silence: None,
            stranger: None,
        }
    }

    /// Works for this cluster from now on; with `None` for any cluster that answers.
    pub(super) fn work_for(&mut self, cluster_id: Option<String>) {
        self.cluster_id = cluster_id;
        self.stranger = None;
        for record in &mut self.addresses {
            record.verified = None;
        }
    }

    /// The doubt about an address before the next call, if there is one.
    pub(super) fn doubt(&self, address: usize) -> Option<Doubt> {
        let record = self.addresses[address];
        let is_verified = record.verified == Some(record.losses);
        if is_verified { None } else { self.question(address) }
    }

    /// The doubt about an answer that an address just gave.
    pub(super) fn question(&self, address: usize) -> Option<Doubt> {
        Some(Doubt {
            expected: self.cluster_id.clone()?,
            losses: self.addresses[address].losses,
        })
    }

    /// The address named the right cluster. That counts only if no answer was lost since the doubt arose.
    pub(super) fn settle(&mut self, address: usize, doubt: &Doubt) {
        self.addresses[address].verified = Some(doubt.losses);
    }

    /// Our own coordinator answers; returns for how long it did not.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Duration> {
        let stranger = self.stranger.take().map(|stranger| stranger.since);
        let silence = self.silence.take().map(|silence| silence.since);
        let since = stranger.into_iter().chain(silence).min()?;
        Some(now.duration_since(since))
    }

    /// Whether the last answer was lost.
    pub(super) fn is_silent(&self) -> bool {
        self.silence.is_some()
    }

    /// An answer was lost; true when the log should say so.
    pub(super) fn lost(&mut self, address: usize, now: Instant) -> bool {
        self.addresses[address].losses += 1;
        let Some(silence) = &mut self.silence else {
            self.silence = Some(Silence {
                since: now,
                said: now,
            });
            return true;
        };
        say_again(&mut silence.said, now)
    }

    /// Another coordinator answered; true when the log should say so.
    pub(super) fn met(&mut self, address: usize, cluster_id: &str, now: Instant) -> bool {
        self.addresses[address].losses += 1;
        let Some(stranger) = &mut self.stranger else {
            self.stranger = Some(Stranger {
                cluster_id: cluster_id.to_owned(),
                since: now,
                said: now,
            });
            return true;
        };
        // Several addresses may belong to several other coordinators.
        cluster_id.clone_into(&mut stranger.cluster_id);
        say_again(&mut stranger.said, now)
    }

    /// The other coordinator, if one has answered since our own did.
    pub(super) fn stranger(&self) -> Option<&Stranger> {
        self.stranger.as_ref()
    }
}

/// Whether it is time to repeat a log line. The answer yes starts the next minute.
fn say_again(said: &mut Instant, now: Instant) -> bool {
    let due = now.duration_since(*said) >= SAY_AGAIN;
    if due {
        *said = now;
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn own() -> Contact {
        let mut contact = Contact::new(2);
        contact.work_for(Some("own".to_owned()));
        contact
    }

    fn verify(contact: &mut Contact, address: usize) {
        let doubt = contact.doubt(address).unwrap();
        contact.settle(address, &doubt);
    }

    #[test]
    fn each_address_is_asked_once_and_again_after_each_loss() {
        let mut contact = own();
        verify(&mut contact, 0);
        assert_eq!(contact.doubt(0), None);
        assert!(contact.doubt(1).is_some());
        contact.lost(0, Instant::now());
        verify(&mut contact, 0);
        contact.met(0, "other", Instant::now());
        assert_eq!(contact.doubt(0).unwrap().expected, "own");
    }

    #[test]
    fn an_answer_that_was_asked_for_before_a_loss_proves_nothing() {
        let mut contact = own();
        let doubt = contact.doubt(0).unwrap();
        contact.lost(0, Instant::now());
        contact.settle(0, &doubt);
        assert!(contact.doubt(0).is_some());
    }

    #[test]
    fn whoever_is_there_is_believed_before_a_choice_is_made() {
        assert_eq!(Contact::new(1).doubt(0), None);
    }

    #[test]
    fn silence_is_told_at_once_and_then_once_a_minute() {
        let (mut contact, begin) = (own(), Instant::now());
        let told: Vec<_> = (0..130)
            .filter(|n| contact.lost(0, begin + *n * SECOND))
            .collect();
        assert_eq!(told, [0, 60, 120]);
        assert_eq!(contact.answered(begin + 130 * SECOND), Some(130 * SECOND));
        assert_eq!(contact.answered(begin + 140 * SECOND), None);
        assert!(contact.lost(0, begin + 141 * SECOND));
    }

    #[test]
    fn a_stranger_lasts_from_its_first_answer_until_our_own_answers() {
        let (mut contact, begin) = (own(), Instant::now());
        let told: Vec<_> = (0..70)
            .filter(|n| contact.met(0, "other", begin + *n * SECOND))
            .collect();
        assert_eq!(told, [0, 60]);
        let lasts = |contact: &Contact, seconds: u32| {
            let stranger = contact.stranger().unwrap();
            stranger.is_lasting(begin + seconds * SECOND, 70 * SECOND)
        };
        assert!(!lasts(&contact, 69) && lasts(&contact, 70));
        contact.answered(begin + 71 * SECOND);
        assert!(contact.stranger().is_none());
        assert!(contact.met(0, "other", begin + 72 * SECOND));
        assert!(!lasts(&contact, 73));
    }
}

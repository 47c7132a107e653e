//! Last words: what the guard says to the coordinator when the agent has died. The agent writes them down with each
//! registration, because a dead process can say nothing.

use std::io;

use prost::Message as _;
use swarm_proto::{call::CallFailure, reason::Reason, v1::ReportDeathRequest};
use tokio::sync::watch;

use super::{CallError, Coordinator};

/// Longer words are none: they are some hundred bytes.
const MAX_BYTES: usize = 4096;

/// The last words as they are by now, for the agent that changes them. Empty ones are never said.
#[derive(Clone)]
pub(crate) struct LastWords(watch::Sender<ReportDeathRequest>);

impl LastWords {
    /// Nothing to say yet.
    pub(crate) fn none() -> LastWords {
        LastWords(watch::channel(ReportDeathRequest::default()).0)
    }

    /// The session that the agent has from now on.
    pub(crate) fn set(&self, words: ReportDeathRequest) {
        self.0.send_replace(words);
    }

    /// Takes them back: the agent has said goodbye, or leaves without one on purpose.
    pub(crate) fn take_back(&self) {
        self.0.send_replace(ReportDeathRequest::default());
    }

    /// The words and their changes, for the pipe to the guard.
    pub(crate) fn watch(&self) -> watch::Receiver<ReportDeathRequest> {
        self.0.subscribe()
    }
}

/// The words as the pipe carries them; later ones take the place of those before.
pub(crate) fn written(words: &ReportDeathRequest) -> Vec<u8> {
    words.encode_length_delimited_to_vec()
}

/// Reads the pipe to its end, and answers the words that came last; `None` when there is nothing to say. Nonsense is
/// read to the end, too: the agent lives as long as the pipe is open.
pub(crate) fn read(mut pipe: impl io::Read) -> Option<ReportDeathRequest> {
    let (mut bytes, mut last) = (Vec::new(), ReportDeathRequest::default());
    let mut is_nonsense = false;
    let mut buffer = [0; 512];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) if is_nonsense => {}
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        let mut rest = bytes.as_slice();
        let mut unread = rest.len();
        while let Ok(words) = ReportDeathRequest::decode_length_delimited(&mut rest) {
            (last, unread) = (words, rest.len());
        }
        bytes.drain(..bytes.len() - unread);
        if bytes.len() > MAX_BYTES {
            is_nonsense = true;
            bytes.clear();
        }
    }
    (!is_nonsense && !last.agent_id.is_empty()).then_some(last)
}

impl Coordinator {
    /// Says the last words, again and again until somebody answers.
    pub(crate) async fn report_death(&self, words: &ReportDeathRequest) -> Result<Told, CallError> {
        let send = |channel| {
            let words = words.clone();
            async move { super::coordinator_service(channel).report_death(words).await }
        };
        match self
            .call(
                "say that the agent died",
                super::ANSWER_LIMIT,
                send,
                super::none_doubtful,
            )
            .await
        {
            Ok(answer) => Ok(Told::Heard {
                leases: answer.leases,
            }),
            Err(CallError::Failed(failure)) if is_no_news(&failure) => Ok(Told::NoNews),
            Err(error) => Err(error),
        }
    }
}

/// What the coordinator made of the last words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The agent is lost, with so many leases.
    Heard { leases: u32 },
    /// Another process has taken the dead one's place, or nobody knows the agent any more.
    NoNews,
}

fn is_no_news(failure: &CallFailure) -> bool {
    matches!(
        failure.reason(),
        Some(Reason::AgentReplaced | Reason::AgentNotFound | Reason::SessionUnproven)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(session: u64) -> ReportDeathRequest {
        ReportDeathRequest {
            agent_id: "k3x9".to_owned(),
            session,
            session_token: vec![7; 16],
        }
    }

    #[test]
    fn the_words_that_came_last_are_said_even_when_the_agent_died_while_it_wrote() {
        let cut = &written(&words(3))[..9];
        let pipe = [written(&words(1)), written(&words(2)), cut.to_vec()].concat();
        assert_eq!(read(pipe.as_slice()), Some(words(2)));
    }

    #[test]
    fn words_that_were_taken_back_and_nonsense_are_not_said() {
        let nothing = written(&ReportDeathRequest::default());
        let taken_back = [written(&words(1)), nothing.clone()].concat();
        let nonsense = [written(&words(1)), vec![0xFF; 10_000]].concat();
        for pipe in [Vec::new(), nothing, taken_back, nonsense] {
            let mut pipe = pipe.as_slice();
            assert_eq!(read(&mut pipe), None);
            assert!(pipe.is_empty(), "the guard acts before the agent's end");
        }
    }
}

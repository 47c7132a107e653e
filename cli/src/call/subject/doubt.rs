//! The doubt whether the beginning of an id means what is to be changed.
//!
//! A script that names `build` would change `build-17` once `build` is removed. So a person is asked, and where nobody
//! can be asked nothing is changed.

use swarm_program::{exit::Exit, failure::Failure};

use super::{Finder, Kind};
use crate::{
    output::{
        state,
        text::{self, shell_word},
    },
    program::{confirmation, terminal::note},
};

/// At least this many characters may mean what is changed. A mistyped or cut word of one or two begins some id too
/// often.
const LEAST_TO_CHANGE: usize = 4;

/// The change that a verb makes, in words: `release` `its lease`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub verb: &'static str,
    /// To what it is done: `it`, or something of it.
    pub object: &'static str,
    /// What becomes of a doubt.
    pub doubt: Doubt,
}

/// What becomes of a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A person is asked.
    Asked,
    /// The command line has answered it.
    Answered,
    /// Nobody is to be asked, and the answer would have to be no.
    Refused,
}

impl Change {
    /// A change of the thing itself, about which a person is asked.
    pub const fn of_it(verb: &'static str) -> Change {
        Change {
            verb,
            object: "it",
            doubt: Doubt::Asked,
        }
    }

    /// The same, with another end of a doubt.
    #[must_use]
    pub const fn with(self, doubt: Doubt) -> Change {
        Change { doubt, ..self }
    }
}

/// Returns when the one thing that begins so is meant to be changed.
///
/// # Errors
///
/// When nobody says so, or the coordinator cannot be asked.
pub(super) async fn settle(
    finder: Finder<'_>,
    change: Change,
    prefix: &str,
    (kind, id): (Kind, &str),
    doing: &str,
) -> anyhow::Result<()> {
    let noun = kind.noun();
    if prefix.len() < LEAST_TO_CHANGE {
        let sentence = format!("{doing}: '{prefix}' is too short to be sure that {noun} {id} is meant");
        return Err(refusal(Exit::Usage, sentence, change, prefix, id).into());
    }
    let state = state(finder, kind, id, doing).await?;
    let meaning = format!("'{prefix}' is the beginning of {noun} {id}{state}");
    let Change { verb, object, doubt } = change;
    let answer = match doubt {
        Doubt::Answered => {
            note(meaning);
            return Ok(());
        }
        Doubt::Asked => confirmation::ask(&format!("{meaning}. {} {object}", capitalised(verb)))?,
        Doubt::Refused => None,
    };
    match answer {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Exit::Failed, format!("{doing}: it was not confirmed")).into()),
        None => {
            let sentence = format!("{doing}: {meaning}, and a change needs the whole id");
            Err(refusal(Exit::Usage, sentence, change, prefix, id).into())
        }
    }
}

fn refusal(exit: Exit, sentence: String, change: Change, prefix: &str, id: &str) -> Failure {
    let Change { verb, object, .. } = change;
    let line = typed_with(prefix, id).unwrap_or_else(|| format!("give the id {id}"));
    Failure::new(exit, sentence).help(format!("to {verb} {object}: {line}"))
}

/// ` (running)`; nothing about what is gone.
async fn state(finder: Finder<'_>, kind: Kind, id: &str, doing: &str) -> anyhow::Result<String> {
    let state = match kind {
        Kind::Task => {
            let found = finder.whole_task(id, doing).await?;
            found.map(|(task, _)| state::word(task.state()).to_owned())
        }
        Kind::Job => {
            let found = finder.whole_job(id, doing).await?;
            found.map(|(job, _)| {
                let counts = job.counts.unwrap_or_default();
                let ended = counts.succeeded + counts.failed + counts.cancelled + counts.skipped;
                let total = u64::from(job.task_count);
                match total.saturating_sub(ended) {
                    0 => "all of its tasks have ended".to_owned(),
                    open => format!("{open} of its {} not ended", text::counted(total, "task")),
                }
            })
        }
        Kind::Agent => {
            let found = finder.whole_agent(id, doing).await?;
            found
                .map(|agent| agent.name)
                .filter(|name| !name.is_empty() && name != id)
        }
    };
    Ok(state.map(|state| format!(" ({state})")).unwrap_or_default())
}

/// `Cancel`.
fn capitalised(verb: &str) -> String {
    let mut letters = verb.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The command line of this call with another word in place of one; `None` when the word is there not at all or several
/// times: nothing tells which of them is meant.
fn typed_with(word: &str, other: &str) -> Option<String> {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.to_string_lossy().into_owned());
    line_with(words.collect(), word, other)
}

fn line_with(mut words: Vec<String>, word: &str, other: &str) -> Option<String> {
    // The words of standard input are not on the line, and the same word there means something else.
    if words.iter().any(|typed| typed == "-") {
        return None;
    }
    let is_value = |typed: &str| {
        let option = typed.strip_prefix("--").and_then(|option| option.split_once('='));
        option.is_some_and(|(_, value)| value == word)
    };
    let mut places = (0..words.len()).filter(|&place| words[place] == word || is_value(&words[place]));
    let (Some(place), None) = (places.next(), places.next()) else {
        return None;
    };
    let kept = words[place].len() - word.len();
    words[place].truncate(kept);
    words[place].push_str(other);
    let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    Some(format!("swarmctl {}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_command_line_is_replaced_where_it_stands_once() {
        for (typed, word, expected) in [
            ("cancel deploy", "deploy", Some("swarmctl cancel deploy-prod")),
            ("cancel cancel", "cancel", None),
            ("cancel --job deploy --queue deploy", "deploy", None),
            ("cancel --job deploy --queue=deploy", "deploy", None),
            (
                "cancel --job deploy --label=x=deploy",
                "deploy",
                Some("swarmctl cancel --job deploy-prod --label=x=deploy"),
            ),
            ("cancel - --queue deploy", "deploy", None),
            (
                "cancel --job=deploy --label team=a",
                "deploy",
                Some("swarmctl cancel --job=deploy-prod --label team=a"),
            ),
            ("cancel -", "deploy", None),
        ] {
            let words = typed.split(' ').map(str::to_owned).collect();
            assert_eq!(
                line_with(words, word, "deploy-prod").as_deref(),
                expected,
                "{typed}"
            );
        }
    }
}

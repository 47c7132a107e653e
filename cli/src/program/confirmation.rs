//! The question before a change that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use swarm_program::{exit::Exit, failure::Failure, words::clean::clean_line};

/// Whether `--yes` was given, or a person at the terminal agrees. `what` names the change: `cancel 3 tasks`.
///
/// # Errors
///
/// When standard input is no terminal, so that nobody can be asked.
pub(crate) fn is_confirmed(what: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        let sentence = format!("not confirmed: {what}");
        let failure = Failure::new(Exit::Usage, sentence);
        return Err(failure
            .help("standard input is no terminal to ask on: add --yes")
            .into());
    }
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}? [y/N] ", clean_line(what)).and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

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
    ask(what)?.ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, format!("not confirmed: {what}"));
        let help = "standard input is no terminal to ask on: add --yes";
        failure.help(help).into()
    })
}

/// The answer of a person at the terminal; `None` when standard input is no terminal, so that nobody can be asked.
///
/// # Errors
///
/// When standard input cannot be read.
pub(crate) fn ask(what: &str) -> io::Result<Option<bool>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}? [y/N] ", clean_line(what)).and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(Some(matches!(answer.as_str(), "y" | "yes")))
}

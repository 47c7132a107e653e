//! The question before a change that cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use swarm_program::{exit::Exit, failure::Failure, words::clean::clean_line};

/// Whether `--yes` was given, or a person at the terminal agrees. `what` names the change: `cancel 3 tasks`.
///
/// # Errors
///
/// When nobody can be asked.
pub(crate) fn is_confirmed(what: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    ask(what)?.ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, format!("not confirmed: {what}"));
        let stream = match io::stdin().is_terminal() {
            true => "error",
            false => "input",
        };
        let help = format!("standard {stream} is no terminal to ask on: add --yes");
        failure.help(help).into()
    })
}

/// The answer of a person at the terminal; `None` when nobody can be asked. The question is on standard error and the
/// answer on standard input: who is not at both of them would not see what is waited for, or could not answer.
///
/// # Errors
///
/// When standard input cannot be read.
pub(crate) fn ask(what: &str) -> io::Result<Option<bool>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{}? [y/N] ", clean_line(what)).and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(Some(matches!(answer.as_str(), "y" | "yes")))
}

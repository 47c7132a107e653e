//! Reading the words of a request.

use std::{str::FromStr, sync::Arc, time::Duration};

use swarm_engine::{
    command::{complete::Reported, submit::NewTask},
    id::{AttemptNumber, GroupName, QueueName, TaskId},
    noun::{
        needs::{Bucket, Executor, Needs},
        outcome::{Blame, Failure, Output},
        rules::Program,
        selector::Selector,
        task::Condition,
        tries::RetryPolicy,
    },
    time::Timestamp,
};

/// The words of a line, taken one after the other.
pub(crate) struct Words<'a> {
    words: std::iter::Peekable<std::str::SplitWhitespace<'a>>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Words<'a> {
        Words {
            words: line.split_whitespace().peekable(),
        }
    }

    pub(crate) fn word(&mut self) -> Option<&'a str> {
        self.words.next()
    }

    pub(crate) fn need(&mut self, what: &str) -> Result<&'a str, String> {
        self.words.next().ok_or_else(|| format!("{what} is missing"))
    }

    /// The next word, if it begins with a digit: then it is no keyword.
    pub(crate) fn number<T: FromStr>(&mut self) -> Option<T> {
        let number = self.words.peek()?.parse().ok()?;
        self.words.next();
        Some(number)
    }

    pub(crate) fn need_number<T: FromStr>(&mut self, what: &str) -> Result<T, String> {
        self.number().ok_or_else(|| format!("{what} is not a number"))
    }

    pub(crate) fn need_duration(&mut self) -> Result<Duration, String> {
        duration(self.need("a duration")?)
    }

    /// Takes the next word if it is this one, and answers whether it was.
    pub(crate) fn takes(&mut self, word: &str) -> bool {
        self.words.next_if_eq(&word).is_some()
    }

    /// The following attempts, such as `a#1`.
    pub(crate) fn attempts(&mut self) -> Result<Vec<(TaskId, AttemptNumber)>, String> {
        let mut attempts = Vec::new();
        while let Some(word) = self.words.next_if(|word| word.contains('#')) {
            attempts.push(attempt(word)?);
        }
        Ok(attempts)
    }
}

pub(crate) fn attempt(word: &str) -> Result<(TaskId, AttemptNumber), String> {
    let parse = || {
        let (task, number) = word.split_once('#')?;
        Some((TaskId::parse(task).ok()?, AttemptNumber(number.parse().ok()?)))
    };
    parse().ok_or_else(|| format!("{word} is no attempt such as a#1"))
}

/// A duration such as `90s`, `250ms`, `5m`, `2h` or `3d`.
pub(crate) fn duration(word: &str) -> Result<Duration, String> {
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let unit = match &word[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("{word} is no duration")),
    };
    let count: u64 = word[..digits]
        .parse()
        .map_err(|_| format!("{word} is no duration"))?;
    Ok(Duration::from_millis(count * unit))
}

/// A task such as `b needs a retries 1 delay 10s`. Its spec is the text itself.
pub(crate) fn task(text: &str, now: Timestamp) -> Result<NewTask, String> {
    let mut words = Words::of(text);
    let mut task = NewTask {
        id: TaskId::parse(words.need("a task id")?)?,
        spec: text.trim().as_bytes().into(),
        needs: Needs::command(QueueName::stored("default")),
        bucket: Bucket(0),
        priority: 0,
        dependencies: Vec::new(),
        retry: RetryPolicy {
            max_retries: 2,
            initial_backoff: Duration::from_secs(5).into(),
            max_backoff: Duration::from_secs(300).into(),
        },
        timeout: Duration::from_secs(3600).into(),
        not_before: None,
        delay: None,
        deadline: None,
    };
    while let Some(word) = words.word() {
        match word {
            "needs" => {
                let id = TaskId::parse(words.need("a task id")?)?;
                let condition = if words.takes("finished") {
                    Condition::Finished
                } else {
                    Condition::Succeeded
                };
                task.dependencies.push((id, condition));
            }
            "priority" => task.priority = words.need_number("priority")?,
            "retries" => task.retry.max_retries = words.need_number("retries")?,
            "queue" => task.needs.class.queue = QueueName::parse(words.need("a queue")?)?,
            "requires" => {
                let terms: Vec<&str> = words.need("terms")?.split(',').collect();
                task.needs.class.selector = Selector::parse(&terms).map_err(|faults| faults[0].1.clone())?;
            }
            "runs" => task.needs.program = Program::of_command(words.need("a program")?, false),
            "prompt" => task.needs.class.executor = Executor::Prompt,
            "group" => task.needs.group = Some(GroupName::parse(words.need("a group")?)?),
            "bucket" => task.bucket = Bucket(words.need_number("bucket")?),
            "timeout" => task.timeout = words.need_duration()?.into(),
            "delay" => task.delay = Some(words.need_duration()?),
            "not-before" => task.not_before = Some(Timestamp(0) + words.need_duration()?),
            "deadline" => task.deadline = Some(now + words.need_duration()?),
            "size" => task.spec = vec![b'x'; words.need_number("size")?].into(),
            other => return Err(format!("a task has no {other}")),
        }
    }
    Ok(task)
}

/// An outcome such as `success`, `failure exit [code 127] blame machine`, `cancelled` or `released busy`.
/// What an attempt printed: `printed 10 kept 4`; nothing when absent.
pub(crate) fn output(words: &mut Words<'_>) -> Result<Output, String> {
    if !words.takes("printed") {
        return Ok(Output::default());
    }
    let stdout_bytes = words.need_number("the number of bytes")?;
    let kept: usize = match words.takes("kept") {
        true => words.need_number("how many are kept")?,
        false => usize::try_from(stdout_bytes).map_err(|_| "too much is printed")?,
    };
    Ok(Output {
        stdout: vec![b'x'; kept],
        stdout_bytes,
        ..Output::default()
    })
}

pub(crate) fn outcome(words: &mut Words<'_>) -> Result<Reported, String> {
    match words.need("an outcome")? {
        "success" => Ok(Reported::Success),
        "cancelled" => Ok(Reported::Cancelled),
        "released" => Ok(Reported::Released {
            reason: words.need("a reason")?.into(),
            refused: words.takes("refused"),
        }),
        "failure" => {
            let reason: Arc<str> = words.need("a reason")?.into();
            let exit_code = match words.takes("code") {
                true => words.need_number("an exit code")?,
                false => 1,
            };
            let blame = match words.takes("blame").then(|| words.word()).flatten() {
                None => Blame::Task,
                Some("machine") => Blame::Machine,
                Some("provider") => Blame::Provider,
                Some(other) => return Err(format!("nobody is called {other}")),
            };
            let retry_after = if words.takes("retry-after") {
                Some(words.need_duration()?)
            } else {
                None
            };
            let failure = Failure {
                message: reason.clone(),
                reason,
                blame,
                exit_code: Some(exit_code),
                signal: None,
            };
            Ok(Reported::Failure { failure, retry_after })
        }
        other => Err(format!("{other} is no outcome")),
    }
}

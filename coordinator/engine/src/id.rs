//! Identities: names that people and programs choose, and numbers that the journal gives.

use std::{borrow::Borrow, fmt, sync::Arc};

use crate::limits::MAX_ID_BYTES;

/// The number of an event in the journal, from 1 and without gaps. 0 is before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The next number.
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

/// The place of a task or job in the order of creation: the seq of the event that submitted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

/// The number of an attempt of a task, from 1. It only rises, for the life of the task's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptNumber(pub u32);

/// The number of an agent's session, which rises with each registration. A newer session ends the older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub u64);

/// 128 random bits: they prove that a caller was given a lease. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LeaseToken(pub [u8; 16]);

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseToken(…)")
    }
}

/// 128 random bits: they prove that a caller has an agent's session. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionToken(pub [u8; 16]);

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// The hash of a report: a repeated report has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportHash(pub [u8; 16]);

macro_rules! name {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a name that came from outside.
            ///
            /// # Errors
            ///
            /// A sentence that says how a valid name looks.
            pub fn parse(text: &str) -> Result<Self, String> {
                check_name(text)?;
                Ok($name(text.into()))
            }

            /// Takes a name that was checked before it was stored.
            pub fn stored(text: &str) -> Self {
                $name(text.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(TaskId, "A task's id, chosen by its submitter; unique for ever.");
name!(JobId, "A job's id, chosen by its submitter; unique for ever.");
name!(AgentId, "An agent's id, made at its first start.");
name!(QueueName, "A named line of tasks.");
name!(
    GroupName,
    "An exclusive group: at most one of its tasks runs at a time."
);

/// Ids name directories on agents and stand in command lines, so they are plain.
fn check_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.len() > MAX_ID_BYTES {
        return Err(format!(
            "has {} bytes, at most {MAX_ID_BYTES} are allowed",
            text.len()
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(plain) {
        return Err(format!(
            "{text:?} must begin with a letter or digit and have only letters, digits and . _ : -"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_enough_to_name_a_directory() {
        for good in ["task_001", "2.6.1.a", "a", "A:b-c"] {
            assert!(TaskId::parse(good).is_ok(), "{good:?} was refused");
        }
        for bad in [
            "",
            ".hidden",
            "../x",
            "a/b",
            "-rf",
            "ä",
            "a b",
            "a\n",
            &"x".repeat(129),
        ] {
            assert!(TaskId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        assert_eq!(format!("{:?}", SessionToken([7; 16])), "SessionToken(…)");
        assert_eq!(format!("{:?}", LeaseToken([7; 16])), "LeaseToken(…)");
    }
}

//! Checks of a request's fields that notes every fault with its path, so that all are reported together.

use std::{collections::BTreeMap, fmt, time::Duration};

use swarm_engine::{
    id::{AgentId, JobId, TaskId},
    noun::selector::Selector,
    rejection::{FaultKind, Faults, Rejection},
};
use swarm_proto::limits::{MAX_KEY_BYTES, MAX_PAIRS, MAX_VALUE_BYTES, MAX_WAIT};

use super::{
    text::quoted,
    time::{describe, read_duration},
};

/// The fields below one place of a request.
pub(crate) struct Fields<'a> {
    /// The path of the place, such as `tasks[3].spec`; empty for the request itself.
    place: String,
    faults: &'a mut Faults,
}

impl<'a> Fields<'a> {
    /// The fields of the request itself.
    pub(crate) fn of_request(faults: &'a mut Faults) -> Self {
        Self::at("", faults)
    }

    /// The fields below this path.
    pub(crate) fn at(place: impl Into<String>, faults: &'a mut Faults) -> Self {
        Fields {
            place: place.into(),
            faults,
        }
    }

    /// The fields below one of these.
    pub(crate) fn below(&mut self, field: &str) -> Fields<'_> {
        let place = if self.place.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.place)
        };
        Fields {
            place,
            faults: self.faults,
        }
    }

    /// Notes a fault of a field.
    pub(crate) fn refuse(&mut self, field: impl fmt::Display, description: impl Into<String>) {
        let path = if self.place.is_empty() {
            field.to_string()
        } else {
            format!("{}.{field}", self.place)
        };
        self.faults.add(FaultKind::Field, path, description);
    }

    /// Notes a fault of the place itself.
    pub(crate) fn refuse_place(&mut self, description: impl Into<String>) {
        self.faults.add(FaultKind::Field, self.place.clone(), description);
    }

    /// A name in the form of an id. `None` when it has a fault.
    pub(crate) fn name<T>(
        &mut self,
        field: impl fmt::Display,
        text: &str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(text).map_err(|fault| self.refuse(field, fault)).ok()
    }

    /// Text of at most `max` bytes.
    pub(crate) fn text(&mut self, field: impl fmt::Display, text: &str, max: usize) {
        if text.len() > max {
            self.refuse(
                field,
                format!("has {} bytes, at most {max} are allowed", text.len()),
            );
        }
    }

    /// At most `max` items.
    pub(crate) fn count(&mut self, field: impl fmt::Display, count: usize, max: usize) {
        if count > max {
            self.refuse(field, format!("has {count} items, at most {max} are allowed"));
        }
    }

    /// Labels or metadata.
    pub(crate) fn pairs(&mut self, field: &str, pairs: &BTreeMap<String, String>) {
        if pairs.len() > MAX_PAIRS {
            self.refuse(
                field,
                format!("has {} pairs, at most {MAX_PAIRS} are allowed", pairs.len()),
            );
            return;
        }
        for (key, value) in pairs {
            if key.is_empty() {
                self.refuse(field, "has a pair without a key");
            }
            for (what, text, max) in [
                ("the key", key, MAX_KEY_BYTES),
                ("the value of", value, MAX_VALUE_BYTES),
            ] {
                if text.len() > max {
                    let size = text.len();
                    self.refuse(
                        field,
                        format!(
                            "{what} {} has {size} bytes, at most {max} are allowed",
                            quoted(key)
                        ),
                    );
                }
            }
        }
    }

    /// A duration, in whole milliseconds. `None` when it is absent or has a fault.
    pub(crate) fn duration(
        &mut self,
        field: &str,
        length: Option<&prost_types::Duration>,
    ) -> Option<Duration> {
        read_duration(length?)
            .map_err(|fault| self.refuse(field, fault))
            .ok()
    }

    /// How long an answer may be held back; no time when it does not say.
    pub(crate) fn wait(&mut self, field: &str, wait: Option<&prost_types::Duration>) -> Duration {
        let wait = self.duration(field, wait).unwrap_or(Duration::ZERO);
        if wait > MAX_WAIT {
            let (wait, most) = (describe(wait), describe(MAX_WAIT));
            self.refuse(field, format!("is {wait}, at most {most} are allowed"));
        }
        wait
    }
}

/// The refusal of a request with faults, or what was made of it.
///
/// # Errors
///
/// [`Rejection::Invalid`] when there is a fault.
pub(crate) fn unless_faulty<T>(value: Option<T>, faults: Faults) -> Result<T, Rejection> {
    match value {
        Some(value) if faults.is_empty() => Ok(value),
        _ => Err(Rejection::Invalid(faults)),
    }
}

/// A task's id in this field of a request.
///
/// # Errors
///
/// [`Rejection::Invalid`].
pub(crate) fn task_id(field: impl fmt::Display, text: &str) -> Result<TaskId, Rejection> {
    id(field, text, TaskId::parse)
}

/// A job's id in this field of a request.
///
/// # Errors
///
/// [`Rejection::Invalid`].
pub(crate) fn job_id(field: impl fmt::Display, text: &str) -> Result<JobId, Rejection> {
    id(field, text, JobId::parse)
}

/// An agent's id in this field of a request.
///
/// # Errors
///
/// [`Rejection::Invalid`].
pub(crate) fn agent_id(field: impl fmt::Display, text: &str) -> Result<AgentId, Rejection> {
    id(field, text, AgentId::parse)
}

/// Terms that labels have to meet, in this field of a request.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
pub(crate) fn selector(field: &str, terms: &[String]) -> Result<Selector, Rejection> {
    Selector::parse(terms).map_err(|found| {
        let mut faults = Faults::default();
        let mut fields = Fields::of_request(&mut faults);
        for (index, fault) in found {
            fields.refuse(format_args!("{field}[{index}]"), fault);
        }
        Rejection::Invalid(faults)
    })
}

fn id<T>(field: impl fmt::Display, text: &str, parse: fn(&str) -> Result<T, String>) -> Result<T, Rejection> {
    let mut faults = Faults::default();
    let id = Fields::of_request(&mut faults).name(field, text, parse);
    unless_faulty(id, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_pair_is_named_by_the_beginning_of_its_key() {
        let pairs = BTreeMap::from([
            (String::new(), "v".to_owned()),
            ("k\n".repeat(200), "v".to_owned()),
            ("long".to_owned(), "v".repeat(1025)),
            ("good".to_owned(), "v".repeat(1024)),
        ]);
        let mut faults = Faults::default();
        Fields::at("job", &mut faults).pairs("labels", &pairs);
        let text = faults.to_string();
        assert_eq!(faults.named().len(), 3, "{text}");
        assert!(faults.named().iter().all(|fault| fault.field == "job.labels"));
        assert!(text.contains("has a pair without a key"));
        assert!(
            text.contains("the value of 'long' has 1025 bytes, at most 1024 are allowed"),
            "{text}"
        );
        assert!(!text.contains('\n') && text.len() < 500, "{text}");
    }

    #[test]
    fn too_many_pairs_are_one_fault() {
        let pairs = (0..1000).map(|n| (n.to_string(), "v".repeat(2000))).collect();
        let mut faults = Faults::default();
        Fields::of_request(&mut faults).pairs("labels", &pairs);
        assert_eq!(
            faults.to_string(),
            "labels: has 1000 pairs, at most 64 are allowed"
        );
    }

    #[test]
    fn an_id_of_a_request_is_checked_by_itself() {
        assert_eq!(
            task_id("task_id", "build").map(|id| id.to_string()),
            Ok("build".to_owned())
        );
        let Err(Rejection::Invalid(faults)) = job_id("job_id", "../x") else {
            panic!("'../x' was accepted")
        };
        assert_eq!(faults.named()[0].field, "job_id");
        assert!(agent_id("agent_id", "").is_err());
    }
}

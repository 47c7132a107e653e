//! Names of agents and tasks, for people, in place of ids that nobody remembers.

use std::{borrow::Cow, collections::BTreeMap};

use swarm_program::words::clean::clean_line;

/// Characters of an id that tell two agents of one name apart.
pub(crate) const TOLD_APART_CHARS: usize = 4;

/// The known names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    agents: BTreeMap<String, String>,
    /// How many agents have a name.
    shared: BTreeMap<String, usize>,
    tasks: BTreeMap<String, String>,
    jobs: BTreeMap<String, String>,
}

impl Names {
    /// Notes the name of an agent; an empty one is none.
    pub fn know_agent(&mut self, id: &str, name: &str) {
        let name = clean_line(name);
        if name.is_empty() || self.agents.get(id) == Some(&name) {
            return;
        }
        *self.shared.entry(name.clone()).or_default() += 1;
        self.agents.insert(id.to_owned(), name);
    }

    /// Notes the name of a task; an empty one is none.
    pub fn know_task(&mut self, id: &str, name: &str) {
        let name = clean_line(name);
        if !name.is_empty() {
            self.tasks.insert(id.to_owned(), name);
        }
    }

    /// Notes the name of a job; an empty one is none.
    pub fn know_job(&mut self, id: &str, name: &str) {
        let name = clean_line(name);
        if !name.is_empty() {
            self.jobs.insert(id.to_owned(), name);
        }
    }

    /// A job with the id that tells its runs apart: `nightly (k3v7q2mzdh)`, or its id.
    pub fn job(&self, id: &str) -> String {
        match self.jobs.get(id).filter(|name| *name != id) {
            Some(name) => format!("{name} ({id})"),
            None => id.to_owned(),
        }
    }

    /// What people call an agent: its name, with the beginning of its id when others have the name too, or its id.
    pub fn agent<'n>(&'n self, id: &'n str) -> Cow<'n, str> {
        match self.agents.get(id) {
            None => id.into(),
            Some(name) if self.shared.get(name).is_none_or(|agents| *agents < 2) => name.into(),
            Some(name) => {
                let beginning: String = id.chars().take(TOLD_APART_CHARS).collect();
                format!("{name}/{beginning}").into()
            }
        }
    }

    /// What people call a task: its name, or its id.
    pub fn task<'n>(&'n self, id: &'n str) -> &'n str {
        self.tasks.get(id).map_or(id, String::as_str)
    }

    /// A sentence with the names of the tasks in it in place of their ids.
    pub fn in_sentence<'t>(&self, sentence: &str, task_ids: impl IntoIterator<Item = &'t str>) -> String {
        task_ids
            .into_iter()
            .fold(sentence.to_owned(), |told, id| replaced(&told, id, self.task(id)))
    }
}

/// The text with another word in place of one.
pub fn replaced(text: &str, word: &str, by: &str) -> String {
    if word.is_empty() || word == by {
        return text.to_owned();
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(word) {
        let (before, found) = rest.split_at(place);
        let after = &found[word.len()..];
        told.push_str(before);
        let stands_alone = !told.ends_with(is_part) && !after.starts_with(is_part);
        told.push_str(if stands_alone { by } else { word });
        rest = after;
    }
    told + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_ids_unless_two_share_one() {
        let mut names = Names::default();
        for (id, name) in [("k3v7q2", "lab"), ("x5t2n6", "attic"), ("a1", "")] {
            names.know_agent(id, name);
            names.know_agent(id, name);
        }
        assert_eq!(names.agent("k3v7q2"), "lab");
        assert_eq!(
            (names.agent("a1"), names.agent("gone")),
            ("a1".into(), "gone".into())
        );
        names.know_agent("bnov6h", "lab");
        assert_eq!(
            (names.agent("k3v7q2"), names.agent("bnov6h")),
            ("lab/k3v7".into(), "lab/bnov".into())
        );
    }

    #[test]
    fn ids_in_sentences_are_replaced_as_whole_words() {
        let mut names = Names::default();
        names.know_task("t1", "fetch");
        assert_eq!(
            names.in_sentence("because t1 did not: t1, not t12 or x.t1", ["t1"]),
            "because fetch did not: fetch, not t12 or x.t1"
        );
        assert_eq!(names.in_sentence("as it is", ["", "t9"]), "as it is");
    }
}

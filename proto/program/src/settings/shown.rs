//! The settings as people see them: each with its value and the origin of that value.

use std::{cmp::Ordering, collections::BTreeMap, env, fmt, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, ValueEnum, parser::ValueSource};
use serde_json::{Value, json};

use super::layer::{key, leaf};

/// The mask of a secret.
const MASK: &str = "******";
/// Words in the keys of secrets.
const SECRET_WORDS: [&str; 5] = ["token", "secret", "password", "passphrase", "credential"];

/// How a verb about the program itself prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines for people
    Table,
    /// One JSON value
    Json,
}

/// Every setting of a program with its value.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    list: Vec<Setting>,
    notes: Vec<String>,
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name in a file.
    pub key: String,
    /// Its values as they were written; none when it has none.
    pub values: Vec<String>,
    /// The origin of its value.
    pub origin: Origin,
    /// The value without the flag.
    usual: Vec<String>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Switch,
    One,
    Many,
}

/// The origin of a setting's value, the weakest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag on the command line.
    Flag(String),
}

impl Settings {
    pub(crate) fn of<'a>(
        args: impl Iterator<Item = &'a Arg>,
        matches: &ArgMatches,
        given: &BTreeMap<String, (Vec<String>, Origin)>,
        notes: Vec<String>,
    ) -> Settings {
        let list = args.filter_map(|arg| {
            let key = key(arg)?;
            let variable = arg
                .get_env()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            // A verb may have the setting as a flag of its own.
            let inner = leaf(matches);
            let id = arg.get_id().as_str();
            let found = match inner.try_contains_id(id) {
                Ok(_) => inner,
                Err(_) => matches,
            };
            let values: Vec<String> = match (found.try_get_one::<bool>(id), found.try_get_raw(id)) {
                // A variable may say 1 or yes.
                (Ok(Some(truth)), _) => vec![truth.to_string()],
                (_, Ok(Some(raw))) => raw.map(|value| value.to_string_lossy().into_owned()).collect(),
                _ => Vec::new(),
            };
            let below = given.get(&key);
            let origin = match found.value_source(id) {
                Some(ValueSource::CommandLine) => {
                    Origin::Flag(format!("--{}", arg.get_long().unwrap_or_default()))
                }
                Some(ValueSource::EnvVariable) => Origin::Variable(variable.clone()),
                _ => below.map_or(Origin::Default, |(_, origin)| origin.clone()),
            };
            let usual = match (env::var_os(&variable), below) {
                (Some(value), _) => vec![value.to_string_lossy().into_owned()],
                (None, Some((values, _))) => values.clone(),
                (None, None) => arg
                    .get_default_values()
                    .iter()
                    .map(|value| value.to_string_lossy().into_owned())
                    .collect(),
            };
            let shape = match arg.get_action() {
                ArgAction::SetTrue => Shape::Switch,
                ArgAction::Append => Shape::Many,
                _ => Shape::One,
            };
            Some(Setting {
                key,
                values,
                origin,
                usual,
                shape,
            })
        });
        Settings {
            list: list.collect(),
            notes,
        }
    }

    /// The settings in the order of `--help`.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }

    /// Notes to people about the origins of values, one line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Compares the origins of two settings: a flag is stronger than a variable, and a variable than a file.
    pub fn compare(&self, one: &str, other: &str) -> Ordering {
        let rank = |key: &str| {
            let setting = self.list.iter().find(|setting| setting.key == key);
            setting.map_or(0, |setting| setting.origin.rank())
        };
        rank(one).cmp(&rank(other))
    }

    /// Whether anything, be it a file, says a setting.
    pub fn is_given(&self, key: &str) -> bool {
        let setting = self.list.iter().find(|setting| setting.key == key);
        setting.is_some_and(|setting| setting.origin != Origin::Default)
    }

    /// The value that a setting of one value has without its flag.
    pub fn usual(&self, key: &str) -> Option<&str> {
        let setting = self.list.iter().find(|setting| setting.key == key)?;
        setting.usual.first().map(String::as_str)
    }

    /// Sets the value to show for a setting that nobody set.
    pub fn fill(&mut self, key: &str, value: impl Into<String>) {
        if let Some(setting) = self.list.iter_mut().find(|setting| setting.key == key)
            && setting.values.is_empty()
        {
            setting.values = vec![value.into()];
        }
    }

    /// Columns for people: key, value, origin.
    pub fn table(&self) -> String {
        let width = |column: fn(&Setting) -> String, heading: &str| {
            let longest = self.list.iter().map(|setting| column(setting).chars().count());
            longest.max().unwrap_or(0).max(heading.len())
        };
        let keys = width(|setting| setting.key.clone(), "KEY");
        let values = width(Setting::shown, "VALUE");
        let mut page = format!("{:keys$}  {:values$}  ORIGIN\n", "KEY", "VALUE");
        for setting in &self.list {
            page.push_str(&format!(
                "{:keys$}  {:values$}  {}\n",
                setting.key,
                setting.shown(),
                setting.origin
            ));
        }
        page
    }

    /// The settings in the wanted form, with a line end.
    pub fn print(&self, form: Form) -> String {
        match form {
            Form::Table => self.table(),
            Form::Json => format!("{:#}\n", self.json()),
        }
    }

    /// The settings as one JSON value.
    pub fn json(&self) -> Value {
        json!({ "settings": self.list.iter().map(Setting::json).collect::<Vec<_>>() })
    }
}

impl Setting {
    /// The value in one line; `-` when there is none. A secret is masked.
    pub fn shown(&self) -> String {
        match (self.is_secret(), self.values.is_empty()) {
            (_, true) => "-".to_owned(),
            (true, false) => MASK.to_owned(),
            (false, false) => self.values.join(","),
        }
    }

    /// The setting as one JSON object.
    pub fn json(&self) -> Value {
        let value = if self.is_secret() && !self.values.is_empty() {
            json!(MASK)
        } else {
            match (self.shape, self.values.first()) {
                (Shape::Switch, first) => json!(first.is_some_and(|value| value == "true")),
                (Shape::Many, _) => json!(self.values),
                (Shape::One, first) => json!(first),
            }
        };
        let mut object = json!({ "key": self.key, "value": value });
        let origin = match &self.origin {
            Origin::Default => json!({ "kind": "default" }),
            Origin::File { path, line } => json!({ "kind": "file", "file": path, "line": line }),
            Origin::Variable(name) => json!({ "kind": "environment", "variable": name }),
            Origin::Flag(flag) => json!({ "kind": "flag", "flag": flag }),
        };
        object["origin"] = origin;
        object
    }

    fn is_secret(&self) -> bool {
        self.key.split('_').any(|word| SECRET_WORDS.contains(&word))
    }
}

impl Origin {
    fn rank(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Variable(_) => 2,
            Origin::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_everywhere() {
        let settings = Settings {
            list: vec![Setting {
                key: "join_token".to_owned(),
                values: vec!["sesame".to_owned()],
                origin: Origin::Variable("SWARM_JOIN_TOKEN".to_owned()),
                usual: Vec::new(),
                shape: Shape::One,
            }],
            notes: Vec::new(),
        };
        let shown = format!("{}{}", settings.table(), settings.json());
        assert!(!shown.contains("sesame"), "{shown}");
        assert_eq!(shown.matches(MASK).count(), 2, "{shown}");
    }
}

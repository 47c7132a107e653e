//! Finds a project to measure: the crates of the surrounding workspace, or else the directories at hand.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// At most this many parts are measured. Each gives a few tasks, and a demo should end while somebody watches.
const MAX_PARTS: usize = 40;

/// A project to measure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Project {
    pub(super) root: PathBuf,
    /// Whether the parts are crates.
    pub(super) is_workspace: bool,
    /// Directories below the root, in order; `.` when there are none.
    pub(super) parts: Vec<String>,
}

/// The Cargo workspace around `start`, or else the directories in `start`.
///
/// # Errors
///
/// When the directory cannot be read.
pub(super) fn find(start: &Path) -> io::Result<Project> {
    for root in start.ancestors() {
        let Ok(manifest) = fs::read_to_string(root.join("Cargo.toml")) else {
            continue;
        };
        let mut parts: Vec<String> = members(&manifest)
            .iter()
            .flat_map(|member| expand(root, member))
            .filter(|part| root.join(part).join("Cargo.toml").is_file())
            .collect();
        parts.sort();
        parts.dedup();
        if !parts.is_empty() {
            parts.truncate(MAX_PARTS);
            return Ok(Project {
                root: root.to_owned(),
                is_workspace: true,
                parts,
            });
        }
    }
    let mut parts = directories(start)?;
    parts.truncate(MAX_PARTS);
    if parts.is_empty() {
        parts.push(".".to_owned());
    }
    Ok(Project {
        root: start.to_owned(),
        is_workspace: false,
        parts,
    })
}

/// The `members` of a manifest's `[workspace]`, as they are written.
fn members(manifest: &str) -> Vec<String> {
    let mut members = Vec::new();
    let mut section = "";
    let mut in_list = false;
    for line in manifest.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !in_list && line.starts_with('[') {
            section = line;
        }
        let list = match line.split_once('=') {
            Some((key, value)) if !in_list && section == "[workspace]" && key.trim() == "members" => value,
            _ if in_list => line,
            _ => continue,
        };
        let (items, ends) = match list.split_once(']') {
            Some((items, _)) => (items, true),
            None => (list, false),
        };
        // Every second piece between quotes is an item.
        members.extend(items.split('"').skip(1).step_by(2).map(str::to_owned));
        in_list = !ends;
    }
    members
}

/// A member that ends in `/*` stands for the directories there.
fn expand(root: &Path, member: &str) -> Vec<String> {
    match member.strip_suffix("/*") {
        Some(parent) => {
            let found = directories(&root.join(parent)).unwrap_or_default();
            found.iter().map(|name| format!("{parent}/{name}")).collect()
        }
        None => vec![member.to_owned()],
    }
}

/// The names of the directories in a directory, without hidden directories and those of build results.
fn directories(parent: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_skipped = name.starts_with('.') || name == "target" || name == "node_modules";
        if !is_skipped && entry.file_type()?.is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_on_one_line_or_several() {
        for manifest in [
            "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b/c\"]\n[workspace.package]\nmembers = [\"no\"]\n",
            "[package]\nname = \"x\"\n[workspace]\nmembers = [\n  \"a\", # the first\n  \"b/c\",\n]\n\
             exclude = [\"d\"]\n",
        ] {
            assert_eq!(members(manifest), ["a", "b/c"]);
        }
        assert!(members("[package]\nname = \"x\"\n").is_empty());
    }

    #[test]
    fn the_surrounding_workspace_is_found_from_below() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["one", "crates/two", "crates/no-crate", "one/src"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(
            root.join("Cargo.toml"),
            "[workspace]\nmembers = [\"one\", \"crates/*\", \"gone\"]\n",
        )
        .unwrap();
        for name in ["one", "crates/two"] {
            fs::write(root.join(name).join("Cargo.toml"), "[package]\n").unwrap();
        }
        let project = find(&root.join("one/src")).unwrap();
        let parts = vec!["crates/two".to_owned(), "one".to_owned()];
        assert_eq!(
            project,
            Project {
                root: root.to_owned(),
                is_workspace: true,
                parts
            }
        );
    }

    #[test]
    fn without_a_workspace_the_directories_at_hand_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(directories(dir.path()).unwrap(), Vec::<String>::new());
        for name in ["b", "a", ".git", "target"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert_eq!(directories(dir.path()).unwrap(), ["a", "b"]);
    }
}

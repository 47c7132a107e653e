//! The floors of each crate: its folders and top-level files from top to bottom. One knows only those below it, and no
//! file of one folder is in a circle with a file of another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::imports::{self, Import, Imports};
use crate::harness::workspace_root;

/// The floors of a crate.
struct House {
    /// The directory of its `lib.rs`.
    source: &'static str,
    /// From top to bottom: `a` is `a.rs` with all in `a/`; `a/b` is a room of its own.
    rooms: &'static [&'static str],
    /// The folders whose own files may be in circles with the folders inside them: one thing and its parts.
    whole: &'static [&'static str],
}

const HOUSES: &[House] = &[
    House {
        source: "coordinator/src",
        rooms: &[
            "lib", "serve", "door", "verb", "request", "words", "wire", "start", "upkeep", "core", "records",
            "snapshot", "store", "journal", "machine", "stored", "program",
        ],
        whole: &["store", "journal"],
    },
    House {
        source: "coordinator/engine/src",
        rooms: &[
            "lib",
            "command",
            "rule",
            "draft",
            "touches",
            "state",
            "event",
            "rejection",
            "noun",
            "id",
            "limits",
            "time",
        ],
        whole: &[],
    },
    House {
        source: "cli/src",
        rooms: &[
            "lib", "args", "verb", "bench", "dev", "exchange", "jobfile", "call", "output", "program",
        ],
        whole: &[],
    },
    House {
        source: "agent/src",
        rooms: &[
            "lib",
            "work",
            "verb",
            "slot",
            "doctor",
            "attempt",
            "executor",
            "process",
            "disk",
            "coordinator",
            "attempt_key",
            "program",
        ],
        whole: &[],
    },
];

/// The room that a file is in: the one with the longest name, if there are several.
fn room_of(file: &str, rooms: &[&str]) -> Option<usize> {
    let is_in = |room: &str| {
        file.strip_prefix(room)
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    let found = (0..rooms.len()).filter(|&at| is_in(rooms[at]));
    found.max_by_key(|&at| rooms[at].len())
}

/// Everything that is wrong with the floors of a crate, in words.
fn faults(imports: &Imports, rooms: &[&str], whole: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut empty: BTreeSet<&str> = rooms.iter().copied().collect();
    for file in &imports.files {
        match room_of(file, rooms) {
            Some(at) => {
                empty.remove(rooms[at]);
            }
            None => found.push(format!("{file} is in no room of the list")),
        }
    }
    found.extend(empty.iter().map(|room| format!("there is no room {room}")));
    for import in &imports.all {
        let (Some(from), Some(to)) = (room_of(&import.from, rooms), room_of(&import.to, rooms)) else {
            continue;
        };
        if to < from {
            found.push(format!(
                "{}\n    {} is above {}",
                told(import),
                rooms[to],
                rooms[from]
            ));
        }
    }
    found.extend(circles(imports, whole));
    found
}

/// The numbers of rooms, of floors (the longest row of rooms that stand on each other), and of arrows between rooms.
fn figures(imports: &Imports, rooms: &[&str]) -> String {
    let arrows: BTreeSet<(usize, usize)> = imports
        .all
        .iter()
        .filter_map(|import| Some((room_of(&import.from, rooms)?, room_of(&import.to, rooms)?)))
        .filter(|(from, to)| from != to)
        .collect();
    let mut heights = vec![1; rooms.len()];
    for room in (0..rooms.len()).rev() {
        let below = arrows.iter().filter(|&&(from, to)| from == room && to > room);
        heights[room] = 1 + below.map(|&(_, to)| heights[to]).max().unwrap_or(0);
    }
    let floors = heights.iter().max().unwrap_or(&0);
    format!("{} rooms, {floors} floors, {} arrows", rooms.len(), arrows.len())
}

fn told(import: &Import) -> String {
    format!("{}:{}: use {}", import.from, import.line, import.path)
}

/// The folder that a file is in. `a.rs` and `a/mod.rs` are in the folder `a` if it has other files.
fn folder_of<'a>(file: &'a str, files: &[String]) -> &'a str {
    let own = file.strip_suffix("/mod.rs").or(file.strip_suffix(".rs"));
    let own = own.unwrap_or(file);
    let has_others = files.iter().any(|other| {
        let is_below = other.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
        is_below && other != file
    });
    if has_others {
        return own;
    }
    own.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The shortest circle through each import from one folder into another, if it leaves those that are whole; each once.
fn circles(imports: &Imports, whole: &[&str]) -> Vec<String> {
    let mut uses: BTreeMap<&str, Vec<&Import>> = BTreeMap::new();
    for import in &imports.all {
        uses.entry(&import.from).or_default().push(import);
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for import in &imports.all {
        let [from, to] = [&import.from, &import.to].map(|file| folder_of(file, &imports.files));
        if from == to {
            continue;
        }
        let Some(back) = way(&uses, &import.to, &import.from) else {
            continue;
        };
        let mut members: Vec<&str> = back.iter().map(|step| step.from.as_str()).collect();
        members.push(&import.from);
        members.sort_unstable();
        let are_of = |folder: &str| {
            let is_below = |rest: &str| rest.starts_with(['/', '.']);
            let mut all = members.iter();
            let mut own = members.iter();
            all.all(|member| member.strip_prefix(folder).is_some_and(is_below))
                && own.any(|member| folder_of(member, &imports.files) == folder)
        };
        if !whole.iter().any(|folder| are_of(folder)) && seen.insert(members) {
            let steps = [import].into_iter().chain(back);
            let lines: Vec<String> = steps.map(|step| format!("    {}", told(step))).collect();
            found.push(format!("a circle of files:\n{}", lines.join("\n")));
        }
    }
    found
}

/// The shortest way of imports from one file to another.
fn way<'a>(uses: &BTreeMap<&str, Vec<&'a Import>>, from: &str, to: &str) -> Option<Vec<&'a Import>> {
    let mut ways: BTreeMap<&str, Vec<&Import>> = BTreeMap::new();
    let mut next = VecDeque::from([(from, Vec::new())]);
    while let Some((file, so_far)) = next.pop_front() {
        if file == to {
            return Some(so_far);
        }
        for &import in uses.get(file).into_iter().flatten() {
            if !ways.contains_key(import.to.as_str()) {
                let mut way = so_far.clone();
                way.push(import);
                ways.insert(&import.to, way.clone());
                next.push_back((&import.to, way));
            }
        }
    }
    None
}

#[test]
fn each_folder_knows_only_folders_below_it() {
    let mut found = Vec::new();
    for house in HOUSES {
        let imports = imports::of(&workspace_root().join(house.source));
        println!("{}: {}", house.source, figures(&imports, house.rooms));
        let faults = faults(&imports, house.rooms, house.whole);
        found.extend(faults.iter().map(|fault| format!("{}/{fault}", house.source)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_import_from_above_and_a_circle_of_folders_are_found() {
    let imports = imports::made_up(&[
        ("lib.rs", "mod high; mod low; mod forgotten;"),
        (
            "high/mod.rs",
            "pub(crate) mod one; mod two; use crate::low::deep;",
        ),
        ("high/one.rs", "use super::two::Two;"),
        ("high/two.rs", "use super::one::One;"),
        ("low/mod.rs", "mod deep; mod near;"),
        (
            "low/deep/mod.rs",
            "mod within;\nuse super::near::Near;\nuse crate::high::one::One;",
        ),
        ("low/deep/within.rs", ""),
        ("low/near.rs", "use super::deep::Deep;"),
        ("forgotten.rs", ""),
    ]);
    let rooms = ["lib", "high", "low", "gone"];
    let found = faults(&imports, &rooms, &[]);
    let wanted = [
        "forgotten.rs is in no room of the list",
        "there is no room gone",
        "low/deep/mod.rs:3: use crate::high::one::One\n    high is above low",
        "a circle of files:\n    low/deep/mod.rs:2: use super::near::Near\n    low/near.rs:1: use super::deep::Deep",
    ];
    assert_eq!(found, wanted);
    // `low` and what is inside it are one thing; `high` and `low` are not.
    assert_eq!(faults(&imports, &rooms, &["low"]), wanted[..3]);
    assert_eq!(faults(&imports, &rooms, &["high"]), wanted);
    assert_eq!(figures(&imports, &rooms[..3]), "3 rooms, 2 floors, 2 arrows");
}

//! Golden scripts: each file in this directory tells a story, as requests and the engine's answers to them.
//!
//! A line at the margin is a request. The indented lines below it are its events, refusals and
//! answers, compared exactly. `UPDATE_SCRIPTS=1` writes them anew: then read the difference.
//! `world.rs` lists the requests.

mod agents;
mod orders;
mod request;
mod story;
mod world;

use std::{
    fs,
    path::{Path, PathBuf},
};

use world::World;

/// Fewer stories than this mean that the files were not found.
const LEAST_STORIES: usize = 50;

#[test]
fn every_story_goes_as_it_is_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/script");
    let mut stories: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    stories.sort();
    assert!(
        stories.len() >= LEAST_STORIES,
        "only {} stories in {}",
        stories.len(),
        directory.display()
    );

    let update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let mut differing = Vec::new();
    for path in &stories {
        let written = fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let told = tell(&name, &written);
        if told == written {
            continue;
        }
        if update {
            fs::write(path, &told).unwrap();
        } else {
            differing.push(format!("{name}:\n{}", difference(&written, &told)));
        }
    }
    assert!(
        differing.is_empty(),
        "these stories go differently now; UPDATE_SCRIPTS=1 writes them anew\n\n{}",
        differing.join("\n")
    );
}

/// The story as it goes now: the same comments and requests, with the answers of today.
fn tell(name: &str, written: &str) -> String {
    let mut world = World::default();
    let mut told = String::new();
    for (index, line) in written.lines().enumerate() {
        if line.starts_with(' ') {
            continue;
        }
        told += line;
        told += "\n";
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{name}:{}: {line}", index + 1);
        for output in world
            .request(line)
            .unwrap_or_else(|fault| panic!("{place}: {fault}"))
        {
            told += &format!("  {output}\n");
        }
        world
            .state
            .check()
            .unwrap_or_else(|fault| panic!("{place}: {fault}"));
    }
    world.check_replay(name);
    told
}

/// The first line that differs, and the lines around it.
fn difference(written: &str, told: &str) -> String {
    let same = written
        .lines()
        .zip(told.lines())
        .take_while(|(written, told)| written == told)
        .count();
    let excerpt = |text: &str| -> String {
        text.lines()
            .skip(same.saturating_sub(2))
            .take(6)
            .map(|line| format!("    {line}\n"))
            .collect()
    };
    format!(
        "  written, line {}:\n{}  now:\n{}",
        same + 1,
        excerpt(written),
        excerpt(told)
    )
}

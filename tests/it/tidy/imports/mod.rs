//! The imports between the files of a crate: its `use` trees, and the paths in its code.

mod paths;
mod tokens;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use paths::{Named, Place, named};

/// The name of a module: `["store", "sled"]`.
type Module = Vec<String>;

/// One file uses something of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The file that uses it, below the crate's `src`, with slashes.
    pub(super) from: String,
    pub(super) line: usize,
    /// The path as the file writes it.
    pub(super) path: String,
    /// The file that is used.
    pub(super) to: String,
}

/// The files that a crate is built of without its tests, and the imports between them.
pub(super) struct Imports {
    pub(super) files: Vec<String>,
    pub(super) all: Vec<Import>,
}

/// Reads the crate whose `lib.rs` is in this directory.
pub(super) fn of(source: &Path) -> Imports {
    imports(&|path| fs::read_to_string(source.join(path)).ok())
}

/// The same for files that `read` gives by their path.
fn imports(read: &dyn Fn(&Path) -> Option<String>) -> Imports {
    let mut modules = BTreeMap::new();
    collect(read, Vec::new(), PathBuf::from("lib.rs"), &mut modules);
    let mut all: Vec<Import> = Vec::new();
    for (module, (from, named)) in &modules {
        let reader = Resolver {
            modules: &modules,
            module,
            names: BTreeMap::new(),
        };
        for (place, to) in reader.resolve_all(named) {
            let to = &modules[&to].0;
            if to != from {
                all.push(Import {
                    from: from.clone(),
                    line: place.line,
                    path: place.path.join("::"),
                    to: to.clone(),
                });
            }
        }
    }
    all.sort_by(|one, other| (&one.from, one.line).cmp(&(&other.from, other.line)));
    let files = modules.into_values().map(|(file, _)| file).collect();
    Imports { files, all }
}

/// The modules that are files, each with its path and what it names.
type Modules = BTreeMap<Module, (String, Named)>;

/// Follows the `mod` lines of a file: what only tests have is not reached.
fn collect(read: &dyn Fn(&Path) -> Option<String>, module: Module, path: PathBuf, modules: &mut Modules) {
    let text = read(&path).unwrap_or_else(|| panic!("there is no {}", path.display()));
    let named = named(&text);
    let is_of_its_directory = ["lib.rs", "mod.rs"].iter().any(|name| path.ends_with(name));
    let directory = if is_of_its_directory {
        path.parent().unwrap_or(Path::new("")).to_owned()
    } else {
        path.with_extension("")
    };
    for child in &named.files {
        let place = directory.join(child.iter().collect::<PathBuf>());
        let file = place.with_extension("rs");
        let file = if read(&file).is_some() {
            file
        } else {
            place.join("mod.rs")
        };
        let name = module.iter().chain(child).cloned().collect();
        collect(read, name, file, modules);
    }
    modules.insert(module, (path.to_string_lossy().into_owned(), named));
}

/// Finds the file that a path of one file is in.
struct Resolver<'a> {
    modules: &'a Modules,
    module: &'a Module,
    /// The paths behind the names of its `use` lines; none for a path of another crate.
    names: BTreeMap<String, Option<Module>>,
}

impl<'a> Resolver<'a> {
    fn resolve_all(mut self, named: &'a Named) -> Vec<(&'a Place, Module)> {
        // The `use` lines first: they say what the names mean.
        let uses: Vec<_> = named
            .uses
            .iter()
            .map(|each| (each, self.full(&each.place)))
            .collect();
        for (each, full) in &uses {
            if let Some(name) = &each.name {
                self.names.insert(name.clone(), full.clone());
            }
        }
        let of_uses = uses.into_iter().map(|(each, full)| (&each.place, full));
        let of_paths = named.paths.iter().map(|place| (place, self.full(place)));
        let all = of_uses.chain(of_paths);
        all.filter_map(|(place, full)| Some((place, self.file(full?))))
            .collect()
    }

    /// The path from the crate's root on; nothing when it is none of this crate.
    fn full(&self, place: &Place) -> Option<Module> {
        let here: Module = self.module.iter().chain(&place.inside).cloned().collect();
        let (first, rest) = place.path.split_first()?;
        let mut full = match first.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => here,
            name => match self.names.get(name) {
                Some(known) => known.clone()?,
                None => {
                    let child: Module = here.into_iter().chain([name.to_owned()]).collect();
                    self.modules.contains_key(&child).then_some(child)?
                }
            },
        };
        if first == "super" {
            full.pop();
        }
        for word in rest {
            if word == "super" {
                full.pop();
            } else {
                full.push(word.clone());
            }
        }
        Some(full)
    }

    /// The module with a file that this is in.
    fn file(&self, mut full: Module) -> Module {
        while !self.modules.contains_key(&full) {
            full.pop();
        }
        full
    }
}

/// The imports of a made-up crate: files with their text.
#[cfg(test)]
pub(super) fn made_up(files: &[(&str, &str)]) -> Imports {
    let text = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned())
    };
    imports(&text)
}

#[test]
fn a_path_leads_to_the_file_that_it_is_in() {
    let imports = made_up(&[
        (
            "lib.rs",
            "mod a; mod b; #[cfg(test)] mod fixture; use b::Thing; use std::fmt;",
        ),
        (
            "a/mod.rs",
            "mod inner; use crate::b::{self as other, Thing}; use std::b; fn f() { other::c::g(); b::h(); }",
        ),
        (
            "a/inner.rs",
            "use super::Own; mod within { use super::super::Own; fn f() { crate::b::c::G } }",
        ),
        ("b.rs", "pub mod c; pub struct Thing; fn f() { c::g() }"),
        ("b/c.rs", "fn g() { super::super::a::inner::f(); fmt::x() }"),
    ]);
    let seen: Vec<String> = imports
        .all
        .iter()
        .map(|import| format!("{} {} {}", import.from, import.path, import.to))
        .collect();
    let wanted = [
        "a/inner.rs super::Own a/mod.rs",
        "a/inner.rs super::super::Own a/mod.rs",
        "a/inner.rs crate::b::c::G b/c.rs",
        "a/mod.rs crate::b b.rs",
        "a/mod.rs crate::b::Thing b.rs",
        "a/mod.rs other::c::g b/c.rs",
        "b.rs c::g b/c.rs",
        "b/c.rs super::super::a::inner::f a/inner.rs",
        "lib.rs b::Thing b.rs",
    ];
    assert_eq!(seen, wanted);
    assert_eq!(
        imports.files,
        ["lib.rs", "a/mod.rs", "a/inner.rs", "b.rs", "b/c.rs"]
    );
}

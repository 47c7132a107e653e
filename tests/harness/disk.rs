//! A disk that fails, or a program that dies, at a step of the test's choosing: `disk.c` stands in between.
//! `full_disk.c` lets it be full for a while.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::workspace_root;

/// The libraries that are loaded before a program's own.
pub(crate) struct Disk {
    library: PathBuf,
    full: PathBuf,
}

/// The fault at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The program is killed before it.
    Kill,
    /// Half of it is written, then the program is killed.
    Tear,
    /// It fails, and a sync that fails has lost what it was to sync.
    Eio,
    /// Half of it is written, then there is no more space.
    Enospc,
}

/// The calls that are counted, and the step at which the disk fails or the program dies.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The library of the full disk, in front of the other one.
    both: OsString,
    env: Vec<(&'static str, OsString)>,
    log: PathBuf,
    arm: PathBuf,
}

/// Something that a program did to a file that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) call: String,
    pub(crate) path: String,
    /// Whether the fault came here.
    pub(crate) is_hit: bool,
}

impl Disk {
    /// Compiles it into `dir`; `None` when this machine has no compiler, which is said for whoever looks at what
    /// the tests print.
    pub(crate) fn build(dir: &Path) -> Option<Disk> {
        let library = compile("disk", dir)?;
        let full = compile("full_disk", dir)?;
        Some(Disk { library, full })
    }

    /// Counts what is done to files whose path has this in it. What was counted is written to `log`.
    pub(crate) fn count(&self, path: impl Into<OsString>, log: &Path) -> Plan {
        let _ = fs::remove_file(log);
        let mut both = self.full.clone().into_os_string();
        both.push(":");
        both.push(&self.library);
        Plan {
            both,
            env: vec![
                ("LD_PRELOAD", self.library.clone().into()),
                ("SWARM_DISK_PATH", path.into()),
                ("SWARM_DISK_LOG", log.into()),
            ],
            log: log.to_owned(),
            arm: log.with_extension("armed"),
        }
    }

    /// The variables of a program for which there is no space on paths that have this in them while a file is there.
    pub(crate) fn full_while(&self, file: &Path, path: &str) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.full.clone().into()),
            ("SWARM_FULL_WHILE", file.into()),
            ("SWARM_FULL_PATH", path.into()),
        ]
    }
}

impl Plan {
    /// Counts only these calls, with commas between them.
    pub(crate) fn calls(mut self, calls: &str) -> Plan {
        self.env.push(("SWARM_DISK_CALLS", calls.into()));
        self
    }

    /// Counts only from the moment of [`Plan::arm`] on.
    pub(crate) fn when_armed(mut self) -> Plan {
        self.env.push(("SWARM_DISK_ARM", self.arm.clone().into()));
        self
    }

    /// See [`Plan::when_armed`].
    pub(crate) fn arm(&self) {
        fs::write(&self.arm, "").unwrap();
    }

    /// Counts nothing more until the next [`Plan::arm`].
    pub(crate) fn disarm(&self) {
        let _ = fs::remove_file(&self.arm);
    }

    /// Between [`Plan::fill`] and [`Plan::empty`] there is no space, and no file whose path has this in it can grow.
    pub(crate) fn which_fills(mut self, path: &str) -> Plan {
        // The last one of a name counts.
        self.env.push(("LD_PRELOAD", self.both.clone()));
        self.env.push(("SWARM_FULL_WHILE", self.full().into()));
        self.env.push(("SWARM_FULL_PATH", path.into()));
        self
    }

    fn full(&self) -> PathBuf {
        self.log.with_extension("full")
    }

    /// See [`Plan::which_fills`].
    pub(crate) fn fill(&self) {
        fs::write(self.full(), "").unwrap();
    }

    /// See [`Plan::which_fills`].
    pub(crate) fn empty(&self) {
        let _ = fs::remove_file(self.full());
    }

    /// Does this at step `number`, from 1.
    pub(crate) fn at(mut self, number: usize, deed: Deed) -> Plan {
        let name = match deed {
            Deed::Kill => "kill",
            Deed::Tear => "tear",
            Deed::Eio => "eio",
            Deed::Enospc => "enospc",
        };
        self.env.push(("SWARM_DISK_AT", number.to_string().into()));
        self.env.push(("SWARM_DISK_DO", name.into()));
        self
    }

    /// The variables that a program needs in its environment.
    pub(crate) fn env(&self) -> &[(&'static str, OsString)] {
        &self.env
    }

    /// The steps that were counted so far.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let step = |line: &str| {
            let (line, is_hit) = match line.strip_suffix(" !") {
                Some(line) => (line, true),
                None => (line, false),
            };
            let mut words = line.splitn(3, ' ').skip(1);
            Step {
                call: words.next().unwrap().to_owned(),
                path: words.next().unwrap().to_owned(),
                is_hit,
            }
        };
        text.lines().map(step).collect()
    }
}

/// Compiles one of the files beside this one; `None` without a compiler.
pub(super) fn compile(name: &str, dir: &Path) -> Option<PathBuf> {
    let library = dir.join(format!("{name}.so"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(workspace_root().join(format!("tests/harness/{name}.c")))
        .output();
    let Ok(compiled) = compiled else {
        println!("SKIPPED: there is no C compiler, cc");
        return None;
    };
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    Some(library)
}

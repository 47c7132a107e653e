//! The state directory, which makes an agent the same agent after a restart. It has the lock, the identity, the
//! outboxes and, by default, the attempts' directories.

mod identity;
mod lock;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use nix::fcntl::Flock;
use swarm_proto::v1::AgentProcess;

pub(crate) use self::lock::{LOCK, is_in_use, number_of};
use self::{
    identity::{host, new_agent_id, new_name, read_or_make},
    lock::lock,
};
use super::write::{make_private, write_durably};

/// The files of the identity.
const NAME: &str = "name";
const AGENT_ID: &str = "agent_id";
/// Rounds of looking for a free directory. Agents that start together may take one from each other.
const MAX_ROUNDS: u32 = 20;

/// A state directory that belongs to this process until it ends.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    name: String,
    agent_id: String,
    /// The files that this process wrote or found at its start, with their words.
    words: Vec<(&'static str, String)>,
    /// Where this process runs; `None` on a system that does not say.
    process: Option<AgentProcess>,
    locks: Mutex<Locks>,
}

/// The locks of this process, which the operating system releases, however the process ends.
#[derive(Debug)]
struct Locks {
    /// The one that says where this process runs. It is held to the end, also when its directory was moved elsewhere:
    /// no other process may say the same of itself meanwhile.
    first: Flock<File>,
    /// The one of the directory that was made again.
    later: Option<Flock<File>>,
}

/// What became of a state directory that is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mended {
    /// It is the one that was opened.
    NotNeeded,
    /// It was gone, and was made again with the same identity.
    Made,
}

/// Why a state directory cannot be made again.
#[derive(Debug)]
pub(crate) enum MendError {
    /// Another agent has taken the directory that is there now.
    Taken,
    /// It cannot be made or written.
    Impossible(io::Error),
}

/// Why the state directory could not be taken.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another agent uses the directory.
    Locked(PathBuf),
    /// The directory cannot be made, read or written.
    Unusable(anyhow::Error),
}

impl From<anyhow::Error> for OpenError {
    fn from(error: anyhow::Error) -> Self {
        OpenError::Unusable(error)
    }
}

impl StateDirectory {
    /// Takes the directory that the flags name. Without flags it is the first free one of this user, or a new one.
    pub(crate) fn open(state_dir: Option<&Path>, name: Option<&str>) -> Result<StateDirectory, OpenError> {
        match (state_dir, name) {
            (Some(path), name) => Self::take(path, name),
            (None, Some(name)) => Self::take(&base()?.join(name), Some(name)),
            (None, None) => Self::open_any(&base()?),
        }
    }

    /// The path of the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The agent's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The agent's id, made at the first start.
    pub(crate) fn agent_id(&self) -> &str {
        &self.agent_id
    }

    /// Makes the directory again, with the same identity, if somebody has removed it or put another one in its place.
    pub(crate) fn mend(&self) -> Result<Mended, MendError> {
        let mut locks = self.locks.lock().expect("nothing panics while it has the locks");
        let file = self.path.join(LOCK);
        let number = |lock: &File| {
            lock.metadata()
                .map(|found| number_of(&found))
                .map_err(MendError::Impossible)
        };
        let first = number(&locks.first)?;
        let current = number(locks.later.as_ref().unwrap_or(&locks.first))?;
        match fs::symlink_metadata(&file).map(|found| number_of(&found)) {
            Ok(found) if found == current => return Ok(Mended::NotNeeded),
            Ok(found) if found == first => {
                // The one that was moved away is back.
                locks.later = None;
                return Ok(Mended::Made);
            }
            Ok(_) => {}
            Err(error) if is_gone(&error) => {}
            // A disk that cannot be read for a moment still has the directory.
            Err(error) => return Err(MendError::Impossible(error)),
        }
        make_private(&self.path).map_err(MendError::Impossible)?;
        let lock = lock(&self.path).map_err(|error| match error {
            OpenError::Locked(_) => MendError::Taken,
            OpenError::Unusable(error) => MendError::Impossible(io::Error::other(format!("{error:#}"))),
        })?;
        for (name, words) in &self.words {
            write_durably(&self.path.join(name), format!("{words}\n").as_bytes())
                .map_err(MendError::Impossible)?;
        }
        locks.later = Some(lock);
        Ok(Mended::Made)
    }

    /// Where this process runs, as the coordinator is told.
    pub(crate) fn process(&self) -> Option<&AgentProcess> {
        self.process.as_ref()
    }

    fn open_any(base: &Path) -> Result<StateDirectory, OpenError> {
        for _ in 0..MAX_ROUNDS {
            for name in existing(base)? {
                match Self::take(&base.join(&name), Some(&name)) {
                    Err(OpenError::Locked(_)) => {}
                    taken => return taken,
                }
            }
            let name = new_name();
            match Self::take(&base.join(&name), Some(&name)) {
                Err(OpenError::Locked(_)) => {}
                taken => return taken,
            }
        }
        Err(OpenError::Unusable(anyhow::anyhow!(
            "cannot find a free state directory in {}: others keep taking it",
            base.display()
        )))
    }

    fn take(path: &Path, name: Option<&str>) -> Result<StateDirectory, OpenError> {
        make_private(path).with_context(|| format!("cannot make the state directory {}", path.display()))?;
        let path = fs::canonicalize(path)
            .with_context(|| format!("cannot find the state directory {}", path.display()))?;
        let lock = lock(&path)?;
        let mut words = Vec::new();
        let name = match name {
            Some(name) => name.to_owned(),
            None => {
                let name = read_or_make(&path.join(NAME), new_name)?;
                words.push((NAME, name.clone()));
                name
            }
        };
        let agent_id = read_or_make(&path.join(AGENT_ID), new_agent_id)?;
        words.push((AGENT_ID, agent_id.clone()));
        Ok(StateDirectory {
            path,
            name,
            agent_id,
            words,
            process: process(&lock),
            locks: Mutex::new(Locks {
                first: lock,
                later: None,
            }),
        })
    }
}

/// Finds the state directory for these flags, without making or taking it. Without a name it is the first free
/// directory, or the one above them all.
///
/// # Errors
///
/// A sentence when there is no place for state.
pub(crate) fn locate(state_dir: Option<&Path>, name: Option<&str>) -> Result<PathBuf, String> {
    let sentence = |error| match error {
        OpenError::Locked(path) => format!("another agent uses {}", path.display()),
        OpenError::Unusable(error) => format!("{error:#}"),
    };
    if let Some(path) = state_dir {
        return Ok(path.to_owned());
    }
    let base = base().map_err(sentence)?;
    if let Some(name) = name {
        return Ok(base.join(name));
    }
    let names = existing(&base).map_err(sentence)?;
    let mut places = names.iter().map(|name| base.join(name));
    let free = places.find(|place| is_in_use(place).is_ok_and(|is| !is));
    Ok(free.unwrap_or(base))
}

/// Whether an error says that there is no such file.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// `$XDG_STATE_HOME/swarm/agent`.
fn base() -> Result<PathBuf, OpenError> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        anyhow::anyhow!("cannot tell where to keep state: {error}; name a place with --state-dir")
    })?;
    let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Ok(state.join("swarm").join("agent"))
}

/// The names of all state directories, sorted.
fn existing(base: &Path) -> Result<Vec<String>, OpenError> {
    let context = || format!("cannot read {}", base.display());
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(anyhow::Error::new(error).context(context()).into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(context)?;
        if entry.path().is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// This process, by the boot of the system and the lock file in it: no other live process has this very file locked.
/// A copy of the directory has another file, and a clone of the machine another boot.
fn process(lock: &File) -> Option<AgentProcess> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let boot = boot.trim();
    let file = lock.metadata().ok()?;
    (!boot.is_empty()).then(|| AgentProcess {
        host: host(),
        place: format!("{boot} {}", number_of(&file)),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_restart_keeps_name_and_identity() {
        let base = tempfile::tempdir().unwrap();
        let first = StateDirectory::open_any(base.path()).unwrap();
        let (name, agent_id) = (first.name().to_owned(), first.agent_id().to_owned());
        assert_eq!(
            fs::metadata(first.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        drop(first);
        let second = StateDirectory::open_any(base.path()).unwrap();
        assert_eq!(
            (second.name(), second.agent_id()),
            (name.as_str(), agent_id.as_str())
        );
    }

    #[test]
    fn agents_on_one_host_take_different_directories() {
        let base = tempfile::tempdir().unwrap();
        let first = StateDirectory::open_any(base.path()).unwrap();
        let second = StateDirectory::open_any(base.path()).unwrap();
        assert_ne!(first.agent_id(), second.agent_id());
        assert_ne!(first.path(), second.path());
    }

    #[test]
    fn a_directory_in_use_is_refused_by_name() {
        let base = tempfile::tempdir().unwrap();
        let _first = StateDirectory::take(&base.path().join("x"), Some("x")).unwrap();
        assert!(is_in_use(&base.path().join("x")).unwrap() && !is_in_use(base.path()).unwrap());
        let second = StateDirectory::take(&base.path().join("x"), Some("x"));
        assert!(matches!(second, Err(OpenError::Locked(path)) if path.ends_with("x")));
    }

    #[test]
    fn a_directory_that_was_removed_is_made_again_with_its_identity_unless_another_agent_was_faster() {
        let base = tempfile::tempdir().unwrap();
        let place = base.path().join("x/y");
        let first = StateDirectory::open(Some(&place), None).unwrap();
        assert_eq!(first.mend().unwrap(), Mended::NotNeeded);
        fs::remove_dir_all(base.path().join("x")).unwrap();
        assert_eq!(first.mend().unwrap(), Mended::Made);
        assert_eq!(first.mend().unwrap(), Mended::NotNeeded);
        assert!(is_in_use(&place).unwrap());
        let (name, agent_id) = (first.name().to_owned(), first.agent_id().to_owned());
        fs::remove_dir_all(&place).unwrap();
        let other = StateDirectory::open(Some(&place), None).unwrap();
        assert!(matches!(first.mend(), Err(MendError::Taken)));
        drop(other);
        assert_eq!(first.mend().unwrap(), Mended::Made);
        drop(first);
        let again = StateDirectory::open(Some(&place), None).unwrap();
        assert_eq!(
            (again.name(), again.agent_id()),
            (name.as_str(), agent_id.as_str())
        );
        fs::remove_dir_all(base.path().join("x")).unwrap();
        fs::write(base.path().join("x"), "in the way").unwrap();
        assert!(matches!(again.mend(), Err(MendError::Impossible(_))));
    }

    #[test]
    fn a_directory_that_was_moved_away_is_no_other_agents_while_its_own_runs() {
        let base = tempfile::tempdir().unwrap();
        let (place, away) = (base.path().join("x"), base.path().join("y"));
        let first = StateDirectory::open(Some(&place), None).unwrap();
        fs::rename(&place, &away).unwrap();
        assert_eq!(first.mend().unwrap(), Mended::Made);
        assert!(is_in_use(&place).unwrap());
        let other = StateDirectory::open(Some(&away), None);
        assert!(matches!(other, Err(OpenError::Locked(_))));
        fs::remove_dir_all(&place).unwrap();
        fs::rename(&away, &place).unwrap();
        assert_eq!(first.mend().unwrap(), Mended::Made);
        assert_eq!(first.mend().unwrap(), Mended::NotNeeded);
        assert!(is_in_use(&place).unwrap());
    }

    #[test]
    fn a_given_directory_keeps_the_name_it_made() {
        let base = tempfile::tempdir().unwrap();
        let name = StateDirectory::open(Some(base.path()), None)
            .unwrap()
            .name()
            .to_owned();
        assert_eq!(
            StateDirectory::open(Some(base.path()), None).unwrap().name(),
            name
        );
        assert_eq!(
            StateDirectory::open(Some(base.path()), Some("other"))
                .unwrap()
                .name(),
            "other"
        );
    }
}

//! The identity of an agent: its name and its id, made at the first start.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use swarm_proto::limits::{MAX_ID_BYTES, MAX_NAME_BYTES};

use super::OpenError;
use crate::{
    disk::write::write_durably,
    program::{file_name::is_file_name, random},
};

/// 80 random bits: no two agents ever share an identity.
const AGENT_ID_CHARACTERS: usize = 16;
/// Characters that tell the agents of one host apart.
const NAME_SUFFIX_CHARACTERS: usize = 4;
/// Characters of the host's name in an agent's name: host names may be longer than ours.
const MAX_HOST_CHARACTERS: usize = 63;

/// A name for an agent: the host's, and what tells it from the others there.
pub(super) fn new_name() -> String {
    let short: String = host()
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .take(MAX_HOST_CHARACTERS)
        .collect();
    let host = if is_file_name(&short, MAX_HOST_CHARACTERS) {
        short.as_str()
    } else {
        "agent"
    };
    format!("{host}-{}", random::base32(NAME_SUFFIX_CHARACTERS))
}

/// An id for an agent.
pub(super) fn new_agent_id() -> String {
    random::base32(AGENT_ID_CHARACTERS)
}

/// The name of this machine; empty when it has none.
pub(super) fn host() -> String {
    let name = nix::unistd::gethostname()
        .ok()
        .and_then(|host| host.into_string().ok());
    let mut name = name.unwrap_or_default();
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}

/// The text in a file. A file that is not there yet is written with the text of `make`.
pub(super) fn read_or_make(file: &Path, make: impl FnOnce() -> String) -> Result<String, OpenError> {
    match fs::read_to_string(file) {
        Ok(text) if is_file_name(text.trim(), MAX_ID_BYTES) => return Ok(text.trim().to_owned()),
        Ok(_) => {
            return Err(OpenError::Unusable(anyhow::anyhow!(
                "{} does not hold what an agent wrote there; move it away to begin with a new one",
                file.display()
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(anyhow::Error::new(error)
                .context(format!("cannot read {}", file.display()))
                .into());
        }
    }
    let made = make();
    write_durably(file, format!("{made}\n").as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(made)
}

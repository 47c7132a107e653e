//! The name under which a person places holds and sets limits: `user@host` unless a flag gives another. Nobody checks
//! it.

use nix::unistd::{User, gethostname, getuid};
use swarm_proto::limits::MAX_NAME_BYTES;

/// The flag that names the person.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Actor {
    /// In whose name [default: user@host]
    #[arg(
        long = "actor",
        env = "SWARM_ACTOR",
        hide_env_values = true,
        value_name = "NAME"
    )]
    named: Option<String>,
}

impl Actor {
    /// The name that goes into the request.
    pub fn name(&self) -> String {
        let name = match self.named.as_deref().map(str::trim) {
            None | Some("") => user_at_host(),
            Some(named) => named.to_owned(),
        };
        let end = name.floor_char_boundary(MAX_NAME_BYTES);
        name[..end].to_owned()
    }
}

fn user_at_host() -> String {
    let user = match User::from_uid(getuid()) {
        Ok(Some(user)) => user.name,
        // A container may run as a user that nobody has named.
        Ok(None) | Err(_) => format!("uid {}", getuid()),
    };
    match gethostname() {
        Ok(host) => format!("{user}@{}", host.to_string_lossy()),
        Err(_) => user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_always_named_and_never_at_length() {
        let named = |named: &str| {
            Actor {
                named: Some(named.to_owned()),
            }
            .name()
        };
        assert_eq!(named("ann@desk"), "ann@desk");
        assert_eq!(named(" "), Actor::default().name());
        assert!(Actor::default().name().contains('@'));
        assert_eq!(named(&"ä".repeat(150)).len(), MAX_NAME_BYTES);
    }
}

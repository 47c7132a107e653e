//! Labels that every agent has by itself: they say what its machine is, and which agent it is.

use std::{collections::BTreeMap, fs};

/// Their keys. Of most, what the owner writes counts instead.
pub(crate) const KEYS: [&str; 6] = ["os", "arch", "host", NAME, "cpus", "memory"];

/// The key of the agent's name, which its owner chooses with `--name`.
pub(crate) const NAME: &str = "name";

/// These labels of an agent with this name. What the machine does not say is left out.
pub(crate) fn of_this_machine(name: &str) -> BTreeMap<String, String> {
    let host = nix::unistd::gethostname().ok();
    let labels = [
        ("os", Some(std::env::consts::OS.to_owned())),
        ("arch", Some(std::env::consts::ARCH.to_owned())),
        ("host", host.and_then(|host| host.into_string().ok())),
        (NAME, Some(name.to_owned())),
        (
            "cpus",
            std::thread::available_parallelism()
                .ok()
                .map(|cpus| cpus.to_string()),
        ),
        (
            "memory",
            fs::read_to_string("/proc/meminfo")
                .ok()
                .and_then(|text| memory(&text)),
        ),
    ];
    let known = labels
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    known.collect()
}

/// The memory of the machine in whole mebibytes, from a line such as `MemTotal:       24684096 kB`.
fn memory(meminfo: &str) -> Option<String> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{}MiB", kib / 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_mebibytes() {
        let text = "MemTotal:       24684096 kB\nMemFree: 1 kB\n";
        assert_eq!(memory(text).as_deref(), Some("24105MiB"));
        assert_eq!(memory("MemTotal: much\n"), None);
    }

    #[test]
    fn only_known_keys_are_set() {
        let labels = of_this_machine("lab");
        assert!(labels.keys().all(|key| KEYS.contains(&key.as_str())));
        assert_eq!(labels[NAME], "lab");
    }
}

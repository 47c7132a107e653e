//! Cargo.lock: one copy of what must agree with itself, and nothing that needs more than a C compiler.

use std::fs;

use crate::harness::workspace_root;

/// Two copies of these would not understand each other's types, or double the attack surface.
const ONE_COPY: [&str; 4] = ["tonic", "prost", "hyper", "rustls"];

/// Need cmake, OpenSSL or a download to build, or are unsound or abandoned.
const BANNED: [&str; 7] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl-sys",
    "native-tls",
    "serde_yaml",
    "serde_yml",
    "protoc-bin",
];

/// The packages of the lock file, each by name and version.
fn packages() -> Vec<(String, String)> {
    let lock = fs::read_to_string(workspace_root().join("Cargo.lock")).unwrap();
    let value = |line: &str, key: &str| {
        line.strip_prefix(key)?
            .strip_prefix(" = \"")?
            .strip_suffix('"')
            .map(str::to_owned)
    };
    let (mut packages, mut name) = (Vec::new(), String::new());
    for line in lock.lines() {
        if let Some(found) = value(line, "name") {
            name = found;
        } else if let Some(version) = value(line, "version") {
            packages.push((name.clone(), version));
        }
    }
    packages
}

#[test]
fn there_is_one_copy_of_each_crate_whose_types_cross_ours() {
    let packages = packages();
    assert!(packages.len() > 50, "the lock file was not read");
    for name in ONE_COPY {
        let copies: Vec<_> = packages.iter().filter(|package| package.0 == name).collect();
        // Not every one of them is in use yet; tonic is what everything stands on.
        assert!(copies.len() <= 1, "{copies:?}");
    }
    assert!(packages.iter().any(|package| package.0 == "tonic"));
}

#[test]
fn no_banned_crate_has_come_in() {
    let found: Vec<_> = packages()
        .into_iter()
        .filter(|package| BANNED.iter().any(|name| package.0.starts_with(name)))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

//! Ports that another program has.

use std::{net::TcpListener, path::Path};

use crate::harness::program::{command, run};

#[test]
fn a_taken_port_is_said_before_anything_is_built() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flags in [
        vec!["--listen", &address],
        vec!["--listen", "127.0.0.1:0", "--metrics-listen", &address],
    ] {
        let mut coordinator = command("coordinator", home.path());
        coordinator
            .args(&flags)
            .args(["--data-dir", "data"])
            .current_dir(home.path());
        let ended = run(coordinator).expect(78);
        let said = format!("cannot listen on {address}");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
        let help = format!(
            "another program has that port; take another one: {}",
            flags[flags.len() - 2]
        );
        assert!(ended.stderr.contains(&help), "{}", ended.stderr);
        assert_nothing_is_built(home.path());
    }
}

#[test]
fn one_port_for_two_purposes_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:50051";
    let mut coordinator = command("coordinator", home.path());
    coordinator
        .args([
            "--listen",
            address,
            "--metrics-listen",
            address,
            "--data-dir",
            "data",
        ])
        .current_dir(home.path());
    let ended = run(coordinator).expect(78);
    let said = format!("--listen and --metrics-listen are both {address}");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert_nothing_is_built(home.path());
}

#[track_caller]
fn assert_nothing_is_built(home: &Path) {
    for built in ["journal", "store"] {
        assert!(!home.join("data").join(built).exists(), "there is a {built}");
    }
}

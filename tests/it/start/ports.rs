//! Ports that another program has.

use std::net::TcpListener;

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
        for built in ["journal", "store"] {
            assert!(
                !home.path().join("data").join(built).exists(),
                "there is a {built}"
            );
        }
    }
}

//! Trees of real processes.

#![expect(clippy::unwrap_used, reason = "clippy takes what helps a test for no test")]

use std::process::{Child, Command, Stdio};

use std::thread;

use super::{
    series::Series,
    sweep::{Sweeper, Swept, sweep},
    *,
};
use crate::program::random;

fn marked(mark: &str, program: &str, arguments: &[&str]) -> Child {
    Command::new(program)
        .args(arguments)
        .env(mark::VARIABLE, mark)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn new_series() -> String {
    random::base32(16)
}

#[test]
fn all_of_a_series_is_killed_and_no_other() {
    let (ours, others) = (new_series(), new_series());
    let mut one = marked(&format!("{ours}a"), "sleep", &["600"]);
    let mut two = marked(&format!("{ours}b"), "sleep", &["600"]);
    let mut other = marked(&others, "sleep", &["600"]);
    let swept = sweep(&ours);
    assert_eq!(
        swept,
        Swept {
            killed: 2,
            is_gone: true
        }
    );
    one.wait().unwrap();
    two.wait().unwrap();
    assert!(other.try_wait().unwrap().is_none());
    assert_eq!(sweep(&others).killed, 1);
    other.wait().unwrap();
}

#[test]
fn who_forks_and_leaves_without_end_is_caught() {
    let mark = new_series();
    // Each shell starts the next one in a new session, and ends.
    let script = "f() { setsid sh -c \"$S\" & }; f";
    let mut chain = Command::new("sh")
        .args(["-c", script])
        .env("S", "setsid sh -c \"$S\" &")
        .env(mark::VARIABLE, &mark)
        .spawn()
        .unwrap();
    chain.wait().unwrap();
    assert!(sweep(&mark).is_gone);
    assert_eq!(
        sweep(&mark),
        Swept {
            killed: 0,
            is_gone: true
        }
    );
}

#[test]
fn a_process_whose_first_thread_has_ended_is_found_by_the_others() {
    let mark = new_series();
    let script = "import ctypes, threading\n\
                  threading.Thread(target=threading.Event().wait).start()\n\
                  ctypes.CDLL(None).pthread_exit(0)";
    if !Command::new("python3")
        .arg("--version")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("there is no python3 here");
        return;
    }
    let mut child = marked(&mark, "python3", &["-c", script]);
    let status = format!("/proc/{}/status", child.id());
    while !std::fs::read_to_string(&status).unwrap().contains("State:\tZ") {
        thread::yield_now();
    }
    assert_eq!(sweep(&mark).killed, 1);
    child.wait().unwrap();
}

#[tokio::test]
async fn trees_that_end_together_are_ended_by_one_thread() {
    let series = Series::begin(&std::env::temp_dir());
    let sweeper = Sweeper::start().unwrap();
    let mut children = Vec::new();
    let mut ends = Vec::new();
    for n in 0..20 {
        let mark = series.mark();
        children.push(marked(mark.as_str(), "sleep", &["600"]));
        let key = AttemptKey {
            task_id: format!("t{n}"),
            attempt: 1,
        };
        let mut tree = Tree::new(mark, key, sweeper.clone());
        ends.push(tokio::spawn(async move { tree.end().await }));
    }
    for end in ends {
        end.await.unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().code().is_none());
    }
}

#[tokio::test]
async fn a_dropped_tree_is_ended_too() {
    let mark = Series::begin(&std::env::temp_dir()).mark();
    let mut child = marked(mark.as_str(), "sleep", &["600"]);
    let key = AttemptKey {
        task_id: "t".to_owned(),
        attempt: 1,
    };
    drop(Tree::new(mark, key, Sweeper::start().unwrap()));
    assert!(child.wait().unwrap().code().is_none());
}

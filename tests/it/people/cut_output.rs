//! Outputs of which only the end is kept: nobody is given a part without being told.

use std::fs;

use crate::harness::{agent::RealAgent, coordinator::Coordinator};

/// Prints 588,895 bytes, of which 64 KiB are kept.
const LONG: &str = "seq 1 100000";
/// The numbers below this are not in the last 64 KiB, which begin within this line.
const CUT_WITHIN: u32 = 89_078;

#[test]
fn run_ends_with_a_code_of_its_own_when_not_all_of_the_output_is_here() {
    let coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &[]);
    let run = |args: &[&str], script: &str| {
        let args = [args, &["run", "--", "sh", "-c", script]].concat();
        coordinator.swarmctl(&args)
    };
    let cut = run(&[], LONG).expect(12);
    assert!(
        cut.stderr.contains("stdout was cut: of 575.0 KiB only the last"),
        "{}",
        cut.stderr
    );
    // It begins with a whole line, and so every number is one that was printed.
    let numbers: Vec<u32> = cut.stdout.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((numbers[0], numbers.last()), (CUT_WITHIN + 1, Some(&100_000)));

    run(&["-o", "json"], LONG).expect(12);
    // What the task says by its own code says more, and what is only told to people on stderr is no result.
    let failed = run(&[], &format!("{LONG}; exit 3")).expect(3);
    assert!(failed.stderr.contains("stdout was cut"), "{}", failed.stderr);
    let noisy = run(&[], &format!("{LONG} >&2; echo done")).expect(0);
    assert!(
        noisy.stdout == "done\n" && noisy.stderr.contains("stderr was cut"),
        "{}",
        noisy.stderr
    );
    // Exactly as much as is kept is not cut.
    let whole = run(&[], "yes | head -c 65536").expect(0);
    assert_eq!(whole.stdout.len(), 65_536);
}

#[test]
fn who_is_given_the_end_of_a_long_output_is_told_so_and_so_is_everybody_who_looks() {
    let mut coordinator = Coordinator::start();
    let _agent = RealAgent::start(&coordinator, "a", &["--slots", "2"]);
    let file = coordinator.dir().join("job.yaml");
    fs::write(
        &file,
        format!(
            "name: counting\n\
             tasks:\n\
             \x20 - {{name: numbers, run: {LONG}}}\n\
             \x20 - {{name: few, run: seq 1 10}}\n\
             \x20 - name: count\n\
             \x20   run: 'cat \"$SWARM_INPUTS\"/* | wc -l; echo \"cut: $SWARM_INPUTS_CUT\";\
             \x20 cat \"$SWARM_INPUTS/.cut/numbers\"'\n\
             \x20   depends_on: [numbers, few]\n\
             \x20 - name: sum\n\
             \x20   run: 'echo \"cut: ${{SWARM_INPUTS_CUT-none}}\"'\n\
             \x20   depends_on: [few]\n"
        ),
    )
    .unwrap();
    let submitted = coordinator
        .swarmctl(&["submit", "-f", file.to_str().unwrap(), "-o", "json"])
        .expect(0)
        .json();
    let tasks = submitted["tasks"].as_array().unwrap();
    // In the order of the file.
    let id = |index: usize| tasks[index]["task_id"].as_str().unwrap().to_owned();
    let (numbers, count, sum) = (id(0), id(2), id(3));
    let waited = coordinator.swarmctl(&["wait", "counting"]).expect(0);
    let told = "its input numbers was cut: of 575.0 KiB the last 63.9 KiB are there";
    assert!(
        waited.stderr.contains(&format!("count: {told}\n")),
        "{}",
        waited.stderr
    );
    assert!(!waited.stderr.contains("sum: "), "{}", waited.stderr);

    let printed = coordinator.swarmctl(&["logs", &count]).expect(0).stdout;
    let lines = 100_000 - CUT_WITHIN + 10;
    assert_eq!(printed, format!("{lines}\ncut: numbers\n588895\n"));
    assert_eq!(
        coordinator.swarmctl(&["logs", &sum]).expect(0).stdout,
        "cut: none\n"
    );

    for args in [
        vec!["wait", &count],
        vec!["inspect", &count],
        vec!["list", "counting"],
    ] {
        let shown = coordinator.swarmctl(&args).expect(0);
        let shown = format!("{}{}", shown.stdout, shown.stderr);
        assert_eq!(shown.matches(told).count(), 1, "{args:?}: {shown}");
    }
    let inspected = coordinator.swarmctl(&["inspect", &sum]).expect(0);
    assert!(!inspected.stdout.contains("inputs:"), "{}", inspected.stdout);
    let task = coordinator
        .swarmctl(&["inspect", &count, "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(
        (
            &task["cut_input_count"],
            &task["cut_inputs"][0]["name"],
            &task["cut_inputs"][0]["stdout_bytes"]
        ),
        (&1.into(), &"numbers".into(), &588_895.into())
    );
    let events = coordinator
        .swarmctl(&["events", "--task", &count])
        .expect(0)
        .stdout;
    assert!(events.contains(", whose output is cut; "), "{events}");

    // It is known after a restart, and of a dependency that had ended before the submit.
    coordinator.kill();
    coordinator.start_again();
    let inspected = coordinator.swarmctl(&["inspect", &count]).expect(0);
    assert!(inspected.stdout.contains(told), "{}", inspected.stdout);
    let later = coordinator
        .swarmctl(&["run", "--depends-on", &numbers, "--", "true"])
        .expect(0);
    assert!(later.stderr.contains(told), "{}", later.stderr);
}

//! An attempt has no terminal, although its agent has one.

use swarm_proto::v1::attempt_report::Outcome;
use tokio::process::Command;

use crate::{
    fake::Fake,
    program::{AGENT, Home, until},
};

#[tokio::test]
async fn a_command_can_neither_write_to_the_terminal_of_its_agent_nor_read_from_it() {
    let has_script = Command::new("script").arg("--version").output().await;
    if let Err(error) = has_script {
        println!("SKIPPED: cannot run script, which makes a terminal: {error}");
        return;
    }
    let (fake, home) = (Fake::start().await, Home::new());
    let (seen, shown) = (home.path().join("seen"), home.path().join("shown"));
    fake.submit("writes", "printf '\\033]0;owned\\007' > /dev/tty");
    fake.submit("reads", "read line < /dev/tty");
    fake.submit("leads", "cut -d' ' -f6 /proc/$$/stat; echo $$");
    // `script` runs a shell line in a terminal of its own. The line proves that it has one.
    let line = format!(
        "script --quiet --return --command 'echo here > /dev/tty && : > {}; exec '\"$*\" {} < /dev/null",
        seen.display(),
        shown.display()
    );
    let agent = home.start_by(&["sh", "-c", &line, "sh", AGENT], &fake, &["--exit-when-idle"]);
    for task in ["writes", "reads"] {
        let report = fake.report(task).await;
        assert!(matches!(report.outcome, Some(Outcome::Failure(_))), "{report:?}");
        let stderr = String::from_utf8(report.output.unwrap().stderr).unwrap();
        // The system's words for ENXIO.
        assert!(stderr.contains("No such device or address"), "{stderr}");
    }
    let stdout = String::from_utf8(fake.report("leads").await.output.unwrap().stdout).unwrap();
    let numbers: Vec<_> = stdout.lines().collect();
    assert_eq!(
        numbers[0], numbers[1],
        "the command does not lead its session: {stdout}"
    );
    until("the agent's line ran", || seen.exists()).await;
    let (code, log) = agent.end().await;
    let shown = std::fs::read_to_string(shown).unwrap();
    assert!(shown.contains("here") && !shown.contains("owned"), "{shown}");
    assert_eq!(code, 0, "{log}\n{shown}");
}

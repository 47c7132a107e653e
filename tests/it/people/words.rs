//! Errors are said in words: never with a value as the compiler prints it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use crate::harness::{
    coordinator::Coordinator,
    deaf::Deaf,
    program::{Ended, command, run},
};

/// Signs of a value that was printed for programmers.
const FOR_PROGRAMMERS: [&str; 12] = [
    "{ ", "Some(", "None,", "Ok(", "Err(", "Os {", "kind:", "Error {", "Status {", "Custom {", "panicked",
    "unwrap",
];

/// An ended program that failed with words alone: `error:`, no full stop, and nothing for programmers.
#[track_caller]
fn expect_words(line: &str, ended: &Ended) {
    assert_ne!(ended.code, 0, "{line}: {}", ended.stdout);
    assert!(ended.stderr.contains("error: "), "{line}: {}", ended.stderr);
    for sign in FOR_PROGRAMMERS {
        assert!(
            !ended.stderr.contains(sign),
            "'{sign}' after {line}:\n{}",
            ended.stderr
        );
    }
    for said in ended.stderr.lines().filter(|said| said.starts_with("error: ")) {
        assert!(
            !said.ends_with('.') && said.len() > "error: ".len() + 5,
            "{line}: {said}"
        );
        assert!(
            !said["error: ".len()..].starts_with(char::is_uppercase),
            "{line}: {said}"
        );
    }
}

/// Serves every connection with this answer; with none it keeps the connection and says nothing.
fn stranger(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut preface = [0; 24];
            if !answer.is_empty() && stream.read_exact(&mut preface).is_ok() {
                let _ = stream.write_all(answer);
            }
            kept.push(stream);
        }
    });
    address
}

fn program(name: &str, home: &Path, line: &str) -> Command {
    let mut command = command(name, home);
    command.args(line.split_whitespace()).current_dir(home);
    command
}

#[test]
fn failing_command_lines_say_what_is_wrong_in_words() {
    let server = Coordinator::start();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    file("bad.yaml", "tasks: [{run: 3, depends_on: {}}, nonsense\n");
    file("bad.toml", "listen = [\ncolor = 3\nlisten = { a = 1 }\n");
    file("file", "");
    let data = server.data_dir();
    let data = data.display();
    let address = server.address();
    let deaf = Deaf::take();
    for line in [
        "swarmctl --no-such-flag".to_owned(),
        "swarmctl frobnicate".to_owned(),
        "swarmctl list --coordinator https://lab:1".to_owned(),
        "swarmctl list --coordinator nowhere.invalid".to_owned(),
        format!("swarmctl list --coordinator {}", deaf.address()),
        "swarmctl list --state sleeping".to_owned(),
        "swarmctl list --config bad.toml".to_owned(),
        "swarmctl list --config .".to_owned(),
        "swarmctl man file".to_owned(),
        format!("swarmctl --coordinator {address} inspect nobody"),
        format!("swarmctl --coordinator {address} explain nobody"),
        format!("swarmctl --coordinator {address} logs nobody"),
        format!("swarmctl --coordinator {address} cancel nobody"),
        format!("swarmctl --coordinator {address} agent inspect nobody"),
        format!("swarmctl --coordinator {address} drain nobody"),
        format!("swarmctl --coordinator {address} submit -f bad.yaml"),
        format!("swarmctl --coordinator {address} submit -f missing.yaml"),
        format!("swarmctl --coordinator {address} submit -f ."),
        format!("swarmctl --coordinator {address} submit --timeout soon -- true"),
        format!("swarmctl --coordinator {address} submit --depends-on nobody -- true"),
        format!("swarmctl dev --listen {address}"),
        format!("coordinator --data-dir other --listen {address}"),
        format!("coordinator --listen 127.0.0.1:0 --data-dir {data}"),
        "coordinator --listen 127.0.0.1:0 --data-dir file/below".to_owned(),
        "coordinator --listen 8.8.8.8:1 --insecure --data-dir third".to_owned(),
        "coordinator --listen lab:1".to_owned(),
        "coordinator --listen 0.0.0.0:1 --lease-ttl 1ms".to_owned(),
        "coordinator --config bad.toml".to_owned(),
        "coordinator --log-level loud".to_owned(),
        "coordinator verify --data-dir missing".to_owned(),
        "coordinator restore missing --data-dir fourth".to_owned(),
        "agent --config bad.toml".to_owned(),
        "agent --config missing.toml".to_owned(),
        "agent --state-dir file/below".to_owned(),
        "agent --workspace file/below --state-dir fifth".to_owned(),
        "agent --slots many --name .hidden --label x".to_owned(),
        "agent --once --max-tasks 3".to_owned(),
        "agent man file/below".to_owned(),
    ] {
        let (name, words) = line.split_once(' ').unwrap();
        expect_words(&line, &run(program(name, home.path(), words)));
    }
}

#[test]
fn each_kind_of_stranger_at_the_address_is_named_with_what_it_speaks() {
    let home = tempfile::tempdir().unwrap();
    let strangers = [
        (
            &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
            "speaks HTTP/1.1, not gRPC",
            "dashboard",
        ),
        (
            b"\x15\x03\x01\x00\x02\x02\x46\x00\x00\x00",
            "speaks TLS, and this program speaks plaintext",
            "--coordinator HOST:PORT",
        ),
        (b"", "does not answer", "50051"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak gRPC", "50051"),
    ];
    // Side by side: both programs have patience with a silent one.
    thread::scope(|scope| {
        for (answer, why, help) in strangers {
            let home = home.path();
            scope.spawn(move || {
                let address = stranger(answer);
                let line = format!("--coordinator {address} list");
                let ended = run(program("swarmctl", home, &line));
                expect_words(&line, &ended);
                ended.expect_error(69, &[&address, why], &[help]);
            });
            scope.spawn(move || {
                let line = format!("doctor --coordinator {}", stranger(answer));
                let mut agent = program("agent", home, &line);
                agent.args(["-o", "json"]);
                let ended = run(agent).expect(69);
                assert!(ended.stdout.contains(why), "{}", ended.stdout);
            });
        }
    });
    // The reverse, too: a client that asks for TLS is told that there is none.
    let line = "list --coordinator https://lab:50051";
    let ended = run(program("swarmctl", home.path(), line)).expect(2);
    let said = "asks for TLS, and this program speaks plaintext: write HOST:PORT alone";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

//! The page of metrics: every line is what the format says, figures are true, and strangers cannot hurt it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use swarm_proto::v1::TaskState;

use crate::harness::{
    agent::RealAgent,
    client::{shell_task, with},
    coordinator::Coordinator,
    program::{command, run},
    swarmctl::swarmctl,
    wait_until, workspace_root,
};

/// Longer than the coordinator keeps a connection that asks for nothing.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: swarm\r\n\r\n";

fn coordinator(more: &[&str]) -> (Coordinator, String) {
    let flags = [&["--metrics-listen", "127.0.0.1:0"], more].concat();
    let mut coordinator = Coordinator::with(&flags);
    let address = coordinator.metrics_address();
    (coordinator, address)
}

/// Sends bytes over a connection of their own; gives what comes back until the other side closes it.
fn send(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(CLOSED_WITHIN)).unwrap();
    // The other side may refuse before it has read everything.
    let _ = stream.write_all(bytes);
    read_to_its_end(stream)
}

#[track_caller]
fn read_to_its_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // Bytes that were not read before the close make it a reset.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8(answer).unwrap()
}

/// A page, read strictly.
#[derive(Debug)]
struct Page {
    /// The kind of each family by its name.
    types: BTreeMap<String, String>,
    /// By name and labels, as they stand there.
    samples: BTreeMap<String, f64>,
}

impl Page {
    #[track_caller]
    fn scrape(address: &str) -> Page {
        let answer = send(address, GET.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let head = head.to_lowercase();
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        Page::parse(body)
    }

    /// Each family is told about once, before its samples, which follow each other.
    #[track_caller]
    fn parse(body: &str) -> Page {
        assert!(body.ends_with('\n'), "the last line is whole");
        let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
        let (mut helped, mut family) = (BTreeSet::new(), String::new());
        for line in body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').unwrap();
                assert!(!words.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(told) = line.strip_prefix("# TYPE ") {
                let (name, kind) = told.split_once(' ').unwrap();
                assert!(helped.contains(name), "{line} has no help");
                assert!(["gauge", "counter", "histogram"].contains(&kind), "{line}");
                assert!(name.starts_with("swarm_"), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                family = name.to_owned();
                assert!(types.insert(family.clone(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let suffix = name
                    .strip_prefix(&family)
                    .unwrap_or_else(|| panic!("{line} in {family}"));
                let expected: &[&str] = match types[&family].as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(expected.contains(&suffix), "{line} in {family}");
                assert_labels(&series[name.len()..]);
                let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(value.is_finite(), "{line}");
                assert!(samples.insert(series.to_owned(), value).is_none(), "{line} twice");
            }
        }
        assert_eq!(helped, types.keys().cloned().collect());
        Page { types, samples }
    }

    #[track_caller]
    fn of(&self, series: &str) -> f64 {
        *self
            .samples
            .get(series)
            .unwrap_or_else(|| panic!("no {series} in {self:#?}"))
    }

    fn sum_of(&self, family: &str) -> f64 {
        let of_family = |series: &&String| series.split('{').next() == Some(family);
        let series = self.samples.keys().filter(of_family);
        series.map(|series| self.samples[series]).sum()
    }
}

/// `{name="value",…}`, or nothing.
#[track_caller]
fn assert_labels(text: &str) {
    if text.is_empty() {
        return;
    }
    let inside = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .unwrap();
    for label in inside.split("\",") {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{text}"));
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{text}"
        );
        assert!(!value.trim_end_matches('"').contains(['"', '\\', '\n']), "{text}");
    }
}

#[test]
fn figures_are_those_of_what_happened() {
    let (coordinator, address) = coordinator(&[]);
    let client = coordinator.client();
    let before = Page::scrape(&address);
    assert_eq!(before.sum_of("swarm_tasks"), 0.0);
    assert_eq!(
        before.of(r#"swarm_events_total{kind="coordinator_started"}"#),
        1.0
    );

    client.submit(vec![
        shell_task("good", "true"),
        shell_task("bad", "exit 7"),
        with(shell_task("elsewhere", "true"), |spec| {
            spec.queue = "nobody".to_owned();
        }),
    ]);
    let queued = Page::scrape(&address);
    assert_eq!(queued.of(r#"swarm_tasks{state="queued"}"#), 3.0);
    assert_eq!(
        queued.of(r#"swarm_queue_tasks{queue="default",state="queued"}"#),
        2.0
    );
    assert_eq!(
        queued.of(r#"swarm_queue_tasks{queue="nobody",state="queued"}"#),
        1.0
    );
    assert_eq!(queued.of(r#"swarm_queue_tasks{queue="",state="queued"}"#), 0.0);

    let agent = RealAgent::start(&coordinator, "a", &["--slots", "2", "--queues", "default"]);
    client.wait_for_state("good", TaskState::Succeeded);
    client.wait_for_event("bad", "attempt_failed");
    wait_until("the agent waits for more", || {
        Page::scrape(&address).of("swarm_waiting_claims") > 0.0
    });
    let after = Page::scrape(&address);
    assert_eq!(
        after.sum_of("swarm_tasks"),
        3.0,
        "states add up to what was submitted"
    );
    assert_eq!(after.of(r#"swarm_tasks{state="succeeded"}"#), 1.0);
    assert_eq!(after.of(r#"swarm_agents{state="online"}"#), 1.0);
    assert_eq!(after.of("swarm_slots"), 2.0);
    assert_eq!(
        after.of("swarm_unmatched_tasks"),
        1.0,
        "no agent serves its queue"
    );
    assert_eq!(after.of(r#"swarm_events_total{kind="task_submitted"}"#), 3.0);
    assert_eq!(after.of(r#"swarm_events_total{kind="task_succeeded"}"#), 1.0);
    let seq = after.of("swarm_journal_seq");
    let (events, commits) = (
        after.sum_of("swarm_events_total"),
        after.of("swarm_journal_commit_seconds_count"),
    );
    assert!(events >= seq && after.of("swarm_journal_commit_events_sum") == events);
    assert!(0.0 < commits && commits <= events, "{commits} of {events}");
    assert!(after.of(r#"swarm_journal_commit_events_bucket{le="+Inf"}"#) == commits);
    let submits = r#"method="swarm.v1.TaskService/SubmitTasks""#;
    assert_eq!(
        after.of(&format!(r#"swarm_grpc_calls_total{{{submits},code="OK"}}"#)),
        1.0
    );
    assert_eq!(
        after.of(&format!("swarm_grpc_call_seconds_count{{{submits}}}")),
        1.0
    );
    assert!(after.of("swarm_oldest_queued_age_seconds") > 0.0);
    assert_eq!(
        (
            after.of("swarm_clock_doubt_seconds"),
            after.of("swarm_time_ahead_seconds")
        ),
        (0.0, 0.0)
    );
    assert!(after.of("swarm_process_resident_bytes") > 1e6 && after.of("swarm_journal_bytes") > 1e6);

    for (series, value) in &before.samples {
        let rises = series.contains("_total") || series.contains("_bucket") || series.contains("_count");
        assert!(!rises || after.of(series) >= *value, "{series} has fallen");
    }
    for id in ["good", "bad", "elsewhere"] {
        let named = |series: &&String| series.contains(&format!("\"{id}\""));
        assert_eq!(after.samples.keys().find(named), None, "no label is a task's id");
    }
    drop(agent);
}

#[test]
fn the_figures_that_the_documents_name_are_on_the_page() {
    let (_coordinator, address) = coordinator(&[]);
    let page = Page::scrape(&address);
    let mut named: BTreeSet<String> = BTreeSet::new();
    for document in ["README.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(workspace_root().join(document)).unwrap();
        let quoted = text.split('`').skip(1).step_by(2);
        named.extend(
            quoted
                .filter(|word| word.starts_with("swarm_"))
                .map(str::to_owned),
        );
    }
    assert!(named.len() >= 4, "{named:?}");
    // What they say in words: how far the store is behind, and the shares of the memory.
    let in_words = [
        "swarm_store_lag_events",
        "swarm_memory_bytes",
        "swarm_memory_refusals_total",
    ];
    named.extend(in_words.map(str::to_owned));
    let lacks: Vec<&String> = named
        .iter()
        .filter(|name| !page.types.contains_key(*name))
        .collect();
    assert!(lacks.is_empty(), "{lacks:?} are not on the page");
}

#[test]
fn refusals_are_counted_by_reason_and_made_up_methods_under_one_name() {
    let (coordinator, address) = coordinator(&[]);
    let refused = coordinator.swarmctl(&["inspect", "nobody"]);
    assert_eq!(refused.code, 4);
    let page = Page::scrape(&address);
    assert!(page.of(r#"swarm_refusals_total{reason="TASK_NOT_FOUND"}"#) >= 1.0);
    assert_eq!(page.of(r#"swarm_refusals_total{reason="DISK_FULL"}"#), 0.0);
    assert_eq!(page.types["swarm_refusals_total"], "counter");
}

#[test]
fn only_the_page_is_served_and_only_read() {
    let (_coordinator, address) = coordinator(&[]);
    for (request, status) in [
        ("GET / HTTP/1.1", "404"),
        ("GET /metrics/ HTTP/1.1", "404"),
        ("POST / HTTP/1.1", "404"),
        ("GET /metrics?x=1 HTTP/1.1", "200"),
        ("GET /metrics HTTP/1.0", "200"),
        ("POST /metrics HTTP/1.1", "405"),
        ("HEAD /metrics HTTP/1.1", "405"),
        ("DELETE /metrics HTTP/1.1", "405"),
    ] {
        let answer = send(&address, format!("{request}\r\nHost: swarm\r\n\r\n").as_bytes());
        let given = answer.split_whitespace().nth(1);
        assert_eq!(given, Some(status), "{request}: {answer}");
    }
}

#[test]
fn strangers_on_the_port_are_refused_or_dropped_and_the_page_stays() {
    let (mut coordinator, address) = coordinator(&[]);
    let long_header = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many_headers = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let long_path = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    for bytes in [
        long_header.as_bytes(),
        many_headers.as_bytes(),
        long_path.as_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
        b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ] {
        let answer = send(&address, bytes);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    // More than may be there at a time say half a request each, and nothing more.
    let slow: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(2 * CLOSED_WITHIN)).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: sw").unwrap();
            stream
        })
        .collect();
    coordinator.client().status();
    for stream in slow {
        assert_eq!(read_to_its_end(stream), "");
    }
    Page::scrape(&address);
    assert_eq!(coordinator.program().ended(), None);
    let log = coordinator.program().log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn who_takes_the_port_for_the_coordinators_is_told_what_it_is() {
    let (coordinator, address) = coordinator(&[]);
    for args in [&["list"][..], &["submit", "--", "true"], &["doctor"]] {
        let ended = swarmctl(&address, coordinator.dir(), args).expect(69);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(
            said.contains("that port speaks HTTP/1.1, not gRPC"),
            "{args:?}: {said}"
        );
        assert!(!said.contains("trying again"), "{args:?}: {said}");
    }
}

#[test]
fn a_stop_does_not_wait_for_a_slow_scraper() {
    let (mut coordinator, address) = coordinator(&[]);
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.write_all(b"GET /metrics").unwrap();
    Page::scrape(&address);
    assert_eq!(coordinator.stop(CLOSED_WITHIN), 0);
    let log = coordinator.program().log();
    assert!(!log.contains("still in use"), "{log}");
}

#[test]
fn a_taken_port_and_an_open_one_are_refused_by_the_flag_they_were_given_with() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = |metrics: &str| {
        let mut command = command("coordinator", dir.path());
        command.args(["--listen", "127.0.0.1:0", "--metrics-listen", metrics]);
        command.arg("--data-dir").arg(dir.path().join("data"));
        run(command)
    };
    let address = taken.local_addr().unwrap().to_string();
    start(&address).expect_error(
        78,
        &["cannot listen", &address],
        &["--metrics-listen 127.0.0.1:PORT"],
    );
    start("0.0.0.0:0").expect_error(78, &["metrics", "plaintext"], &["--insecure"]);
}

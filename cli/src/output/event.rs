//! Events as lines for people and as JSON objects.

use serde_json::{Map, Value};
use swarm_program::words::{clean::clean_line, wrapped::wrapped};
use swarm_proto::{
    json,
    v1::{Event, Hold, event::Payload},
};

use super::{
    fields::{self, Fields, Paths},
    hold,
    sheet::{Ink, Sheet},
    text,
};

/// Characters of most kinds.
const KIND_WIDTH: usize = 18;

/// The keys that every event has, in this order; its payload's own fields follow.
const COMMON: &[&str] = &[
    "seq", "time", "kind", "task_id", "job_id", "attempt", "agent_id", "summary",
];

/// For people: seq, time of day, kind, and what happened, which goes on below itself on a narrow terminal.
pub fn sheet(event: &Event, terminal: Option<usize>) -> Sheet {
    told(event, &sentence(event), terminal)
}

/// The same on a page about its task, which is not named again.
pub fn sheet_of_task(event: &Event, terminal: Option<usize>) -> Sheet {
    let sentence = sentence(event);
    let about = match sentence.strip_prefix("task ") {
        // Before the id stands the name, if there is one.
        Some(task) => [format!("({}) ", event.task_id), format!("{} ", event.task_id)]
            .iter()
            .find_map(|id| task.split_once(id.as_str()))
            .map_or(sentence.as_str(), |(_, about)| about),
        None => &sentence,
    };
    told(event, about, terminal)
}

/// One line without ink.
pub fn text(event: &Event) -> String {
    sheet(event, None).shown(false).trim_end().to_owned()
}

fn told(event: &Event, sentence: &str, terminal: Option<usize>) -> Sheet {
    let kind = clean_line(&event.kind);
    let place = format!("{:>6}  {}  ", event.seq, text::time_of_day(event.time.as_ref()));
    let mut sheet = Sheet::default();
    if sentence.is_empty() {
        sheet.line([(Ink::Faint, place), (ink(&kind), kind)]);
        return sheet;
    }
    let shown_kind = format!("{kind:<KIND_WIDTH$}  ");
    let indent = place.chars().count() + shown_kind.chars().count();
    let fits = |width| indent + sentence.chars().count() <= width;
    let lines = match terminal.is_none_or(fits) {
        true => sentence.to_owned(),
        false => wrapped(&" ".repeat(indent), sentence, terminal),
    };
    let mut lines = lines.lines();
    let first = lines.next().unwrap_or_default().trim_start().to_owned();
    sheet.line([(Ink::Faint, place), (ink(&kind), shown_kind), (Ink::Plain, first)]);
    lines.for_each(|line| {
        sheet.text(line);
    });
    sheet
}

/// The ink of a kind of event.
fn ink(kind: &str) -> Ink {
    match kind {
        "task_succeeded" => Ink::Good,
        "attempt_failed" | "task_failed" | "lease_expired" | "agent_lost" => Ink::Bad,
        "cancel_requested" | "task_cancelled" | "task_skipped" | "lease_released" | "hold_placed"
        | "twin_refused" | "agent_forgotten" | "agent_removed" => Ink::Notable,
        "lease_granted" | "lease_resumed" => Ink::Busy,
        _ => Ink::Faint,
    }
}

/// What happened, with times of this zone.
fn sentence(event: &Event) -> String {
    let summary = match event.summary.as_str() {
        "" => of_payload(event),
        summary => summary.to_owned(),
    };
    text::with_local_times(&clean_line(&summary))
}

/// A sentence about an event that a person caused. Other events need none: their kind and ids say enough.
fn of_payload(event: &Event) -> String {
    let title = |hold: &Option<Hold>| hold::Scope::of(hold.as_ref().unwrap_or(&Hold::default())).title();
    match &event.payload {
        Some(Payload::HoldPlaced(placed)) => placed.hold.as_ref().map(hold::sentence).unwrap_or_default(),
        Some(Payload::HoldLifted(lifted)) => {
            let mut summary = format!("{} resumed {}", lifted.actor, title(&lifted.hold));
            if let Some(held) = &lifted.hold {
                summary.push_str(&format!(
                    ", which was {} by {}",
                    hold::word(held.kind()),
                    held.actor
                ));
            }
            summary
        }
        Some(Payload::QueueLimited(limited)) => match limited.max_running {
            Some(most) => format!(
                "{} limited queue {} to {}",
                limited.actor,
                limited.queue,
                text::counted(most.into(), "running task")
            ),
            None => format!("{} took away the limit of queue {}", limited.actor, limited.queue),
        },
        _ => String::new(),
    }
}

/// One flat object: what all events have, then the event's own fields.
pub fn object(event: &Event) -> Value {
    let Value::Object(mut message) = json::of(event) else {
        return Value::Null;
    };
    let mut object = Map::new();
    for key in COMMON {
        object.insert((*key).to_owned(), message.remove(*key).unwrap_or(Value::Null));
    }
    message.remove("as_of");
    // The remaining field is the payload, under its kind.
    for payload in message.into_iter().map(|(_, payload)| payload) {
        let Value::Object(fields) = payload else { continue };
        for (key, value) in fields {
            object.entry(key).or_insert(value);
        }
    }
    Value::Object(object)
}

/// The fields that events may have.
pub fn paths() -> Paths {
    let event = json::descriptor::<Event>();
    let payloads = event.oneofs().flat_map(|oneof| {
        let fields: Vec<_> = oneof.fields().collect();
        fields
            .into_iter()
            .filter_map(|field| field.kind().as_message().cloned())
    });
    Paths::of_names(COMMON, payloads.collect::<Vec<_>>().into_iter())
}

/// The chosen fields on one line for people.
pub fn chosen(event: &Event, fields: &Fields) -> String {
    let object = object(event);
    let cells: Vec<String> = fields
        .names()
        .map(|name| match clean_line(&fields::cell(&object, name)) {
            cell if cell.is_empty() => "-".to_owned(),
            cell => cell,
        })
        .collect();
    cells.join("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use swarm_proto::v1::{AttemptFailed, event::Payload};

    use super::*;

    #[test]
    fn the_payload_is_flattened() {
        let event = Event {
            seq: 7,
            kind: "attempt_failed".into(),
            task_id: "a".into(),
            attempt: 2,
            payload: Some(Payload::AttemptFailed(AttemptFailed {
                reason: "exit".into(),
                exit_code: Some(3),
                ..AttemptFailed::default()
            })),
            ..Event::default()
        };
        assert_eq!(
            object(&event),
            json!({
                "seq": 7, "time": null, "kind": "attempt_failed", "task_id": "a", "job_id": "", "attempt": 2,
                "agent_id": "", "summary": "", "reason": "exit", "blame": "unspecified", "message": "",
                "exit_code": 3, "stdout_bytes": 0, "stderr_bytes": 0,
            })
        );
    }

    #[test]
    fn a_line_has_nothing_to_steer_a_terminal_with() {
        let event = Event {
            seq: 1,
            kind: "k".into(),
            summary: "a\u{1b}[2J\nb".into(),
            ..Event::default()
        };
        assert_eq!(super::text(&event), "     1  -  k                   a b");
    }

    #[test]
    fn a_long_sentence_goes_on_below_itself() {
        let event = Event {
            seq: 1,
            kind: "k".into(),
            summary: "one two three four five six seven eight nine".into(),
            ..Event::default()
        };
        let told = sheet(&event, Some(56)).shown(false);
        assert_eq!(
            told,
            "     1  -  k                   one two three four five\n\
             \x20                              six seven eight nine\n"
        );
    }

    #[test]
    fn a_page_about_a_task_names_it_once() {
        for (summary, expected) in [
            ("task fetch (t1) started attempt 1", "started attempt 1"),
            ("task t1 was cancelled", "was cancelled"),
            ("queue slow is paused", "queue slow is paused"),
        ] {
            let event = Event {
                task_id: "t1".into(),
                summary: summary.into(),
                ..Event::default()
            };
            let told = sheet_of_task(&event, Some(80)).shown(false);
            assert!(told.ends_with(&format!("  {expected}\n")), "{told}");
        }
    }
}

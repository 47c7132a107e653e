//! The rules of Swarm, as a pure state machine.
//!
//! A *decision* takes the state, the time and a request. It either rejects the
//! request or emits events, and the state changes only by applying events. The
//! engine has no I/O, async, clock, randomness or logging: the same requests
//! give the same events on every machine, so the journal of events is the whole
//! truth.
//!
//! # The life of a task
//!
//! ```text
//! (new) ──► Blocked ──► Queued ──► Running ──► Succeeded
//!              │          ▲ ▲        │ │ │
//!              │          │ │        │ │ └── cancel asked: Running until a report, release or expiry ──► Cancelled
//!              │   due    │ │        │ └──── failed or lost, tries left ──► Delayed;  none left ──► Failed
//!              │  Delayed─┘ └────────┘       released, or lost without blame ──► Queued
//!              └── a dependency did not succeed ──► Skipped
//! ```
//!
//! A new task without dependencies is Queued at once, or Delayed when its start
//! time lies ahead. A cancelled task that does not run is Cancelled at once.
//!
//! Only a retry takes a task out of a final state. It opens a new round, and
//! brings skipped dependents back in steps. A late success takes a Delayed or
//! Queued task to Succeeded. Pruning removes a task for good, long after its
//! end and only when no other task needs it.
//!
//! # What always holds
//!
//! 1. A task has at most one lease. Its attempt number only rises, for the life
//!    of its id: it is the fence.
//! 2. A report is accepted only from the current attempt, or from an expired
//!    attempt while nothing has happened to the task since.
//! 3. A round has at most one final outcome; only a retry opens a round.
//! 4. No task is granted before each dependency has met its condition.
//! 5. Every attempt has an end that no renewal and no pause extends. A start of
//!    the coordinator puts it off by one TTL at most, because an agent's clock
//!    may differ.
//! 6. An event touches one task's record, and at most its job's and agent's.
//!    Consequences for other tasks follow in bounded steps, each an event.
//!
//! # Reading order
//!
//! Names and times ([`id`], [`time`]), the nouns ([`noun`]), the facts
//! ([`event`]), the state and how facts change it ([`state`]), the questions
//! that several requests ask of it ([`rule`]), then one file for each request
//! ([`command`]). Each part knows only those named before it.

pub mod id;
pub mod limits;
pub mod time;

pub mod noun;

pub mod event;
pub mod rejection;
pub mod touches;

pub mod state;

pub mod draft;

pub mod rule;

pub mod command;

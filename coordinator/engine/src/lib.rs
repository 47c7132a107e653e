//! The rules of Swarm, as a pure state machine.
//!
//! Given the state, the time and a request, a *decision* either rejects the
//! request or emits events; the state changes only by applying them. There is
//! no I/O here, no async, no clock, no randomness and no logging: the same
//! requests give the same events on every machine, so a journal of the events
//! is the whole truth.
//!
//! # The life of a task
//!
//! ```text
//! (new) ──► Blocked ──► Queued ──► Running ──► Succeeded     no dependencies: straight to Queued,
//!              │          ▲ ▲        │ │ │                  or to Delayed when not_before is ahead
//!              │          │ │        │ │ └── cancel asked: Running until a report, release or expiry ──► Cancelled
//!              │   due    │ │        │ └──── failed or lost, tries left ──► Delayed ──(due)──► Queued
//!              │          │ │        │                        none left ──► Failed
//!              │  Delayed─┘ └────────┘       released, or lost without blame ──► Queued
//!              └── a dependency did not succeed ──► Skipped        not running, cancel ──► Cancelled
//! ```
//!
//! A final state is left only by a retry, which opens a new round and brings
//! back, in steps, what was skipped because of the task. A late success takes a
//! Delayed or Queued task to Succeeded. Pruning removes a task for good, long
//! after its end and when nothing needs it.
//!
//! # What always holds
//!
//! 1. A task has at most one lease. Its attempt number only rises, for the life
//!    of its id: it is the fence.
//! 2. A report is accepted only from the current attempt, or from one that
//!    expired and nothing has happened to the task since.
//! 3. A round has at most one final outcome; only a retry opens a round.
//! 4. No task is granted before its dependencies ended as they had to.
//! 5. Every attempt has an end that no renewal and no pause extends. A start puts
//!    it off by one TTL at most: those who trust a lease may have another clock.
//! 6. An event touches one task's record, and at most its job's and agent's;
//!    what follows for other tasks is settled in bounded steps, each an event.
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

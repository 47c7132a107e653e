//! Heartbeats: one parked call renews all leases, and its answer brings orders for the attempts.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use swarm_proto::{
    limits::MAX_WAIT,
    v1::{Directive, HeartbeatResponse, HoldKind},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    hold,
    lease::{BootTime, TrustWindow},
    leases::Untrusted,
    order::{Order, Why},
    session::{Session, SessionEnd, read_length},
};
use crate::attempt_key::AttemptKey;

/// The least time between two heartbeats to a coordinator that answers at once.
const LEAST_GAP: Duration = Duration::from_millis(200);
/// How often trust windows are checked. After a sleep of the machine their end is noticed within this time.
const TRUST_CHECK: Duration = Duration::from_secs(1);
/// The pause after a heartbeat that was not parked for the whole interval. Only a parked heartbeat hears orders at
/// once.
const SOON: Duration = Duration::from_secs(1);
/// Renewals that fit into the trust window of an exclusive attempt: one answer, one pause, and the next answer.
const RENEWALS_PER_WINDOW: u32 = 3;

/// Sends heartbeats until the session ends. `draining` turns true when the agent claims nothing more.
pub(crate) async fn beat(
    session: &Session,
    kill_grace: Duration,
    draining: watch::Receiver<bool>,
) -> SessionEnd {
    tokio::select! {
        end = renew(session, kill_grace, draining) => end,
        () = notice_silence(session) => unreachable!("silence is watched for as long as leases are renewed"),
    }
}

async fn renew(session: &Session, kill_grace: Duration, mut draining: watch::Receiver<bool>) -> SessionEnd {
    let mut backoff = session.coordinator.backoff();
    let mut is_asked_for = false;
    loop {
        let (sent, begun) = (BootTime::now(), Instant::now());
        let is_draining = *draining.borrow_and_update();
        let interval = session.registration().heartbeat_interval;
        let longest = longest_wait(session, interval);
        let wait = if is_asked_for { Duration::ZERO } else { longest };
        let answer = tokio::select! {
            answer = session.heartbeat(is_draining, wait) => answer,
            // The parked heartbeat renewed the leases on arrival. It is given up, so that the coordinator hears of
            // the drain now.
            Ok(()) = draining.changed() => continue,
            // A heartbeat without a wait is answered soon. If each claim gave it up, no answer would ever come.
            () = session.beat_now.notified(), if !wait.is_zero() => {
                is_asked_for = true;
                sleep_until(begun + LEAST_GAP).await;
                continue;
            }
        };
        is_asked_for = false;
        match answer {
            Err(end) => return end,
            Ok(None) => sleep(backoff.pause()).await,
            Ok(Some(answer)) => {
                backoff.reset();
                let pause = read_length(answer.next_heartbeat).unwrap_or(interval);
                let pause = if wait < interval {
                    pause.min(SOON).min(longest)
                } else {
                    pause
                };
                obey(session, kill_grace, sent, answer);
                let next = (Instant::now() + pause).max(begun + LEAST_GAP);
                tokio::select! {
                    () = sleep_until(next) => {}
                    Ok(()) = draining.changed() => {}
                    () = session.beat_now.notified() => {
                        is_asked_for = true;
                        sleep_until(begun + LEAST_GAP).await;
                    }
                }
            }
        }
    }
}

/// How long the coordinator may hold back the answer. A renewal counts here only once its answer is here.
fn longest_wait(session: &Session, interval: Duration) -> Duration {
    let longest = interval.min(MAX_WAIT);
    match session.leases.exclusive_window() {
        Some(window) => longest.min(window / RENEWALS_PER_WINDOW),
        None => longest,
    }
}

/// Renews trust windows and gives orders to attempts, as an answer says.
fn obey(session: &Session, kill_grace: Duration, sent: BootTime, answer: HeartbeatResponse) {
    let ttl = read_length(answer.lease_ttl).unwrap_or(session.registration().lease_ttl);
    let renewal = TrustWindow::new(sent, ttl, kill_grace);
    let hold = answer.hold;
    let release = match hold.as_ref().map(|hold| hold.kind()) {
        Some(HoldKind::Stop) => Order::Stop(Why::Hold),
        Some(HoldKind::Drain | HoldKind::Pause | HoldKind::Unspecified) | None => Order::Release(Why::Hold),
    };
    for directive in answer.directives {
        let order = directive.directive();
        let key = AttemptKey {
            task_id: directive.task_id,
            attempt: directive.attempt,
        };
        match order {
            Directive::Unspecified | Directive::Continue => session.leases.renew(&key, renewal),
            Directive::Release => {
                session.leases.renew(&key, renewal);
                if session.leases.order(&key, release).is_some() {
                    let why = hold.as_ref().map(hold::sentence);
                    tracing::warn!(
                        task_id = key.task_id,
                        attempt = key.attempt,
                        reason = why
                            .as_deref()
                            .unwrap_or("somebody drained this agent, or stopped all"),
                        "told to end the attempt and give it back"
                    );
                }
            }
            Directive::Cancel => {
                session.leases.renew(&key, renewal);
                if session.leases.order(&key, Order::Cancel).is_some() {
                    tracing::info!(
                        task_id = key.task_id,
                        attempt = key.attempt,
                        "the task was cancelled; ending the attempt"
                    );
                }
            }
            Directive::Lost => {
                if let Some(renewed) = session.leases.order(&key, Order::Lost) {
                    tracing::warn!(
                        task_id = key.task_id,
                        attempt = key.attempt,
                        "the lease was lost: its last renewal was sent at {}; ending the attempt",
                        ago(BootTime::now().since(renewed)),
                    );
                }
            }
        }
    }
    session.hold.send_if_modified(|current| {
        let is_news = *current != hold;
        *current = hold;
        is_news
    });
}

/// Watches the trust windows. When one ends, the coordinator may give the task to another agent, so an exclusive
/// attempt is ended.
async fn notice_silence(session: &Session) {
    loop {
        for untrusted in session.leases.newly_untrusted(BootTime::now()) {
            let Untrusted {
                key,
                silence,
                ended,
                exclusive,
            } = untrusted;
            if !exclusive {
                tracing::warn!(
                    task_id = key.task_id,
                    attempt = key.attempt,
                    "the lease was not renewed since {}: the task may be given to somebody else; working on",
                    ago(silence),
                );
                continue;
            }
            // After a sleep of the machine the margin for a polite end is used up.
            let order = if ended <= TRUST_CHECK {
                Order::Release(Why::Silence)
            } else {
                Order::Stop(Why::Silence)
            };
            session.leases.order(&key, order);
            tracing::warn!(
                task_id = key.task_id,
                attempt = key.attempt,
                "the lease was not renewed since {}, and no other task of its exclusive group may run beside it: \
                 ending the attempt",
                ago(silence),
            );
        }
        let next = session.leases.exclusive_rest(BootTime::now());
        sleep(next.unwrap_or(TRUST_CHECK).min(TRUST_CHECK)).await;
    }
}

/// The time of day this long ago.
fn ago(duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    Timestamp::now().checked_sub(duration).unwrap_or(Timestamp::MIN)
}

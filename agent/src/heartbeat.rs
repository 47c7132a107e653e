//! One renewal for all held leases, always in flight, which brings orders back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use swarm_proto::v1::{Directive, HeartbeatResponse};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    held::{AttemptKey, Order},
    lease::{BootTime, TrustWindow},
    session::{Over, Session, read_length},
};

/// A coordinator that answers at once is not asked more often than this.
const LEAST_GAP: Duration = Duration::from_millis(200);
/// How often trust windows are looked at; a sleep of the machine is noticed this long after it.
const TRUST_CHECK: Duration = Duration::from_secs(2);

/// Renews until the agent cannot go on. `draining` turns true when nothing more is claimed.
pub(crate) async fn beat(session: &Session, kill_grace: Duration, draining: watch::Receiver<bool>) -> Over {
    tokio::select! {
        over = renew(session, kill_grace, draining) => over,
        () = notice_silence(session) => unreachable!("silence is watched for as long as leases are renewed"),
    }
}

async fn renew(session: &Session, kill_grace: Duration, mut draining: watch::Receiver<bool>) -> Over {
    let mut backoff = session.coordinator.backoff();
    loop {
        let (sent, begun) = (BootTime::now(), Instant::now());
        let is_draining = *draining.borrow_and_update();
        let answer = tokio::select! {
            answer = session.heartbeat(is_draining) => answer,
            // The parked one is given up, so that the coordinator hears the news now. It renewed on arrival.
            Ok(()) = draining.changed() => continue,
        };
        match answer {
            Err(over) => return over,
            Ok(None) => sleep(backoff.pause()).await,
            Ok(Some(answer)) => {
                backoff.reset();
                let pause = read_length(answer.next_heartbeat);
                obey(session, kill_grace, sent, answer);
                let pause = pause.unwrap_or(session.registration().heartbeat_interval);
                let next = (Instant::now() + pause).max(begun + LEAST_GAP);
                tokio::select! {
                    () = sleep_until(next) => {}
                    Ok(()) = draining.changed() => {}
                }
            }
        }
    }
}

/// Takes an answer's renewals and orders to heart.
fn obey(session: &Session, kill_grace: Duration, sent: BootTime, answer: HeartbeatResponse) {
    let ttl = read_length(answer.lease_ttl).unwrap_or(session.registration().lease_ttl);
    let renewal = TrustWindow::new(sent, ttl, kill_grace);
    for directive in answer.directives {
        let order = directive.directive();
        let key = AttemptKey {
            task_id: directive.task_id,
            attempt: directive.attempt,
        };
        match order {
            Directive::Unspecified | Directive::Continue => session.held.renew(&key, renewal),
            Directive::Release => {
                session.held.renew(&key, renewal);
                if session.held.order(&key, Order::Release).is_some() {
                    tracing::info!(
                        task_id = key.task_id,
                        attempt = key.attempt,
                        "somebody drains or stops this agent; giving the attempt back"
                    );
                }
            }
            Directive::Cancel => {
                session.held.renew(&key, renewal);
                if session.held.order(&key, Order::Cancel).is_some() {
                    tracing::info!(
                        task_id = key.task_id,
                        attempt = key.attempt,
                        "the task was cancelled; ending the attempt"
                    );
                }
            }
            Directive::Lost => {
                if let Some(renewed) = session.held.order(&key, Order::Lost) {
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
}

/// Says when the coordinator has been silent for so long that it may give attempts to others.
async fn notice_silence(session: &Session) {
    loop {
        for (key, silence) in session.held.newly_untrusted(BootTime::now()) {
            tracing::warn!(
                task_id = key.task_id,
                attempt = key.attempt,
                "the lease was not renewed since {}: the task may be given to somebody else; working on",
                ago(silence),
            );
        }
        sleep(TRUST_CHECK).await;
    }
}

/// When something was that is this long ago.
fn ago(duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    Timestamp::now().checked_sub(duration).unwrap_or(Timestamp::MIN)
}

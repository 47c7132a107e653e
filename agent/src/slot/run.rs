//! One attempt in its slot: run, written to the outbox, handed over, tidied up.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use swarm_proto::v1::{Assignment, AttemptReport, attempt_report::Outcome};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{
    context::{SlotContext, WRITE_LIMIT, hung},
    in_flight::Call,
    unsent::Unsent,
};
use crate::{
    attempt::{self, Conclusion, Surroundings, veto::queue_of},
    attempt_key::AttemptKey,
    coordinator::order::Order,
    disk::workspace::{AttemptDirectory, is_full},
    program::lasted::length,
};

/// The time to count the files that an attempt left: ten thousand take some ten milliseconds.
const COUNT_LIMIT: Duration = Duration::from_secs(1);

/// Runs one attempt, writes its outcome to the outbox, hands it over, and tidies up last.
pub(super) async fn run_to_report(
    context: Arc<SlotContext>,
    assignment: Assignment,
    orders: watch::Receiver<Order>,
    finished: mpsc::Sender<Unsent>,
) {
    let lease = assignment.lease.clone().unwrap_or_default();
    let key = AttemptKey::of(&lease);
    let begun = Instant::now();
    let job_id = Some(assignment.job_id.as_str()).filter(|job_id| !job_id.is_empty());
    tracing::info!(
        task_id = key.task_id,
        attempt = key.attempt,
        task_name = name_of(&assignment),
        job_id,
        queue = assignment.spec.as_ref().map(queue_of),
        "begins"
    );
    let here = Arc::clone(&context);
    // As a task of its own, so that a bug in an attempt ends that attempt only.
    let running = tokio::spawn(async move {
        let surroundings = Surroundings {
            coordinator: &here.session.coordinator,
            workspace: &here.workspace,
            kill_grace: here.config.kill_grace,
            lease_ttl: here.session.registration().lease_ttl,
            series: &here.series,
            sweeper: &here.sweeper,
            starter: &here.starter,
        };
        attempt::run(surroundings, assignment, orders).await
    });
    let Conclusion {
        mut report,
        lost,
        directory,
    } = running.await.unwrap_or_else(|_| Conclusion {
        report: attempt::broken(lease),
        lost: false,
        directory: None,
    });
    let succeeded = matches!(report.outcome, Some(Outcome::Success(_)));
    let took = begun.elapsed();
    let keep = lost || context.config.keep_workspace.applies(succeeded);
    if let Some(directory) = directory.as_ref().filter(|_| !keep) {
        count_removed(&mut report, directory).await;
    }
    tracing::info!(
        task_id = key.task_id,
        attempt = key.attempt,
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        reason = reason_of(&report),
        "{} after {}",
        describe(&report),
        length(took),
    );

    let now = SystemTime::now();
    let mut unsent = Unsent::new(report.clone(), now);
    unsent.lost = lost;
    let (here, name) = (Arc::clone(&context), key.clone());
    let mut writing: Call<Written> = if lost {
        Box::pin(async move {
            let why = "the lease was lost while it ran".to_owned();
            here.keep_result(name, report, now, why).await;
            (Ok(()), directory)
        })
    } else {
        Box::pin(write_outcome(here, name, report, directory))
    };
    let written = timeout(WRITE_LIMIT, &mut writing).await.ok();
    let (error, directory) = match written {
        Some((written, directory)) => (written.err(), Some(directory)),
        None => (Some(hung()), None),
    };
    unsent.unwritten = error;
    // Fails only when the worker is gone.
    let _ = finished.send(unsent).await;

    let directory = match directory {
        Some(directory) => directory,
        // The directory may be in removal for the outcome.
        None => {
            let (written, directory) = writing.await;
            if written.is_ok() {
                forget_if_confirmed(&context, key.clone()).await;
            }
            directory
        }
    };
    let Some(directory) = directory else { return };
    match spawn_blocking(move || directory.close(keep)).await {
        Ok(Ok(Some(place))) => {
            tracing::info!(
                task_id = key.task_id,
                attempt = key.attempt,
                "its directory is kept in {}",
                place.display()
            );
        }
        Ok(Ok(None)) | Err(_) => {}
        Ok(Err(error)) => {
            tracing::warn!(
                task_id = key.task_id,
                attempt = key.attempt,
                %error,
                "cannot tidy its directory"
            );
        }
    }
}

/// Drops an outcome that was written after the worker had sent it, when it was confirmed meanwhile: nobody else does.
async fn forget_if_confirmed(context: &Arc<SlotContext>, key: AttemptKey) {
    // Whoever confirms an outcome lets go of its lease first, and then drops what was written.
    if context.session.leases.holds(&key) {
        return;
    }
    let context = Arc::clone(context);
    let _ = spawn_blocking(move || context.forget_written(&key)).await;
}

/// Counts the files that go with an attempt's directory: whoever waits for them is told. A disk that does not answer
/// has none that anybody could tell of.
async fn count_removed(report: &mut AttemptReport, directory: &Arc<AttemptDirectory>) {
    let directory = Arc::clone(directory);
    let counting = spawn_blocking(move || directory.files());
    if let (Ok(Ok(Ok(files))), Some(output)) = (timeout(COUNT_LIMIT, counting).await, &mut report.output) {
        (output.removed_files, output.removed_bytes) = (files.count, files.bytes);
    }
}

/// Whether an outcome was written, and the attempt's directory, if it is still there.
type Written = (io::Result<()>, Option<Arc<AttemptDirectory>>);

/// Writes an outcome to the outbox. On a full disk the attempt's own directory goes when nothing else is left to go, if
/// it is on that disk.
async fn write_outcome(
    context: Arc<SlotContext>,
    key: AttemptKey,
    report: AttemptReport,
    directory: Option<Arc<AttemptDirectory>>,
) -> Written {
    let writing = spawn_blocking(move || {
        let put = || context.write(|| context.outbox.put(&key, &report));
        match (put(), directory) {
            (Err(error), Some(own)) if is_full(&error) && own.is_beside(context.state.path()) => {
                remove_for_outcome(&own, &key, &error);
                (put(), None)
            }
            (put, directory) => (put, directory),
        }
    });
    writing
        .await
        .unwrap_or_else(|error| (Err(io::Error::other(error)), None))
}

/// Removes the directory of an attempt whose outcome finds no space.
fn remove_for_outcome(directory: &AttemptDirectory, key: &AttemptKey, error: &io::Error) {
    tracing::warn!(
        task_id = key.task_id,
        attempt = key.attempt,
        %error,
        "cannot write the outcome; the attempt's directory is removed to make room for it"
    );
    if let Err(error) = directory.close(false) {
        // What is gone may be enough.
        tracing::warn!(
            task_id = key.task_id,
            attempt = key.attempt,
            %error,
            "cannot tidy its directory"
        );
    }
}

/// The name of a task that has one of its own.
fn name_of(assignment: &Assignment) -> Option<&str> {
    let name = assignment.spec.as_ref()?.name.as_str();
    let id = assignment.lease.as_ref()?.task_id.as_str();
    (!name.is_empty() && name != id).then_some(name)
}

/// The stable word for a failure, or the reason of a release.
fn reason_of(report: &AttemptReport) -> Option<&str> {
    match report.outcome.as_ref()? {
        Outcome::Failure(failure) => Some(&failure.reason),
        Outcome::Released(released) => Some(&released.reason),
        Outcome::Success(_) | Outcome::Cancelled(_) => None,
    }
}

/// An outcome in a few words, without any output.
fn describe(report: &AttemptReport) -> String {
    match &report.outcome {
        Some(Outcome::Success(_)) => "succeeded".to_owned(),
        Some(Outcome::Failure(failure)) => format!("failed: {}", failure.message),
        Some(Outcome::Cancelled(_)) => "cancelled".to_owned(),
        Some(Outcome::Released(_)) => "released".to_owned(),
        None => "ended".to_owned(),
    }
}

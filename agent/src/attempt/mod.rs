//! One attempt from its assignment to its outcome: directories, inputs, process, timeout, orders.

mod inputs;
pub(crate) mod starter;
pub(crate) mod veto;

use std::{io, sync::Arc, time::Duration};

use swarm_proto::{
    limits::MAX_TIMEOUT,
    v1::{Assignment, AttemptReport, Blame, Cancelled, Failure, LeaseRef, Output, attempt_report::Outcome},
};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use self::starter::{CancelToken, Made, START_LIMIT, Starter, Unfinished};
use crate::{
    attempt_key::AttemptKey,
    coordinator::{
        Coordinator, lease,
        order::{Order, Why},
        session::read_length,
    },
    disk::workspace::{AttemptDirectory, Space, Workspace},
    executor::{
        Executor,
        outcome::{self, failed, not_started, released},
    },
    process::{
        End, Process,
        tree::{Tree, series::Series, sweep::Sweeper},
    },
};

/// How long the directories of an attempt may take, and each of its inputs. On a full disk kept ones are removed
/// meanwhile.
const DIRECTORY_LIMIT: Duration = Duration::from_secs(60);
/// How long a start may go on after an order that ends its attempt. A start of a moment comes to its end, and its
/// process is asked to end.
const ORDERED_LIMIT: Duration = Duration::from_secs(1);
/// The mildest order after a silence of the coordinator, and the mildest order that kills.
const SILENCED: Order = Order::Release(Why::Silence);
const STOPPED: Order = Order::Stop(Why::Leaving);

/// The agent around an attempt.
pub(crate) struct Surroundings<'a> {
    /// Asked for the dependencies' outputs that do not fit into an assignment.
    pub(crate) coordinator: &'a Coordinator,
    /// The place of the attempts' directories.
    pub(crate) workspace: &'a Arc<Workspace>,
    /// The time between TERM and KILL.
    pub(crate) kill_grace: Duration,
    /// How long a lease lasts.
    pub(crate) lease_ttl: Duration,
    /// Gives the processes their marks.
    pub(crate) series: &'a Series,
    /// Ends the trees of processes.
    pub(crate) sweeper: &'a Sweeper,
    /// Starts the processes.
    pub(crate) starter: &'a Starter,
}

/// The end of an attempt.
pub(crate) struct Conclusion {
    /// The report to the coordinator.
    pub(crate) report: AttemptReport,
    /// The lease was lost: the report is kept, and not sent.
    pub(crate) lost: bool,
    /// The attempt's directories, unless they could not be made.
    pub(crate) directory: Option<Arc<AttemptDirectory>>,
}

/// Runs an attempt to its end.
pub(crate) async fn run(
    surroundings: Surroundings<'_>,
    assignment: Assignment,
    mut orders: watch::Receiver<Order>,
) -> Conclusion {
    let lease = assignment.lease.clone().unwrap_or_default();
    let key = AttemptKey::of(&lease);
    let assignment = Arc::new(assignment);
    let has_inputs = !assignment.dependencies.is_empty();
    let made = make_directory(&surroundings, &key, has_inputs, &orders).await;
    let (directory, (outcome, output)) = match made {
        Err(outcome) => (None, (outcome, Output::default())),
        Ok(directory) => {
            let ended = carry_out(&surroundings, &assignment, &key, &directory, &mut orders).await;
            (Some(directory), ended)
        }
    };
    // An order that comes while the process is ending already changes nothing but whether the report is wanted.
    let lost = *orders.borrow() == Order::Lost;
    Conclusion {
        report: report(lease, outcome, output),
        lost,
        directory,
    }
}

/// The report of an attempt that was not begun.
pub(crate) fn not_begun(lease: LeaseRef, outcome: Outcome) -> AttemptReport {
    report(lease, outcome, Output::default())
}

/// The report of an attempt that a bug of ours ended.
pub(crate) fn broken(lease: LeaseRef) -> AttemptReport {
    report(
        lease,
        failed("agent", Blame::Machine, "the agent failed while it ran this"),
        Output::default(),
    )
}

fn report(lease: LeaseRef, outcome: Outcome, output: Output) -> AttemptReport {
    AttemptReport {
        lease: Some(lease),
        output: Some(output),
        outcome: Some(outcome),
    }
}

async fn carry_out(
    surroundings: &Surroundings<'_>,
    assignment: &Arc<Assignment>,
    key: &AttemptKey,
    directory: &Arc<AttemptDirectory>,
    orders: &mut watch::Receiver<Order>,
) -> (Outcome, Output) {
    let Some(executor) = assignment.spec.as_ref().and_then(Executor::of) else {
        return (released("the task is no command"), Output::default());
    };
    let place = directory.inputs();
    let written = inputs::write(surroundings, &place, &assignment.dependencies, orders);
    let cut_inputs = match written.await {
        Ok(cut) => cut,
        Err(outcome) => return (outcome, Output::default()),
    };
    let started = start(surroundings, assignment, key, directory, cut_inputs, orders).await;
    let mut process = match started {
        Ok(process) => process,
        Err(outcome) => return (outcome, Output::default()),
    };
    let timeout = read_length(assignment.timeout);
    let margin = lease::margin(surroundings.lease_ttl, surroundings.kill_grace);
    let graces = Graces {
        usual: surroundings.kill_grace,
        silent: surroundings.kill_grace.min(margin / 2),
    };
    let ended = supervise(&mut process, timeout, graces, orders).await;
    let output = process.output().await;
    let outcome = match ended {
        Ok(end) => blame_full_disk(executor.judge(end), surroundings).await,
        Err(outcome) => outcome,
    };
    (outcome, output)
}

/// Starts the process of an attempt.
///
/// # Errors
///
/// The outcome of the attempt when it cannot be started, when that takes too long, or when an order ended it before.
async fn start(
    surroundings: &Surroundings<'_>,
    assignment: &Arc<Assignment>,
    key: &AttemptKey,
    directory: &Arc<AttemptDirectory>,
    cut_inputs: Vec<String>,
    orders: &watch::Receiver<Order>,
) -> Result<Process, Outcome> {
    let tree = Tree::new(
        surroundings.series.mark(),
        key.clone(),
        surroundings.sweeper.clone(),
    );
    let (assignment, key, directory) = (Arc::clone(assignment), key.clone(), Arc::clone(directory));
    let known = orders.clone();
    let start = move |token: &CancelToken| {
        let executor = assignment.spec.as_ref().and_then(Executor::of);
        let launch = executor
            .ok_or_else(|| released("the task is no command"))?
            .prepare(&key, &assignment.job_id, &directory, &cut_inputs)?;
        launch.look();
        let (program, path) = (launch.program.clone(), launch.path());
        let order = || *known.borrow();
        // The lease may be somebody else's by now.
        let is_wanted = || order() < Order::Cancel && token.begin();
        let process = Process::start(launch, tree, is_wanted)
            .map_err(|error| not_started(&error, &program, &path))?
            .ok_or_else(|| match order() {
                order if order >= Order::Cancel => outcome_of(order),
                _ => released("its start took too long"),
            })?;
        tracing::debug!(
            task_id = key.task_id,
            attempt = key.attempt,
            "started '{program}'"
        );
        Ok(process)
    };
    let limits = Limits {
        alone: START_LIMIT,
        ordered: ORDERED_LIMIT,
    };
    match start_unless_ordered(surroundings.starter, limits, orders, start).await {
        Ok(started) => started,
        Err(StartError::Ordered(order)) => Err(outcome_of(order)),
        Err(StartError::Unfinished(why)) => Err(failed(
            "hung",
            Blame::Machine,
            format!("cannot start the command: {why}"),
        )),
    }
}

/// How long a start may take by itself, and after an order that ends its attempt.
struct Limits {
    alone: Duration,
    ordered: Duration,
}

/// Why a start has brought nothing.
#[derive(Debug, PartialEq, Eq)]
enum StartError {
    /// This order ends its attempt.
    Ordered(Order),
    /// It did not come to an end.
    Unfinished(Unfinished),
}

/// Starts something for an attempt, until an order ends that.
async fn start_unless_ordered<T: Send + 'static>(
    starter: &Starter,
    limits: Limits,
    orders: &watch::Receiver<Order>,
    start: impl FnOnce(&CancelToken) -> T + Send + 'static,
) -> Result<T, StartError> {
    let mut orders = orders.clone();
    let mut heard = None;
    let unwanted = async {
        heard = Some(ordered(&mut orders, Order::Cancel).await);
        sleep(limits.ordered).await;
    };
    let started = starter.run_within(limits.alone, unwanted, start).await;
    started.map_err(|why| heard.map_or(StartError::Unfinished(why), StartError::Ordered))
}

/// Blames the machine for the failure of a command on a full disk: it may have failed for want of space.
async fn blame_full_disk(outcome: Outcome, surroundings: &Surroundings<'_>) -> Outcome {
    let Outcome::Failure(failure) = outcome else {
        return outcome;
    };
    let workspace = surroundings.workspace;
    let there = Arc::clone(workspace);
    // On a thread that may hang, as a start does. A disk that does not answer is not full.
    let is_full = move |_: &CancelToken| Space::at(there.path()).is_ok_and(Space::is_used_up);
    if !surroundings.starter.run(is_full).await.unwrap_or(false) {
        return Outcome::Failure(failure);
    }
    let place = workspace.path().display();
    let sentence = format!("{}, and the disk of {place} is full", failure.message);
    Outcome::Failure(Failure {
        exit_code: failure.exit_code,
        signal: failure.signal,
        ..outcome::failure("exhausted", Blame::Machine, sentence)
    })
}

/// The time between TERM and KILL.
struct Graces {
    usual: Duration,
    /// After a silence of the coordinator, so that the attempt is gone when its lease ends.
    silent: Duration,
}

/// Waits for the process, its timeout or an order, whichever comes first, and sees to it that the process ends.
///
/// # Errors
///
/// The outcome of the attempt when its process did not end by itself.
async fn supervise(
    process: &mut Process,
    timeout: Option<Duration>,
    graces: Graces,
    orders: &mut watch::Receiver<Order>,
) -> Result<End, Outcome> {
    enum First {
        Exit(io::Result<End>),
        Timeout,
        Order(Order),
    }

    let limit = timeout.unwrap_or(MAX_TIMEOUT);
    let first = tokio::select! {
        biased;
        exit = process.exit() => First::Exit(exit),
        order = ordered(orders, Order::Cancel) => First::Order(order),
        () = sleep(limit) => First::Timeout,
    };
    let (outcome, ending) = match first {
        First::Exit(Ok(exit)) => return Ok(exit),
        First::Exit(Err(error)) => (
            failed(
                "wait",
                Blame::Machine,
                format!("cannot wait for the command: {error}"),
            ),
            process.kill().await,
        ),
        First::Timeout => {
            let sentence = format!(
                "the command was ended: it ran longer than its timeout of {} s",
                limit.as_secs_f64()
            );
            (
                failed("timeout", Blame::Task, sentence),
                process.end(graces.usual, hurried(orders, SILENCED)).await,
            )
        }
        First::Order(order @ (Order::Stop(_) | Order::Lost)) => (outcome_of(order), process.kill().await),
        First::Order(order) => {
            let ending = if order == SILENCED {
                process.end(graces.silent, hurried(orders, STOPPED)).await
            } else {
                process.end(graces.usual, hurried(orders, SILENCED)).await
            };
            (outcome_of(order), ending)
        }
    };
    match ending {
        Ok(End::Stuck) => {
            tracing::warn!("a killed command is still not gone; it is left to the operating system")
        }
        Err(error) => tracing::warn!(%error, "cannot wait for a command that was ended"),
        Ok(End::Code(_) | End::Signal(_)) => {}
    }
    Err(outcome)
}

/// Waits for an order at least as strong as this.
async fn ordered(orders: &mut watch::Receiver<Order>, least: Order) -> Order {
    match orders.wait_for(|order| *order >= least).await {
        Ok(order) => *order,
        // The sender of orders is gone, so the agent is leaving.
        Err(_) => Order::Stop(Why::Leaving),
    }
}

/// Waits for an order that takes the rest of the grace from an ending attempt.
async fn hurried(orders: &mut watch::Receiver<Order>, least: Order) {
    ordered(orders, least).await;
}

fn outcome_of(order: Order) -> Outcome {
    match order {
        Order::Cancel => Outcome::Cancelled(Cancelled {}),
        Order::GoOn => released("the agent was stopped"),
        Order::Release(why) | Order::Stop(why) => released(match why {
            Why::Leaving => "the agent was stopped",
            Why::Hold => "the agent was told to give back what it runs",
            Why::Silence => {
                "nothing was heard from the coordinator, \
                 and an attempt in an exclusive group ends before its lease does"
            }
        }),
        Order::Lost => released("the lease was lost"),
    }
}

/// Makes the directories of an attempt.
///
/// # Errors
///
/// The outcome of the attempt when they cannot be made, when that takes too long, or when an order ended it before.
async fn make_directory(
    surroundings: &Surroundings<'_>,
    key: &AttemptKey,
    has_inputs: bool,
    orders: &watch::Receiver<Order>,
) -> Result<Arc<AttemptDirectory>, Outcome> {
    let (workspace, key) = (Arc::clone(surroundings.workspace), key.clone());
    let made = Made::nothing();
    let there = made.there();
    let make = move |token: &CancelToken| {
        let directory = Arc::new(AttemptDirectory::make(&workspace, &key, has_inputs)?);
        if let Some(unwanted) = there.begin(&directory, token) {
            unwanted.close(false)?;
        }
        Ok(directory)
    };
    let limits = Limits {
        alone: DIRECTORY_LIMIT,
        ordered: Duration::ZERO,
    };
    let ended: Result<io::Result<_>, _> =
        start_unless_ordered(surroundings.starter, limits, orders, make).await;
    if ended.is_err()
        && let Some(unwanted) = made.take()
    {
        spawn_blocking(move || {
            if let Err(error) = unwanted.close(false) {
                tracing::warn!(%error, "cannot tidy the directory of an attempt that did not begin");
            }
        });
    }
    let (reason, why) = match ended {
        Ok(Ok(directory)) => return Ok(directory),
        Ok(Err(error)) => ("workspace", error.to_string()),
        Err(StartError::Ordered(order)) => return Err(outcome_of(order)),
        Err(StartError::Unfinished(why)) => ("hung", why.to_string()),
    };
    let place = surroundings.workspace.path().display();
    let sentence = format!("cannot make a directory in {place}: {why}");
    Err(failed(reason, Blame::Machine, sentence))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// What comes of a start that hangs while these are its attempt's orders.
    async fn hang(orders: &watch::Receiver<Order>) -> Result<(), StartError> {
        let (_end, wait) = channel::<()>();
        let hangs = move |_: &CancelToken| {
            let _ = wait.recv();
        };
        let limits = Limits {
            alone: Duration::from_millis(200),
            ordered: Duration::ZERO,
        };
        start_unless_ordered(&Starter::default(), limits, orders, hangs).await
    }

    #[tokio::test]
    async fn a_start_that_hangs_ends_by_the_order_that_was_heard_and_else_by_its_limit() {
        let (sender, orders) = watch::channel(Order::GoOn);
        assert!(matches!(
            hang(&orders).await,
            Err(StartError::Unfinished(Unfinished::Hung(_)))
        ));
        sender.send(Order::Cancel).unwrap();
        assert_eq!(hang(&orders).await, Err(StartError::Ordered(Order::Cancel)));
        let (sender, orders) = watch::channel(Order::GoOn);
        drop(sender);
        let leaving = Order::Stop(Why::Leaving);
        assert_eq!(hang(&orders).await, Err(StartError::Ordered(leaving)));
    }
}

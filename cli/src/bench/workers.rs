//! Workers of a phase, which run side by side on one thread.

use tokio::task::{JoinError, JoinSet};

use super::target::Target;

/// Runs the workers at the same time, to their ends. The first failure aborts the others.
pub(super) async fn together<F>(workers: impl Iterator<Item = F>) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    let mut running = spawned(workers);
    while let Some(ended) = running.join_next().await {
        unless_panicked(ended)?;
    }
    Ok(())
}

/// As `together`, but after the first failure the other workers finish their calls and begin no more. An aborted call
/// could be decided later and leave tasks behind.
pub(super) async fn to_their_answers<F>(
    target: &Target,
    workers: impl Iterator<Item = F>,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    let mut running = spawned(workers);
    let mut first = Ok(());
    while let Some(ended) = running.join_next().await {
        let ended = unless_panicked(ended);
        if ended.is_err() {
            target.stop();
        }
        first = first.and(ended);
    }
    first
}

fn spawned<F>(workers: impl Iterator<Item = F>) -> JoinSet<anyhow::Result<()>>
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn_local(worker);
    }
    running
}

fn unless_panicked(ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => unreachable!("nobody cancels a worker but by dropping all of them"),
    }
}

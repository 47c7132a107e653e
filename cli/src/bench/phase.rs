//! The phases of a run: the counts of each, and the coordinator's status before and after it.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use swarm_proto::{
    duration::read_duration,
    v1::{GetStatusRequest, GetStatusResponse, ProcessUsage},
};

use super::{
    bar::Bar,
    meter::{Counts, Meter},
    target::Target,
};

/// The phases of a run, in their order.
pub(super) struct Phases {
    target: Rc<Target>,
    ended: RefCell<Vec<Phase>>,
    running: RefCell<Option<Running>>,
}

/// A phase with its measurements.
pub(super) struct Phase {
    /// Each kind of done things, with its counts.
    pub(super) counts: Vec<(&'static str, Counts)>,
    /// How long it took.
    pub(super) took: Duration,
    /// The coordinator's processor time, if it tells.
    pub(super) cpu: Option<Duration>,
    /// The coordinator's status after the phase; `None` when it was away.
    pub(super) after: Option<GetStatusResponse>,
}

struct Running {
    meters: Vec<(&'static str, Rc<Meter>)>,
    before: GetStatusResponse,
    began: Instant,
}

impl Phases {
    /// No phases yet.
    pub(super) fn new(target: Rc<Target>) -> Phases {
        Phases {
            target,
            ended: RefCell::default(),
            running: RefCell::default(),
        }
    }

    /// The coordinator under load.
    pub(super) fn target(&self) -> &Rc<Target> {
        &self.target
    }

    /// Begins a phase of `total` things of one kind.
    ///
    /// # Errors
    ///
    /// When the coordinator does not tell its status, or the run is stopping.
    pub(super) async fn begin(&self, name: &'static str, length: u64) -> anyhow::Result<Rc<Meter>> {
        let meter = Rc::new(Meter::with_bar(Bar::new(name, length)));
        self.begin_with(vec![(name, Rc::clone(&meter))]).await?;
        Ok(meter)
    }

    /// Begins a phase of several kinds of things. Earlier counts are not in it.
    ///
    /// # Errors
    ///
    /// When the coordinator does not tell its status, or the run is stopping.
    pub(super) async fn begin_with(&self, meters: Vec<(&'static str, Rc<Meter>)>) -> anyhow::Result<()> {
        self.end().await;
        anyhow::ensure!(!self.target.is_stopping(), "interrupted");
        let client = &self.target.client;
        let before = client.call(GetStatusRequest {}).await;
        let before = before.map_err(client.failure("cannot ask for the coordinator's status"))?;
        for (_, meter) in &meters {
            meter.clear();
        }
        *self.running.borrow_mut() = Some(Running {
            meters,
            before,
            began: Instant::now(),
        });
        Ok(())
    }

    /// Ends the running phase, if there is one.
    pub(super) async fn end(&self) {
        let Some(running) = self.running.borrow_mut().take() else {
            return;
        };
        let took = running.began.elapsed();
        let after = self.target.client.call(GetStatusRequest {}).await.ok();
        let cpu = |status: &GetStatusResponse| read_duration(status.process?.cpu_time.as_ref()?);
        self.ended.borrow_mut().push(Phase {
            counts: running
                .meters
                .into_iter()
                .map(|(name, meter)| (name, meter.read()))
                .collect(),
            took,
            // A restarted coordinator counts from zero.
            cpu: after
                .as_ref()
                .and_then(|after| cpu(after)?.checked_sub(cpu(&running.before)?)),
            after,
        });
    }

    /// The phases that have ended.
    pub(super) fn ended(&self) -> std::cell::Ref<'_, Vec<Phase>> {
        self.ended.borrow()
    }
}

impl Phase {
    /// The coordinator's process after the phase, if it tells.
    pub(super) fn process(&self) -> Option<ProcessUsage> {
        self.after.as_ref()?.process
    }
}

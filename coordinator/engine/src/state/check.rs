//! Checking a state: every invariant that one state can show. For tests and for verifying stored data.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{JobId, Number},
    limits::{FIRST_ATTEMPTS, LAST_ATTEMPTS, MAX_LOST_ON},
    noun::{
        counts::Counts,
        task::{Phase, Task},
    },
    state::State,
};

impl State {
    /// Looks for broken invariants.
    ///
    /// # Errors
    ///
    /// A sentence that names the first broken invariant.
    pub fn check(&self) -> Result<(), String> {
        let rebuilt = State::load(self.records());
        let mut kept = self.derived.clone();
        // A tally without tasks in memory equals no tally.
        kept.jobs.retain(|_, tally| !tally.tasks.is_empty());
        if rebuilt.derived != kept {
            return Err("what follows from the records differs from what is kept".to_owned());
        }
        if let Some(missing) = self.missing().first() {
            return Err(format!("task {missing} was forgotten though something needs it"));
        }
        if rebuilt.numbers != self.numbers || rebuilt.job_numbers != self.job_numbers {
            return Err("ids and numbers do not belong together".to_owned());
        }
        let running: BTreeSet<Number> = self
            .tasks
            .values()
            .filter(|task| task.lease().is_some())
            .map(|task| task.number)
            .collect();
        if running != self.soft_leases() {
            return Err("leases and expiries do not belong together".to_owned());
        }
        self.check_counts()?;
        self.tasks.values().try_for_each(|task| {
            self.check_task(task)
                .map_err(|fault| format!("task {}: {fault}", task.id))
        })
    }

    /// Tasks outside memory cannot be counted again, so the tasks in memory must not be more than the counts.
    fn check_counts(&self) -> Result<(), String> {
        let (mut here, mut of_jobs) = (Counts::default(), Counts::default());
        let mut here_of: BTreeMap<&JobId, Counts> = BTreeMap::new();
        for task in self.tasks.values().filter(|task| task.end().is_some()) {
            here.add(task.state());
            if let Some(job) = &task.job {
                here_of.entry(job).or_default().add(task.state());
            }
        }
        for job in self.jobs.values() {
            of_jobs = of_jobs.plus(&job.ended);
            let kept = self.job_counts(&job.id).total();
            if kept > u64::from(job.task_count) {
                return Err(format!("job {} has more tasks than came with it", job.id));
            }
            if here_of
                .get(&job.id)
                .is_some_and(|here| !here.is_within(&job.ended))
            {
                return Err(format!("job {} counts fewer ended tasks than there are", job.id));
            }
        }
        if !here.is_within(&self.ended) || !of_jobs.is_within(&self.ended) {
            return Err("the counts of tasks do not add up".to_owned());
        }
        Ok(())
    }

    fn check_task(&self, task: &Task) -> Result<(), String> {
        let unmet = task.unmet_dependencies().count();
        if unmet != task.unmet as usize {
            return Err(format!(
                "{unmet} dependencies are unmet, {} are counted",
                task.unmet
            ));
        }
        if task.revision > self.seq || task.number.0 > task.revision.0 {
            return Err("its revision is not between its submit and the last event".to_owned());
        }
        if task.attempts.len() > FIRST_ATTEMPTS + LAST_ATTEMPTS || task.tries.lost_on.len() > MAX_LOST_ON {
            return Err("it remembers more than it should".to_owned());
        }
        if task
            .attempts
            .windows(2)
            .any(|pair| pair[0].number >= pair[1].number)
        {
            return Err("its attempts do not rise".to_owned());
        }
        if task
            .attempts
            .last()
            .is_some_and(|last| last.number > task.attempt_count)
        {
            return Err("it has ended an attempt that was never granted".to_owned());
        }
        if let Phase::Running(lease) = &task.phase {
            if lease.attempt != task.attempt_count {
                return Err("the leased attempt is not the newest".to_owned());
            }
            if task.unmet > 0 {
                return Err("it runs before its dependencies ended as they have to".to_owned());
            }
        }
        Ok(())
    }
}

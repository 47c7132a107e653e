//! Jobs as they go out.

use swarm_engine::noun::{counts::Counts, job::Job};
use swarm_proto::v1;

use super::{state::counts_message, time::timestamp};

/// A job with the counts of its tasks.
pub(crate) fn job_message(job: &Job, counts: &Counts) -> v1::Job {
    v1::Job {
        job_id: job.id.to_string(),
        name: job.name.to_string(),
        labels: job.labels.clone(),
        counts: Some(counts_message(counts)),
        task_count: job.task_count,
        create_time: Some(timestamp(job.created)),
        number: job.number.0,
    }
}

#[cfg(test)]
mod tests {
    use swarm_engine::{
        id::{JobId, Number},
        time::Timestamp,
    };

    use super::*;

    #[test]
    fn a_job_goes_out_whole() {
        let job = Job {
            number: Number(7),
            id: JobId::stored("nightly"),
            name: "Nightly".into(),
            labels: [("team".to_owned(), "x".to_owned())].into(),
            task_count: 3,
            created: Timestamp(5_000),
            ended: Counts::default(),
        };
        let message = job_message(&job, &Counts::default());
        assert_eq!(
            (message.job_id.as_str(), message.name.as_str()),
            ("nightly", "Nightly")
        );
        assert_eq!(
            (
                message.number,
                message.task_count,
                message.labels["team"].as_str()
            ),
            (7, 3, "x")
        );
        assert_eq!(message.counts, Some(v1::StateCounts::default()));
        assert_eq!(message.create_time.map(|time| time.seconds), Some(5));
    }
}

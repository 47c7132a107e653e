//! Jobs in columns, and a job on a page.

use swarm_proto::v1::Job;

use super::{Listing, bar, counts, page::Page, sheet::Sheet, table::Table, text};

/// Characters of the bar of a job in a table.
const BAR_WIDTH: usize = 8;

/// Jobs as a list.
pub fn listing(jobs: &[Job]) -> Listing {
    let mut table = Table::new([
        "NAME",
        "ID",
        "PROGRESS",
        "TASKS",
        "ENDED",
        "STATES",
        "SUBMITTED",
        "LABELS",
    ])
    .free_text(&["NAME", "STATES", "LABELS"])
    .numbers(&["TASKS", "ENDED"])
    .dispensable(&["ENDED", "PROGRESS", "SUBMITTED"])
    .extra(&["LABELS"])
    .paths(&[
        ("ID", "job_id"),
        ("TASKS", "task_count"),
        ("SUBMITTED", "create_time"),
    ]);
    for job in jobs {
        let in_states = job.counts.unwrap_or_default();
        let ended = counts::ended(&in_states);
        table.row([
            job.name.clone(),
            job.job_id.clone(),
            bar::of(ended, job.task_count.into(), BAR_WIDTH),
            job.task_count.to_string(),
            ended.to_string(),
            counts::in_words(&in_states),
            text::ago(job.create_time.as_ref()),
            text::pairs(&job.labels),
        ]);
        table.sort_by("SUBMITTED", job.create_time.as_ref().map(text::seconds));
    }
    Listing::of_messages("jobs", jobs, |job| &job.job_id, table)
}

/// What is known about a job, without its tasks.
pub fn page(job: &Job, width: Option<usize>) -> Sheet {
    let mut page = Page::default();
    page.add("job", &job.job_id)
        .add("name", &job.name)
        .add("labels", text::pairs(&job.labels))
        .add("submitted", text::time_and_age(job.create_time.as_ref()));
    page.sheet(width)
}

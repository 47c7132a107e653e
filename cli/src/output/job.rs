//! Jobs in columns, and a job on a page.

use swarm_proto::v1::Job;

use super::{Listing, counts, page::Page, state, table::Table, text};

/// Jobs as a list.
pub fn listing(jobs: &[Job]) -> Listing {
    let mut table = Table::new(["ID", "NAME", "TASKS", "ENDED", "STATES", "SUBMITTED", "LABELS"])
        .free_text(&["NAME", "STATES", "LABELS"])
        .dispensable(&["ENDED", "SUBMITTED"])
        .extra(&["LABELS"]);
    for job in jobs {
        let in_states = job.counts.unwrap_or_default();
        table.row([
            job.job_id.clone(),
            job.name.clone(),
            job.task_count.to_string(),
            counts::ended(&in_states).to_string(),
            counts::in_words(&in_states),
            text::time(job.create_time.as_ref()),
            text::pairs(&job.labels),
        ]);
    }
    Listing::of_messages("jobs", jobs, |job| &job.job_id, table)
}

/// Everything about a job that fits a page.
pub fn page(job: &Job) -> String {
    let in_states = job.counts.unwrap_or_default();
    let mut page = Page::default();
    page.add("job", &job.job_id)
        .add("name", &job.name)
        .add("labels", text::pairs(&job.labels))
        .add("submitted", text::time(job.create_time.as_ref()))
        .add(
            "tasks",
            format!("{}, {} ended", job.task_count, counts::ended(&in_states)),
        );
    for (state, count) in counts::present(&in_states) {
        page.add(state::word(state), count.to_string());
    }
    page.to_string()
}

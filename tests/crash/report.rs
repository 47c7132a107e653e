//! What is left of a run, and of many: how much was done, what was done to it, and what must not have been.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};

/// The same for all who prove something: crash runs, the engine's simulation, the replay of power losses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) seeds: u64,
    /// Requests that were answered, or steps that were tried.
    pub(crate) operations: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    /// The kinds of faults that this machine does not let be tried.
    pub(crate) untried: BTreeSet<String>,
    pub(crate) violations: u64,
}

impl Report {
    /// Adds another one to it.
    pub(crate) fn add(&mut self, other: &Report) {
        self.seeds += other.seeds;
        self.operations += other.operations;
        self.violations += other.violations;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        self.untried.extend(other.untried.iter().cloned());
    }

    /// One line of JSON.
    pub(crate) fn to_json(&self) -> String {
        json!({
            "seeds": self.seeds,
            "operations": self.operations,
            "faults": self.faults,
            "untried": self.untried,
            "violations": self.violations,
        })
        .to_string()
    }

    /// Reads what [`Report::to_json`] writes, and what others write like it; what else they say is left out. A replay
    /// of power losses has points, and by `none` names those at which the disk had kept everything.
    ///
    /// # Errors
    ///
    /// A sentence when it is no such line.
    pub(crate) fn from_json(text: &str) -> Result<Report, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("no report: {error}"))?;
        let count = |name: &str| value.get(name).and_then(Value::as_u64);
        let mut faults = BTreeMap::new();
        for (kind, count) in value
            .get("faults")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let count = count
                .as_u64()
                .ok_or_else(|| format!("the fault '{kind}' has no count"))?;
            faults.insert(kind.clone(), count);
        }
        if let Some(points) = count("points") {
            faults.remove("none");
            faults.insert("power lost".to_owned(), points);
        }
        Ok(Report {
            seeds: count("seeds").unwrap_or(0),
            operations: count("operations").ok_or("a report names its operations")?,
            faults,
            untried: value
                .get("untried")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|kind| kind.as_str().map(str::to_owned))
                .collect(),
            violations: count("violations").ok_or("a report names its violations")?,
        })
    }

    /// Reads one from a file.
    ///
    /// # Errors
    ///
    /// A sentence when there is none.
    pub(crate) fn read(file: &Path) -> Result<Report, String> {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("cannot read the report {}: {error}", file.display()))?;
        Report::from_json(text.trim())
    }
}

/// All reports under each other, for people.
pub(crate) fn table(parts: &[(&str, Report)]) -> String {
    let mut lines = vec![row("", ["seeds", "faults", "operations", "violations"])];
    for (name, report) in parts {
        let faults: u64 = report.faults.values().sum();
        let counts = [report.seeds, faults, report.operations, report.violations];
        lines.push(row(name, counts.map(|count| count.to_string())));
        for (kind, count) in &report.faults {
            lines.push(row(
                &format!("  {kind}"),
                ["".to_owned(), count.to_string(), String::new(), String::new()],
            ));
        }
        for kind in &report.untried {
            lines.push(row(&format!("  {kind}"), ["", "not tried", "", ""]));
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn row<T: AsRef<str>>(name: &str, counts: [T; 4]) -> String {
    let mut line = format!("{name:<48}");
    for count in &counts {
        line.push_str(&format!("{:>12}", count.as_ref()));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written_and_points_of_a_power_loss_are_faults() {
        let report = Report {
            seeds: 2,
            operations: 90,
            faults: [("agent killed".to_owned(), 4)].into(),
            untried: ["disk full".to_owned()].into(),
            violations: 1,
        };
        assert_eq!(Report::from_json(&report.to_json()), Ok(report.clone()));
        let replay = r#"{"operations":7,"points":30,"faults":{"none":20,"torn":10},"violations":0}"#;
        let mut sum = Report::from_json(replay).unwrap();
        let expected = [("power lost", 30), ("torn", 10)];
        assert_eq!(
            sum.faults,
            expected.map(|(kind, count)| (kind.to_owned(), count)).into()
        );
        sum.add(&report);
        assert_eq!((sum.seeds, sum.operations, sum.violations), (2, 97, 1));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), report.to_json() + "\n").unwrap();
        assert_eq!(Report::read(file.path()), Ok(report));
        assert!(Report::read(Path::new("/nowhere")).is_err_and(|error| error.contains("/nowhere")));
        for text in [
            "",
            "{}",
            r#"{"operations":1}"#,
            r#"{"operations":1,"violations":0,"faults":{"a":"b"}}"#,
        ] {
            assert!(Report::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_part_and_each_of_its_faults() {
        let report = Report::from_json(
            r#"{"seeds":3,"operations":12,"faults":{"x":5,"y":6},"untried":["z"],"violations":0}"#,
        );
        let table = table(&[("programs", report.unwrap())]);
        let words: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            words,
            [
                vec!["seeds", "faults", "operations", "violations"],
                vec!["programs", "3", "11", "12", "0"],
                vec!["x", "5"],
                vec!["y", "6"],
                vec!["z", "not", "tried"]
            ]
        );
    }
}

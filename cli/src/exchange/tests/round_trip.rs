//! Random tasks are the same after an export and an import, in every format.

use prost_types::{Duration, Timestamp};

use super::*;

/// The number of tasks in each format. The seed of a failing task reruns it.
const TASKS: u64 = 100;

#[test]
fn import_of_an_export_is_what_was_exported() {
    for format in [
        Format::Jobfile,
        Format::QueueJson,
        Format::Amplifier,
        Format::Agentvine,
    ] {
        for seed in 0..TASKS {
            let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let tasks: Vec<NewTask> = (0..3).map(|number| chance.task(number)).collect();
            let text = export(format, &queued(&tasks));
            let options = Options {
                format: Some(format),
                ..Options::default()
            };
            let (_, read, _) = import_with(&text, &options);
            for (read, task) in read.iter().zip(&tasks) {
                assert_eq!(read, task, "seed {seed}, {format:?}:\n{text}");
            }
            assert_eq!(read.len(), tasks.len(), "seed {seed}, {format:?}:\n{text}");
            // A second export writes the same file.
            assert_eq!(export(format, &queued(&read)), text, "seed {seed}, {format:?}");
            if format != Format::Jobfile && format != Format::Agentvine {
                assert_eq!(import(&text).0, format, "{text}");
            }
        }
    }
}

/// Pseudo-random numbers, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len() as u64) as usize]
    }

    /// Texts that readers and writers take for something else.
    fn text(&mut self) -> String {
        const PIECES: &[&str] = &[
            "",
            "a",
            "null",
            "true",
            "no",
            "~",
            "0.05",
            "1e3",
            "-",
            "- x",
            "# x",
            ": ",
            " ",
            "\t",
            "\n",
            "\n\n",
            "\r\n",
            "  ",
            "\"",
            "'",
            "\\",
            "{",
            "[",
            "*a",
            "&a",
            "!b",
            "%",
            "|",
            ">",
            "<<",
            "---",
            "...",
            "@",
            "`",
            "ä",
            "😀",
            "\u{1b}[31m",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{0}",
            "make -j2",
            "$HOME",
            "key: value",
            "2026-03-01",
            "0x1f",
            "#2",
            "swarm",
            "word word",
            "\u{a0}",
        ];
        let pieces = self.below(4);
        (0..pieces).map(|_| self.pick(PIECES)).collect()
    }

    /// A text without NUL that is not blank.
    fn words(&mut self) -> String {
        format!("{}x{}", self.text(), self.text()).replace('\0', "0")
    }

    fn pairs(&mut self, keys: &[&str]) -> BTreeMap<String, String> {
        let count = self.below(4);
        (0..count)
            .map(|_| {
                let key = match self.one_in(3) {
                    true => format!("k{}", self.text()),
                    false => self.pick(keys).to_owned(),
                };
                let long = if self.one_in(5) { 900 } else { 1 };
                (key, self.text().repeat(long).chars().take(300).collect())
            })
            .collect()
    }

    fn duration(&mut self, bound: u64) -> Option<Duration> {
        self.one_in(3).then(|| Duration {
            seconds: 1 + self.below(bound) as i64,
            nanos: if self.one_in(2) {
                self.below(1_000_000_000) as i32
            } else {
                0
            },
        })
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.one_in(4).then(|| Timestamp {
            seconds: 1_772_359_200 + self.below(100_000_000) as i64,
            nanos: if self.one_in(2) {
                self.below(1_000_000_000) as i32
            } else {
                0
            },
        })
    }

    fn work(&mut self) -> Work {
        if self.one_in(2) {
            return Work::Prompt(v1::Prompt {
                text: self.words(),
                model: self.pick(&["", "llama-3.1-8b-instant", "true"]).to_owned(),
            });
        }
        let argv = if self.one_in(3) {
            vec!["sh".to_owned(), "-c".to_owned(), self.text().replace('\0', "")]
        } else {
            let mut argv = vec![self.words()];
            argv.extend((0..self.below(3)).map(|_| self.text().replace('\0', "")));
            argv
        };
        Work::Command(v1::Command {
            argv,
            cwd: self.pick(&["", "/srv", "/srv/a b"]).to_owned(),
            stdin: match self.below(4) {
                0 => vec![0xff, 0x00, self.below(256) as u8],
                1 => self.text().into_bytes(),
                _ => Vec::new(),
            },
            env: BTreeMap::new(),
        })
    }

    fn task(&mut self, number: u64) -> NewTask {
        let task_id = format!("t{number}");
        let mut depends_on: Vec<Dependency> = (0..number)
            .map(|other| format!("t{other}"))
            .chain(["elsewhere".to_owned()])
            .filter(|_| self.one_in(3))
            .map(|task_id| Dependency {
                task_id,
                condition: 1,
            })
            .collect();
        for dependency in &mut depends_on {
            dependency.condition += i32::from(self.one_in(4));
        }
        let work = self.work();
        let spec = TaskSpec {
            name: match self.below(4) {
                0 => task_id.clone(),
                1 => self.words().chars().take(60).collect(),
                2 => "é".repeat(100),
                _ => String::new(),
            },
            work: Some(work),
            queue: self.pick(&["", "default", "nightly"]).to_owned(),
            priority: match self.below(3) {
                0 => 0,
                1 => [-50, 50, 100][self.below(3) as usize],
                _ => self.below(201) as i32 - 100,
            },
            depends_on,
            labels: self.pairs(&["team", "a b", "null"]),
            retry: self.one_in(3).then(|| v1::Retry {
                max_retries: self.one_in(2).then(|| self.below(101) as u32),
                initial_backoff: self.duration(10),
                max_backoff: self.duration(86_000),
            }),
            timeout: self.duration(30 * 86_000),
            not_before: self.time(),
            delay: self.duration(1_000_000),
            deadline: self.time(),
            metadata: self.pairs(&[
                "seed.min_budget",
                "seed.type",
                "seed.description",
                "seed.command",
                "seed.model",
                "seed.mode",
                "seed.prompt",
                "seed.instruction",
                "seed.shell",
                "seed.dependencies",
                "amplifier.depends_on",
                "seed.x",
                "seed.x#2",
                "seed.status",
                "seed.met_dependencies",
                "amplifier.description",
                "amplifier.name",
                "amplifier.phase",
                "amplifier.retry_count",
                "agentvine.title",
                "agentvine.task_type",
                "agentvine.swarm",
                "phase",
            ]),
            requirements: self.one_in(4).then(|| v1::Requirements {
                labels: vec!["gpu=a100".into(), "!spot".into()],
            }),
            exclusive_group: self.pick(&["", "", "parallel-unsafe", "deploy"]).to_owned(),
            shard_key: self.pick(&["", "", "k1"]).to_owned(),
        };
        NewTask {
            task_id,
            spec: Some(spec),
        }
    }
}

//! Traces: the story of a world, line by line.

/// A trace whose lines are kept, shown, or not even made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Off,
    Kept(Vec<String>),
    Shown,
}

impl Trace {
    pub(crate) fn line(&mut self, line: impl FnOnce() -> String) {
        match self {
            Trace::Off => {}
            Trace::Kept(lines) => lines.push(line()),
            Trace::Shown => println!("{}", line()),
        }
    }
}

//! Selectors: terms that labels must meet.
//!
//! `k=v` asks for that value, `k!=v` for another value or none, `k` for any value, `!k` for none. The form is that
//! of Kubernetes' label selectors. `k>=n` and `k<=n` ask for a number, or a size such as `8GiB`.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::limits::{MAX_LABEL_BYTES, MAX_LABEL_KEY_BYTES, MAX_SELECTOR_TERMS};

/// One condition on labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    key: Arc<str>,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Value(Arc<str>),
    OtherThan(Arc<str>),
    Any,
    None,
    AtLeast(Arc<str>),
    AtMost(Arc<str>),
}

impl Term {
    /// Reads a term.
    ///
    /// # Errors
    ///
    /// A sentence that names the fault.
    pub fn parse(text: &str) -> Result<Term, String> {
        let (key, wanted) = if let Some(key) = text.strip_prefix('!') {
            (key, Wanted::None)
        } else if let Some((key, value)) = text.split_once("!=") {
            (key, Wanted::OtherThan(value.into()))
        } else if let Some((key, value)) = text.split_once(">=") {
            (key, Wanted::AtLeast(value.into()))
        } else if let Some((key, value)) = text.split_once("<=") {
            (key, Wanted::AtMost(value.into()))
        } else if let Some((key, value)) = text.split_once('=') {
            (key, Wanted::Value(value.into()))
        } else {
            (text, Wanted::Any)
        };
        let (plain_key, plain_value) = (
            is_plain(key, MAX_LABEL_KEY_BYTES) && !key.is_empty(),
            match &wanted {
                Wanted::Value(value) | Wanted::OtherThan(value) => is_plain(value, MAX_LABEL_BYTES),
                Wanted::AtLeast(value) | Wanted::AtMost(value) => quantity(value).is_some(),
                Wanted::Any | Wanted::None => true,
            },
        );
        if !plain_key || !plain_value {
            return Err(format!(
                "{text:?} is not one of k=v, k!=v, k and !k with letters, digits and . _ / -, or k>=n and k<=n with \
                 a number or a size such as 8GiB"
            ));
        }
        Ok(Term {
            key: key.into(),
            wanted,
        })
    }

    /// Whether labels meet it.
    pub fn is_met_by(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&*self.key).map(String::as_str);
        match &self.wanted {
            Wanted::Value(wanted) => value == Some(wanted),
            Wanted::OtherThan(other) => value != Some(other),
            Wanted::Any => value.is_some(),
            Wanted::None => value.is_none(),
            Wanted::AtLeast(least) => {
                let value = value.and_then(quantity);
                value.is_some_and(|value| quantity(least).is_some_and(|least| value >= least))
            }
            Wanted::AtMost(most) => {
                let value = value.and_then(quantity);
                value.is_some_and(|value| quantity(most).is_some_and(|most| value <= most))
            }
        }
    }

    /// The key of the label.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The label that it forbids, as `key=value` or `key`; `None` when it asks for a label.
    pub fn forbidden(&self) -> Option<String> {
        match &self.wanted {
            Wanted::OtherThan(value) => Some(format!("{}={value}", self.key)),
            Wanted::None => Some(self.key.to_string()),
            Wanted::Value(_) | Wanted::Any | Wanted::AtLeast(_) | Wanted::AtMost(_) => None,
        }
    }

    /// A label that meets it, as `key=value`; `None` when it forbids a label.
    pub fn example(&self) -> Option<String> {
        match &self.wanted {
            Wanted::Value(value) | Wanted::AtLeast(value) | Wanted::AtMost(value) => {
                Some(format!("{}={value}", self.key))
            }
            Wanted::Any => Some(format!("{}=yes", self.key)),
            Wanted::OtherThan(_) | Wanted::None => None,
        }
    }
}

/// A number, or a number of bytes: `4`, `8GiB`.
fn quantity(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn is_plain(text: &str, most: usize) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    text.len() <= most && text.chars().all(plain)
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Value(value) => write!(f, "{}={value}", self.key),
            Wanted::OtherThan(value) => write!(f, "{}!={value}", self.key),
            Wanted::AtLeast(least) => write!(f, "{}>={least}", self.key),
            Wanted::AtMost(most) => write!(f, "{}<={most}", self.key),
            Wanted::Any => f.write_str(&self.key),
            Wanted::None => write!(f, "!{}", self.key),
        }
    }
}

/// Terms, sorted and each once, all of which must be met. A selector without terms is always met.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector(Arc<[Term]>);

impl Selector {
    /// Reads terms.
    ///
    /// # Errors
    ///
    /// Each bad term by its index, with a sentence; the index after the last term when there are too many terms.
    pub fn parse<T: AsRef<str>>(terms: &[T]) -> Result<Selector, Vec<(usize, String)>> {
        let mut faults = Vec::new();
        if terms.len() > MAX_SELECTOR_TERMS {
            let count = terms.len();
            let fault = format!("has {count} terms, at most {MAX_SELECTOR_TERMS} are allowed");
            return Err(vec![(count, fault)]);
        }
        let mut read = Vec::with_capacity(terms.len());
        for (index, text) in terms.iter().enumerate() {
            match Term::parse(text.as_ref()) {
                Ok(term) => read.push(term),
                Err(fault) => faults.push((index, fault)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        read.sort();
        read.dedup();
        Ok(Selector(read.into()))
    }

    /// The bytes of its terms in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let texts = self.0.iter().map(|term| match &term.wanted {
            Wanted::Value(value)
            | Wanted::OtherThan(value)
            | Wanted::AtLeast(value)
            | Wanted::AtMost(value) => term.key.len() + value.len(),
            Wanted::Any | Wanted::None => term.key.len(),
        });
        texts.sum::<usize>() + size_of_val(&*self.0)
    }

    /// Whether labels meet all terms.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.first_unmet(labels).is_none()
    }

    /// The first term that labels do not meet.
    pub fn first_unmet(&self, labels: &BTreeMap<String, String>) -> Option<&Term> {
        self.0.iter().find(|term| !term.is_met_by(labels))
    }

    /// The fewest labels that meet all terms; `None` when no labels can.
    pub fn example(&self) -> Option<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        for term in self.terms() {
            if let Wanted::Value(value) = &term.wanted {
                labels.insert(term.key.to_string(), value.to_string());
            }
        }
        // The least that is asked for, and otherwise the most.
        let least = self.terms().iter().filter_map(|term| match &term.wanted {
            Wanted::AtLeast(least) => Some((term, least)),
            _ => None,
        });
        let mut least: Vec<_> = least.collect();
        least.sort_by_key(|(_, least)| std::cmp::Reverse(quantity(least)));
        let most = self.terms().iter().filter_map(|term| match &term.wanted {
            Wanted::AtMost(most) => Some((term, most)),
            _ => None,
        });
        let mut most: Vec<_> = most.collect();
        most.sort_by_key(|(_, most)| quantity(most));
        for (term, value) in least.into_iter().chain(most) {
            labels
                .entry(term.key.to_string())
                .or_insert_with(|| value.to_string());
        }
        for term in self.terms() {
            if term.wanted == Wanted::Any && !labels.contains_key(&*term.key) {
                labels.insert(term.key.to_string(), self.any_value(&term.key));
            }
        }
        self.matches(&labels).then_some(labels)
    }

    /// A value that no term forbids: there are more values to try than terms.
    fn any_value(&self, key: &str) -> String {
        let is_forbidden = |value: &str| {
            let forbids = |term: &Term| *term.key == *key && term.wanted == Wanted::OtherThan(value.into());
            self.terms().iter().any(forbids)
        };
        let mut value = "yes".to_owned();
        let mut tried = 0;
        while is_forbidden(&value) {
            tried += 1;
            value = format!("yes-{tried}");
        }
        value
    }

    /// The terms.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// Whether it has no terms.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn each_form_of_a_term_means_what_it_says() {
        let here = labels(&[("gpu", "a100"), ("region", "eu"), ("empty", "")]);
        for met in [
            "gpu=a100",
            "gpu!=h100",
            "disk!=ssd",
            "gpu",
            "!spot",
            "empty=",
            "empty",
        ] {
            assert!(Term::parse(met).unwrap().is_met_by(&here), "{met} is met");
        }
        for unmet in ["gpu=h100", "gpu!=a100", "disk", "!gpu", "disk=ssd", "empty=x"] {
            assert!(
                !Term::parse(unmet).unwrap().is_met_by(&here),
                "{unmet} is not met"
            );
        }
        let here = labels(&[("cpus", "8"), ("memory", "16000MiB"), ("host", "lab-1")]);
        for met in ["cpus>=8", "cpus>=7", "cpus<=8", "memory>=15GiB", "memory<=16GiB"] {
            assert!(Term::parse(met).unwrap().is_met_by(&here), "{met} is met");
        }
        for unmet in [
            "cpus>=10",
            "cpus<=7",
            "memory>=16GiB",
            "host>=1",
            "host<=1",
            "disk>=0",
            "disk<=9",
        ] {
            assert!(
                !Term::parse(unmet).unwrap().is_met_by(&here),
                "{unmet} is not met"
            );
        }
    }

    #[test]
    fn a_term_reads_as_it_was_written() {
        for text in [
            "gpu=a100",
            "gpu!=h100",
            "gpu",
            "!spot",
            "k8s.io/zone=a_b-c",
            "cpus>=4",
            "memory<=8GiB",
        ] {
            assert_eq!(Term::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "!",
            "=v",
            "!=v",
            "a b",
            "k=v w",
            "!k=v",
            "k==v",
            "k>=v",
            "k>=",
            ">=4",
            "k>4",
            "k>=-1",
            "k>=9999999999TiB",
            &"k".repeat(64),
        ] {
            assert!(Term::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn what_is_said_twice_or_in_another_order_is_the_same_selector() {
        let one = Selector::parse(&["gpu", "!spot", "gpu"]).unwrap();
        let other = Selector::parse(&["!spot", "gpu"]).unwrap();
        assert_eq!(one, other);
        assert_eq!(
            one.first_unmet(&labels(&[("spot", "yes")])).unwrap().to_string(),
            "gpu"
        );
        assert_eq!(
            Selector::parse(&["a b", "gpu", "="])
                .unwrap_err()
                .iter()
                .map(|(index, _)| *index)
                .collect::<Vec<_>>(),
            [0, 2]
        );
        assert!(Selector::parse(&["a"; MAX_SELECTOR_TERMS + 1]).is_err());
    }

    #[test]
    fn the_example_of_a_term_meets_it() {
        for text in ["gpu=a100", "gpu"] {
            let term = Term::parse(text).unwrap();
            let example = term.example().unwrap();
            let (key, value) = example.split_once('=').unwrap();
            assert!(term.is_met_by(&labels(&[(key, value)])));
        }
        assert_eq!(Term::parse("!gpu").unwrap().example(), None);
    }

    #[test]
    fn the_example_of_a_selector_meets_it_unless_nothing_does() {
        for terms in [
            &["gpu=a100", "disk"][..],
            &["disk", "disk!=yes", "disk!=yes-1"],
            &["cpus>=4", "cpus>=8", "cpus<=9", "memory<=1GiB", "memory<=2GiB"],
            &["disk", "disk=ssd", "disk!=yes", "!spot", "zone!=eu"],
            &[],
        ] {
            let selector = Selector::parse(terms).unwrap();
            assert!(selector.matches(&selector.example().unwrap()), "{terms:?}");
        }
        for terms in [
            ["a>=2", "a<=1"],
            ["a=x", "a>=1"],
            ["a=1", "a!=1"],
            ["a=1", "a=2"],
            ["a", "!a"],
            ["a=1", "!a"],
        ] {
            assert_eq!(Selector::parse(&terms).unwrap().example(), None, "{terms:?}");
        }
    }
}

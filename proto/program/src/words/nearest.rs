//! Finds the word that was probably meant.

/// Letters of the shortest word that counts as a short form of a longer one.
const SHORT_FORM_CHARS: usize = 3;

/// The candidate that is most similar to `word`, or that begins with it; nothing when all are too different.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    near(word, candidates).into_iter().next()
}

/// Every candidate that is similar to `word`, or begins with it: the most similar first.
pub fn near<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    // A third of the letters may be wrong, as in cargo's suggestions, and always one.
    let limit = (word.chars().count() / 3).max(1);
    let distance = |candidate: &str| {
        if word.chars().count() >= SHORT_FORM_CHARS && candidate.starts_with(word) {
            limit
        } else {
            strsim::damerau_levenshtein(word, candidate)
        }
    };
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_and_a_short_form_find_the_word_and_nonsense_finds_none() {
        let fields = ["priority", "depends_on", "run", "retries"];
        for (word, expected) in [
            ("prio", Some("priority")),
            ("depend_on", Some("depends_on")),
            ("runs", Some("run")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(word, fields), expected, "{word}");
        }
    }
}

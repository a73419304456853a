//! The nearest right spelling of a wrong word.

use strsim::osa_distance;

/// The candidate that `wrong` was probably meant to be; the first of equals, and none if all are far off.
pub(super) fn nearest<'a>(wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(wrong);
    closest(candidates.map(|candidate| (distance(&folded, &fold(candidate)), candidate)))
}

/// As [`nearest`], for dotted paths: a right last part without its section, or in a wrong one, is near too.
pub(super) fn nearest_path<'a>(wrong: &str, candidates: impl Iterator<Item = (&'a str, &'a str)>) -> Option<&'a str> {
    let folded = fold(wrong);
    closest(candidates.map(|(spelling, name)| {
        let spelling = fold(spelling);
        let whole = distance(&folded, &spelling);
        let part = distance(last(&folded), last(&spelling)).map(|distance| distance + 1);
        (whole.into_iter().chain(part).min(), name)
    }))
}

/// The words that put a suggestion into a sentence; empty without one.
pub(super) fn hint(suggestion: Option<&str>) -> String {
    suggestion.map(|word| format!("; did you mean \"{word}\"?")).unwrap_or_default()
}

/// One spelling of what people write as `max_open`, `max-open`, `MaxOpen`.
pub(super) fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

fn closest<'a>(scored: impl Iterator<Item = (Option<usize>, &'a str)>) -> Option<&'a str> {
    scored.filter_map(|(score, name)| Some((score?, name))).min_by_key(|(score, _)| *score).map(|(_, name)| name)
}

/// The number of typing errors between the two, if it is so small that they are probably the same word.
fn distance(wrong: &str, right: &str) -> Option<usize> {
    let longest = wrong.len().max(right.len());
    if wrong.len().abs_diff(right.len()) > longest / 3 {
        return None;
    }
    let distance = osa_distance(wrong, right);
    (distance <= (longest / 3).max(1)).then_some(distance)
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_the_word_and_nonsense_finds_none() {
        let words = ["wal", "delete", "truncate", "persist"];
        for (wrong, right) in [("wall", Some("wal")), ("trunkate", Some("truncate")), ("Detele", Some("delete")), ("qqq", None)] {
            assert_eq!(nearest(wrong, words.into_iter()), right, "{wrong}");
        }
    }

    #[test]
    fn a_right_name_in_a_wrong_section_is_near() {
        let paths = [("pool.max_open", "pool.max_open"), ("cache.ttl", "cache.ttl")];
        for (wrong, right) in [
            ("max_open", Some("pool.max_open")),
            ("cache.MaxOpen", Some("pool.max_open")),
            ("TTL", Some("cache.ttl")),
            ("pool.max_opne", Some("pool.max_open")),
            ("server.port", None),
        ] {
            assert_eq!(nearest_path(wrong, paths.into_iter()), right, "{wrong}");
        }
    }

    #[test]
    fn a_very_long_word_costs_no_time() {
        assert_eq!(nearest(&"x".repeat(1 << 20), ["wal"].into_iter()), None);
    }
}

//! Unknown keys in a configuration, answered with the nearest name there is.

/// What is wrong with the text, with the nearest name where a key is unknown.
pub(super) fn explain(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let mut names = text.split('`').skip(1).step_by(2);
    let nearest = error.message().starts_with("unknown field").then(|| {
        let wrong = error.message().split('`').nth(1).unwrap_or_default();
        let known = names
            .by_ref()
            .filter(|name| *name != wrong && !name.contains(' '));
        known
            .min_by_key(|name| distance(wrong, name))
            .filter(|name| distance(wrong, name) <= wrong.len().div_ceil(2))
    });
    match nearest.flatten() {
        Some(name) => format!("{}\ndid you mean `{name}`?", text.trim_end()),
        None => text,
    }
}

/// The edit distance of Levenshtein.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.bytes().enumerate() {
        let mut diagonal = place;
        let mut left = place + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, compared) in row.iter_mut().skip(1).zip(other.bytes()) {
            let replaced = diagonal + usize::from(letter != compared);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (one, other, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("sesions", "sessions", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }
}

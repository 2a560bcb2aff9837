//! Unknown keys, answered with the nearest name there is.

/// The name that is nearest to an unknown one, when one is near.
pub(super) fn nearest(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    let ranked = known.iter().map(|key| (distance(unknown, key), *key)).min()?;
    (ranked.0 <= 2.max(unknown.len() / 3)).then_some(ranked.1)
}

/// How many letters must be added, removed or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for (place, theirs) in other.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let changed = at(&row, place) + usize::from(letter != *theirs);
            next.push(changed.min(at(&row, place + 1) + 1).min(at(&next, place) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_from_everything_is_not_answered() {
        let known = ["listen", "mode", "upstream"];
        assert_eq!(nearest("lisent", &known), Some("listen"));
        assert_eq!(nearest("mod", &known), Some("mode"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}

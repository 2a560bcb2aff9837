//! Unknown keys, answered with the nearest name there is.

/// The expected key that is nearest to an unknown one, from the parser's message.
pub(super) fn nearest(message: &str) -> Option<String> {
    let rest = message.split("unknown field `").nth(1)?;
    let (unknown, rest) = rest.split_once('`')?;
    let expected = rest.split('`').skip(1).step_by(2);
    let ranked = expected.map(|key| (distance(unknown, key), key)).min()?;
    (ranked.0 <= 2.max(unknown.len() / 3)).then(|| ranked.1.to_owned())
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
    fn letters_are_counted() {
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lisen", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn what_is_far_from_everything_is_not_answered() {
        let message =
            |key: &str| format!("unknown field `{key}`, expected one of `listen`, `names`, `issuer`");
        assert_eq!(nearest(&message("lisent")), Some("listen".to_owned()));
        assert_eq!(nearest(&message("colour")), None);
    }
}

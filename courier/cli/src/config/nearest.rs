//! The name that is nearest to one that there is not.

/// The nearest of some names, when one is near enough to be meant.
pub(super) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given: Vec<char> = given.chars().take(64).collect();
    let (name, distance) = names
        .map(|name| (name, distance(&given, name)))
        .min_by_key(|(_, distance)| *distance)?;
    (distance <= 1 + given.len() / 4).then_some(name)
}

/// How many letters are added, taken away or changed between the two (Levenshtein).
fn distance(given: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=given.len()).collect();
    for (line, letter) in name.chars().enumerate() {
        let mut before = line;
        let mut left = line.saturating_add(1);
        let mut next = vec![left];
        for (other, above) in given.iter().zip(row.iter().skip(1)) {
            let changed = before + usize::from(*other != letter);
            left = changed.min(above + 1).min(left + 1);
            before = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["base_url", "ca_file", "retries"];
        let find = |given| nearest(given, names.into_iter());
        assert_eq!(find("base_ulr"), Some("base_url"));
        assert_eq!(find("retrys"), Some("retries"));
        assert_eq!(find("cafile"), Some("ca_file"));
        assert_eq!(find("colour"), None);
        assert_eq!(find(""), None);
        assert_eq!(distance(&['a', 'b'], "ab"), 0);
        assert_eq!(distance(&['a', 'b'], "b"), 1);
        assert_eq!(distance(&[], "abc"), 3);
    }
}

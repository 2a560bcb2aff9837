//! What the operations are expected to take, and the verdict on what they took.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::instructions::Counts;

/// The line of the file behind which the counts are.
const HEAD: &str = "[instructions]";

/// The file of expectations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) tolerance_percent: u64,
    instructions: BTreeMap<String, u64>,
}

/// One operation: what was expected of it, and what was counted.
#[derive(Debug)]
pub(crate) struct Line {
    name: String,
    expected: Option<u64>,
    counted: Option<u64>,
    is_kept: bool,
}

impl Expected {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let expected: Self = toml::from_str(text).context("bench/instructions.toml")?;
        ensure!(
            expected.tolerance_percent < 50,
            "a tolerance of {}% tolerates everything",
            expected.tolerance_percent
        );
        Ok(expected)
    }

    /// Every operation that is expected or was counted.
    pub(crate) fn judge(&self, counts: &Counts) -> Vec<Line> {
        let names: BTreeSet<&String> = self.instructions.keys().chain(counts.keys()).collect();
        let line = |name: &String| {
            let (expected, counted) = (self.instructions.get(name).copied(), counts.get(name).copied());
            let pair = expected.zip(counted);
            Line {
                name: name.clone(),
                expected,
                counted,
                is_kept: pair.is_some_and(|(expected, counted)| {
                    counted.abs_diff(expected) * 100 <= expected * self.tolerance_percent
                }),
            }
        };
        names.into_iter().map(line).collect()
    }
}

impl Line {
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.expected, self.counted) {
            (Some(expected), Some(counted)) => {
                let sign = if counted < expected { '-' } else { '+' };
                let permille = counted.abs_diff(expected) * 1000 / expected.max(1);
                let (percent, tenths) = (permille / 10, permille % 10);
                let verdict = match (self.is_kept, sign) {
                    (true, _) => "kept",
                    (false, '+') => "MORE than expected",
                    (false, _) => "FEWER than expected",
                };
                write!(
                    f,
                    "{name:<18} {counted:>9}, expected {expected:>9}  {sign}{percent}.{tenths}%  {verdict}"
                )
            }
            (None, Some(counted)) => write!(f, "{name:<18} {counted:>9}, NOT EXPECTED"),
            (expected, _) => write!(f, "{name:<18} NOT COUNTED, expected {:>9}", expected.unwrap_or(0)),
        }
    }
}

/// The text of the file with these counts; what stands before them stays.
pub(crate) fn with_counts(text: &str, counts: &Counts) -> Result<String> {
    let (before, _) = text
        .split_once(HEAD)
        .with_context(|| format!("the line {HEAD}"))?;
    let lines = counts.iter().map(|(name, count)| format!("{name} = {count}\n"));
    Ok(format!("{before}{HEAD}\n{}", lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    const FILE: &str = "# why\ntolerance_percent = 3\n\n[instructions]\nhit = 1000\nmiss = 50000\n";

    fn verdicts(counts: &[(&str, u64)]) -> Vec<(String, bool)> {
        let counts = counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        let lines = Expected::read(FILE).unwrap().judge(&counts);
        lines.into_iter().map(|line| (line.name, line.is_kept)).collect()
    }

    #[test]
    fn more_and_fewer_beyond_the_tolerance_fail() {
        for (hit, is_kept) in [
            (1000, true),
            (1030, true),
            (1031, false),
            (970, true),
            (969, false),
            (0, false),
        ] {
            let verdicts = verdicts(&[("hit", hit), ("miss", 50_000)]);
            assert_eq!(
                verdicts,
                [("hit".to_owned(), is_kept), ("miss".to_owned(), true)],
                "{hit}"
            );
        }
    }

    #[test]
    fn what_is_not_expected_or_not_counted_fails() {
        assert_eq!(
            verdicts(&[("hit", 1000), ("new", 7)]),
            [
                ("hit".to_owned(), true),
                ("miss".to_owned(), false),
                ("new".to_owned(), false)
            ]
        );
    }

    #[test]
    fn a_blessed_count_is_the_expected_one() {
        let counts = Counts::from([("hit".to_owned(), 900), ("new".to_owned(), 7)]);
        let blessed = with_counts(FILE, &counts).unwrap();
        assert!(blessed.starts_with("# why\ntolerance_percent = 3\n"), "{blessed}");
        let lines = Expected::read(&blessed).unwrap().judge(&counts);
        assert!(lines.len() == 2 && lines.iter().all(Line::is_kept));
    }

    #[test]
    fn the_committed_file_can_be_read() {
        let text = std::fs::read_to_string(crate::shell::root().unwrap().join(super::super::FILE)).unwrap();
        let expected = Expected::read(&text).unwrap();
        for name in ["ocsp_hit_get", "ocsp_miss", "certificate_tbs", "crl_entry"] {
            assert!(expected.instructions.contains_key(name), "{name}");
        }
    }
}

//! The table of names in the guide for other people's clients says what the code does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use std::path::Path;

use pki::allowed_name::{AllowedName, requested_dns};

#[test]
fn the_guide_says_what_a_pattern_covers() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/courier/byoc.md");
    let text = std::fs::read_to_string(guide).unwrap();
    let table = text.split_once("\n## Names\n").unwrap().1;
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut told = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [pattern, asked, outcome] = cells.as_slice() else {
            panic!("{row}");
        };
        let pattern: AllowedName = pattern.trim_matches('`').parse().unwrap();
        let (kind, name) = asked
            .trim_end_matches('`')
            .split_once('`')
            .unwrap_or(("anything", ""));
        let name = match kind.trim() {
            "" | "DNS name" => requested_dns(name).ok(),
            "address" => Some(format!("ip:{name}").parse().unwrap()),
            "mail address" => Some(format!("email:{name}").parse().unwrap()),
            "URI" => Some(format!("uri:{name}").parse().unwrap()),
            "anything" => {
                assert!(outcome.starts_with("refused when it is saved"), "{row}");
                assert!(pattern.covers_public_suffix(&|name| name == "com"), "{row}");
                told += 1;
                continue;
            }
            other => panic!("{other}: {row}"),
        };
        let is_allowed = name.is_some_and(|name| pattern.covers(&name));
        let said = if is_allowed { "allowed" } else { "denied" };
        assert_eq!(*outcome, said, "{row}");
        told += 1;
    }
    assert!(told >= 22, "{told} rows were read");
}

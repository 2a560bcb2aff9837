//! The tables of rules themselves.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pki::lint::{CERTIFICATE_RULES, CRL_RULES};

/// Names and citations of both tables.
fn rows() -> Vec<(&'static str, &'static str)> {
    let certificate = CERTIFICATE_RULES.iter().map(|rule| (rule.name, rule.citation));
    certificate
        .chain(CRL_RULES.iter().map(|rule| (rule.name, rule.citation)))
        .collect()
}

#[test]
fn names_are_snake_case_and_stand_once() {
    let names: BTreeSet<&str> = rows().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), rows().len());
    for name in names {
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{name}"
        );
    }
}

#[test]
fn every_rule_cites_a_clause() {
    for (name, citation) in rows() {
        assert!(
            citation.contains('§') || citation.contains("appendix"),
            "{name}: {citation}"
        );
    }
}

/// A rule that is written but not in its table would never run.
#[test]
fn every_file_is_a_row() {
    for (folder, prefix, count) in [
        ("certificate", "", CERTIFICATE_RULES.len()),
        ("crl", "crl_", CRL_RULES.len()),
    ] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("src/lint")
            .join(folder);
        let files: BTreeSet<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name != "sample")
            .map(|name| format!("{prefix}{name}"))
            .collect();
        let names: BTreeSet<String> = rows().into_iter().map(|(name, _)| name.to_owned()).collect();
        assert!(files.is_subset(&names), "{:?}", files.difference(&names));
        assert_eq!(files.len(), count);
    }
}

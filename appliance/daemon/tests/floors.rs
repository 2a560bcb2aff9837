//! The floors of ARCHITECTURE.md, read from the manifests: an import only ever points down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Package, floor, and whether it is pure (no async runtime, sockets, files).
const FLOORS: &[(&str, u8)] = &[
    ("chancery", 4),
    ("chancery-signerd", 4),
    ("chancery-bench", 4),
    ("courier", 4),
    ("courier-bridge", 4),
    ("front", 3),
    ("jobs", 3),
    ("ca", 2),
    ("targets", 2),
    ("jose", 1),
    ("kit", 1),
    ("ocsp", 1),
    ("store-bed", 2),
    ("store", 1),
    ("tlog", 1),
    ("token", 1),
    ("courier-wire", 0),
    ("age-file", 0),
    ("pki", 0),
    ("signer-wire", 0),
];

/// Crates that a pure floor-0 or protocol crate never names.
const IMPURE: &[&str] = &[
    "tokio", "hyper", "reqwest", "rusqlite", "cryptoki", "uuid", "tracing", "rustix", "axum",
];

/// What each program of the signing side may link from this workspace.
const SIGNERD: &[&str] = &["jose", "signer-wire", "token"];

#[test]
fn every_import_points_down() {
    let manifests = manifests();
    for (package, floor) in FLOORS {
        let manifest = manifests
            .get(*package)
            .unwrap_or_else(|| panic!("{package} is not in the workspace"));
        for dependency in dependencies(manifest, "dependencies") {
            if let Some((_, below)) = FLOORS.iter().find(|(name, _)| *name == dependency) {
                assert!(
                    below < floor,
                    "{package} (floor {floor}) imports {dependency} (floor {below})"
                );
            }
        }
    }
}

#[test]
fn every_member_has_a_floor() {
    for package in manifests().keys() {
        let known = package == "xtask" || FLOORS.iter().any(|(name, _)| name == package);
        assert!(
            known,
            "{package} has no floor: add it to FLOORS and to ARCHITECTURE.md"
        );
    }
}

#[test]
fn pure_crates_name_nothing_impure() {
    let manifests = manifests();
    for package in [
        "age-file",
        "courier-wire",
        "jose",
        "pki",
        "signer-wire",
        "ocsp",
        "tlog",
    ] {
        for dependency in dependencies(manifests.get(package).expect("a member"), "dependencies") {
            assert!(
                !IMPURE.contains(&dependency.as_str()),
                "{package} is pure and imports {dependency}"
            );
        }
    }
}

#[test]
fn the_signing_process_links_no_http_and_no_database() {
    let manifests = manifests();
    let signerd = dependencies(
        manifests.get("chancery-signerd").expect("a member"),
        "dependencies",
    );
    for dependency in &signerd {
        let ours = FLOORS.iter().any(|(name, _)| name == dependency);
        assert!(
            !ours || SIGNERD.contains(&dependency.as_str()),
            "signerd links {dependency}"
        );
        assert!(
            !["hyper", "axum", "reqwest", "rusqlite", "http"].contains(&dependency.as_str()),
            "{dependency}"
        );
    }
}

/// Package name to manifest, for every member of the workspace.
fn manifests() -> BTreeMap<String, toml::Table> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let workspace: toml::Table = std::fs::read_to_string(root.join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let members = workspace
        .get("workspace")
        .unwrap()
        .get("members")
        .unwrap()
        .as_array()
        .unwrap();
    let read = |member: &toml::Value| {
        let path = root.join(member.as_str().unwrap()).join("Cargo.toml");
        let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let name = manifest
            .get("package")
            .unwrap()
            .get("name")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        (name, manifest)
    };
    members.iter().map(read).collect()
}

fn dependencies(manifest: &toml::Table, section: &str) -> Vec<String> {
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

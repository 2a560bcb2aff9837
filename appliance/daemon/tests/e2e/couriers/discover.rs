//! What lies on a host and was not issued here is found by its courier, and an operator decides about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::host::Host;
use crate::harness::{Appliance, Keys, judge};

#[test]
fn e2e_courier_discover_openssl() {
    let appliance = Appliance::start(Keys::Software);
    let host = Host::new(&appliance, "web01", "");
    host.ok(&["run"]);
    let dir = host.file("legacy");
    let (pem, der) = old(&dir);

    let words = [
        "--dir",
        dir.to_str().unwrap(),
        "--dir",
        &host.output("").display().to_string(),
    ];
    let rehearsed = host.json(&[&["discover", "--dry-run"][..], &words].concat());
    assert_eq!(rehearsed["dry_run"], true);
    let summary = || appliance.json(&["discovery", "summary"]);
    assert_eq!(
        summary(),
        json!({ "new": 0, "claimed": 0, "dismissed": 0, "key_exposed": 0 })
    );

    let told = host.json(&[&["discover"][..], &words].concat());
    assert_eq!(told["refused"], 0);
    // Its own certificate and those of the CAs above are claimed by what was issued here.
    let counts = summary();
    assert_eq!(
        (&counts["claimed"], &counts["key_exposed"]),
        (&json!(3), &json!(1)),
        "{counts} {told}"
    );
    let list = appliance.json(&[
        "discovery",
        "list",
        "--status",
        "new",
        "--key-exposed",
        "--courier",
        "web01",
    ]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["subject"], "CN=old.example.net");
    assert_eq!(list[0]["key_algorithm"], "rsa-1024");
    assert!(list[0]["fault"].as_str().unwrap().contains("weak"));
    let print = judge(
        "openssl",
        &["x509", "-in", &pem, "-noout", "-fingerprint", "-sha256"],
    );
    let print = print
        .trim()
        .rsplit('=')
        .next()
        .unwrap()
        .replace(':', "")
        .to_lowercase();
    assert_eq!(list[0]["fingerprint_sha256"], json!(print));
    let id = list[0]["id"].as_str().unwrap();
    let shown = appliance.ok(&["discovery", "show", id]);
    assert!(shown.contains(&pem) && shown.contains(&der), "{shown}");
    appliance.ok(&["discovery", "dismiss", id]);
    assert_eq!(summary()["dismissed"], 1);

    // The file is removed; what an operator decided about is remembered, and lies nowhere.
    std::fs::remove_dir_all(&dir).unwrap();
    host.ok(&["discover", "--dir", &host.output("").display().to_string()]);
    let shown = appliance.json(&["discovery", "show", id]);
    assert_eq!(
        (&shown["places"], &shown["status"]),
        (&json!([]), &json!("dismissed"))
    );
    let scans = appliance.ok(&["discovery", "scans", "--courier", "web01"]);
    assert_eq!(scans.matches("web01").count(), 2, "{scans}");
}

/// Another's certificate, with a key that everybody may read, in both forms and behind a link.
fn old(dir: &Path) -> (String, String) {
    std::fs::create_dir_all(dir.join("deep")).unwrap();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (pem, key, der) = (path("old.pem"), path("old.key"), path("deep/old.der"));
    judge(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:1024",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &pem,
            "-subj",
            "/CN=old.example.net",
            "-days",
            "30",
        ],
    );
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    judge("openssl", &["x509", "-in", &pem, "-outform", "DER", "-out", &der]);
    std::os::unix::fs::symlink(&pem, dir.join("link.pem")).unwrap();
    std::fs::write(dir.join("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    (pem, der)
}

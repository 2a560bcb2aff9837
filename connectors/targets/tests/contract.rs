//! What holds for every kind of target, and the page about them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::path::Path;

use kit::{Apply, Bundle, FaultKind, Options};
use serde_json::json;
use targets::{KINDS, find};
use zeroize::Zeroizing;

fn bundle() -> Bundle {
    Bundle {
        leaf_pem: "leaf\n".to_owned(),
        chain_pem: "chain\n".to_owned(),
        key_pem: Zeroizing::new("s3cr3t\n".to_owned()),
        fingerprint_sha256: [7; 32],
        server_name: Some("a.example".to_owned()),
    }
}

#[test]
fn kinds_are_in_order_and_found_by_name() {
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    for kind in KINDS {
        assert!(std::ptr::eq(find(kind.name).unwrap(), *kind));
        assert!(kind.name.bytes().all(|octet| octet.is_ascii_lowercase()) && !kind.summary.is_empty());
    }
    assert!(find("iis").is_none());
}

#[test]
fn every_kind_has_a_plan_without_settings_and_refuses_what_it_does_not_know() {
    for kind in KINDS {
        let plan = (kind.build)(json!({})).unwrap().plan(&bundle()).unwrap();
        assert!(!plan.files.is_empty() && plan.probe.is_none(), "{}", kind.name);
        let has_key = |file: &&kit::PutFile| file.contents.windows(6).any(|part| part == b"s3cr3t");
        let secrets: Vec<_> = plan.files.iter().filter(has_key).collect();
        assert_eq!(secrets.len(), 1, "{}", kind.name);
        assert_eq!(secrets[0].access.mode, 0o600, "{}", kind.name);
        assert!(!format!("{plan:?}").contains("s3cr3t"), "{}", kind.name);
        let refused = (kind.build)(json!({ "reload_comand": "x", "more": 1 })).unwrap_err();
        assert_eq!(refused.len(), 2, "{}: {refused:?}", kind.name);
        let suggested = refused
            .iter()
            .any(|problem| problem.what.contains("`reload_command`"));
        assert!(suggested, "{}: {refused:?}", kind.name);
        let hostile = json!({ "reload_command": "systemctl reload x; rm -rf /" });
        let refused = (kind.build)(hostile).unwrap_err();
        assert!(refused[0].what.contains("shell"), "{}: {refused:?}", kind.name);
        let open = (kind.build)(json!({ "key_mode": "0644" })).unwrap_err();
        assert_eq!(open[0].field, "key_mode", "{}", kind.name);
        for address in [
            "a.example",
            "a.example:",
            ":443",
            "a.example:0",
            "a.example:70000",
            "",
        ] {
            let nowhere = (kind.build)(json!({ "probe": { "address": address } })).unwrap_err();
            assert_eq!(nowhere[0].field, "probe", "{}: {address}", kind.name);
        }
        (kind.build)(json!({ "probe": { "address": "[::1]:443" } })).unwrap();
        if kind.fields.iter().any(|field| field.name == "cert_mode") {
            let open = (kind.build)(json!({ "cert_mode": "0666" })).unwrap_err();
            assert_eq!(open[0].field, "cert_mode", "{}", kind.name);
        }
    }
}

#[test]
fn paths_are_known_before_there_is_a_certificate_and_no_two_are_the_same() {
    for kind in KINDS {
        let target = (kind.build)(json!({})).unwrap();
        let plan = target.plan(&bundle()).unwrap();
        let planned: Vec<_> = plan.files.iter().map(|file| file.path.clone()).collect();
        let mut told = target.paths();
        told.sort_unstable_by_key(|path| planned.iter().position(|one| one == path));
        assert_eq!(told, planned, "{}", kind.name);
        for path in ["relative.pem", "/etc/a/../b.pem", "/etc/a/", "/"] {
            let field = if kind.name == "haproxy" {
                "pem_path"
            } else {
                "key_path"
            };
            let refused = (kind.build)(json!({ field: path })).unwrap_err();
            assert_eq!(refused[0].field, field, "{}: {path}", kind.name);
        }
    }
    let same = json!({ "cert_path": "/etc/a.pem", "key_path": "/etc/a.pem" });
    for kind in ["apache", "dovecot", "nginx", "postfix"] {
        let refused = (find(kind).unwrap().build)(same.clone()).unwrap_err();
        assert!(refused[0].what.contains("same file"), "{kind}: {refused:?}");
    }
}

#[test]
fn files_are_as_each_server_wants_them() {
    let texts = |kind: &str, settings| {
        let plan = (find(kind).unwrap().build)(settings)
            .unwrap()
            .plan(&bundle())
            .unwrap();
        let text = |file: &kit::PutFile| String::from_utf8(file.contents.to_vec()).unwrap();
        plan.files.iter().map(text).collect::<Vec<_>>()
    };
    let own_chain = json!({ "chain_path": "/x/chain.pem" });
    assert_eq!(
        texts("nginx", own_chain.clone()),
        ["leaf\nchain\n", "chain\n", "s3cr3t\n"]
    );
    assert_eq!(
        texts("apache", own_chain.clone()),
        ["leaf\n", "chain\n", "s3cr3t\n"]
    );
    assert_eq!(texts("dovecot", own_chain), ["leaf\n", "chain\n", "s3cr3t\n"]);
    assert_eq!(texts("postfix", json!({})), ["leaf\nchain\n", "s3cr3t\n"]);
    assert_eq!(
        texts("postfix", json!({ "pem_path": "/x/a.pem" })),
        ["s3cr3t\nleaf\nchain\n"]
    );
    assert_eq!(texts("haproxy", json!({})), ["leaf\nchain\ns3cr3t\n"]);
    let both = (find("postfix").unwrap().build)(json!({ "pem_path": "/x/a.pem", "key_path": "/x" }));
    assert_eq!(both.unwrap_err()[0].field, "pem_path");
    let socket = json!({ "stats_socket": "/run/haproxy.sock" });
    let plan = (find("haproxy").unwrap().build)(socket)
        .unwrap()
        .plan(&bundle())
        .unwrap();
    assert!(matches!(plan.apply, Apply::HaproxySocket { .. }));
    let absent = json!({ "owner": "nobody-has-this-name" });
    let refused = (find("nginx").unwrap().build)(absent)
        .unwrap()
        .plan(&bundle())
        .unwrap_err();
    assert_eq!(refused.kind, FaultKind::Settings);
}

#[tokio::test]
async fn every_kind_does_nothing_the_second_time() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut settings = json!({ "reload_command": ["touch", at("told")], "validate_command": ["true"] });
        let paths: &[&str] = if kind.name == "haproxy" {
            &["pem_path"]
        } else {
            &["cert_path", "key_path"]
        };
        for path in paths {
            settings[*path] = json!(at(path));
        }
        let plan = (kind.build)(settings).unwrap().plan(&bundle()).unwrap();
        let first = kit::deploy(&plan, Options::default(), &mut ()).await.unwrap();
        assert!(first.applied && at("told").exists(), "{}", kind.name);
        std::fs::remove_file(at("told")).unwrap();
        let second = kit::deploy(&plan, Options::default(), &mut ()).await.unwrap();
        assert!(!second.applied && !at("told").exists(), "{}", kind.name);
    }
}

#[test]
fn the_page_is_what_the_table_says() {
    let mut page = String::from(
        "# Servers that take certificates\n\nEntries of `certificate.deploy` in the courier's configuration: `type` and the settings of that \
         kind. Generated from the table in `connectors/targets`.\n\nFor every kind the files are put, the server's own check reads them, \
         the server takes them, and the probe looks until the new certificate is served. What fails on the way is undone: the files of \
         before come back, and the server takes those; where there were none, and only the server could not be told, they stay for its start. \
         What was not taken is handed over again by every run until it is; until then `status` says `undeployed`, `status --check` ends with \
         9, and the appliance is not told that the certificate is installed.\n\nA command is a list of program and arguments, or a text that is cut at blanks; \
         no shell is used, and what a shell would look into is refused.\n\nA relative path begins in the directory of the \
         configuration; an empty one is as if it were not there. The directory of a file must exist. Each server has files of its own: two \
         that share one, or a file of `output`, are refused.\n",
    );
    for kind in KINDS {
        page += &format!(
            "\n## `{}`\n\n{}\n\n| Setting | Default | Meaning |\n|---|---|---|\n",
            kind.name, kind.summary
        );
        for field in kind.fields {
            page += &format!("| `{}` | {} | {} |\n", field.name, field.default, field.meaning);
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/connectors/targets.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        page,
        "run again with BLESS=1"
    );
}

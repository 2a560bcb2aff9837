//! What is refused, and what is warned of.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;

use super::{UUID, parsed, problems};
use crate::auth::Method;
use crate::config::{Kind, fields, load, summary};
use crate::hook::HookCommand;

#[test]
fn the_examples_of_the_contract_are_read_without_an_address() {
    // As they stand there, with a UUID in the place of the placeholder: the address of the appliance is in none of them.
    let text = format!(
        "api:\n  uuid: \"{UUID}\"   # UUID is set here for SPIFFE, not in the auth block\n\nauth:\n  method: spiffe\n  \
         workload_api_socket: unix:///tmp/spire-agent/public/api.sock\n"
    );
    let settings = parsed(&text, &[], false).unwrap();
    assert!(settings.api.is_none());
    assert_eq!(settings.auth.as_ref().unwrap().uuid_key, "api.uuid");
    assert!(
        settings.warnings[0].contains("api.base_url"),
        "{:?}",
        settings.warnings
    );
    let text = format!(
        "auth:\n  method: client_secret\n  uuid: \"{UUID}\"\n  client_id: cour_your_client_id\n  client_secret: your_client_secret\n  \
         on_failure: [/usr/local/bin/alert, now]\n"
    );
    let auth = parsed(&text, &[], false).unwrap().auth.unwrap();
    assert_eq!(auth.uuid_key, "auth.uuid");
    let direct = vec!["/usr/local/bin/alert".to_owned(), "now".to_owned()];
    assert_eq!(auth.on_failure.unwrap().command, HookCommand::Direct(direct));
}

/// A key that no reader looks at would be in the table for nothing: each complains when a list of lists stands there.
#[test]
fn every_key_of_the_table_is_read() {
    let methods = [
        "spiffe",
        "azure_jwt",
        "azure_arc",
        "aws_oidc",
        "certificate",
        "client_secret",
    ];
    let methods = methods.map(|method| (method, "get"));
    let requests = ["get", "client_credentials", "file", "env", "exec"].map(|request| ("oidc_jwt", request));
    for field in fields().filter(|field| !matches!(field.kind, Kind::Section | Kind::Sections)) {
        let names: Vec<&str> = field.path.split('.').collect();
        let mut value = serde_json::json!([[1]]);
        for name in names.iter().rev() {
            value = serde_json::json!({ *name: value });
        }
        let is_read = methods.iter().chain(&requests).any(|(method, request)| {
            let mut file = value.clone();
            if names[0] == "auth" && names[1] != "method" {
                file["auth"]["method"] = (*method).into();
                if *method == "oidc_jwt" && names[1] != "token_request" {
                    file["auth"]["token_request"] = (*request).into();
                }
            }
            let path = format!("`{}", field.path);
            let found = problems(&file.to_string());
            let is_told = |problem: &String| problem.starts_with(&path) && !problem.contains("belongs to");
            found.iter().any(is_told)
        });
        assert!(is_read, "{} is read by nobody", field.path);
    }
}

#[test]
fn keys_of_other_methods_are_refused() {
    let text = format!(
        "api: {{ uuid: '{UUID}' }}\nauth: {{ method: spiffe, role_arn: x, client_secret_file: y }}\n"
    );
    assert_eq!(
        problems(&text),
        [
            "`auth.role_arn` belongs to aws_oidc, not to spiffe",
            "`auth.client_secret_file` belongs to client_secret, oidc_jwt, not to spiffe",
        ]
    );
    let missing = problems(&format!(
        "auth: {{ method: oidc_jwt, uuid: '{UUID}', token_request: env }}"
    ));
    assert!(
        missing[0].starts_with("`auth.token_env` is missing"),
        "{missing:?}"
    );
}

#[test]
fn a_secret_is_the_text_that_was_written() {
    let with = |secret: &str| {
        let text = format!(
            "auth: {{ method: client_secret, uuid: '{UUID}', client_id: cour_x, client_secret: {secret} }}"
        );
        parsed(&text, &[("EMPTY", ""), ("SET", "of-the-variable")], true).map_err(|fault| fault.to_string())
    };
    let refused = with("12345").unwrap_err();
    assert!(
        refused.contains("write it in quotes") && !refused.contains("12345"),
        "{refused}"
    );
    assert!(with("''").unwrap_err().contains("is empty"));
    // What stands in the file is a secret of the file, also as a fallback.
    for literal in ["0123", "1_000", "abc", "'${ABSENT:-abc}'", "'$${abc}'"] {
        let refused = with(literal).unwrap_err();
        assert!(
            refused.contains("chmod 600") && !refused.contains("abc"),
            "{literal}: {refused}"
        );
    }
    let Method::ClientSecret(read) = with("'${SET:-abc}'").unwrap().auth.unwrap().method else {
        panic!("another method")
    };
    assert_eq!(read.client_secret.expose_secret(), "of-the-variable");
    let text = "certificate: { sans: { dns: [a.example] }, deploy: [{ type: tomcat, key_password: abc, password_file: p }] }";
    let refused = parsed(text, &[], true).unwrap_err().to_string();
    assert!(
        refused.contains("`certificate.deploy[0].key_password`"),
        "{refused}"
    );
    assert!(!refused.contains("password_file"), "{refused}");
    let text = "certificate: { sans: { dns: [a.example] }, key: { passphrase: abc } }";
    let debug = format!("{:?}", parsed(text, &[], false).unwrap());
    assert!(!debug.contains("abc"), "{debug}");
}

#[test]
fn a_secret_in_a_file_is_looked_at_where_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let put = |name: &str, text: &str, mode| {
        std::fs::write(at(name), text).unwrap();
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let read = |reference: &str, variables: &[(&str, &str)]| {
        let text = format!(
            "certificate: {{ sans: {{ dns: [a.example] }}, key: {{ passphrase: '${{file:{reference}}}' }} }}"
        );
        let settings = parsed(&text, variables, true).map_err(|fault| fault.to_string())?;
        let passphrase = settings.certificates[0].key.passphrase.clone().unwrap();
        Ok::<_, String>(passphrase.expose_secret().to_owned())
    };
    put("open", "s3cr3t\n", 0o644);
    put("shut", "s3cr3t\r\n", 0o600);
    put("empty", "\n", 0o600);
    put("handed", "s3cr3t", 0o440);
    std::os::unix::fs::symlink("open", at("to-open")).unwrap();
    std::os::unix::fs::symlink("shut", at("to-shut")).unwrap();
    let path = |name: &str| at(name).display().to_string();
    assert_eq!(read(&path("shut"), &[]).unwrap(), "s3cr3t");
    assert_eq!(read(&path("to-shut"), &[]).unwrap(), "s3cr3t");
    for (name, why) in [
        ("open", "others may read"),
        ("to-open", "others may read"),
        ("handed", "others may read"),
        ("empty", "is empty"),
        ("absent", "cannot be read"),
        (".", "is no file"),
    ] {
        let refused = read(&path(name), &[]).unwrap_err();
        assert!(
            refused.contains(why) && !refused.contains("s3cr3t"),
            "{name}: {refused}"
        );
    }
    // A pipe is not waited for.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(read(&path("pipe"), &[]).unwrap_err().contains("no file"));
    // Systemd hands files over with an access list, which shows as a group that may read.
    let directory = dir.path().display().to_string();
    let variables = [("CREDENTIALS_DIRECTORY", directory.as_str())];
    for reference in ["handed", "$CREDENTIALS_DIRECTORY/handed", &path("handed")] {
        assert_eq!(read(reference, &variables).unwrap(), "s3cr3t", "{reference}");
    }
}

#[test]
fn trust_anchors_are_a_file_of_some_length() {
    for path in ["/dev/zero", "/etc", "/nonexistent"] {
        let text = format!("api: {{ base_url: 'https://pki.example', ca_file: {path} }}\n");
        let found = problems(&text);
        assert!(
            found[0].starts_with(&format!("`api.ca_file` names {path}, which ")),
            "{found:?}"
        );
    }
}

#[test]
fn a_link_to_a_file_keeps_its_own_name_and_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let text = "certificate: { sans: { dns: [a.example] }, output: { dir: out } }\n";
    std::fs::write(dir.path().join("data/other.yaml"), text).unwrap();
    std::os::unix::fs::symlink("data/other.yaml", dir.path().join("web.yaml")).unwrap();
    let settings = load(&dir.path().join("web.yaml"), &BTreeMap::new(), false).unwrap();
    assert_eq!(settings.certificates[0].name, "web");
    assert_eq!(settings.certificates[0].output.dir, dir.path().join("out"));
}

#[test]
fn modes_are_octal_and_no_number_of_yaml() {
    let with = |mode: &str| {
        let text =
            format!("certificate: {{ sans: {{ dns: [a.example] }}, output: {{ mode_cert: {mode} }} }}");
        parsed(&text, &[], false).map(|settings| settings.certificates[0].output.mode_cert)
    };
    for (text, mode) in [("0640", 0o640), ("'640'", 0o640), ("'0o640'", 0o640)] {
        assert_eq!(with(text).unwrap(), mode, "{text}");
    }
    for text in ["0o640", "640", "'+640'", "'0888'", "'07777'", "rw-r-----", "''"] {
        assert!(with(text).is_err(), "{text}");
    }
}

#[test]
fn more_hostile_yaml() {
    for text in [
        "logging: !!binary s3cr3t\n",
        "logging: { level: !secret s3cr3t }\n",
        "a: &a { b: *a }\n",
        "logging: { level: info, <<: { level: s3cr3t, level: x } }\n",
        "\u{0}",
        "logging:\n\tlevel: s3cr3t\n",
        "? [s3cr3t]\n: 1\n",
        "logging: .nan\n",
    ] {
        let refused = parsed(text, &[], false).unwrap_err().to_string();
        assert!(!refused.contains("s3cr3t"), "{text:?}: {refused}");
    }
    let long = format!("# {}\n", "x".repeat(1024 * 1024));
    assert!(parsed(&long, &[], false).is_err());
    // YAML 1.2: these are words.
    for word in ["yes", "no", "on", "off"] {
        let text = format!("logging: {{ journald: {word} }}\n");
        assert_eq!(problems(&text), ["`logging.journald` is true or false"]);
    }
    // Anchors and merged maps are for those who have several certificates.
    let text = "certificates:\n- &web { name: a, sans: { dns: [a.example] }, output: { dir: a } }\n- { <<: *web, name: b, output: { dir: b } }\n";
    assert_eq!(
        parsed(text, &[], false).unwrap().certificates[1].names[0].to_string(),
        "dns:a.example"
    );
}

#[test]
fn a_summary_says_where_the_courier_is_named_and_what_cannot_meet() {
    let text = format!(
        "api: {{ base_url: 'https://pki.example', uuid: '{UUID}' }}\nauth: {{ method: spiffe }}\ncertificates:\n\
         - {{ name: short, sans: {{ dns: [a.example] }}, validity: 2d, output: {{ dir: a }} }}\n\
         - {{ name: late, sans: {{ dns: [a.example] }}, validity: 90d, renew: {{ before: 6h }}, output: {{ dir: b }} }}\n\
         - {{ name: percent, sans: {{ dns: [a.example] }}, validity: 9d, renew: {{ before_percent: 1 }}, output: {{ dir: c }} }}\n\
         - {{ name: always, sans: {{ dns: [a.example] }}, validity: 10d, renew: {{ before: 10d }}, output: {{ dir: d }} }}\n\
         - {{ name: good, sans: {{ dns: [a.example] }}, validity: 90d, renew: {{ before: 30d }}, output: {{ dir: e }} }}\n"
    );
    let summary = summary(&parsed(&text, &[], false).unwrap());
    assert_eq!(summary.uuid_key.as_deref(), Some("api.uuid"));
    let told = |name: &str| {
        summary
            .warnings
            .iter()
            .filter(|warning| warning.contains(&format!("certificate {name}:")))
            .count()
    };
    assert_eq!(
        ["short", "late", "percent", "always", "good"].map(told),
        [1, 1, 1, 1, 0],
        "{:?}",
        summary.warnings
    );
    let text = summary.to_string();
    assert!(
        text.contains("by spiffe (api.uuid)") && text.contains("read from: --config"),
        "{text}"
    );
    assert!(
        serde_json::to_string(&summary)
            .unwrap()
            .contains("\"uuid_key\":\"api.uuid\"")
    );
}

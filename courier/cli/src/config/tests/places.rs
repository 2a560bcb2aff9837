//! Files that are written twice, or nowhere: told when the file is read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{parsed, problems};
use crate::config::{ConfigFault, load};

/// Two certificates in one directory; `more` stands in the outputs of the second.
fn two(more: &str) -> String {
    format!(
        "certificates:\n- {{ name: a, sans: {{ dns: [a.example] }} }}\n- {{ name: b, sans: {{ dns: [b.example] }}, output: {{ {more} }} }}\n"
    )
}

#[test]
fn no_two_certificates_write_the_same_file() {
    let apart = "certificate: b.pem, private_key: b.key, fullchain: b.full";
    for (more, is_told) in [
        (apart, true),
        (&format!("{apart}, chain: b.chain"), true),
        (&format!("{apart}, ca: b.ca"), true),
        (&format!("{apart}, chain: b.chain, ca: ''"), false),
        (&format!("{apart}, chain: b.chain, ca: b.ca"), false),
        ("dir: b", false),
    ] {
        let told = problems(&two(more));
        let expected = "`certificates[1].output` writes files of another certificate";
        assert_eq!(
            told.iter().any(|one| one.starts_with(expected)),
            is_told,
            "{told:?}"
        );
        assert_eq!(told.len(), usize::from(is_told), "{told:?}");
    }
}

#[test]
fn no_file_of_a_certificate_has_the_name_of_another() {
    for (output, key) in [
        ("private_key: cert.pem", "private_key"),
        ("combined: privkey.pem", "combined"),
        ("chain: ca.pem", "ca"),
        ("pkcs12: { name: ca.pem, password: 'x' }", "pkcs12"),
    ] {
        let told = problems(&format!(
            "certificate: {{ sans: {{ dns: [a.example] }}, output: {{ {output} }} }}"
        ));
        let expected = format!("`certificate.output.{key}` has the name of another file of the certificate");
        assert_eq!(told, [expected], "{output}");
    }
    let long = "x".repeat(200);
    let told = problems(&format!(
        "certificate: {{ sans: {{ dns: [a.example] }}, output: {{ ca: {long} }} }}"
    ));
    assert!(told[0].contains("less than 200 octets"), "{told:?}");
}

/// The files that the servers of a configuration take.
fn paths(deploy: &str) -> Vec<String> {
    let text = format!("certificate: {{ sans: {{ dns: [a.example] }}, deploy: [{deploy}] }}");
    let settings = parsed(&text, &[], false).unwrap();
    let servers = settings.certificates[0].deploy.iter();
    let paths = servers.flat_map(|server| server.target.paths());
    paths.map(|path| path.display().to_string()).collect()
}

#[test]
fn paths_of_servers_begin_where_the_others_do_and_an_empty_one_is_none() {
    assert_eq!(
        paths("{ type: nginx, cert_path: nginx/a.pem, key_path: /etc/nginx/a.key, chain_path: '' }"),
        ["/etc/courier/nginx/a.pem", "/etc/nginx/a.key"]
    );
    assert_eq!(
        paths("{ type: postfix, pem_path: mail.pem }"),
        ["/etc/courier/mail.pem"]
    );
    assert_eq!(
        paths("{ type: haproxy, pem_path: '' }"),
        ["/etc/haproxy/certs/site.pem"]
    );
}

#[test]
fn what_a_server_takes_is_its_own() {
    let with = |deploy: &str| {
        problems(&format!(
            "certificate: {{ sans: {{ dns: [a.example] }}, deploy: [{deploy}] }}"
        ))
    };
    let told = with("{ type: nginx, cert_path: fullchain.pem, key_path: a.key }");
    assert!(
        told.len() == 1 && told[0].starts_with("`certificate.deploy[0]` puts /etc/courier/fullchain.pem"),
        "{told:?}"
    );
    let told = with(
        "{ type: postfix, cert_path: /etc/a.pem, key_path: /etc/a.key }, { type: dovecot, cert_path: /etc/a.pem, key_path: /etc/b.key }",
    );
    assert!(
        told.len() == 1
            && told[0].starts_with("`certificate.deploy[1]` puts /etc/a.pem, which another server"),
        "{told:?}"
    );
    let told = with("{ type: nginx, key_path: ../a.key }");
    assert!(
        told[0].starts_with("`certificate.deploy[0].key_path`"),
        "{told:?}"
    );
}

#[test]
fn nothing_is_no_validity() {
    for validity in ["validity: 0", "days: 0", "validity: 0d", "days: '0'"] {
        let told = problems(&format!(
            "certificate: {{ sans: {{ dns: [a.example] }}, {validity} }}"
        ));
        assert!(
            told.len() == 1 && told[0].contains("whole days"),
            "{validity}: {told:?}"
        );
    }
}

#[test]
fn what_every_run_would_fail_with_is_told() {
    let api = |text: &str| format!("api: {{ base_url: 'https://pki.example', {text} }}");
    let certificate = |text: &str| format!("certificate: {{ sans: {{ dns: [a.example] }}, {text} }}");
    for (text, key) in [
        (api("connect_timeout: 0s"), "api.connect_timeout"),
        (api("request_timeout: 0s"), "api.request_timeout"),
        (api("proxy: 'ftp://proxy.example'"), "api.proxy"),
        (api("proxy: 'proxy.example:3128'"), "api.proxy"),
        (certificate("hooks: { timeout: 0s }"), "certificate.hooks.timeout"),
        (
            certificate("output: { mode_cert: '0666' }"),
            "certificate.output.mode_cert",
        ),
        (
            certificate("output: { mode_dir: '0777' }"),
            "certificate.output.mode_dir",
        ),
        (
            certificate("extended_key_usage: ['']"),
            "certificate.extended_key_usage[0]",
        ),
        (
            certificate("deploy: [{ type: nginx, probe: { address: a } }]"),
            "certificate.deploy[0].probe",
        ),
    ] {
        let told = problems(&text);
        assert!(
            told.len() == 1 && told[0].starts_with(&format!("`{key}`")),
            "{text}: {told:?}"
        );
    }
    // A name that does not go hides nothing else.
    let told = problems(&certificate("name: ../a, digest: md5"));
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_proxy_with_a_password_is_a_secret() {
    let text = "api: { base_url: 'https://pki.example', proxy: 'http://user:hunter2@proxy.example:3128' }";
    let settings = parsed(text, &[], false).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    let told = parsed(text, &[], true).unwrap_err().to_string();
    assert!(
        told.contains("`api.proxy` is a secret") && !told.contains("hunter2"),
        "{told}"
    );
    parsed(&text.replace("user:hunter2@", ""), &[], true).unwrap();
}

#[test]
fn what_cannot_be_found_out_is_told_once() {
    let uuid = super::UUID;
    let told = problems(&format!(
        "auth: {{ method: client_secret, uuid: {uuid}, client_id: '${{A}}', client_secret: '${{B}}' }}"
    ));
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn a_file_that_everybody_may_write_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, "certificate: { sans: { dns: [a.example] } }\n").unwrap();
    let read = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        load(path, &std::collections::BTreeMap::new(), false)
    };
    read(&path, 0o644).unwrap();
    let refused = read(&path, 0o646).unwrap_err();
    assert!(matches!(refused, ConfigFault::Writable { .. }), "{refused}");
    assert!(refused.to_string().contains("chmod o-w"), "{refused}");
}

#[test]
fn a_private_key_that_everybody_may_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("client.key");
    std::fs::write(&key, "").unwrap();
    let text = format!(
        "auth: {{ method: certificate, uuid: {}, cert_path: c.pem, key_path: {} }}",
        super::UUID,
        key.display()
    );
    for (mode, count) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let settings = parsed(&text, &[], false).unwrap();
        assert_eq!(
            settings.warnings.len(),
            count,
            "{mode:o}: {:?}",
            settings.warnings
        );
    }
}

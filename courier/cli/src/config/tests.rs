//! Files as operators write them, and as they should not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

mod places;
mod strict;
mod token;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;

use super::*;
use crate::auth::Method;
use crate::hook::HookCommand;

const UUID: &str = "550e8400-e29b-41d4-a716-446655440000";

fn parsed(text: &str, variables: &[(&str, &str)], is_open: bool) -> Result<Settings, ConfigFault> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let variables: BTreeMap<String, String> = variables.collect();
    let origin = Origin {
        path: Path::new("/etc/courier/web01.yaml"),
        base: Path::new("/etc/courier"),
        is_readable_by_others: is_open,
    };
    parse(text, origin, &variables, false)
}

fn problems(text: &str) -> Vec<String> {
    match parsed(text, &[], false) {
        Err(ConfigFault::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => vec![other.to_string()],
        Ok(_) => Vec::new(),
    }
}

/// A file with this section `auth`, and the UUID in `api`.
fn with_auth(auth: &str) -> Settings {
    let text = format!("api:\n  base_url: https://pki.example\n  uuid: \"{UUID}\"\nauth:\n{auth}");
    parsed(
        &text,
        &[("ZAITA_CLIENT_ID", "cour_x"), ("ZAITA_CLIENT_SECRET", "s: 1\nx")],
        false,
    )
    .unwrap()
}

#[test]
fn the_daemon_for_logs_is_written_to_where_the_file_says_so() {
    let with = |logging: &str| {
        format!(
            "certificate: {{ subject: {{ common_name: web01.example.com }}, output: {{ dir: live }} }}\nlogging: {{ {logging} }}\n"
        )
    };
    let syslog = |logging: &str| parsed(&with(logging), &[], false).unwrap().logging.syslog;
    assert_eq!(syslog("level: info"), None);
    assert_eq!(syslog("syslog: false"), None);
    assert_eq!(syslog("syslog: true").as_deref(), Some(Path::new("/dev/log")));
    let other = syslog("syslog: true, syslog_socket: run/log");
    assert_eq!(other.as_deref(), Some(Path::new("/etc/courier/run/log")));
    assert_eq!(
        problems(&with("syslog_socket: /run/log")),
        ["`logging.syslog_socket` is for `logging.syslog: true`"]
    );
}

#[test]
fn an_installed_certificate_signs_in_where_the_file_says_so() {
    let file = |more: &str, output: &str| {
        format!(
            "api: {{ base_url: https://pki.example }}\n\
             auth: {{ method: certificate, uuid: '{UUID}', cert_path: boot.pem, key_path: boot.key{more} }}\n\
             certificate: {{ subject: {{ common_name: web01.example.com }}, output: {{ dir: live{output} }} }}\n"
        )
    };
    let installed = |text: &str| match parsed(text, &[], false).unwrap().auth.unwrap().method {
        Method::Certificate(settings) => settings.installed.map(|installed| format!("{installed:?}")),
        other => panic!("another method: {other:?}"),
    };
    assert_eq!(installed(&file("", "")), None);
    assert_eq!(installed(&file(", renew_with_certificate: false", "")), None);
    let said = installed(&file(", renew_with_certificate: true", "")).unwrap();
    for path in ["/etc/courier/live/fullchain.pem", "/etc/courier/live/privkey.pem"] {
        assert!(said.contains(path), "{said}");
    }
    let said = installed(&file(", renew_with_certificate: true", ", fullchain: ''")).unwrap();
    assert!(said.contains("/etc/courier/live/cert.pem"), "{said}");
    let said = installed(&file(
        ", renew_with_certificate: true",
        ", private_key: '', combined: all.pem",
    ))
    .unwrap();
    assert!(!said.contains("/etc/courier/live"), "{said}");
}

#[test]
fn a_connection_shows_the_certificate_of_the_file_and_no_installed_one() {
    let file = |more: &str| {
        format!(
            "api: {{ base_url: https://pki.example }}\n\
             auth: {{ method: certificate, uuid: '{UUID}', cert_path: boot.pem, key_path: boot.key{more} }}\n\
             certificate: {{ subject: {{ common_name: web01.example.com }}, output: {{ dir: live }} }}\n"
        )
    };
    for (more, expected) in [
        ("", false),
        (", mutual_tls: false", false),
        (", mutual_tls: true", true),
    ] {
        match parsed(&file(more), &[], false).unwrap().auth.unwrap().method {
            Method::Certificate(settings) => assert_eq!(settings.mutual_tls, expected, "{more}"),
            other => panic!("another method: {other:?}"),
        }
    }
    let both = file(", mutual_tls: true, renew_with_certificate: true");
    let problems = parsed(&both, &[], false).unwrap_err().to_string();
    assert!(problems.contains("auth.mutual_tls"), "{problems}");
}

#[test]
fn the_sections_of_the_contract_are_read_as_written() {
    let rows = [
        (
            "  method: spiffe\n  workload_api_socket: unix:///tmp/spire-agent/public/api.sock\n",
            "spiffe",
        ),
        (
            "  method: azure_jwt\n  tenant_id: your-azure-tenant-id\n  client_id: your-managed-identity-client-id\n  token_file: \
             /var/run/secrets/azure/tokens/azure-identity-token  # optional\n",
            "azure_jwt",
        ),
        (
            "  method: azure_arc\n  uuid: \"550e8400-e29b-41d4-a716-446655440000\"\n  resource: \"https://management.azure.com/\"\n  himds_port: 40342\n",
            "azure_arc",
        ),
        (
            "  method: aws_oidc\n  role_arn: arn:aws:iam::123456789012:role/ZaitaCourierRole\n  region: ap-southeast-2\n",
            "aws_oidc",
        ),
        (
            "  method: oidc_jwt\n  token_endpoint: \"https://your-idp.example.com/token\"\n  resource: \"api://zaita-courier\"\n  client_id: \"courier-client\"\n",
            "oidc_jwt",
        ),
        (
            "  method: oidc_oauth2\n  token_endpoint: \"https://your-idp.example.com/token\"\n",
            "oidc_jwt",
        ),
        (
            "  method: certificate\n  cert_path: /etc/zaita/courier/client.crt\n  key_path: /etc/zaita/courier/client.key\n",
            "certificate",
        ),
        (
            "  method: x509\n  cert_path: client.crt\n  key_path: client.key\n",
            "certificate",
        ),
        (
            "  method: client_secret\n  client_id: ${ZAITA_CLIENT_ID}\n  client_secret: ${ZAITA_CLIENT_SECRET}\n  on_failure: \"/usr/local/bin/alert.sh\"\n",
            "client_secret",
        ),
    ];
    for (auth, method) in rows {
        let auth = with_auth(auth).auth.unwrap();
        assert_eq!(
            (auth.method.name(), auth.uuid.to_string().as_str()),
            (method, UUID)
        );
        match &auth.method {
            Method::ClientSecret(settings) => {
                assert_eq!(settings.client_secret.expose_secret(), "s: 1\nx");
                let hook = auth.on_failure.as_ref().unwrap();
                assert_eq!(
                    hook.command,
                    HookCommand::Shell("/usr/local/bin/alert.sh".to_owned())
                );
            }
            Method::Certificate(settings) => assert!(settings.cert_path.is_absolute()),
            Method::AzureArc(settings) => assert_eq!(settings.resource, "https://management.azure.com/"),
            _ => {}
        }
    }
    assert!(with_auth("  method: none\n").auth.is_none());
}

#[test]
fn a_certificate_has_its_defaults() {
    let settings = parsed(
        "certificate:\n  subject:\n    common_name: Web01.example.com\n",
        &[],
        false,
    )
    .unwrap();
    assert_eq!(
        (settings.action, settings.logging.level),
        (Action::Run, LogLevel::Info)
    );
    let one = &settings.certificates[0];
    assert_eq!(one.name, "web01");
    assert_eq!(one.names[0].to_string(), "dns:web01.example.com");
    assert_eq!(one.output.dir, Path::new("/etc/courier"));
    assert_eq!((one.output.mode_key, one.output.keep_previous), (0o600, 3));
    assert_eq!(one.state_dir, Path::new("/var/lib/courier"));
    assert!(one.generate_keys_locally && one.renewal.use_server_window && !one.hooks.strict);
    assert_eq!(one.wait, std::time::Duration::from_mins(2));
    let given = parsed(
        "certificate: { sans: { dns: [a.example] } }",
        &[("STATE_DIRECTORY", "/x:/y")],
        false,
    );
    let given = given.unwrap();
    assert_eq!(given.certificates[0].state_dir, Path::new("/x"));
    assert_eq!(given.certificates[0].subject.to_string(), "CN=a.example");
}

#[test]
fn a_certificate_says_everything() {
    let text = "
certificates:
  - name: web
    subject: { common_name: a.example, organization: 'Tick, Tock + Co', organizational_unit: Ops, country: DE, state: Hesse, locality: Kassel }
    sans: { dns: [b.example, bücher.example], ip: 192.0.2.1, email: [ops@a.example], uri: ['spiffe://a.example/web'] }
    key: { algorithm: rsa-3072, reuse: on-renew }
    digest: sha384
    validity: 30d
    profile: tls-server
    extended_key_usage: [serverAuth, clientAuth]
    renew: { before: 10d, use_server_window: false, on_config_change: false }
    wait: 90s
    output: { dir: out, combined: all.pem, chain: '', mode_key: '0640', owner: 33, group: www-data, keep_previous: 1, layout: plain, pkcs12: { name: a.p12, password: x, legacy: true } }
    on_success: systemctl reload nginx
    hooks: { pre: [/bin/true], on_nochange: 'echo ${HOME}', timeout: 5s, strict: true, rollback: true }
    deploy: [{ type: nginx, cert_path: /etc/nginx/a.pem }]
    state_dir: state
  - name: mail
    sans: { dns: [mail.example] }
    output: { dir: out/mail }
";
    let settings = parsed(text, &[], false).unwrap();
    let web = &settings.certificates[0];
    assert_eq!(web.names.len(), 6);
    assert_eq!(web.names[2].to_string(), "dns:xn--bcher-kva.example");
    assert!(web.subject.to_string().contains("Tick"), "{}", web.subject);
    assert_eq!((web.validity_days, web.key.reuse), (Some(30), KeyReuse::OnRenew));
    assert_eq!(
        web.hooks.on_success.as_ref().unwrap().timeout,
        std::time::Duration::from_secs(5)
    );
    // What looks like a reference in a hook is the shell's.
    let nochange = &web.hooks.on_nochange.as_ref().unwrap().command;
    assert_eq!(*nochange, HookCommand::Shell("echo ${HOME}".to_owned()));
    assert_eq!((web.output.mode_key, &web.output.names.chain), (0o640, &None));
    assert_eq!(web.deploy[0].kind, "nginx");
    let unknown =
        "certificate: { sans: { dns: [a.example] }, deploy: [{ type: nginx, cert_pat: x }, { type: iis }] }";
    let unknown = problems(unknown);
    assert!(unknown[0].starts_with("`certificate.deploy[0].cert_pat` is not known; is `cert_path` meant?"));
    assert!(unknown[1].starts_with("`certificate.deploy[1].type` is one of apache, dovecot"));
    let locked = problems(
        "certificate: { sans: { dns: [a.example] }, key: { passphrase: secret }, deploy: [{ type: nginx }] }",
    );
    assert!(
        locked[0].starts_with("`certificate.deploy` cannot be with `key.passphrase`"),
        "{locked:?}"
    );
    assert_eq!(web.state_dir, Path::new("/etc/courier/state"));
    assert_eq!(settings.certificates.len(), 2);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_path() {
    let text = "
version: 2
api:
  base_url: http://pki.example
  verify_tls: false
  base_ulr: x
  retries: many
  pin_spki_sha256: [abc]
auth:
  method: client_secret
  client_id: cour_x
  client_secret: ${ABSENT}
certificate:
  subject: { country: germany }
  sans: { dns: ['bad name'], ip: [999.1.1.1] }
  key: { algorithm: rsa-1024, provider: tpm2 }
  renew: { before: 1d, before_percent: 30 }
  output: { private_key: ../key.pem, mode_key: '0666' }
  hooks: { rollback: true }
logging: { redact: false, level: loud }
";
    let found = problems(text);
    let paths = [
        "`version`",
        "`api.base_url`",
        "`api.verify_tls`",
        "`api.base_ulr` is not known; is `base_url` meant?",
        "`auth.client_secret` names the variable ABSENT, which is not set",
        "`auth.uuid`",
        "`certificate.subject.country`",
        "`certificate.sans.dns[0]`",
        "`certificate.sans.ip[0]`",
        "`certificate.key.algorithm`",
        "`certificate.key.provider`",
        "`certificate.renew.before_percent`",
        "`certificate.output.private_key`",
        "`certificate.output.mode_key`",
        "`certificate.hooks.rollback`",
        "`logging.redact`",
        "`logging.level`",
    ];
    for path in paths {
        assert!(
            found.iter().any(|problem| problem.starts_with(path)),
            "{path} is not in {found:#?}"
        );
    }
}

#[test]
fn hostile_yaml_is_refused_without_a_word_of_what_it_holds() {
    let deep = format!("api: {}1{}", "[".repeat(200), "]".repeat(200));
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let before = level - 1;
        let line = format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{before}"); 10].join(",")
        );
        bomb.push_str(&line);
    }
    let rows = [
        "auth:\n  client_secret: s3cr3t\n  client_secret: s3cr3t\n",
        "auth: { client_secret: s3cr3t",
        "- s3cr3t",
        "--- {}\n--- {}\n",
        "auth: *s3cr3t\n",
        deep.as_str(),
        bomb.as_str(),
    ];
    for text in rows {
        let refused = parsed(text, &[], false).unwrap_err().to_string();
        assert!(!refused.contains("s3cr3t"), "{refused}");
    }
    let both = problems("certificate: {}\ncertificates: []\n");
    assert!(
        both.iter().any(|problem| problem.contains("choose one")),
        "{both:?}"
    );
    let same = problems(
        "certificates: [{ name: a, sans: { dns: [a.example] } }, { name: b, sans: { dns: [b.example] } }]",
    );
    assert!(
        same.iter().any(|problem| problem.contains("files of another")),
        "{same:?}"
    );
}

#[test]
fn references_are_replaced_in_values_only() {
    let text = "certificate:\n  sans:\n    dns: ['${HOST:-a.example}', '${OTHER}', 'x$${y}.example']\n  name: ${NAME:?give it}\n";
    let found = match parsed(text, &[("OTHER", "b.example\n  evil: true")], false) {
        Err(ConfigFault::Problems(problems)) => problems,
        other => panic!("{other:?}"),
    };
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        found[0].contains("NAME") && found[0].contains("give it"),
        "{found:?}"
    );
    // What a variable holds stays one text.
    assert!(
        found
            .iter()
            .any(|problem| problem.starts_with("`certificate.sans.dns[1]`")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|problem| problem.starts_with("`certificate.sans.dns[2]`")),
        "{found:?}"
    );
}

#[test]
fn secrets_come_from_places_that_others_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "abc\n").unwrap();
    let text = format!(
        "api: {{ base_url: 'https://pki.example' }}\nauth: {{ method: client_secret, uuid: '{UUID}', client_id: cour_x, client_secret_file: '{}' }}\n",
        secret.display()
    );
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&secret, 0o644);
    assert!(problems(&text)[0].contains("others may read"));
    mode(&secret, 0o600);
    let Method::ClientSecret(read) = parsed(&text, &[], true).unwrap().auth.unwrap().method else {
        panic!("another method")
    };
    assert_eq!(read.client_secret.expose_secret(), "abc");
    let given = text.replace(secret.to_str().unwrap(), "secret");
    let directory = dir.path().to_str().unwrap();
    assert!(parsed(&given, &[("CREDENTIALS_DIRECTORY", directory)], true).is_ok());
    // A literal secret in a file that others may read.
    let literal = text.replace("client_secret_file", "client_secret");
    let refused = parsed(&literal, &[], true).unwrap_err().to_string();
    assert!(
        refused.contains("chmod 600") && !refused.contains("abc"),
        "{refused}"
    );
    assert!(parsed(&literal, &[], false).is_ok());
    assert!(parsed(&format!("{literal}allow_insecure_permissions: true\n"), &[], true).is_ok());
    let file = dir.path().join("web.yaml");
    std::fs::write(&file, &literal).unwrap();
    mode(&file, 0o600);
    assert!(load(&file, &BTreeMap::new(), false).is_ok());
    mode(&file, 0o644);
    assert!(matches!(
        load(&file, &BTreeMap::new(), false),
        Err(ConfigFault::Problems(_))
    ));
    assert!(matches!(
        load(&dir.path().join("none.yaml"), &BTreeMap::new(), false),
        Err(ConfigFault::Unreadable { .. })
    ));
}

#[test]
fn a_summary_tells_no_secret() {
    let settings = with_auth("  method: client_secret\n  client_id: cour_x\n  client_secret: s3cr3t\n");
    let told = summary(&settings).to_string();
    assert!(
        told.contains(UUID) && told.contains("https://pki.example") && !told.contains("s3cr3t"),
        "{told}"
    );
}

#[test]
fn the_reference_is_what_the_table_says() {
    let mut page = String::from(
        "# The courier's configuration\n\nOne YAML file; the first line of a table is the first key of its section. Generated from the table \
         of fields below `courier/cli/src/config/field.rs`.\n\n- Relative paths begin in the directory of the file.\n- `${NAME}`, \
         `${NAME:-fallback}`, `${NAME:?message}` and `${file:PATH}` in values are replaced; `$${` is a plain `${`. Hooks are left as they \
         stand: what they are told stands in variables `COURIER_…`.\n- A secret may stand in a file of its own, named by `<key>_file`; others \
         must not be able to read it. A name without a slash is looked for among the credentials of the service \
         (`$CREDENTIALS_DIRECTORY`) first.\n- A secret in the file itself wants a file that its owner alone can read; \
         a file that everybody may write to is refused.\n- Keys that are not known are refused, with the nearest one that is.\n",
    );
    let mut section = None;
    for field in fields() {
        let (parent, _) = field.path.rsplit_once('.').unwrap_or(("", field.path));
        if matches!(field.kind, Kind::Section | Kind::Sections)
            && !parent.is_empty()
            && field.path != "certificate.deploy"
        {
            continue;
        }
        if section != Some(parent) {
            let title = if parent.is_empty() {
                "Top level".to_owned()
            } else {
                format!("`{parent}`")
            };
            write!(
                page,
                "\n## {title}\n\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n"
            )
            .unwrap();
            section = Some(parent);
        }
        let row = [field.kind.name(), field.default, field.meaning].join(" | ");
        writeln!(page, "| `{}` | {row} |", field.path).unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/courier/configuration.md");
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

//! The table of fields: what keys there are, of what type, and what they mean. The reader refuses every other key, and the reference of
//! the configuration is made from it.

use serde_json::Value;

use super::Problem;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A section with keys of its own.
    Section,
    /// A list of sections.
    Sections,
    /// A text.
    Text,
    /// A secret; `<key>_file` names a file with it.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A length of time, as `90s`, `12h` or `30d`.
    Duration,
    /// A path; a relative one begins in the directory of the file.
    Path,
    /// A list of texts.
    Texts,
    /// A text for the shell, or a list of program and arguments. Nothing in it is replaced.
    Command,
    /// Names and values of the writer's choice.
    Free,
}

impl Kind {
    /// As the reference writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Section => "section",
            Self::Sections => "list of sections",
            Self::Text => "text",
            Self::Secret => "secret",
            Self::Flag => "true, false",
            Self::Number => "number",
            Self::Duration => "duration",
            Self::Path => "path",
            Self::Texts => "list",
            Self::Command => "command",
            Self::Free => "names and values",
        }
    }
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its path; of a list without numbers.
    pub path: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it is when it is absent.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn field(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Field {
    Field {
        path,
        kind,
        default,
        meaning,
    }
}

/// Every key of the file. What stands under `certificate` stands in each section of `certificates` as well.
pub const FIELDS: &[Field] = &[
    field("version", Kind::Number, "1", "The form of the file."),
    field(
        "allow_insecure_permissions",
        Kind::Flag,
        "false",
        "Accepts a secret in a file that others may read.",
    ),
    field("api", Kind::Section, "", "How the appliance is reached."),
    field(
        "api.base_url",
        Kind::Text,
        "needed",
        "The appliance, or the bridge to it: `https://…`; `http://` only on this machine.",
    ),
    field(
        "api.uuid",
        Kind::Text,
        "",
        "The courier's UUID, for every method; the same as `auth.uuid` where both are there.",
    ),
    field(
        "api.action",
        Kind::Text,
        "`run`",
        "The command when the command line names none: `run`, `status`, `generate`, `renew`, `generate-keys`, `check-api-health`, `check-api-auth`, `validate-config`.",
    ),
    field(
        "api.verify_tls",
        Kind::Flag,
        "true",
        "Whether the appliance is verified; it always is, `false` is refused.",
    ),
    field(
        "api.ca_file",
        Kind::Path,
        "",
        "More trust anchors for the appliance itself, besides those of the system.",
    ),
    field("api.ca_pem", Kind::Text, "", "The same, in place."),
    field(
        "api.tls_server_name",
        Kind::Text,
        "host of `base_url`",
        "The name that the server is asked for and verified with.",
    ),
    field(
        "api.pin_spki_sha256",
        Kind::Texts,
        "",
        "SHA-256 of acceptable public keys of the server, hexadecimal or Base64; one match suffices.",
    ),
    field(
        "api.min_tls",
        Kind::Text,
        "`1.2`",
        "The least version of TLS: `1.2`, `1.3`.",
    ),
    field(
        "api.connect_timeout",
        Kind::Duration,
        "10s",
        "How long a connection may take.",
    ),
    field(
        "api.request_timeout",
        Kind::Duration,
        "30s",
        "How long a call may take.",
    ),
    field(
        "api.retries",
        Kind::Number,
        "4",
        "How often a call is repeated that may be.",
    ),
    field(
        "api.retry_max_delay",
        Kind::Duration,
        "30s",
        "The longest wait before that, unless the appliance asks for a longer one.",
    ),
    field(
        "api.proxy",
        Kind::Text,
        "environment",
        "A forward proxy, or a bridge in tunnel mode.",
    ),
    field(
        "api.fallback_urls",
        Kind::Texts,
        "",
        "Other addresses, tried in order when there is no connection.",
    ),
    field(
        "api.user_agent_suffix",
        Kind::Text,
        "",
        "A tag for the audit log of the appliance.",
    ),
    field("auth", Kind::Section, "", "How the courier proves who it is."),
    field(
        "auth.method",
        Kind::Text,
        "needed",
        "`spiffe`, `azure_jwt`, `azure_arc`, `aws_oidc`, `oidc_jwt` (or `oidc_oauth2`), `certificate` (or `x509`), `client_secret`; `none` for commands that need no appliance.",
    ),
    field("auth.uuid", Kind::Text, "", "The courier's UUID."),
    field(
        "auth.on_failure",
        Kind::Command,
        "",
        "Run by `sh -c` when signing in failed; its own failure changes nothing.",
    ),
    field(
        "auth.renew_with_certificate",
        Kind::Flag,
        "false",
        "The installed certificate becomes the next credential of the method `certificate`.",
    ),
    field(
        "auth.workload_api_socket",
        Kind::Text,
        "`SPIFFE_ENDPOINT_SOCKET`",
        "spiffe: the Workload API, as `unix:///run/spire/sockets/agent.sock`; `SPIFFE_SVID_PATH` goes before it.",
    ),
    field(
        "auth.spiffe_id",
        Kind::Text,
        "",
        "spiffe: which identity, where the agent knows several.",
    ),
    field(
        "auth.audience",
        Kind::Text,
        "the appliance's identity",
        "spiffe, aws_oidc, oidc_jwt: the audience of the token.",
    ),
    field("auth.tenant_id", Kind::Text, "", "azure_jwt: the tenant."),
    field(
        "auth.client_id",
        Kind::Text,
        "",
        "azure_jwt: the managed identity; oidc_jwt: the client; client_secret: `cour_…`.",
    ),
    field(
        "auth.token_file",
        Kind::Path,
        "by method",
        "azure_jwt: `AZURE_FEDERATED_TOKEN_FILE`, then the place Azure projects to; aws_oidc: `AWS_WEB_IDENTITY_TOKEN_FILE`, then the place EKS projects to; oidc_jwt: the file of `token_request: file`.",
    ),
    field(
        "auth.token_source",
        Kind::Text,
        "by method",
        "azure_jwt: `auto`, `file`, `imds`, `app_service`, `exchange`; aws_oidc: `token_file`, `sts_web_identity`, `caller_identity`, `instance_identity`.",
    ),
    field(
        "auth.resource",
        Kind::Text,
        "by method",
        "azure_arc: the audience, `https://management.azure.com/` by default; azure_jwt, oidc_jwt: the resource that is asked for.",
    ),
    field(
        "auth.himds_port",
        Kind::Number,
        "40342",
        "azure_arc: the port of the metadata service on this machine.",
    ),
    field(
        "auth.allow_foreign_audience",
        Kind::Flag,
        "false",
        "Sends a token with which its receiver could act at a cloud.",
    ),
    field("auth.role_arn", Kind::Text, "", "aws_oidc: the role."),
    field("auth.region", Kind::Text, "", "aws_oidc: the region."),
    field(
        "auth.token_request",
        Kind::Text,
        "`get`",
        "oidc_jwt: `get`, `client_credentials`, `file`, `env`, `exec`.",
    ),
    field(
        "auth.token_endpoint",
        Kind::Text,
        "",
        "oidc_jwt: where a token is asked for.",
    ),
    field(
        "auth.token_endpoint_ca_file",
        Kind::Path,
        "",
        "oidc_jwt: more trust anchors for that address.",
    ),
    field(
        "auth.headers",
        Kind::Free,
        "",
        "oidc_jwt: headers of that request.",
    ),
    field(
        "auth.token_json_pointer",
        Kind::Text,
        "`/access_token`, `/value`, `/id_token`",
        "oidc_jwt: where the token stands in the answer.",
    ),
    field(
        "auth.scope",
        Kind::Text,
        "",
        "oidc_jwt: the scope that is asked for.",
    ),
    field(
        "auth.client_secret",
        Kind::Secret,
        "",
        "client_secret, oidc_jwt: the secret.",
    ),
    field(
        "auth.client_key_path",
        Kind::Path,
        "",
        "oidc_jwt: the key that signs an assertion instead of a secret.",
    ),
    field(
        "auth.client_key_id",
        Kind::Text,
        "",
        "oidc_jwt: the name of that key at the issuer.",
    ),
    field(
        "auth.token_env",
        Kind::Text,
        "",
        "oidc_jwt: the variable of `token_request: env`.",
    ),
    field(
        "auth.exec",
        Kind::Texts,
        "",
        "oidc_jwt: program and arguments of `token_request: exec`.",
    ),
    field(
        "auth.cert_path",
        Kind::Path,
        "",
        "certificate: the certificate and those above it, in PEM.",
    ),
    field("auth.key_path", Kind::Path, "", "certificate: its key, in PEM."),
    field("certificate", Kind::Section, "", "The certificate."),
    field(
        "certificates",
        Kind::Sections,
        "",
        "Several certificates in place of `certificate`; each has a `name`.",
    ),
    field(
        "certificate.name",
        Kind::Text,
        "stem of the file",
        "What it is called in the state, in logs and in results.",
    ),
    field(
        "certificate.generate_keys_locally",
        Kind::Flag,
        "true",
        "The key is made here and goes nowhere; `false` has the appliance make it.",
    ),
    field("certificate.subject", Kind::Section, "", "The subject."),
    field(
        "certificate.subject.common_name",
        Kind::Text,
        "first DNS name",
        "At most 64 characters; a DNS name is added to the names.",
    ),
    field(
        "certificate.subject.organization",
        Kind::Text,
        "",
        "The organisation.",
    ),
    field(
        "certificate.subject.organizational_unit",
        Kind::Text,
        "",
        "The unit in it.",
    ),
    field(
        "certificate.subject.country",
        Kind::Text,
        "",
        "Two capital letters (ISO 3166-1).",
    ),
    field(
        "certificate.subject.state",
        Kind::Text,
        "",
        "The state or province.",
    ),
    field("certificate.subject.locality", Kind::Text, "", "The town."),
    field("certificate.sans", Kind::Section, "", "The names."),
    field("certificate.sans.dns", Kind::Texts, "", "DNS names."),
    field("certificate.sans.ip", Kind::Texts, "", "IP addresses."),
    field("certificate.sans.email", Kind::Texts, "", "Mail addresses."),
    field("certificate.sans.uri", Kind::Texts, "", "URIs."),
    field("certificate.key", Kind::Section, "", "The key."),
    field(
        "certificate.key.algorithm",
        Kind::Text,
        "`ec-256`",
        "`ec-256`, `ec-384`, `ec-521`, `rsa-2048`, `rsa-3072`, `rsa-4096`, `ed25519`.",
    ),
    field(
        "certificate.key.reuse",
        Kind::Text,
        "`never`",
        "`on-renew` keeps the key through renewals.",
    ),
    field(
        "certificate.key.passphrase",
        Kind::Secret,
        "",
        "Encrypts the key on disk (PKCS#8, PBES2 with AES-256).",
    ),
    field(
        "certificate.key.provider",
        Kind::Text,
        "`file`",
        "Where the key is kept.",
    ),
    field(
        "certificate.digest",
        Kind::Text,
        "by key",
        "The digest that signs the request: `sha256`, `sha384`, `sha512`.",
    ),
    field(
        "certificate.validity",
        Kind::Text,
        "profile",
        "Whole days, or a length of time; profile and policies cap it.",
    ),
    field(
        "certificate.days",
        Kind::Number,
        "profile",
        "The same as a number of days.",
    ),
    field(
        "certificate.profile",
        Kind::Text,
        "record",
        "The profile of the appliance.",
    ),
    field(
        "certificate.extended_key_usage",
        Kind::Texts,
        "profile",
        "`serverAuth`, `clientAuth` and others; the profile decides.",
    ),
    field("certificate.renew", Kind::Section, "", "When it is renewed."),
    field(
        "certificate.renew.before",
        Kind::Duration,
        "a third of the lifetime, a day at least",
        "So long before its end.",
    ),
    field(
        "certificate.renew.before_percent",
        Kind::Number,
        "",
        "The same as a share of the lifetime, 1 to 90.",
    ),
    field(
        "certificate.renew.use_server_window",
        Kind::Flag,
        "true",
        "Earlier when the appliance suggests it.",
    ),
    field(
        "certificate.renew.on_config_change",
        Kind::Flag,
        "true",
        "Also when names, subject or kind of key change here.",
    ),
    field(
        "certificate.wait",
        Kind::Duration,
        "2m",
        "How long a pending order is waited for.",
    ),
    field("certificate.output", Kind::Section, "", "The files."),
    field(
        "certificate.output.dir",
        Kind::Path,
        "directory of the file",
        "Where they appear.",
    ),
    field(
        "certificate.output.layout",
        Kind::Text,
        "`links`",
        "`links` switches all files at once by a symbolic link; `plain` renames file by file, the key last.",
    ),
    field(
        "certificate.output.certificate",
        Kind::Text,
        "`cert.pem`",
        "The certificate; an empty text leaves it out.",
    ),
    field(
        "certificate.output.private_key",
        Kind::Text,
        "`privkey.pem`",
        "The key.",
    ),
    field(
        "certificate.output.chain",
        Kind::Text,
        "`chain.pem`",
        "What stands between certificate and root.",
    ),
    field(
        "certificate.output.fullchain",
        Kind::Text,
        "`fullchain.pem`",
        "Certificate and chain.",
    ),
    field(
        "certificate.output.ca",
        Kind::Text,
        "`ca.pem`",
        "The authorities.",
    ),
    field(
        "certificate.output.combined",
        Kind::Text,
        "",
        "Key, certificate and chain in one file.",
    ),
    field(
        "certificate.output.pkcs12",
        Kind::Section,
        "",
        "A PKCS#12 file; the name alone, or a section.",
    ),
    field(
        "certificate.output.pkcs12.name",
        Kind::Text,
        "needed",
        "Its name.",
    ),
    field(
        "certificate.output.pkcs12.password",
        Kind::Secret,
        "needed",
        "Its password.",
    ),
    field(
        "certificate.output.pkcs12.legacy",
        Kind::Flag,
        "false",
        "The old algorithms, for old Java and Windows.",
    ),
    field(
        "certificate.output.pkcs12_password",
        Kind::Secret,
        "",
        "The password, where `pkcs12` is the name alone.",
    ),
    field(
        "certificate.output.pkcs12_legacy",
        Kind::Flag,
        "false",
        "The old algorithms, where `pkcs12` is the name alone.",
    ),
    field(
        "certificate.output.mode_key",
        Kind::Text,
        "`0600`",
        "Mode of files with a private key.",
    ),
    field(
        "certificate.output.mode_cert",
        Kind::Text,
        "`0644`",
        "Mode of the other files.",
    ),
    field(
        "certificate.output.mode_dir",
        Kind::Text,
        "`0750`",
        "Mode of directories that are made.",
    ),
    field(
        "certificate.output.owner",
        Kind::Text,
        "the courier's account",
        "Who owns the files, by name or number.",
    ),
    field(
        "certificate.output.group",
        Kind::Text,
        "the courier's group",
        "Their group.",
    ),
    field(
        "certificate.output.keep_previous",
        Kind::Number,
        "3",
        "How many sets of before are kept.",
    ),
    field(
        "certificate.hooks",
        Kind::Section,
        "",
        "Commands around the run; what they are told stands in variables `COURIER_…`.",
    ),
    field(
        "certificate.hooks.pre",
        Kind::Command,
        "",
        "Before anything is written.",
    ),
    field(
        "certificate.hooks.on_success",
        Kind::Command,
        "",
        "After the files were installed.",
    ),
    field(
        "certificate.hooks.on_failure",
        Kind::Command,
        "",
        "After a run that failed.",
    ),
    field(
        "certificate.hooks.on_nochange",
        Kind::Command,
        "",
        "After a run that found nothing to do.",
    ),
    field(
        "certificate.hooks.timeout",
        Kind::Duration,
        "60s",
        "When a hook and all it started is killed.",
    ),
    field(
        "certificate.hooks.strict",
        Kind::Flag,
        "false",
        "A hook that fails makes the run end with 9.",
    ),
    field(
        "certificate.hooks.rollback",
        Kind::Flag,
        "false",
        "And brings the files of before back.",
    ),
    field(
        "certificate.on_success",
        Kind::Command,
        "",
        "The same as `hooks.on_success`.",
    ),
    field(
        "certificate.on_failure",
        Kind::Command,
        "",
        "The same as `hooks.on_failure`.",
    ),
    field(
        "certificate.deploy",
        Kind::Sections,
        "",
        "Servers on this host that take the files: `type` and the settings of that kind.",
    ),
    field(
        "certificate.state_dir",
        Kind::Path,
        "`STATE_DIRECTORY`, `/var/lib/courier`",
        "Where the courier remembers things between runs.",
    ),
    field("logging", Kind::Section, "", "The log."),
    field(
        "logging.level",
        Kind::Text,
        "`info`",
        "`error`, `warn`, `info`, `debug`, `trace`.",
    ),
    field("logging.format", Kind::Text, "`text`", "`text`, `json`."),
    field("logging.file", Kind::Path, "", "A file besides standard error."),
    field(
        "logging.max_size_mb",
        Kind::Number,
        "10",
        "The size at which the file is set aside.",
    ),
    field(
        "logging.max_files",
        Kind::Number,
        "5",
        "How many files that were set aside are kept.",
    ),
    field(
        "logging.journald",
        Kind::Flag,
        "false",
        "Lines without the time, which the journal notes itself.",
    ),
    field(
        "logging.redact",
        Kind::Flag,
        "true",
        "Secrets are never logged; `false` is refused.",
    ),
];

/// Keys that nobody knows, each with the one that was probably meant.
pub(super) fn unknown(value: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    walk(value, "", "", &mut found);
    found
}

/// `real` is the path as the file has it, `path` the one of the table.
fn walk(value: &Value, path: &str, real: &str, found: &mut Vec<Problem>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let join = |path: &str| {
                    if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    }
                };
                let (inner, real) = (join(path), join(real));
                match kind_of(&inner) {
                    None => found.push(Problem::new(real, suggestion(path, key))),
                    Some(Kind::Free | Kind::Command) => {}
                    // The kinds of targets know their own keys.
                    Some(Kind::Sections) if inner.ends_with(".deploy") => {}
                    Some(Kind::Sections) => walk(value, "certificate", &real, found),
                    Some(_) => walk(value, &inner, &real, found),
                }
            }
        }
        Value::Array(items) if path == "certificate" => {
            for (number, item) in items.iter().enumerate() {
                walk(item, path, &format!("{real}[{number}]"), found);
            }
        }
        _ => {}
    }
}

fn kind_of(path: &str) -> Option<Kind> {
    let is_it = |field: &&Field| field.path == path;
    if let Some(field) = FIELDS.iter().find(is_it) {
        return Some(field.kind);
    }
    let without = path.strip_suffix("_file")?;
    let field = FIELDS.iter().find(|field| field.path == without)?;
    (field.kind == Kind::Secret).then_some(Kind::Path)
}

fn suggestion(section: &str, key: &str) -> String {
    let inside = FIELDS.iter().filter_map(|field| {
        let (parent, name) = field.path.rsplit_once('.').unwrap_or(("", field.path));
        (parent == section).then_some(name)
    });
    let nearest = inside.map(|name| (distance(key, name), name)).min();
    match nearest {
        Some((far, name)) if far <= name.len() / 2 => format!("is not known; is `{name}` meant?"),
        _ => "is not known".to_owned(),
    }
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().take(64).enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(&other) {
            let above = *cell;
            *cell = (diagonal + usize::from(left != *right))
                .min(above + 1)
                .min(last + 1);
            diagonal = above;
            last = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The path in the table of a path in the file: without numbers, and under `certificate`.
fn in_table(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut is_number = false;
    for character in path.chars() {
        match character {
            '[' => is_number = true,
            ']' => is_number = false,
            other if !is_number => plain.push(other),
            _ => {}
        }
    }
    match plain.strip_prefix("certificates.") {
        Some(rest) => format!("certificate.{rest}"),
        None => plain,
    }
}

/// Whether a value is taken as it stands.
pub(super) fn is_verbatim(path: &str) -> bool {
    kind_of(&in_table(path)) == Some(Kind::Command)
}

/// Whether a value is a secret. A header may be one, so that all are.
pub(super) fn is_secret(path: &str) -> bool {
    let path = in_table(path);
    kind_of(&path) == Some(Kind::Secret) || path.starts_with("auth.headers.")
}

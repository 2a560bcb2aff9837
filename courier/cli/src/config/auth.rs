//! The section `auth`: who signs in and how.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::file;
use super::section::{Reading, Section};
use super::{Auth, CertificateSettings, KeyProvider, certificate as command};
use crate::auth::certificate::{Installed, Outputs};
use crate::auth::{Method, aws_oidc, azure_arc, azure_jwt, certificate, client_secret, oidc_jwt, spiffe};
use crate::hook::HookSettings;
use crate::key::KeyReference;

/// Reads the section; nothing for `method: none` and where there is no section.
pub(super) fn read(root: &Section<'_>, in_api: Option<Uuid>) -> Option<Auth> {
    let auth = root.section("auth");
    if !auth.is_there() {
        return None;
    }
    let method = auth.needed("method", "how the courier proves who it is")?;
    let on_failure = on_failure(&auth);
    look_for_others(&auth, &method);
    let method = match method.as_str() {
        "none" => return None,
        "spiffe" => Some(Method::Spiffe(spiffe(&auth))),
        "azure_jwt" => Some(Method::AzureJwt(azure_jwt(&auth))),
        "azure_arc" => Some(Method::AzureArc(azure_arc(&auth))),
        "aws_oidc" => Some(Method::AwsOidc(aws_oidc(&auth))),
        "oidc_jwt" => Some(Method::OidcJwt(Box::new(oidc_jwt(&auth)))),
        "oidc_oauth2" => {
            auth.reading
                .warn("`auth.method` oidc_oauth2 is another name of oidc_jwt".to_owned());
            Some(Method::OidcJwt(Box::new(oidc_jwt(&auth))))
        }
        "certificate" | "x509" => certificate(&auth).map(Method::Certificate),
        "client_secret" => client_secret(&auth).map(Method::ClientSecret),
        _ => {
            auth.problem(
                "method",
                "is one of spiffe, azure_jwt, azure_arc, aws_oidc, oidc_jwt, certificate, client_secret, none",
            );
            None
        }
    };
    let renew_with_certificate = auth.flag("renew_with_certificate").unwrap_or(false);
    let (uuid, uuid_key) = uuid(&auth, in_api)?;
    Some(Auth {
        uuid,
        uuid_key,
        method: method?,
        on_failure,
        renew_with_certificate,
    })
}

/// With `renew_with_certificate` what the certificates install is what is signed in with. A key that stays in a token signs nobody in.
pub(super) fn add_installed(reading: &Reading<'_>, auth: &mut Auth, certificates: &[CertificateSettings]) {
    let is_in_token = |one: &&CertificateSettings| matches!(one.key.provider, KeyProvider::Pkcs11(_));
    let key_of =
        |one: &CertificateSettings| Some(one.output.dir.join(one.output.names.private_key.as_ref()?));
    if let Method::Certificate(settings) = &auth.method {
        let mut in_tokens = certificates.iter().filter(is_in_token);
        let is_reference = in_tokens.any(|one| key_of(one).as_ref() == Some(&settings.key_path));
        if is_reference || begins_as_reference(&settings.key_path) {
            reading.problem(
                "auth.key_path",
                "names a key that stays in a token, and a courier signs in with a key in a file: name another one",
            );
        }
    }
    if !auth.renew_with_certificate {
        return;
    }
    let in_files = certificates.iter().filter(|one| !is_in_token(one));
    let outputs: Vec<Outputs> = in_files.filter_map(outputs).collect();
    if outputs.is_empty() && certificates.iter().any(|one| is_in_token(&one)) {
        reading.problem(
            "auth.renew_with_certificate",
            "is for a certificate with its key in a file, and every key here stays in a token: leave it out, or use `key.provider: file`",
        );
    }
    let installed = Some(Arc::new(Installed::new(outputs)));
    match &mut auth.method {
        Method::Certificate(settings) => settings.installed = installed,
        Method::ClientSecret(settings) => settings.installed = installed,
        _ => {}
    }
}

/// Whether a file has a reference to a key in a token where its key would be.
fn begins_as_reference(path: &Path) -> bool {
    file::beginning(path).is_some_and(|octets| KeyReference::is_meant(&octets))
}

/// Where a certificate and its key are read back; nothing when one of them has no file of its own.
fn outputs(settings: &CertificateSettings) -> Option<Outputs> {
    let output = &settings.output;
    let certificate = output
        .names
        .fullchain
        .as_ref()
        .or(output.names.certificate.as_ref());
    Some(Outputs {
        certificate: output.dir.join(certificate?),
        key: output.dir.join(output.names.private_key.as_ref()?),
        passphrase: output.passphrase.clone(),
    })
}

/// What is run when signing in failed.
fn on_failure(auth: &Section<'_>) -> Option<HookSettings> {
    let command = command::command(auth.value("on_failure")?);
    if command.is_none() {
        auth.problem(
            "on_failure",
            "is a command: a text for the shell, or a list of program and arguments",
        );
    }
    command.map(HookSettings::new)
}

/// Keys that only some methods have.
const OF_METHODS: [(&str, &[&str]); 28] = [
    ("workload_api_socket", &["spiffe"]),
    ("spiffe_id", &["spiffe"]),
    ("audience", &["spiffe", "aws_oidc", "oidc_jwt"]),
    ("tenant_id", &["azure_jwt"]),
    ("client_id", &["azure_jwt", "oidc_jwt", "client_secret"]),
    ("token_file", &["azure_jwt", "aws_oidc", "oidc_jwt"]),
    ("token_source", &["azure_jwt", "aws_oidc"]),
    ("resource", &["azure_jwt", "azure_arc", "oidc_jwt"]),
    ("himds_port", &["azure_arc"]),
    ("allow_foreign_audience", &["azure_jwt", "aws_oidc", "oidc_jwt"]),
    ("role_arn", &["aws_oidc"]),
    ("region", &["aws_oidc"]),
    ("token_request", &["oidc_jwt"]),
    ("token_endpoint", &["oidc_jwt"]),
    ("token_endpoint_ca_file", &["oidc_jwt"]),
    ("headers", &["oidc_jwt"]),
    ("token_json_pointer", &["oidc_jwt"]),
    ("scope", &["oidc_jwt"]),
    ("client_secret", &["client_secret", "oidc_jwt"]),
    ("client_secret_file", &["client_secret", "oidc_jwt"]),
    ("client_key_path", &["oidc_jwt"]),
    ("client_key_id", &["oidc_jwt"]),
    ("token_env", &["oidc_jwt"]),
    ("exec", &["oidc_jwt"]),
    ("cert_path", &["certificate"]),
    ("key_path", &["certificate"]),
    ("renew_with_certificate", &["certificate", "client_secret"]),
    ("mutual_tls", &["certificate"]),
];

/// Keys of other methods: whoever writes one believes that it does something.
fn look_for_others(auth: &Section<'_>, method: &str) {
    let method = match method {
        "oidc_oauth2" => "oidc_jwt",
        "x509" => "certificate",
        other => other,
    };
    for (key, methods) in OF_METHODS {
        if auth.has(key) && !methods.contains(&method) {
            auth.problem(key, format!("belongs to {}, not to {method}", methods.join(", ")));
        }
    }
}

/// The UUID stands in `auth` or in `api`; where it stands in both, it is the same.
fn uuid(auth: &Section<'_>, in_api: Option<Uuid>) -> Option<(Uuid, &'static str)> {
    let own: Option<Uuid> = auth.parsed("uuid");
    match (own, in_api) {
        (Some(own), Some(other)) if own != other => {
            auth.problem("uuid", "is another than `api.uuid`: say it once");
            None
        }
        (None, None) => {
            if auth.lacks("uuid") {
                auth.problem(
                    "uuid",
                    "is missing here and in `api`: the appliance shows it with the courier's record",
                );
            }
            None
        }
        (Some(own), _) => Some((own, "auth.uuid")),
        (None, Some(other)) => Some((other, "api.uuid")),
    }
}

fn spiffe(auth: &Section<'_>) -> spiffe::Settings {
    spiffe::Settings {
        workload_api_socket: auth.text("workload_api_socket"),
        audience: auth.text("audience"),
        spiffe_id: auth.text("spiffe_id"),
    }
}

/// What is missing is a problem already; the rest is read for its own.
fn azure_jwt(auth: &Section<'_>) -> azure_jwt::Settings {
    use azure_jwt::TokenSource;
    let sources = [
        ("auto", TokenSource::Auto),
        ("file", TokenSource::File),
        ("imds", TokenSource::Imds),
        ("app_service", TokenSource::AppService),
        ("exchange", TokenSource::Exchange),
    ];
    let tenant = auth.needed("tenant_id", "the tenant of Azure");
    let client = auth.needed("client_id", "the managed identity or application");
    let mut settings = azure_jwt::Settings::new(&tenant.unwrap_or_default(), &client.unwrap_or_default());
    settings.token_file = auth.path_of("token_file");
    settings.token_source = auth.choice("token_source", &sources).unwrap_or_default();
    settings.resource = auth.text("resource");
    settings.allow_foreign_audience = auth.flag("allow_foreign_audience").unwrap_or(false);
    settings
}

fn azure_arc(auth: &Section<'_>) -> azure_arc::Settings {
    let mut settings = azure_arc::Settings::default();
    if let Some(resource) = auth.text("resource") {
        settings.resource = resource;
    }
    let port = auth.number("himds_port", 1, u32::from(u16::MAX));
    settings.himds_port = port.and_then(|port| u16::try_from(port).ok());
    settings
}

fn aws_oidc(auth: &Section<'_>) -> aws_oidc::Settings {
    use aws_oidc::TokenSource;
    let sources = [
        ("token_file", TokenSource::TokenFile),
        ("sts_web_identity", TokenSource::StsWebIdentity),
        ("caller_identity", TokenSource::CallerIdentity),
    ];
    let role = auth.needed("role_arn", "the role of AWS");
    let region = auth.needed("region", "the region of AWS");
    let mut settings = aws_oidc::Settings::new(&role.unwrap_or_default(), &region.unwrap_or_default());
    settings.token_source = auth.choice("token_source", &sources).unwrap_or_default();
    settings.token_file = auth.path_of("token_file");
    settings.audience = auth.text("audience");
    settings.allow_foreign_audience = auth.flag("allow_foreign_audience").unwrap_or(false);
    settings
}

fn oidc_jwt(auth: &Section<'_>) -> oidc_jwt::Settings {
    use oidc_jwt::TokenRequest;
    let requests = [
        ("get", TokenRequest::Get),
        ("client_credentials", TokenRequest::ClientCredentials),
        ("file", TokenRequest::File),
        ("env", TokenRequest::Env),
        ("exec", TokenRequest::Exec),
    ];
    let request = auth.choice("token_request", &requests).unwrap_or_default();
    let (key, why) = match request {
        TokenRequest::Get | TokenRequest::ClientCredentials => {
            ("token_endpoint", "where tokens are asked for")
        }
        TokenRequest::File => ("token_file", "the file of `token_request: file`"),
        TokenRequest::Env => ("token_env", "the variable of `token_request: env`"),
        TokenRequest::Exec => ("exec", "program and arguments of `token_request: exec`"),
    };
    if auth.lacks(key) {
        auth.problem(key, format!("is missing: {why}"));
    }
    oidc_jwt::Settings {
        token_request: request,
        token_endpoint: auth.text("token_endpoint"),
        resource: auth.text("resource"),
        client_id: auth.text("client_id"),
        headers: headers(auth),
        token_json_pointer: auth.text("token_json_pointer"),
        scope: auth.text("scope"),
        audience: auth.text("audience"),
        client_secret: auth.secret("client_secret"),
        client_key_path: key_file(auth, "client_key_path"),
        client_key_id: auth.text("client_key_id"),
        token_file: auth.path_of("token_file"),
        token_env: auth.text("token_env"),
        exec: auth.texts("exec"),
        token_endpoint_ca_file: auth.path_of("token_endpoint_ca_file"),
        allow_foreign_audience: auth.flag("allow_foreign_audience").unwrap_or(false),
    }
}

/// Headers by name. Any of them may be a secret.
fn headers(auth: &Section<'_>) -> Vec<(String, SecretString)> {
    let Some(Value::Object(map)) = auth.value("headers") else {
        if auth.has("headers") {
            auth.problem("headers", "is a section: names and values");
        }
        return Vec::new();
    };
    let each = map.iter();
    each.filter_map(|(name, value)| {
        if let Value::String(text) = value {
            Some((name.clone(), SecretString::from(text.clone())))
        } else {
            auth.problem(&format!("headers.{name}"), "is a text");
            None
        }
    })
    .collect()
}

fn certificate(auth: &Section<'_>) -> Option<certificate::Settings> {
    auth.needed("cert_path", "the certificate of the courier");
    auth.needed("key_path", "the key of that certificate");
    let (cert_path, key_path) = (auth.path_of("cert_path"), key_file(auth, "key_path"));
    let mutual_tls = auth.flag("mutual_tls").unwrap_or(false);
    if mutual_tls && auth.flag("renew_with_certificate") == Some(true) {
        auth.problem(
            "mutual_tls",
            "shows `cert_path` on each connection; `renew_with_certificate` needs signed challenges: say one of them",
        );
    }
    Some(certificate::Settings {
        cert_path: cert_path?,
        key_path: key_path?,
        mutual_tls,
        installed: None,
    })
}

/// The path of a private key. A group may share one; what everybody may read is not private.
fn key_file(auth: &Section<'_>, key: &str) -> Option<PathBuf> {
    let path = auth.path_of(key)?;
    let mode = std::fs::metadata(&path).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o004 != 0) {
        auth.reading.warn(format!(
            "`auth.{key}` names {}, a private key that everybody may read: chmod o-r it",
            path.display()
        ));
    }
    Some(path)
}

fn client_secret(auth: &Section<'_>) -> Option<client_secret::Settings> {
    let client_id = auth.needed("client_id", "`cour_…`, as the appliance showed it");
    let secret = auth.secret("client_secret");
    if secret.is_none() && auth.lacks("client_secret") && !auth.has("client_secret_file") {
        auth.problem("client_secret", "is missing, and so is `client_secret_file`");
    }
    Some(client_secret::Settings {
        client_id: client_id?,
        client_secret: secret?,
        installed: None,
    })
}

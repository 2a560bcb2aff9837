//! The section `auth`: who signs in and how.

use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::Auth;
use super::section::Section;
use crate::auth::{Method, aws_oidc, azure_arc, azure_jwt, certificate, client_secret, oidc_jwt, spiffe};
use crate::hook::{HookCommand, HookSettings};

/// Reads the section; nothing for `method: none` and where there is no section.
pub(super) fn read(root: &Section<'_>, in_api: Option<Uuid>) -> Option<Auth> {
    let auth = root.section("auth");
    if !auth.is_there() {
        return None;
    }
    let method = auth.needed("method", "how the courier proves who it is")?;
    let on_failure = auth
        .text("on_failure")
        .map(|text| HookSettings::new(HookCommand::Shell(text)));
    let method = match method.as_str() {
        "none" => return None,
        "spiffe" => Some(Method::Spiffe(spiffe(&auth))),
        "azure_jwt" => azure_jwt(&auth).map(Method::AzureJwt),
        "azure_arc" => Some(Method::AzureArc(azure_arc(&auth))),
        "aws_oidc" => aws_oidc(&auth).map(Method::AwsOidc),
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
    let uuid = uuid(&auth, in_api);
    Some(Auth {
        uuid: uuid?,
        method: method?,
        on_failure,
        renew_with_certificate: auth.flag("renew_with_certificate").unwrap_or(false),
    })
}

/// The UUID stands in `auth` or in `api`; where it stands in both, it is the same.
fn uuid(auth: &Section<'_>, in_api: Option<Uuid>) -> Option<Uuid> {
    let own: Option<Uuid> = auth.parsed("uuid");
    match (own, in_api) {
        (Some(own), Some(other)) if own != other => {
            auth.problem("uuid", "is another than `api.uuid`: say it once");
            None
        }
        (None, None) => {
            if !auth.has("uuid") {
                auth.problem(
                    "uuid",
                    "is missing here and in `api`: the appliance shows it with the courier's record",
                );
            }
            None
        }
        (own, other) => own.or(other),
    }
}

fn spiffe(auth: &Section<'_>) -> spiffe::Settings {
    spiffe::Settings {
        workload_api_socket: auth.text("workload_api_socket"),
        audience: auth.text("audience"),
        spiffe_id: auth.text("spiffe_id"),
    }
}

fn azure_jwt(auth: &Section<'_>) -> Option<azure_jwt::Settings> {
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
    let mut settings = azure_jwt::Settings::new(&tenant?, &client?);
    settings.token_file = auth.path_of("token_file");
    settings.token_source = auth.choice("token_source", &sources).unwrap_or_default();
    settings.resource = auth.text("resource");
    settings.allow_foreign_audience = auth.flag("allow_foreign_audience").unwrap_or(false);
    Some(settings)
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

fn aws_oidc(auth: &Section<'_>) -> Option<aws_oidc::Settings> {
    use aws_oidc::TokenSource;
    let sources = [
        ("token_file", TokenSource::TokenFile),
        ("sts_web_identity", TokenSource::StsWebIdentity),
        ("caller_identity", TokenSource::CallerIdentity),
        ("instance_identity", TokenSource::InstanceIdentity),
    ];
    let role = auth.needed("role_arn", "the role of AWS");
    let region = auth.needed("region", "the region of AWS");
    let mut settings = aws_oidc::Settings::new(&role?, &region?);
    settings.token_source = auth.choice("token_source", &sources).unwrap_or_default();
    settings.token_file = auth.path_of("token_file");
    settings.audience = auth.text("audience");
    settings.allow_foreign_audience = auth.flag("allow_foreign_audience").unwrap_or(false);
    Some(settings)
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
    if matches!(request, TokenRequest::Get | TokenRequest::ClientCredentials) {
        auth.needed("token_endpoint", "where tokens are asked for");
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
        client_key_path: auth.path_of("client_key_path"),
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
    Some(certificate::Settings {
        cert_path: auth.path_of("cert_path")?,
        key_path: auth.path_of("key_path")?,
    })
}

fn client_secret(auth: &Section<'_>) -> Option<client_secret::Settings> {
    let client_id = auth.needed("client_id", "`cour_…`, as the appliance showed it");
    let secret = auth.secret("client_secret");
    if secret.is_none() && !auth.has("client_secret") && !auth.has("client_secret_file") {
        auth.problem("client_secret", "is missing, and so is `client_secret_file`");
    }
    Some(client_secret::Settings {
        client_id: client_id?,
        client_secret: secret?,
    })
}

//! The section `auth`.

use uuid::Uuid;

use super::section::Section;
use super::{Auth, api, fields, hooks};
use crate::auth::{Method, aws_oidc, azure_arc, azure_jwt, certificate, client_secret, oidc_jwt, spiffe};

/// The methods by their names, other names for them, and what reads the rest.
const METHODS: [(&str, &str); 10] = [
    ("spiffe", "spiffe"),
    ("azure_jwt", "azure_jwt"),
    ("azure_arc", "azure_arc"),
    ("aws_oidc", "aws_oidc"),
    ("oidc_jwt", "oidc_jwt"),
    ("certificate", "certificate"),
    ("client_secret", "client_secret"),
    ("oidc_oauth2", "oidc_jwt"),
    ("x509", "certificate"),
    ("none", "none"),
];

/// Reads the section, and settles which UUID counts: this one, or that of `api`.
pub(super) fn read(section: &Section<'_>, of_api: Option<Uuid>) -> Option<Auth> {
    section.keys().next()?;
    if !section.has("method") {
        section.problem("method", "is missing");
    }
    let given = section.text("method").unwrap_or_default();
    let own = api::uuid(section);
    let on_failure = hooks::command(section, "on_failure");
    let method = section.choice("method", &METHODS)?;
    if given == "oidc_oauth2" {
        section
            .findings
            .warning("auth.method: oidc_oauth2 is another name of oidc_jwt");
    }
    look_for_others(section, method);
    let uuid = uuid(section, own, of_api, method);
    let method = settings(section, method)?;
    for warning in method.warnings() {
        section.findings.warning(warning);
    }
    Some(Auth {
        uuid: uuid?,
        method,
        on_failure,
        renew_with_certificate: section.flag("renew_with_certificate", false),
    })
}

/// Keys that belong to other methods.
fn look_for_others(section: &Section<'_>, method: &str) {
    for key in section.keys() {
        let bare = key.strip_suffix("_file").unwrap_or(key);
        let field = fields::find("auth", key).or_else(|| fields::find("auth", bare));
        let Some(field) = field.filter(|field| !field.methods.is_empty()) else {
            continue;
        };
        if !field.methods.contains(&method) {
            section.problem(
                key,
                format!("belongs to {}, not to {method}", field.methods.join(", ")),
            );
        }
    }
}

fn uuid(section: &Section<'_>, own: Option<Uuid>, of_api: Option<Uuid>, method: &str) -> Option<Uuid> {
    match (own, of_api) {
        (Some(own), Some(of_api)) if own != of_api => {
            section.problem("uuid", "is another one than api.uuid");
            None
        }
        (None, None) if method != "none" && !section.has("uuid") => {
            section.problem("uuid", "is missing, and so is api.uuid");
            None
        }
        (own, of_api) => own.or(of_api),
    }
}

fn settings(section: &Section<'_>, method: &str) -> Option<Method> {
    Some(match method {
        "spiffe" => Method::Spiffe(spiffe::Settings {
            workload_api_socket: section.text("workload_api_socket"),
            audience: section.text("audience"),
            spiffe_id: section.parsed("spiffe_id", spiffe_id),
        }),
        "azure_jwt" => Method::AzureJwt(azure_jwt(section)),
        "azure_arc" => Method::AzureArc(azure_arc::Settings {
            resource: section
                .text("resource")
                .unwrap_or_else(|| azure_arc::DEFAULT_RESOURCE.to_owned()),
            himds_port: section.number("himds_port", 1, u16::MAX),
        }),
        "aws_oidc" => Method::AwsOidc(aws_oidc(section)),
        "oidc_jwt" => Method::OidcJwt(Box::new(oidc_jwt(section))),
        "certificate" => {
            section.needed("cert_path");
            section.needed("key_path");
            Method::Certificate(certificate::Settings {
                cert_path: section.path("cert_path")?,
                key_path: section.path("key_path")?,
            })
        }
        "client_secret" => Method::ClientSecret(client_secret(section)?),
        _ => return None,
    })
}

fn spiffe_id(text: &str) -> Result<String, String> {
    let id = ::spiffe::SpiffeId::new(text);
    id.map(|_| text.to_owned())
        .map_err(|_| "is no SPIFFE ID".to_owned())
}

fn azure_jwt(section: &Section<'_>) -> azure_jwt::Settings {
    use azure_jwt::TokenSource;
    let sources = [
        ("auto", TokenSource::Auto),
        ("file", TokenSource::File),
        ("imds", TokenSource::Imds),
        ("app_service", TokenSource::AppService),
        ("exchange", TokenSource::Exchange),
    ];
    azure_jwt::Settings {
        tenant_id: section.needed("tenant_id"),
        client_id: section.needed("client_id"),
        token_file: section.path("token_file"),
        token_source: section.choice("token_source", &sources).unwrap_or_default(),
        resource: section.text("resource"),
        allow_foreign_audience: section.flag("allow_foreign_audience", false),
    }
}

fn aws_oidc(section: &Section<'_>) -> aws_oidc::Settings {
    use aws_oidc::TokenSource;
    let sources = [
        ("token_file", TokenSource::TokenFile),
        ("sts_web_identity", TokenSource::StsWebIdentity),
        ("caller_identity", TokenSource::CallerIdentity),
        ("instance_identity", TokenSource::InstanceIdentity),
    ];
    aws_oidc::Settings {
        role_arn: section.needed("role_arn"),
        region: section.needed("region"),
        token_source: section.choice("token_source", &sources).unwrap_or_default(),
        token_file: section.path("token_file"),
        audience: section.text("audience"),
        allow_foreign_audience: section.flag("allow_foreign_audience", false),
    }
}

fn oidc_jwt(section: &Section<'_>) -> oidc_jwt::Settings {
    use oidc_jwt::TokenRequest;
    let requests = [
        ("get", TokenRequest::Get),
        ("client_credentials", TokenRequest::ClientCredentials),
        ("file", TokenRequest::File),
        ("env", TokenRequest::Env),
        ("exec", TokenRequest::Exec),
    ];
    let settings = oidc_jwt::Settings {
        token_request: section.choice("token_request", &requests).unwrap_or_default(),
        token_endpoint: section.parsed("token_endpoint", endpoint),
        resource: section.text("resource"),
        client_id: section.text("client_id"),
        headers: section.secrets("headers", is_secret_header),
        token_json_pointer: section.parsed("token_json_pointer", pointer),
        scope: section.text("scope"),
        audience: section.text("audience"),
        client_secret: section.secret("client_secret"),
        client_key_path: section.path("client_key_path"),
        client_key_id: section.text("client_key_id"),
        token_file: section.path("token_file"),
        token_env: section.text("token_env"),
        exec: section.texts("exec"),
        token_endpoint_ca_file: section.path("token_endpoint_ca_file"),
        allow_foreign_audience: section.flag("allow_foreign_audience", false),
    };
    let needed: &[&str] = match settings.token_request {
        TokenRequest::Get => &["token_endpoint"],
        TokenRequest::ClientCredentials => &["token_endpoint", "client_id"],
        TokenRequest::File => &["token_file"],
        TokenRequest::Env => &["token_env"],
        TokenRequest::Exec => &["exec"],
    };
    for key in needed {
        if !section.has(key) {
            section.problem(key, "is missing");
        }
    }
    let is_proven = settings.client_secret.is_some() || settings.client_key_path.is_some();
    if settings.token_request == TokenRequest::ClientCredentials
        && !is_proven
        && !section.has("client_secret")
    {
        section.problem("client_secret", "is missing, and so is client_key_path");
    }
    settings
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|_| "is no URL".to_owned())?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("is no URL of https".to_owned());
    }
    Ok(text.to_owned())
}

fn pointer(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err("is no JSON pointer: it begins with `/`".to_owned())
    }
}

fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let secret = ["authorization", "cookie", "token", "secret", "key", "password"];
    secret.iter().any(|word| name.contains(word))
}

fn client_secret(section: &Section<'_>) -> Option<client_secret::Settings> {
    if !section.has("client_secret") && !section.has("client_secret_file") {
        section.problem("client_secret", "is missing");
    }
    Some(client_secret::Settings {
        client_id: section.needed("client_id"),
        client_secret: section.secret("client_secret")?,
    })
}

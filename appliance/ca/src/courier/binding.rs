//! What a credential of a courier is bound to: whose word counts, and what it has to say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::method::Method;

/// One way in, with everything that is held against what the courier shows.
// stored: as JSON in courier_credentials.binding
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Binding {
    /// An identity document of SPIFFE.
    Spiffe(SpiffeBinding),
    /// A token of Azure workload identity.
    AzureJwt(TokenBinding),
    /// A token of an Azure Arc machine.
    AzureArc(TokenBinding),
    /// A token of AWS.
    AwsOidc(TokenBinding),
    /// A token of any OpenID provider.
    #[serde(alias = "oidc_oauth2")]
    OidcJwt(TokenBinding),
    /// A certificate.
    #[serde(alias = "x509")]
    Certificate(CertificateBinding),
    /// A secret, of which only the hash is kept.
    ClientSecret,
    /// A secret that ends once the courier has a certificate in use with which it signs in.
    BootstrapSecret,
}

/// A token of an OpenID provider: who made it, for whom, about whom.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenBinding {
    /// `iss`, octet for octet.
    pub issuer: String,
    /// Values of `aud` that are accepted; the identity of the appliance when there are none. One of them has to be there.
    pub audiences: Vec<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// Claims that have to be equal to this: by name, or by JSON pointer when it begins with a slash.
    pub claims: BTreeMap<String, Value>,
    /// Where the keys of the issuer are.
    pub keys: KeySource,
    /// The tenant of Azure: the claim `tid`.
    pub tenant_id: Option<String>,
    /// The resource that the token was asked for. A token with which its bearer could act in the cloud is accepted only where
    /// tenant and resource are named here.
    pub resource: Option<String>,
    /// The role of AWS that the courier has to name. The token does not prove it.
    pub role_arn: Option<String>,
    /// AWS, in place of a token: the role or user whose keys sign a request to STS that the appliance sends, as
    /// `arn:aws:iam::123456789012:role/web`. A session of the role is the role.
    // Left out when it is not set, so that an older program reads what it wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
}

/// An identity of SPIFFE.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpiffeBinding {
    /// `spiffe://domain/path`, or with `/*` at its end everything below.
    pub spiffe_id: String,
    /// Values of `aud` that are accepted in a JWT; the identity of the appliance when there are none.
    pub audiences: Vec<String>,
    /// The bundle of the trust domain (SPIFFE Trust Domain and Bundle §4), or the address of its endpoint.
    pub bundle: KeySource,
}

/// A certificate: by its key, by who issued it and whose it is, or as one that the courier got here itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificateBinding {
    /// SHA-256 over the SubjectPublicKeyInfo, in hexadecimal; one of them suffices, whoever issued the certificate.
    pub spki_sha256: Vec<String>,
    /// The CAs that may have issued it, PEM.
    pub ca_pem: Option<String>,
    /// A CA of this appliance that may have issued it, by name.
    pub issuer: Option<String>,
    /// Its subject, RFC 4514.
    pub subject: Option<String>,
    /// Subject alternative names that it has to have, as `dns:web01.example.com`.
    pub names: Vec<String>,
    /// Whether a certificate that came of an order of this very courier is accepted as well, whatever its names. It has to be for
    /// clients like any other, and nothing else of the CA is let in by it.
    // Left out when it is not set, so that an older program reads what it wrote.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub renewals: bool,
}

/// Where keys come from.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// From the issuer (OpenID Connect Discovery §4).
    #[default]
    Discovery,
    /// From this address: a key set, or for SPIFFE a bundle endpoint.
    Url(String),
    /// These, for sites that reach no one (RFC 7517 §5).
    Static(Value),
}

/// Audiences that somebody else accepts: whoever holds such a token can act in a cloud with it.
const OF_CLOUDS: [&str; 7] = [
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://graph.microsoft.com",
    "https://vault.azure.net",
    "api://azureadtokenexchange",
    "sts.amazonaws.com",
    "https://sts.amazonaws.com",
];

/// Whether a token for this audience could be used against a cloud.
pub(crate) fn is_of_a_cloud(audience: &str) -> bool {
    let audience = audience.trim_end_matches('/').to_ascii_lowercase();
    OF_CLOUDS.contains(&audience.as_str())
}

impl Binding {
    /// Which method it is for.
    pub fn method(&self) -> Method {
        match self {
            Self::Spiffe(_) => Method::Spiffe,
            Self::AzureJwt(_) => Method::AzureJwt,
            Self::AzureArc(_) => Method::AzureArc,
            Self::AwsOidc(_) => Method::AwsOidc,
            Self::OidcJwt(_) => Method::OidcJwt,
            Self::Certificate(_) => Method::Certificate,
            Self::ClientSecret | Self::BootstrapSecret => Method::ClientSecret,
        }
    }

    /// What a token has to say, where it is one of an OpenID provider.
    pub(crate) fn token(&self) -> Option<&TokenBinding> {
        match self {
            Self::AzureJwt(token) | Self::AzureArc(token) | Self::AwsOidc(token) | Self::OidcJwt(token) => {
                Some(token)
            }
            _ => None,
        }
    }

    /// What would let in more than one means, or nobody at all; one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = match self {
            Self::AwsOidc(TokenBinding {
                caller: Some(caller), ..
            }) => self
                .token()
                .map_or_else(Vec::new, |token| token.problems_of_caller(caller)),
            Self::Spiffe(spiffe) => spiffe.problems(),
            Self::Certificate(certificate) => certificate.problems(),
            Self::ClientSecret | Self::BootstrapSecret => Vec::new(),
            Self::AzureJwt(token) | Self::AzureArc(token) | Self::AwsOidc(token) | Self::OidcJwt(token) => {
                token.problems()
            }
        };
        if let Self::AzureJwt(token) | Self::AzureArc(token) | Self::OidcJwt(token) = self
            && token.caller.is_some()
        {
            problems.push("`caller` belongs to aws_oidc".to_owned());
        }
        if let Self::AzureJwt(token) | Self::AzureArc(token) = self
            && token.tenant_id.is_none()
        {
            problems.push("`tenant_id` is missing".to_owned());
        }
        problems
    }
}

impl TokenBinding {
    /// What is wrong with one that is for a signed request to AWS.
    fn problems_of_caller(&self, caller: &str) -> Vec<String> {
        let mut problems = Vec::new();
        if super::prove::principal(caller).is_none() {
            problems.push(
                "`caller` is neither a role nor a user, as arn:aws:iam::123456789012:role/web".to_owned(),
            );
        }
        let of_token = Self {
            audiences: self.audiences.clone(),
            role_arn: self.role_arn.clone(),
            caller: self.caller.clone(),
            ..Self::default()
        };
        if *self != of_token {
            problems.push("a credential has a `caller`, or what a token has to say, and not both".to_owned());
        }
        problems
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_web_address(&self.issuer) {
            problems.push("`issuer` is not an https address".to_owned());
        }
        if self.subject.is_none() && self.claims.is_empty() {
            problems.push("neither `subject` nor `claims` says who: everybody with a token of this issuer would be let in".to_owned());
        }
        if self.audiences.iter().any(|audience| audience.trim().is_empty()) {
            problems.push("an audience is empty".to_owned());
        }
        let is_foreign = self.audiences.iter().any(|audience| is_of_a_cloud(audience));
        let is_named = self.tenant_id.is_some() && self.resource.is_some();
        if is_foreign && !is_named {
            problems.push("an audience is that of a cloud, where the token could be used as well: `tenant_id` and `resource` have to name it".to_owned());
        }
        problems.extend(self.keys.problems());
        problems
    }
}

impl SpiffeBinding {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let path = self
            .spiffe_id
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split_once('/'));
        if path.is_none_or(|(domain, path)| domain.is_empty() || path.is_empty() || domain.contains('*')) {
            problems.push("`spiffe_id` is not of the form spiffe://domain/path".to_owned());
        }
        if self.spiffe_id.trim_end_matches("/*").contains('*') {
            problems.push("`*` stands only at the end of a `spiffe_id`, behind a slash".to_owned());
        }
        if self.bundle == KeySource::Discovery {
            problems.push(
                "`bundle` is missing: the keys of the trust domain, or the address of its bundle endpoint"
                    .to_owned(),
            );
        }
        problems.extend(self.bundle.problems());
        problems
    }

    /// Whether an identity is the one, or lies below it.
    pub(crate) fn admits(&self, id: &str) -> bool {
        match self.spiffe_id.strip_suffix("/*") {
            Some(above) => id
                .strip_prefix(above)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| !rest.is_empty()),
            None => id == self.spiffe_id,
        }
    }
}

impl CertificateBinding {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let is_print =
            |text: &String| text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !self.spki_sha256.iter().all(is_print) {
            problems.push("a `spki_sha256` is not of 64 hexadecimal digits".to_owned());
        }
        if let Some(pem) = &self.ca_pem
            && pki::Certificate::parse_all(pem.as_bytes()).is_ok_and(|all| all.is_empty())
        {
            problems.push("`ca_pem` has no certificate".to_owned());
        }
        if let Some(pem) = &self.ca_pem
            && let Err(fault) = pki::Certificate::parse_all(pem.as_bytes())
        {
            problems.push(format!("`ca_pem` cannot be read: {fault}"));
        }
        let has_issuer = self.ca_pem.is_some() || self.issuer.is_some();
        if !has_issuer && self.spki_sha256.is_empty() && !self.renewals {
            problems.push(
                "nothing says which certificate: name `spki_sha256`, `ca_pem` or `issuer`, or set `renewals`"
                    .to_owned(),
            );
        }
        if has_issuer && self.subject.is_none() && self.names.is_empty() {
            problems.push(
                "neither `subject` nor `names` says whose: every certificate of the CA would be let in"
                    .to_owned(),
            );
        }
        problems
    }
}

impl KeySource {
    fn problems(&self) -> Vec<String> {
        match self {
            Self::Discovery => Vec::new(),
            Self::Url(address) if is_web_address(address) => Vec::new(),
            Self::Url(_) => vec!["the address of the keys is not an https address".to_owned()],
            Self::Static(keys) => match super::issuer_keys::read(keys.to_string().as_bytes()) {
                Ok(_) => Vec::new(),
                Err(fault) => vec![format!("the keys cannot be read: {fault}")],
            },
        }
    }
}

/// https, or http on this machine.
fn is_web_address(text: &str) -> bool {
    let is_host = |rest: &str| !rest.is_empty() && !rest.starts_with('/') && !rest.contains([' ', '@', '#']);
    if let Some(rest) = text.strip_prefix("https://") {
        return is_host(rest);
    }
    ["http://127.0.0.1", "http://[::1]", "http://localhost"]
        .iter()
        .any(|local| {
            text.strip_prefix(local)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    fn binding(json: &str) -> Binding {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_binding_that_lets_everybody_in_is_a_problem() {
        for (json, word) in [
            (
                r#"{"method":"oidc_jwt","issuer":"https://idp.example"}"#,
                "everybody",
            ),
            (
                r#"{"method":"oidc_jwt","issuer":"http://idp.example","subject":"a"}"#,
                "https",
            ),
            (
                r#"{"method":"oidc_oauth2","issuer":"https://user@idp.example","subject":"a"}"#,
                "https",
            ),
            (
                r#"{"method":"azure_jwt","issuer":"https://idp.example","subject":"a"}"#,
                "tenant_id",
            ),
            (
                r#"{"method":"aws_oidc","issuer":"https://idp.example","subject":"a","audiences":["sts.amazonaws.com"]}"#,
                "cloud",
            ),
            (
                r#"{"method":"spiffe","spiffe_id":"spiffe://td.example/*","bundle":{"url":"https://b"}}"#,
                "",
            ),
            (
                r#"{"method":"spiffe","spiffe_id":"spiffe://td.example","bundle":{"url":"https://b"}}"#,
                "form",
            ),
            (
                r#"{"method":"spiffe","spiffe_id":"spiffe://td/a*/b","bundle":{"url":"https://b"}}"#,
                "end",
            ),
            (r#"{"method":"spiffe","spiffe_id":"spiffe://td/a"}"#, "bundle"),
            (
                r#"{"method":"aws_oidc","caller":"arn:aws:iam::123456789012:role/web"}"#,
                "",
            ),
            (
                r#"{"method":"aws_oidc","caller":"arn:aws:iam::1:role/web"}"#,
                "neither",
            ),
            (
                r#"{"method":"aws_oidc","caller":"arn:aws:iam::123456789012:role/web","issuer":"https://a"}"#,
                "not both",
            ),
            (
                r#"{"method":"oidc_jwt","issuer":"https://a","subject":"s","caller":"arn:aws:iam::123456789012:role/web"}"#,
                "belongs to aws_oidc",
            ),
            (r#"{"method":"certificate"}"#, "which certificate"),
            (r#"{"method":"x509","issuer":"issuing"}"#, "every certificate"),
            (r#"{"method":"certificate","spki_sha256":["00"]}"#, "64"),
        ] {
            let problems = binding(json).problems().join("; ");
            assert!(
                problems.contains(word) && (word.is_empty() == problems.is_empty()),
                "{json}: {problems}"
            );
        }
        assert!(serde_json::from_str::<Binding>(r#"{"method":"oidc_jwt","isuer":"https://a"}"#).is_err());
    }

    #[test]
    fn an_arc_machine_may_show_what_its_default_gives_where_it_is_named() {
        let named = r#"{"method":"azure_arc","issuer":"https://sts.windows.net/t/","tenant_id":"t","subject":"o",
            "resource":"https://management.azure.com/","audiences":["https://management.azure.com/"]}"#;
        assert_eq!(binding(named).problems(), Vec::<String>::new());
    }

    #[test]
    fn renewals_are_not_let_in_unless_it_is_said_and_are_stored_only_then() {
        let said = binding(r#"{"method":"certificate","renewals":true}"#);
        assert_eq!(said.problems(), Vec::<String>::new());
        assert_eq!(
            serde_json::to_value(&said).unwrap().get("renewals"),
            Some(&Value::Bool(true))
        );
        let plain = binding(r#"{"method":"certificate","issuer":"issuing","names":["dns:a"]}"#);
        let Binding::Certificate(certificate) = &plain else {
            unreachable!("it is a certificate");
        };
        assert!(!certificate.renewals);
        assert!(serde_json::to_value(&plain).unwrap().get("renewals").is_none());
        let wide = binding(r#"{"method":"certificate","issuer":"issuing","renewals":true}"#);
        assert!(wide.problems().concat().contains("every certificate"));
    }

    #[test]
    fn an_identity_is_the_one_or_below() {
        let exact: SpiffeBinding = serde_json::from_str(r#"{"spiffe_id":"spiffe://td/web"}"#).unwrap();
        assert!(exact.admits("spiffe://td/web") && !exact.admits("spiffe://td/web/1"));
        let below: SpiffeBinding = serde_json::from_str(r#"{"spiffe_id":"spiffe://td/web/*"}"#).unwrap();
        assert!(below.admits("spiffe://td/web/1"));
        for other in [
            "spiffe://td/web",
            "spiffe://td/web/",
            "spiffe://td/webx/1",
            "spiffe://other/web/1",
        ] {
            assert!(!below.admits(other), "{other}");
        }
    }
}

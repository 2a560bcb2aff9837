//! Asking the endpoint: the plain GET of the contract, and the grant of client credentials.

use jiff::ToSpan as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::super::fetch::{Question, url};
use super::super::signer::Signer;
use super::{Context, Fault, Settings, needed};

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Settings {
    /// The token of a GET.
    pub(super) async fn asked(&self) -> Result<SecretString, Fault> {
        let mut endpoint = url(
            needed(self.token_endpoint.as_ref(), "get", "token_endpoint")?,
            "token_endpoint",
        )?;
        for (name, value) in [
            ("resource", &self.resource),
            ("client_id", &self.client_id),
            ("audience", &self.audience),
            ("scope", &self.scope),
        ] {
            if let Some(value) = value {
                endpoint.query_pairs_mut().append_pair(name, value);
            }
        }
        self.answered(Question::get(endpoint)).await
    }

    /// The token of the grant of client credentials.
    pub(super) async fn granted(&self, context: &Context<'_>) -> Result<SecretString, Fault> {
        const REQUEST: &str = "client_credentials";
        let text = needed(self.token_endpoint.as_ref(), REQUEST, "token_endpoint")?;
        let client_id = needed(self.client_id.as_ref(), REQUEST, "client_id")?;
        let mut fields = vec![("grant_type", REQUEST), ("client_id", client_id.as_str())];
        let assertion;
        match (&self.client_secret, &self.client_key_path) {
            (Some(secret), None) => fields.push(("client_secret", secret.expose_secret())),
            (None, Some(_)) => {
                assertion = self.assertion(client_id, text, context)?;
                fields.push(("client_assertion_type", ASSERTION));
                fields.push(("client_assertion", assertion.expose_secret()));
            }
            _ => {
                return Err(Fault::Setting(
                    "token_request client_credentials needs either client_secret or client_key_path"
                        .to_owned(),
                ));
            }
        }
        for (name, value) in [
            ("resource", &self.resource),
            ("audience", &self.audience),
            ("scope", &self.scope),
        ] {
            if let Some(value) = value {
                fields.push((name, value));
            }
        }
        self.answered(Question::form(url(text, "token_endpoint")?, &fields))
            .await
    }

    async fn answered(&self, mut question: Question) -> Result<SecretString, Fault> {
        for (name, value) in &self.headers {
            question = question.header(name, value.expose_secret())?;
        }
        let answer = question
            .ask(self.token_endpoint_ca_file.as_deref())
            .await?
            .good()?;
        match &self.token_json_pointer {
            Some(pointer) => answer.token(&[pointer]),
            None => answer.token(&["/access_token", "/value", "/id_token"]),
        }
    }

    /// What the client signs of itself (RFC 7523 §3).
    fn assertion(
        &self,
        client_id: &str,
        endpoint: &str,
        context: &Context<'_>,
    ) -> Result<SecretString, Fault> {
        let path = needed(
            self.client_key_path.as_ref(),
            "client_credentials",
            "client_key_path",
        )?;
        let until = context.now.checked_add(60.seconds()).unwrap_or(context.now);
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": endpoint,
            "jti": Uuid::new_v4().to_string(),
            "iat": context.now.as_second(),
            "exp": until.as_second(),
        });
        Signer::read(path)?.assertion(&claims, self.client_key_id.as_deref())
    }
}

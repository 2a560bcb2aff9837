//! The keys with which requests to AWS are signed: the environment, the endpoint of containers, the metadata service of EC2.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::super::fetch::{Question, is_container_host, url};
use super::super::{Context, Fault, token_file};
use super::{metadata, metadata_session};

/// Keys for signing.
#[derive(Debug)]
pub(super) struct Credentials {
    /// The name of the key.
    pub(super) access_key: String,
    /// The key.
    pub(super) secret_key: SecretString,
    /// What belongs to keys that end.
    pub(super) session_token: Option<SecretString>,
}

/// The first keys that are there.
pub(super) async fn find(context: &Context<'_>) -> Result<Credentials, Fault> {
    let var = |name: &str| context.environment.var(name);
    if let (Some(access_key), Some(secret_key)) = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY")) {
        return Ok(Credentials {
            access_key,
            secret_key: secret_key.into(),
            session_token: var("AWS_SESSION_TOKEN").map(SecretString::from),
        });
    }
    if let Some(question) = of_container(context)? {
        let answer = question.ask(None).await?.good()?;
        return read(&answer.json()?.0, &answer.endpoint);
    }
    if var("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Fault::Setting(
            "there are no AWS credentials in the environment, and AWS_EC2_METADATA_DISABLED keeps the metadata service from being asked"
                .to_owned(),
        ));
    }
    of_instance(context).await
}

/// The question to the endpoint of containers, where the environment tells one.
fn of_container(context: &Context<'_>) -> Result<Option<Question>, Fault> {
    let var = |name: &str| context.environment.var(name);
    let endpoint = if let Some(path) = var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        let url = url(&context.places.aws_containers, "the endpoint of containers")?;
        url.join(&path)
            .ok()
            .filter(|joined| joined.origin() == url.origin())
            .ok_or_else(|| Fault::Setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path".to_owned()))?
    } else if let Some(full) = var("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        let url = url(&full, "AWS_CONTAINER_CREDENTIALS_FULL_URI")?;
        if url.scheme() != "https" && !is_container_host(&url) {
            return Err(Fault::Endpoint {
                endpoint: "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
                reason: "it is neither https nor an endpoint of containers",
            });
        }
        url
    } else {
        return Ok(None);
    };
    let token = match var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(token_file::token(
            path.as_ref(),
            "the token for the endpoint of containers",
        )?),
        None => var("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(SecretString::from),
    };
    let question = Question::get(endpoint);
    Ok(Some(match token {
        Some(token) => question.header("Authorization", token.expose_secret())?,
        None => question,
    }))
}

async fn of_instance(context: &Context<'_>) -> Result<Credentials, Fault> {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let session = metadata_session(context).await?;
    let roles = metadata(context, &session, ROLES).await?;
    let role = roles
        .lines()
        .next()
        .map(str::trim)
        .filter(|role| !role.is_empty() && !role.contains(['/', '?', '#']))
        .ok_or_else(|| Fault::Malformed("the instance has no role".to_owned()))?;
    let text = zeroize::Zeroizing::new(metadata(context, &session, &format!("{ROLES}{role}")).await?);
    let json = serde_json::from_str(&text)
        .map(super::super::fetch::Wiped)
        .map_err(|_| {
            Fault::Malformed("the metadata service answered something that is no JSON".to_owned())
        })?;
    read(&json.0, "the metadata service")
}

fn read(json: &Value, endpoint: &str) -> Result<Credentials, Fault> {
    let text = |name: &str| {
        json.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    match (text("AccessKeyId"), text("SecretAccessKey")) {
        (Some(access_key), Some(secret_key)) => Ok(Credentials {
            access_key: access_key.to_owned(),
            secret_key: secret_key.into(),
            session_token: text("Token").map(SecretString::from),
        }),
        _ => Err(Fault::Malformed(format!("{endpoint} gave no keys"))),
    }
}

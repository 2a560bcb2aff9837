//! An AWS workload.
//!
//! Only a pod of EKS has a token in a file, and that at the default place is normally meant for STS, with which whoever receives it
//! becomes the workload: it is refused. Everything else in AWS has keys for signing requests; with them STS makes a token for the
//! appliance (`sts_web_identity`), or a request to STS is signed that the appliance sends (`caller_identity`). The signed
//! document that an EC2 instance has about itself is shown to nobody: it never ends, and whoever has read it once can show it.

mod credentials;
mod sigv4;
mod sts;

use std::path::PathBuf;

use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};

use super::fetch::{Question, url};
use super::presented::{AwsProof, Presented};
use super::{Context, Fault, peek, token_file};

/// What proves the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenSource {
    /// A token in a file.
    #[default]
    TokenFile,
    /// A token that STS makes.
    StsWebIdentity,
    /// A signed request that the appliance sends to STS.
    CallerIdentity,
}

/// The settings of `aws_oidc`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The role, which the appliance looks at.
    pub role_arn: String,
    /// The region, whose STS is asked.
    pub region: String,
    /// What proves the workload.
    pub token_source: TokenSource,
    /// The token; without it `AWS_WEB_IDENTITY_TOKEN_FILE`, then the built-in place.
    pub token_file: Option<PathBuf>,
    /// The audience of a token that STS makes; without it the appliance's identity.
    pub audience: Option<String>,
    /// Whether a token that STS would take is sent all the same.
    pub allow_foreign_audience: bool,
}

impl Settings {
    /// Settings with the defaults.
    pub fn new(role_arn: &str, region: &str) -> Self {
        Self {
            role_arn: role_arn.to_owned(),
            region: region.to_owned(),
            token_source: TokenSource::default(),
            token_file: None,
            audience: None,
            allow_foreign_audience: false,
        }
    }

    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        let proof = match self.token_source {
            TokenSource::TokenFile => AwsProof::Token(self.in_file(context)?),
            TokenSource::StsWebIdentity => AwsProof::Token(self.of_sts(context).await?),
            TokenSource::CallerIdentity => {
                let keys = credentials::find(context).await?;
                let identity = self.audience(context).await?;
                let endpoint = sts::endpoint(&self.region, context.environment)?;
                AwsProof::SignedRequest(sts::caller_identity(
                    &endpoint,
                    &self.region,
                    &identity,
                    context.thumbprint,
                    &keys,
                    context.now,
                )?)
            }
        };
        Ok(Presented::AwsOidc {
            proof,
            role_arn: self.role_arn.clone(),
            region: self.region.clone(),
        })
    }

    async fn audience(&self, context: &Context<'_>) -> Result<String, Fault> {
        match &self.audience {
            Some(audience) => Ok(audience.clone()),
            None => context.appliance.identity().await,
        }
    }

    fn in_file(&self, context: &Context<'_>) -> Result<SecretString, Fault> {
        let path = self
            .token_file
            .clone()
            .or_else(|| {
                context
                    .environment
                    .var("AWS_WEB_IDENTITY_TOKEN_FILE")
                    .map(PathBuf::from)
            })
            .unwrap_or_else(|| context.places.aws_token_file.clone());
        let token = token_file::token(&path, "the web identity token")?;
        let origin = path.display().to_string();
        peek::check(
            token.expose_secret(),
            &origin,
            self.allow_foreign_audience,
            context.now,
        )?;
        Ok(token)
    }

    async fn of_sts(&self, context: &Context<'_>) -> Result<SecretString, Fault> {
        let keys = credentials::find(context).await?;
        let audiences = context.audiences(self.audience.as_deref()).await?;
        let endpoint = sts::endpoint(&self.region, context.environment)?;
        let token = sts::web_identity(&endpoint, &self.region, &audiences, &keys, context.now).await?;
        peek::check(
            token.expose_secret(),
            "STS",
            self.allow_foreign_audience,
            context.now,
        )?;
        Ok(token)
    }
}

/// A session with the metadata service of EC2 (IMDSv2).
async fn metadata_session(context: &Context<'_>) -> Result<SecretString, Fault> {
    let question = Question::new(Method::PUT, metadata_url(context, "/latest/api/token")?)
        .header("X-aws-ec2-metadata-token-ttl-seconds", "60")?;
    let answer = question.ask(None).await?.good()?;
    Ok(SecretString::from(answer.text()?))
}

/// One text of the metadata service.
async fn metadata(context: &Context<'_>, session: &SecretString, path: &str) -> Result<String, Fault> {
    let question = Question::get(metadata_url(context, path)?)
        .header("X-aws-ec2-metadata-token", session.expose_secret())?;
    Ok(question.ask(None).await?.good()?.text()?.to_owned())
}

fn metadata_url(context: &Context<'_>, path: &str) -> Result<reqwest::Url, Fault> {
    let host = context
        .environment
        .var("AWS_EC2_METADATA_SERVICE_ENDPOINT")
        .unwrap_or_else(|| context.places.aws_metadata.clone());
    let mut url = url(&host, "AWS_EC2_METADATA_SERVICE_ENDPOINT")?;
    url.set_path(path);
    Ok(url)
}

#[cfg(test)]
mod tests;

//! Azure workload identity.
//!
//! A pod has a projected token in a file; virtual machines and App Service have a metadata endpoint instead. The file at the default
//! place is normally meant for Azure's token exchange: sent to the appliance as it is, it would let the appliance act in Azure, so it is
//! refused, and either a projection with the appliance's audience or `token_source: exchange` takes its place.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::fetch::{Question, url};
use super::presented::Presented;
use super::{Context, Fault, peek, token_file};

const METADATA_VERSION: &str = "2018-02-01";
const APP_SERVICE_VERSION: &str = "2019-08-01";
const AUTHORITY: &str = "https://login.microsoftonline.com/";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where the token comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenSource {
    /// The first of those that are there: a file, App Service, the metadata service.
    #[default]
    Auto,
    /// The projected file, as it is.
    File,
    /// The metadata service of a virtual machine.
    Imds,
    /// The endpoint that App Service tells in the environment.
    AppService,
    /// The projected file, exchanged at the tenant.
    Exchange,
}

/// The settings of `azure_jwt`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tenant.
    pub tenant_id: String,
    /// The managed identity or application.
    pub client_id: String,
    /// The projected token; without it `AZURE_FEDERATED_TOKEN_FILE`, then the built-in place.
    pub token_file: Option<PathBuf>,
    /// Where the token comes from.
    pub token_source: TokenSource,
    /// The audience asked for, where one is asked for.
    pub resource: Option<String>,
    /// Whether a token that Azure would exchange is sent all the same.
    pub allow_foreign_audience: bool,
}

impl Settings {
    /// Settings with the defaults.
    pub fn new(tenant_id: &str, client_id: &str) -> Self {
        Self {
            tenant_id: tenant_id.to_owned(),
            client_id: client_id.to_owned(),
            token_file: None,
            token_source: TokenSource::default(),
            resource: None,
            allow_foreign_audience: false,
        }
    }

    /// What is not advisable about them.
    pub fn warnings(&self) -> Vec<String> {
        match &self.resource {
            Some(resource) if peek::is_management_audience(resource) => vec![format!(
                "auth.resource {resource} is the audience of a cloud's own interface: whoever receives the token can act there; use the appliance's own application URI"
            )],
            _ => Vec::new(),
        }
    }

    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        let token = match self.source(context)? {
            TokenSource::Auto | TokenSource::File => self.in_file(context)?,
            TokenSource::Imds => self.of_metadata(context).await?,
            TokenSource::AppService => self.of_app_service(context).await?,
            TokenSource::Exchange => self.exchanged(context).await?,
        };
        peek::check(
            token.expose_secret(),
            "azure_jwt",
            self.allow_foreign_audience,
            context.now,
        )?;
        Ok(Presented::AzureJwt {
            token,
            tenant_id: self.tenant_id.clone(),
            client_id: self.client_id.clone(),
        })
    }

    /// The source that is meant, never [`TokenSource::Auto`] where another one is there.
    fn source(&self, context: &Context<'_>) -> Result<TokenSource, Fault> {
        if self.token_source != TokenSource::Auto {
            return Ok(self.token_source);
        }
        let has = |name| context.environment.var(name).is_some();
        if self.token_file.is_some()
            || has("AZURE_FEDERATED_TOKEN_FILE")
            || context.places.azure_token_file.exists()
        {
            return Ok(TokenSource::File);
        }
        if has("IDENTITY_ENDPOINT") && has("IDENTITY_HEADER") {
            return Ok(TokenSource::AppService);
        }
        if self.resource.is_some() {
            return Ok(TokenSource::Imds);
        }
        Err(Fault::Setting(format!(
            "azure_jwt finds no token: there is no {}, neither token_file nor AZURE_FEDERATED_TOKEN_FILE is set, and a metadata service needs `resource`",
            context.places.azure_token_file.display()
        )))
    }

    fn path(&self, context: &Context<'_>) -> PathBuf {
        self.token_file
            .clone()
            .or_else(|| {
                context
                    .environment
                    .var("AZURE_FEDERATED_TOKEN_FILE")
                    .map(PathBuf::from)
            })
            .unwrap_or_else(|| context.places.azure_token_file.clone())
    }

    fn in_file(&self, context: &Context<'_>) -> Result<SecretString, Fault> {
        token_file::token(&self.path(context), "the projected Azure token")
    }

    fn resource(&self) -> Result<&str, Fault> {
        self.resource
            .as_deref()
            .ok_or_else(|| Fault::Setting("azure_jwt needs `resource`, the audience to ask for".to_owned()))
    }

    async fn of_metadata(&self, context: &Context<'_>) -> Result<SecretString, Fault> {
        let mut endpoint = url(&context.places.azure_metadata, "the metadata service")?;
        endpoint.set_path("/metadata/identity/oauth2/token");
        endpoint
            .query_pairs_mut()
            .append_pair("api-version", METADATA_VERSION)
            .append_pair("resource", self.resource()?)
            .append_pair("client_id", &self.client_id);
        let question = Question::get(endpoint).header("Metadata", "true")?;
        question.ask(None).await?.good()?.token(&["/access_token"])
    }

    async fn of_app_service(&self, context: &Context<'_>) -> Result<SecretString, Fault> {
        let var = |name: &str| {
            context
                .environment
                .var(name)
                .ok_or_else(|| Fault::Setting(format!("token_source app_service needs the variable {name}")))
        };
        let header = SecretString::from(var("IDENTITY_HEADER")?);
        let mut endpoint = url(&var("IDENTITY_ENDPOINT")?, "IDENTITY_ENDPOINT")?;
        endpoint
            .query_pairs_mut()
            .append_pair("api-version", APP_SERVICE_VERSION)
            .append_pair("resource", self.resource()?)
            .append_pair("client_id", &self.client_id);
        let question = Question::get(endpoint).header("X-IDENTITY-HEADER", header.expose_secret())?;
        question.ask(None).await?.good()?.token(&["/access_token"])
    }

    async fn exchanged(&self, context: &Context<'_>) -> Result<SecretString, Fault> {
        let assertion = self.in_file(context)?;
        // Meant for Azure and sent to Azure: its audience is the right one here.
        peek::check(
            assertion.expose_secret(),
            "the projected Azure token",
            true,
            context.now,
        )?;
        let authority = context
            .environment
            .var("AZURE_AUTHORITY_HOST")
            .unwrap_or_else(|| AUTHORITY.to_owned());
        let mut endpoint = url(&authority, "AZURE_AUTHORITY_HOST")?;
        endpoint
            .path_segments_mut()
            .map_err(|()| Fault::Setting("AZURE_AUTHORITY_HOST is no URL of a host".to_owned()))?
            .pop_if_empty()
            .extend([self.tenant_id.as_str(), "oauth2", "v2.0", "token"]);
        let scope = format!("{}/.default", self.resource()?.trim_end_matches('/'));
        let question = Question::form(
            endpoint,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &self.client_id),
                ("scope", &scope),
                ("client_assertion_type", ASSERTION),
                ("client_assertion", assertion.expose_secret()),
            ],
        );
        question.ask(None).await?.good()?.token(&["/access_token"])
    }
}

#[cfg(test)]
mod tests;

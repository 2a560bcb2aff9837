//! The seam between the run and the methods: what a method is told, and which one it is.

use std::pin::Pin;

use jiff::Timestamp;
use uuid::Uuid;

use super::presented::Presented;
use super::{
    Environment, Fault, Places, aws_oidc, azure_arc, azure_jwt, certificate, client_secret, oidc_jwt, spiffe,
};

/// What is being waited for.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The appliance, as far as a method asks it anything.
pub trait Appliance: Send + Sync {
    /// Who it is: the audience of what is made for it.
    fn identity(&self) -> Pending<'_, Result<String, Fault>>;

    /// A fresh challenge: a nonce to sign.
    fn challenge(&self) -> Pending<'_, Result<String, Fault>>;
}

/// What a method is told.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The courier.
    pub uuid: Uuid,
    /// The variables.
    pub environment: &'a dyn Environment,
    /// Files and addresses that are built in.
    pub places: &'a Places,
    /// The appliance.
    pub appliance: &'a dyn Appliance,
    /// The time.
    pub now: Timestamp,
    /// The thumbprint of the proof key (RFC 7638), where the run has one: put into what the method makes, it binds one to the other.
    pub thumbprint: Option<&'a str>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("uuid", &self.uuid)
            .field("places", &self.places)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// The audience of a token that can be asked for: what the settings say, else the appliance's identity; and, where there is a proof
    /// key, a second value that names it (RFC 9278), so that the token cannot be presented with another key.
    pub(crate) async fn audiences(&self, configured: Option<&str>) -> Result<Vec<String>, Fault> {
        let mut audiences = vec![match configured {
            Some(audience) => audience.to_owned(),
            None => self.appliance.identity().await?,
        }];
        if let Some(thumbprint) = self.thumbprint {
            audiences.push(format!(
                "urn:ietf:params:oauth:jwk-thumbprint:sha-256:{thumbprint}"
            ));
        }
        Ok(audiences)
    }
}

/// A method with its settings.
#[derive(Debug)]
#[non_exhaustive]
pub enum Method {
    /// SPIFFE.
    Spiffe(spiffe::Settings),
    /// Azure workload identity.
    AzureJwt(azure_jwt::Settings),
    /// A machine in Azure Arc.
    AzureArc(azure_arc::Settings),
    /// An AWS workload.
    AwsOidc(aws_oidc::Settings),
    /// A token of some issuer.
    OidcJwt(Box<oidc_jwt::Settings>),
    /// An X.509 certificate.
    Certificate(certificate::Settings),
    /// Name and secret.
    ClientSecret(client_secret::Settings),
}

impl Method {
    /// Its name in the file and on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Spiffe(_) => "spiffe",
            Self::AzureJwt(_) => "azure_jwt",
            Self::AzureArc(_) => "azure_arc",
            Self::AwsOidc(_) => "aws_oidc",
            Self::OidcJwt(_) => "oidc_jwt",
            Self::Certificate(_) => certificate::METHOD,
            Self::ClientSecret(_) => "client_secret",
        }
    }

    /// What is legal and not advisable about the settings: told by every run.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Self::AzureArc(settings) => settings.warnings(),
            Self::AzureJwt(settings) => settings.warnings(),
            Self::ClientSecret(settings) => settings.warnings(),
            _ => Vec::new(),
        }
    }

    /// Whether, after what was presented was refused, there is something else to present: once.
    pub(crate) fn falls_back(&self) -> bool {
        match self {
            Self::Certificate(settings) => settings.falls_back(),
            Self::ClientSecret(settings) => settings.falls_back(),
            _ => false,
        }
    }

    /// Makes what is presented to the appliance.
    pub async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        match self {
            Self::Spiffe(settings) => settings.present(context).await,
            Self::AzureJwt(settings) => settings.present(context).await,
            Self::AzureArc(settings) => settings.present(context).await,
            Self::AwsOidc(settings) => settings.present(context).await,
            Self::OidcJwt(settings) => settings.present(context).await,
            Self::Certificate(settings) => settings.present(context).await,
            Self::ClientSecret(settings) => settings.present(context).await,
        }
    }
}

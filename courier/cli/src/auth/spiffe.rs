//! SPIFFE: an identity document of the local agent.
//!
//! A JWT-SVID is presented as it is: an X.509-SVID over mutual TLS would end where a bridge ends the connection. A file may hold either;
//! with the X.509-SVID in a file the challenge of the appliance is signed, as with any other certificate.

use std::path::Path;
use std::time::Duration;

use ::spiffe::{SpiffeId, WorkloadApiClient};
use secrecy::{ExposeSecret as _, SecretString};

use super::presented::Presented;
use super::signer::{Signer, chain};
use super::{Context, Fault, peek, token_file};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The settings of `spiffe`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The Workload API, such as `unix:///tmp/spire-agent/public/api.sock`; `SPIFFE_SVID_PATH` goes before it and `SPIFFE_ENDPOINT_SOCKET`
    /// stands in for it.
    pub workload_api_socket: Option<String>,
    /// The audience of the token; without it the appliance's identity.
    pub audience: Option<String>,
    /// Which identity, where the agent knows several.
    pub spiffe_id: Option<String>,
}

impl Settings {
    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        if let Some(path) = context.environment.var("SPIFFE_SVID_PATH") {
            return Self::from_file(Path::new(&path), context).await;
        }
        let socket = self
            .workload_api_socket
            .clone()
            .or_else(|| context.environment.var("SPIFFE_ENDPOINT_SOCKET"))
            .ok_or_else(|| {
                Fault::Setting(
                    "spiffe needs workload_api_socket, or one of the variables SPIFFE_SVID_PATH and SPIFFE_ENDPOINT_SOCKET"
                        .to_owned(),
                )
            })?;
        let id = self
            .spiffe_id
            .as_deref()
            .map(SpiffeId::new)
            .transpose()
            .map_err(|_| Fault::Setting("auth.spiffe_id is no SPIFFE ID".to_owned()))?;
        let audiences = context.audiences(self.audience.as_deref()).await?;
        let unreachable = |cause: Box<dyn std::error::Error + Send + Sync>| Fault::Unreachable {
            endpoint: format!("the Workload API {socket}"),
            cause,
        };
        let ask = async {
            let client = WorkloadApiClient::connect_to(&socket).await?;
            client.fetch_jwt_token(&audiences, id.as_ref()).await
        };
        let token = tokio::time::timeout(TIMEOUT, ask)
            .await
            .map_err(|cause| unreachable(cause.into()))?
            .map_err(|cause| unreachable(cause.into()))?;
        let token = SecretString::from(token);
        peek::check(token.expose_secret(), "the Workload API", false, context.now)?;
        Ok(Presented::SpiffeJwt { token })
    }

    async fn from_file(path: &Path, context: &Context<'_>) -> Result<Presented, Fault> {
        const WHAT: &str = "the SVID of SPIFFE_SVID_PATH";
        let octets = token_file::octets(path, WHAT, token_file::MAX_FILE_LEN)?;
        if !pki::pem::is_pem(&octets) {
            let token = token_file::token(path, WHAT)?;
            peek::check(token.expose_secret(), WHAT, false, context.now)?;
            return Ok(Presented::SpiffeJwt { token });
        }
        let signer = Signer::parse(&octets, path, None)?;
        let chain = chain(&octets, &path.display().to_string())?;
        signer.must_belong_to(&chain)?;
        let challenge_jws = signer.challenge("spiffe", &chain, context).await?;
        Ok(Presented::SpiffeX509 { challenge_jws })
    }
}

#[cfg(test)]
mod tests;

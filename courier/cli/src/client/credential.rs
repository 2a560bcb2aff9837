//! What is presented, as the wire has it.

use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::auth::presented::{AwsProof, Presented, SignedRequest};

/// What is presented, as the wire has it: the members of each method, and no others.
#[derive(Default, Serialize)]
pub(super) struct Credential<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_jws: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    svid_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_request: Option<Signed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_identity: Option<Instance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
}

#[derive(Serialize)]
struct Signed<'a> {
    method: &'a str,
    url: &'a str,
    headers: Vec<[&'a str; 2]>,
    body: &'a str,
}

#[derive(Serialize)]
struct Instance<'a> {
    document: &'a str,
    pkcs7: &'a str,
}

impl<'a> Credential<'a> {
    /// The members of what is presented.
    pub(super) fn of(presented: &'a Presented) -> Self {
        let mut credential = Self::default();
        match presented {
            Presented::ClientSecret {
                client_id,
                client_secret,
            } => {
                credential.client_id = Some(client_id);
                credential.client_secret = Some(client_secret.expose_secret());
            }
            Presented::Certificate { challenge_jws } => {
                credential.challenge_jws = Some(challenge_jws.expose_secret());
            }
            Presented::SpiffeJwt { token } => {
                credential.svid_type = Some("jwt");
                credential.token = Some(token.expose_secret());
            }
            Presented::SpiffeX509 { challenge_jws } => {
                credential.svid_type = Some("x509");
                credential.challenge_jws = Some(challenge_jws.expose_secret());
            }
            Presented::AzureArc {
                access_token,
                resource,
            } => {
                credential.access_token = Some(access_token.expose_secret());
                credential.resource = Some(resource);
            }
            Presented::AzureJwt {
                token,
                tenant_id,
                client_id,
            } => {
                credential.token = Some(token.expose_secret());
                credential.tenant_id = Some(tenant_id);
                credential.client_id = Some(client_id);
            }
            Presented::AwsOidc {
                proof,
                role_arn,
                region,
            } => {
                credential.role_arn = Some(role_arn);
                credential.region = Some(region);
                credential.prove_aws(proof);
            }
            Presented::OidcJwt { token } => credential.token = Some(token.expose_secret()),
        }
        credential
    }

    /// Whether it is good for one request alone.
    pub(super) fn is_signed_challenge(&self) -> bool {
        self.challenge_jws.is_some()
    }

    fn prove_aws(&mut self, proof: &'a AwsProof) {
        match proof {
            AwsProof::Token(token) => self.token = Some(token.expose_secret()),
            AwsProof::SignedRequest(request) => self.signed_request = Some(Signed::of(request)),
            AwsProof::InstanceIdentity { document, pkcs7 } => {
                self.instance_identity = Some(Instance { document, pkcs7 });
            }
        }
    }
}

impl<'a> Signed<'a> {
    fn of(request: &'a SignedRequest) -> Self {
        Self {
            method: &request.method,
            url: &request.url,
            headers: request
                .headers
                .iter()
                .map(|(name, value)| [name.as_str(), value.expose_secret()])
                .collect(),
            body: &request.body,
        }
    }
}

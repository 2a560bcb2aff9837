//! What is presented, as the wire has it: the members of each method, and no others.

use courier_wire::{Credential, Secret, SignedRequest};
use secrecy::{ExposeSecret as _, SecretString};

use crate::auth::presented::{self, AwsProof, Presented};

/// The members of what is presented.
pub(super) fn credential(presented: Presented) -> Credential {
    match presented {
        Presented::ClientSecret {
            client_id,
            client_secret,
        } => Credential {
            client_id: Some(client_id),
            client_secret: Some(secret(&client_secret)),
            ..Credential::default()
        },
        Presented::Certificate { challenge_jws } => Credential {
            challenge_jws: Some(secret(&challenge_jws)),
            ..Credential::default()
        },
        Presented::SpiffeJwt { token } => Credential {
            svid_type: Some("jwt".to_owned()),
            token: Some(secret(&token)),
            ..Credential::default()
        },
        Presented::SpiffeX509 { challenge_jws } => Credential {
            svid_type: Some("x509".to_owned()),
            challenge_jws: Some(secret(&challenge_jws)),
            ..Credential::default()
        },
        Presented::AzureArc {
            access_token,
            resource,
        } => Credential {
            access_token: Some(secret(&access_token)),
            resource: Some(resource),
            ..Credential::default()
        },
        Presented::AzureJwt {
            token,
            tenant_id,
            client_id,
        } => Credential {
            token: Some(secret(&token)),
            tenant_id: Some(tenant_id),
            client_id: Some(client_id),
            ..Credential::default()
        },
        Presented::AwsOidc {
            proof,
            role_arn,
            region,
        } => Credential {
            role_arn: Some(role_arn),
            region: Some(region),
            ..aws(proof)
        },
        Presented::TlsCertificate => Credential::default(),
        Presented::OidcJwt { token } => Credential {
            token: Some(secret(&token)),
            ..Credential::default()
        },
    }
}

fn aws(proof: AwsProof) -> Credential {
    match proof {
        AwsProof::Token(token) => Credential {
            token: Some(secret(&token)),
            ..Credential::default()
        },
        AwsProof::SignedRequest(request) => Credential {
            signed_request: Some(signed(request)),
            ..Credential::default()
        },
    }
}

fn signed(request: presented::SignedRequest) -> SignedRequest {
    let headers = request.headers.into_iter();
    SignedRequest {
        method: request.method,
        url: request.url,
        headers: headers.map(|(name, value)| (name, secret(&value))).collect(),
        body: request.body,
    }
}

fn secret(text: &SecretString) -> Secret {
    Secret::from(text.expose_secret().to_owned())
}

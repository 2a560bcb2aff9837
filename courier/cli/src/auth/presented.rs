//! What is presented to the appliance, before it is put on the wire.

use secrecy::SecretString;

/// What one method presents. Tokens and secrets are redacted and wiped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Presented {
    /// A client's name and secret.
    ClientSecret {
        /// `cour_…`.
        client_id: String,
        /// The secret.
        client_secret: SecretString,
    },
    /// A signed challenge.
    Certificate {
        /// The JWS, with `x5c`.
        challenge_jws: SecretString,
    },
    /// Nothing but the certificate of the connection.
    TlsCertificate,
    /// A JWT-SVID.
    SpiffeJwt {
        /// The token.
        token: SecretString,
    },
    /// A challenge signed with the key of an X.509-SVID.
    SpiffeX509 {
        /// The JWS, with `x5c`.
        challenge_jws: SecretString,
    },
    /// An access token of a machine in Azure Arc.
    AzureArc {
        /// The token.
        access_token: SecretString,
        /// What it is for.
        resource: String,
    },
    /// A token of an Azure workload.
    AzureJwt {
        /// The token.
        token: SecretString,
        /// The tenant.
        tenant_id: String,
        /// The managed identity or application.
        client_id: String,
    },
    /// What proves an AWS workload.
    AwsOidc {
        /// The proof.
        proof: AwsProof,
        /// The role, as the settings tell it.
        role_arn: String,
        /// The region.
        region: String,
    },
    /// A token of some issuer.
    OidcJwt {
        /// The token.
        token: SecretString,
    },
}

/// What proves an AWS workload.
#[derive(Debug)]
#[non_exhaustive]
pub enum AwsProof {
    /// A JSON web token, of a cluster or of STS.
    Token(SecretString),
    /// A request to STS that is signed and not sent.
    SignedRequest(SignedRequest),
}

/// A request that is signed and not sent; whoever receives it may send it, to that URL alone.
#[derive(Debug)]
pub struct SignedRequest {
    /// The method of HTTP.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers, `authorization` among them.
    pub headers: Vec<(String, SecretString)>,
    /// The body.
    pub body: String,
}

//! Whether what a courier shows is right: held against each of its credentials of that method. Whatever is wrong is one answer.
//!
//! A secret is hashed and a signature is verified also for a courier that does not exist, so that the time taken tells nothing.

mod aws;
mod certificate;
mod secret;
mod stand_in;
mod token;

use uuid::Uuid;
use zeroize::Zeroizing;

use self::certificate::ShownCertificate;
use super::binding::Binding;
use super::credential::Credential;
use super::method::Method;
use super::session::Denial;
use crate::authority::Authority;
pub(super) use aws::principal;
pub use aws::{RequestSend, Sending, SignedRequest};
pub(super) use certificate::is_for_clients;

/// Why a courier is not let in that has nothing to hold what it shows against.
const NO_CREDENTIAL: &str = "the courier has no credential of this method";

/// What a courier shows.
pub enum Shown {
    /// A client secret.
    Secret {
        /// `cour_…`.
        client_id: String,
        /// The secret.
        secret: Zeroizing<String>,
    },
    /// A challenge of ours, signed with the key of a certificate.
    Certificate(Zeroizing<String>),
    /// The same with a certificate of SPIFFE.
    SpiffeCertificate(Zeroizing<String>),
    /// The certificate with which the connection to us was opened, and those above it, DER: the leaf first.
    TlsCertificate(Vec<Vec<u8>>),
    /// A JWT of SPIFFE.
    SpiffeToken(Zeroizing<String>),
    /// A request to AWS that is signed and not sent.
    SignedRequest(SignedRequest),
    /// The token of an OpenID provider.
    Token {
        /// Under which method.
        method: Method,
        /// The token.
        token: Zeroizing<String>,
        /// What the courier says besides, where the method has it: the tenant, the resource, the role.
        tenant_id: Option<String>,
        /// The resource of Azure Arc.
        resource: Option<String>,
        /// The role of AWS.
        role_arn: Option<String>,
    },
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown")
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}

impl Shown {
    /// Under which method.
    pub fn method(&self) -> Method {
        match self {
            Self::Secret { .. } => Method::ClientSecret,
            Self::Certificate(_) | Self::TlsCertificate(_) => Method::Certificate,
            Self::SpiffeCertificate(_) | Self::SpiffeToken(_) => Method::Spiffe,
            Self::SignedRequest(_) => Method::AwsOidc,
            Self::Token { method, .. } => *method,
        }
    }
}

/// By which credential a courier showed who it is.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) credential: Uuid,
    /// Whom the credential named, for the audit log.
    pub(crate) subject: String,
    /// Whether what was shown names the key of the session, so that nobody between can have put another one there.
    pub(crate) names_key: bool,
}

/// Whom a credential named.
struct Whom {
    subject: String,
    /// Whether it named the key of the session, too.
    names_key: bool,
}

impl Authority {
    /// Holds what is shown against the credentials of a courier; of one that does not exist nothing is right, and it takes as long.
    pub(crate) async fn prove(
        &self,
        courier: Uuid,
        shown: &Shown,
        proof_key: Option<&[u8; 32]>,
    ) -> Result<Proved, Denial> {
        let now = self.inner().clock.now();
        let rows = self.credential_rows(courier).await?;
        let rows = rows.into_iter().filter(|row| {
            row.method == shown.method().name() && row.expires_at.is_none_or(|end| end > now.as_millisecond())
        });
        if let Shown::Secret { client_id, secret } = shown {
            return self.prove_secret(rows.collect(), client_id, secret).await;
        }
        let credentials: Vec<Credential> = rows
            .map(Credential::from_row)
            .collect::<crate::error::Result<_>>()?;
        match shown {
            Shown::Certificate(jws) => {
                let shown = self
                    .read_challenge(jws, courier, Method::Certificate, proof_key)
                    .await?;
                self.prove_certificate(&credentials, &shown).await
            }
            Shown::TlsCertificate(chain) => {
                let shown = ShownCertificate::of_connection(chain, proof_key)?;
                self.prove_certificate(&credentials, &shown).await
            }
            Shown::SpiffeCertificate(jws) => {
                let shown = self
                    .read_challenge(jws, courier, Method::Spiffe, proof_key)
                    .await?;
                self.prove_spiffe_certificate(&credentials, &shown).await
            }
            Shown::SpiffeToken(token) => self.prove_spiffe_token(&credentials, token, proof_key).await,
            Shown::SignedRequest(request) => self.prove_caller(&credentials, request, proof_key).await,
            Shown::Token { .. } => self.prove_token(&credentials, shown, proof_key).await,
            Shown::Secret { .. } => Err(Denial::Unknown("a secret is held against its hash")),
        }
    }
}

/// The one credential of several that is right, or the reason why the last of them is not.
async fn first_right<'a, F>(
    credentials: &'a [Credential],
    mut judge: impl FnMut(&'a Credential, &'a Binding) -> F,
) -> Result<Proved, Denial>
where
    F: Future<Output = Result<Whom, Denial>>,
{
    let mut denial = Denial::Unknown(NO_CREDENTIAL);
    for credential in credentials {
        match judge(credential, &credential.binding).await {
            Ok(whom) => {
                return Ok(Proved {
                    credential: credential.id,
                    subject: whom.subject,
                    names_key: whom.names_key,
                });
            }
            // An issuer that is away keeps nobody from a credential of another one.
            Err(away @ Denial::Known(_)) => denial = away,
            Err(unknown) if matches!(denial, Denial::Unknown(_)) => denial = unknown,
            Err(_) => {}
        }
    }
    Err(denial)
}

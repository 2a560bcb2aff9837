//! A CA certificate for a key that is not here: a subordinate CA by its request, another authority's root by its certificate.

use std::sync::Arc;
use std::time::Duration;

use pki::profile::Order;
use pki::{Certificate, DistinguishedName, PublicKey};

use crate::authority::Authority;
use crate::certify::Certification;
use crate::clock;
use crate::companion::Companion;
use crate::error::{Error, Refusal, Result};
use crate::issue::Issued;
use crate::permit;
use crate::principal::Principal;

/// What proves that somebody holds the key.
#[derive(Clone, Debug)]
pub enum Possession {
    /// A request, PEM or DER.
    Csr(Vec<u8>),
    /// A self-signed certificate, PEM or DER.
    SelfSigned(Vec<u8>),
}

/// A CA certificate to be made.
#[derive(Clone, Debug)]
pub struct CertifyForeign {
    /// Who signs it, by identifier or name.
    pub issuer: String,
    /// Whose key it certifies.
    pub possession: Possession,
    /// The subject, RFC 4514, which must be that of the proof.
    pub subject: String,
    /// The profile, one of authorities.
    pub profile: String,
    /// How long it lives; the profile's default when absent.
    pub validity: Option<Duration>,
}

impl Authority {
    /// Certifies the key of an authority elsewhere.
    pub async fn certify_foreign(&self, principal: &Principal, request: CertifyForeign) -> Result<Issued> {
        let permit = permit::to_manage_issuers(principal)?;
        let profile = self.authority_profile(&request.profile)?;
        let issuer = self.inner().registry.resolve(&request.issuer)?;
        let (subject, public_key) = self.proven(&request.possession)?;
        check_subject(&subject, &request.subject)?;
        let certification = Certification {
            view: self.view_of_active(&issuer)?,
            issuer,
            profile: Arc::clone(&profile),
            order: Order {
                subject,
                names: Vec::new(),
                public_key,
                validity: request.validity,
                ms_sid: None,
            },
            order_id: clock::new_id(),
            requester: principal.name.clone(),
            replaces: None,
            action: "issuer.certify",
            companion: Companion::None,
        };
        self.carry_out(self.prepare(&permit.to_issue(), certification)?)
            .await
    }

    /// The subject and the key of a proof that holds.
    fn proven(&self, possession: &Possession) -> Result<(DistinguishedName, PublicKey)> {
        match possession {
            Possession::Csr(csr) => {
                let csr = self.verified_csr(csr)?;
                Ok((csr.subject().clone(), csr.public_key().clone()))
            }
            Possession::SelfSigned(certificate) => {
                let refused = |code, message: String| Error::from(Refusal::of_requester(code, message));
                let certificate = Certificate::parse(certificate)
                    .map_err(|fault| refused("certificate_malformed", fault.to_string()))?;
                if !certificate.is_self_signed() || !certificate.may_sign_certificates() {
                    let message = format!(
                        "{} is no self-signed CA: its certificate proves nothing of its key, ask for a request",
                        certificate.subject()
                    );
                    return Err(refused("possession_not_proven", message));
                }
                Ok((certificate.subject().clone(), certificate.public_key().clone()))
            }
        }
    }
}

/// Names come from the order: what the proof says must be just that.
fn check_subject(proven: &DistinguishedName, ordered: &str) -> Result<()> {
    let ordered = crate::generation::subject_of(ordered)?;
    if *proven == ordered || proven.to_string() == ordered.to_string() {
        return Ok(());
    }
    let message = format!("the subject is {proven}, and {ordered} was ordered");
    Err(Refusal::of_requester("subject_not_ordered", message).into())
}

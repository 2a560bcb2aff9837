//! A CA under a foreign authority: its request is made here, its certificate comes back signed.

use std::sync::Arc;

use pki::{Certificate, KeyAlgorithm, PublicKey, SignatureAlgorithm, chain};
use serde_json::json;
use signer_wire::Priority;

use crate::audit;
use crate::authority::Authority;
use crate::companion::Activation;
use crate::crl_plan::CrlPlan;
use crate::error::{Error, Refusal, Result};
use crate::generation::{Activated, CsrWanted, Draft, algorithm_for, subject_of};
use crate::issuer::{Issuer, IssuerEntry, IssuerOrigin, IssuerState};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;

/// A subordinate CA to be prepared.
#[derive(Clone, Debug)]
pub struct Subordinate {
    /// Its name: lower-case letters, digits and hyphens, 1 to 64 of them.
    pub name: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// The kind of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds the key; `software` for the software backend.
    pub token: String,
    /// How its CRLs are cut.
    pub crl: CrlPlan,
}

/// The signed certificate of a pending CA.
#[derive(Clone, Debug)]
pub struct ImportChain {
    /// The pending issuer, by identifier or name.
    pub issuer: String,
    /// Its certificate and those above it, in any order: PEM, PKCS#7 or one certificate in DER.
    pub certificates: Vec<u8>,
}

impl Authority {
    /// Makes the key and the request; the issuer is pending, and its `csr` goes to the foreign authority.
    pub async fn subordinate_csr(
        &self,
        principal: &Principal,
        request: Subordinate,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let draft = Draft {
            subject: subject_of(&request.subject)?,
            signature_algorithm: algorithm_for(request.key_algorithm, request.signature_algorithm)?,
            key_algorithm: request.key_algorithm,
            name: request.name,
            token: request.token,
            origin: IssuerOrigin::Subordinate,
            parent: None,
            profile: None,
            crl: request.crl,
            offline: None,
        };
        let make = |authority: Self| async move {
            let _one_at_a_time = authority.inner().issuer_changes.lock().await;
            authority.check_name_is_free(&draft.name)?;
            Ok(authority
                .begin_issuer(&permit, draft, Some(CsrWanted))
                .await?
                .entry())
        };
        self.to_the_end(make).await
    }

    /// Takes the signed certificate of a pending issuer and makes it active.
    pub async fn import_certificate(
        &self,
        principal: &Principal,
        request: ImportChain,
    ) -> Result<Arc<IssuerEntry>> {
        let permit = permit::to_manage_issuers(principal)?;
        let bundle = bundle_of(&request.certificates)?;
        let import = |authority: Self| async move {
            let _one_at_a_time = authority.inner().issuer_changes.lock().await;
            let issuer = authority.pending(&request.issuer)?;
            let chain = authority.checked_chain(&issuer.entry().public_key, bundle)?;
            if let [own] = chain.as_slice()
                && !own.is_self_signed()
            {
                // Without it nobody could say who signed this, and every chain handed out would break off.
                let message = format!("the certificate of its issuer, {}, is missing", own.issuer());
                return Err(Refusal::of_requester("chain_invalid", message).into());
            }
            let activated = authority.record_import(&permit, &issuer.entry(), chain).await?;
            let entry = authority.finish_issuer(issuer, Ok(activated)).await?;
            // The CA above may have revoked it before it came here.
            authority.take_up_lists_above().await?;
            Ok(entry)
        };
        self.to_the_end(import).await
    }

    /// The request of a CA for a foreign authority, signed by the CA's own key in its token (RFC 2986).
    pub(crate) async fn request_for(&self, draft: &Draft, public_key: &PublicKey) -> Result<Vec<u8>> {
        let info = pki::csr::request_info(&draft.subject, public_key, true, &[]);
        let inner = self.inner();
        let (algorithm, deadline) = (draft.signature_algorithm, inner.settings.sign_deadline);
        let key = public_key.fingerprint();
        let signature = inner
            .signer
            .sign(key, algorithm, &info, Priority::Issuance, deadline)
            .await?;
        let csr = pki::csr::assemble(&info, algorithm, &signature);
        // The same check that a foreign authority makes.
        self.verified_csr(&csr).map_err(Error::internal)?;
        Ok(csr)
    }

    /// The pending generation of a name, or the pending issuer itself.
    fn pending(&self, id_or_name: &str) -> Result<Arc<Issuer>> {
        let is_named = |issuer: &Arc<Issuer>| {
            let entry = issuer.entry();
            entry.state == IssuerState::Pending
                && (entry.name == id_or_name || entry.id.to_string() == id_or_name)
        };
        let found = self.inner().registry.all().into_iter().find(is_named);
        found.ok_or_else(|| match self.inner().registry.resolve(id_or_name) {
            Ok(issuer) => {
                let entry = issuer.entry();
                Error::conflict(
                    "issuer_not_pending",
                    format!("the issuer {} is {}", entry.name, entry.state),
                )
            }
            Err(error) => error,
        })
    }

    /// The chain of a CA with this key out of a bundle, leaf first: in order, signed link by link, valid now, every
    /// certificate of it allowed to sign certificates, and no path length exceeded.
    pub(crate) fn checked_chain(
        &self,
        key: &PublicKey,
        bundle: Vec<Certificate>,
    ) -> Result<Vec<Certificate>> {
        let refused = |code, message: String| Error::from(Refusal::of_requester(code, message));
        let own = bundle
            .iter()
            .find(|one| one.public_key() == key)
            .cloned()
            .ok_or_else(|| {
                refused(
                    "key_mismatch",
                    "no certificate among these belongs to the key of the CA".to_owned(),
                )
            })?;
        if !own.may_sign_certificates() {
            let message = format!("{} is not a CA whose key may sign certificates", own.subject());
            return Err(refused("not_a_ca", message));
        }
        let now = self.inner().clock.now();
        if !own.is_valid_at(now) {
            let message = format!(
                "the certificate is valid from {} to {}",
                own.not_before(),
                own.not_after()
            );
            return Err(refused("certificate_not_valid", message));
        }
        let chain = chain::order(own, bundle).map_err(|fault| refused("chain_invalid", fault.to_string()))?;
        chain::verify(&chain, now).map_err(|fault| refused("chain_invalid", fault.to_string()))?;
        check_path_lengths(&chain)?;
        Ok(chain)
    }

    /// Records the chain of a pending issuer; the generation before it retires.
    pub(crate) async fn record_import(
        &self,
        permit: &Permit<action::ManageIssuers>,
        issuer: &IssuerEntry,
        chain: Vec<Certificate>,
    ) -> Result<Activated> {
        let mut chain = chain.into_iter();
        let certificate = chain.next().ok_or_else(|| Error::internal("an empty chain"))?;
        let retires = self
            .issuers()
            .into_iter()
            .find(|other| other.name == issuer.name && other.state == IssuerState::Active);
        let activation = Activation {
            issuer_id: issuer.id,
            chain: chain.map(|one| one.der().to_vec()).collect(),
            links: Vec::new(),
            retires: retires.map(|old| old.id),
        };
        let subject = certificate.subject().to_string();
        let details = json!({
            "name": issuer.name, "generation": issuer.generation, "subject": subject,
            "issuer": certificate.issuer().to_string(), "serial": certificate.serial().to_string(),
            "not_after": certificate.not_after().to_string(),
        });
        let at = self.inner().clock.now();
        let entry = audit::entry(
            at,
            permit.actor(),
            "issuer.import",
            issuer.id,
            audit::OK,
            &details,
        );
        let (recorded, own) = (activation.clone(), certificate.clone());
        self.change(entry, move |tx| recorded.record(tx, &subject, &own))
            .await?;
        Ok(Activated {
            certificate,
            activation,
        })
    }
}

/// Certificates in PEM, in a PKCS#7 bundle, or one in DER.
pub(crate) fn bundle_of(input: &[u8]) -> Result<Vec<Certificate>> {
    let as_certificates = Certificate::parse_all(input);
    as_certificates
        .or_else(|fault| pki::cms::parse(input).map_err(|_| fault))
        .map_err(|fault| Refusal::of_requester("certificate_malformed", fault.to_string()).into())
}

/// A CA issues leaves, so an authority above it must leave room for the CA itself (RFC 5280 §4.2.1.9).
fn check_path_lengths(chain: &[Certificate]) -> Result<()> {
    for (depth, upper) in chain.iter().enumerate().skip(1) {
        let authorities = chain
            .iter()
            .take(depth)
            .filter(|one| one.issuer() != one.subject())
            .count();
        if upper
            .path_len()
            .is_some_and(|most| authorities > usize::from(most))
        {
            let message = format!("{} allows fewer authorities below it", upper.subject());
            return Err(Refusal::of_requester("path_length_exceeded", message).into());
        }
    }
    Ok(())
}

//! A challenge of ours signed with the key of a certificate, whatever hops lie between: the certificate is in the signature's header
//! (`x5c`, RFC 7515 §4.1.6), and what is signed names the challenge, the courier, us, and the key of its session.

use jose::jwk::KeyUse;
use jose::{Jws, Thumbprint, VerifyKey};
use pki::chain;
use pki::{Certificate, SubjectAltName};
use serde::Deserialize;
use uuid::Uuid;

use super::{NO_CREDENTIAL, Proved, Whom, first_right};
use crate::audit::hexadecimal;
use crate::authority::Authority;
use crate::courier::binding::{Binding, CertificateBinding, KeySource, SpiffeBinding};
use crate::courier::credential::Credential;
use crate::courier::method::Method;
use crate::courier::prove::token::SKEW;
use crate::courier::session::Denial;
use crate::error::Error;
use crate::status_index::State;

/// Most certificates in a header.
const MOST_CERTIFICATES: usize = 8;
/// TLS client authentication, RFC 5280 §4.2.1.12.
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

/// What is signed.
#[derive(Deserialize)]
struct Signed {
    nonce: String,
    uuid: String,
    aud: String,
    iat: i64,
    method: String,
    /// The key of the session, when there is one (RFC 7800 §3).
    #[serde(default)]
    cnf: Option<Confirmation>,
}

#[derive(Deserialize)]
struct Confirmation {
    /// Its thumbprint (RFC 7638, RFC 9449 §6.1).
    jkt: String,
}

/// Whether a certificate is for clients, or says nothing of what it is for.
pub(in crate::courier) fn is_for_clients(leaf: &Certificate) -> bool {
    let purposes = leaf.extended_key_usage();
    purposes.is_empty() || purposes.iter().any(|purpose| purpose.to_string() == CLIENT_AUTH)
}

/// The certificates of a challenge whose signature is right, the leaf first.
#[derive(Debug)]
pub(super) struct ShownCertificate {
    leaf: Certificate,
    above: Vec<Certificate>,
    /// Whether the key of a session was signed with it.
    names_key: bool,
}

impl ShownCertificate {
    /// Of a connection that nobody else ends: its handshake was signed with the key. What the courier says on it, the key of the session
    /// among that, it says itself.
    pub(super) fn of_connection(chain: &[Vec<u8>], proof_key: Option<&[u8; 32]>) -> Result<Self, Denial> {
        let parsed = chain.iter().take(MOST_CERTIFICATES);
        let parsed = parsed.map(|der| Certificate::from_der(der));
        let mut parsed = parsed
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Denial::Unknown("a certificate of the connection cannot be read"))?
            .into_iter();
        Ok(Self {
            leaf: parsed
                .next()
                .ok_or(Denial::Unknown("the connection shows no certificate"))?,
            above: parsed.collect(),
            names_key: proof_key.is_some(),
        })
    }
}

impl Authority {
    /// Reads a signed challenge: the signature is right, and it was made for us, now, by this courier.
    pub(super) async fn read_challenge(
        &self,
        jws: &str,
        courier: Uuid,
        method: Method,
        proof_key: Option<&[u8; 32]>,
    ) -> Result<ShownCertificate, Denial> {
        let unknown = Denial::Unknown;
        let jws = Jws::parse(jws).map_err(|_| unknown("the signed challenge cannot be read"))?;
        let certificates = &jws.header().x5c;
        if certificates.is_empty() || certificates.len() > MOST_CERTIFICATES {
            return Err(unknown("the signed challenge has no certificate, or too many"));
        }
        let parsed = certificates.iter().map(|der| Certificate::from_der(der));
        let mut parsed = parsed
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| unknown("a certificate cannot be read"))?
            .into_iter();
        let leaf = parsed
            .next()
            .ok_or(unknown("the signed challenge has no certificate"))?;
        let key = VerifyKey::from_spki_der(leaf.public_key().spki_der())
            .map_err(|_| unknown("the key of the certificate signs no challenge"))?;
        let verified = key
            .verify(&jws)
            .map_err(|_| unknown("the signature of the challenge is wrong"))?;
        let signed: Signed = serde_json::from_slice(verified.payload())
            .map_err(|_| unknown("what was signed cannot be read"))?;
        let now = self.inner().clock.now().as_second();
        let is_ours = signed.aud == self.inner().settings.couriers.identity
            && signed.method == method.name()
            && signed.uuid == courier.to_string()
            && signed.iat.abs_diff(now) <= SKEW.unsigned_abs() * 2;
        if !is_ours {
            return Err(unknown("what was signed is not for this courier and us"));
        }
        let thumbprint = proof_key.map(|key| Thumbprint(*key).to_string());
        if signed.cnf.map(|confirmation| confirmation.jkt) != thumbprint {
            return Err(unknown("the key of the session is not the one that was signed"));
        }
        if !self.use_challenge(&signed.nonce).await? {
            return Err(unknown("the challenge is not ours, too old, or used before"));
        }
        Ok(ShownCertificate {
            leaf,
            above: parsed.collect(),
            names_key: thumbprint.is_some(),
        })
    }

    pub(super) async fn prove_certificate(
        &self,
        credentials: &[Credential],
        shown: &ShownCertificate,
    ) -> Result<Proved, Denial> {
        let mut denial = Denial::Unknown(NO_CREDENTIAL);
        if credentials.is_empty() {
            self.prove_certificate_in_vain(shown).await?;
        }
        for credential in credentials {
            let Binding::Certificate(wanted) = &credential.binding else {
                continue;
            };
            let mut judged = self.judge_certificate(wanted, shown);
            if judged.is_err() && wanted.renewals {
                judged = self.judge_renewal(credential.courier, shown).await?;
            }
            match judged {
                Ok(()) => {
                    return Ok(Proved {
                        credential: credential.id,
                        subject: shown.leaf.subject().to_string(),
                        names_key: shown.names_key,
                    });
                }
                Err(reason) => denial = Denial::Unknown(reason),
            }
        }
        Err(denial)
    }

    /// What every certificate has to be, whoever let it in.
    fn judge_leaf(&self, leaf: &Certificate) -> Result<(), &'static str> {
        if !leaf.is_valid_at(self.inner().clock.now()) {
            return Err("the certificate is not valid now");
        }
        if self.is_revoked_here(leaf) {
            return Err("the certificate is revoked");
        }
        if !is_for_clients(leaf) {
            return Err("the certificate is not for clients");
        }
        Ok(())
    }

    /// Whether the certificate came of an order of this courier and is still good, as after enrolment over EST (RFC 7030 §4.2.2). The
    /// record of the order decides, and no chain: what was issued to others, or to the same name by other means, is not in it.
    pub(super) async fn judge_renewal(
        &self,
        courier: Uuid,
        shown: &ShownCertificate,
    ) -> Result<Result<(), &'static str>, Denial> {
        let leaf = &shown.leaf;
        if let Err(reason) = self.judge_leaf(leaf) {
            return Ok(Err(reason));
        }
        let (fingerprint, key) = (leaf.fingerprint_sha256(), leaf.public_key().fingerprint().0);
        let read = self.inner().store.read(move |reader| {
            let order = store::courier_orders::with_fingerprint(reader, courier, &fingerprint)?;
            let Some(id) = order.and_then(|order| order.certificate_id) else {
                return Ok(None);
            };
            let is_compromised = store::courier_orders::is_key_compromised(reader, courier, &key)?;
            Ok(store::certificates::find(reader, id)?.map(|row| (row, is_compromised)))
        });
        let Some((row, is_compromised)) = read.await.map_err(Error::from)? else {
            return Ok(Err("the certificate did not come of an order of this courier"));
        };
        if row.revoked_at.is_some() {
            return Ok(Err("the certificate is revoked"));
        }
        if is_compromised {
            return Ok(Err("the key of the certificate is compromised"));
        }
        let issuers = self.issuers();
        let issuer = issuers.iter().find(|issuer| issuer.id == row.issuer_id);
        Ok(match issuer {
            Some(issuer) if self.revocation_of(issuer).is_none() => Ok(()),
            Some(_) => Err("the CA that issued the certificate is revoked"),
            None => Err("the CA that issued the certificate is gone"),
        })
    }

    pub(super) fn judge_certificate(
        &self,
        wanted: &CertificateBinding,
        shown: &ShownCertificate,
    ) -> Result<(), &'static str> {
        self.judge_leaf(&shown.leaf)?;
        let print = hexadecimal(&shown.leaf.public_key().fingerprint().0);
        let is_pinned = wanted
            .spki_sha256
            .iter()
            .any(|pin| pin.eq_ignore_ascii_case(&print));
        if !is_pinned {
            self.check_chain(wanted, shown)?;
        }
        let subject = wanted.subject.as_ref();
        if subject.is_some_and(|subject| *subject != shown.leaf.subject().to_string()) {
            return Err("the subject of the certificate is another one");
        }
        let names = shown.leaf.subject_alt_names().unwrap_or_default();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        if wanted.names.iter().any(|name| !names.contains(name)) {
            return Err("a name that is pinned is not in the certificate");
        }
        Ok(())
    }

    /// Whether one of the CAs that are named issued it, directly or through what was shown with it.
    fn check_chain(&self, wanted: &CertificateBinding, shown: &ShownCertificate) -> Result<(), &'static str> {
        let mut anchors = Vec::new();
        if let Some(pem) = &wanted.ca_pem {
            anchors.extend(Certificate::parse_all(pem.as_bytes()).unwrap_or_default());
        }
        if let Some(name) = &wanted.issuer {
            let all = self.trusted_issuers();
            let named = all.iter().filter(|issuer| issuer.name == *name);
            anchors.extend(named.filter_map(|issuer| issuer.certificate.clone()));
        }
        self.check_chain_to(&anchors, shown)
    }

    fn check_chain_to(&self, anchors: &[Certificate], shown: &ShownCertificate) -> Result<(), &'static str> {
        let now = self.inner().clock.now();
        for anchor in anchors {
            let mut bundle: Vec<Certificate> = shown.above.clone();
            bundle.retain(|one| one.der() != anchor.der());
            bundle.push(anchor.clone());
            let ends_there = |chain: &Vec<Certificate>| {
                chain.len() > 1 && chain.last().is_some_and(|top| top.der() == anchor.der())
            };
            // What was shown beyond the anchor belongs to no chain that ends there.
            let trimmed = bundle
                .iter()
                .filter(|one| one.subject() != anchor.issuer() || one.der() == anchor.der());
            let ordered = chain::order(shown.leaf.clone(), trimmed.cloned().collect());
            if let Ok(ordered) = ordered
                && ends_there(&ordered)
                && chain::verify(&ordered, now).is_ok()
                && !ordered.iter().any(|one| self.is_revoked_here(one))
            {
                return Ok(());
            }
        }
        Err("none of the CAs that are named issued the certificate")
    }

    /// Whether a certificate of a CA of ours is revoked.
    pub(crate) fn is_revoked_here(&self, certificate: &Certificate) -> bool {
        let issuers = self.inner().registry.all();
        // A CA of ours may be revoked by one above it that is not here.
        let is_ended = issuers.iter().map(|issuer| issuer.entry()).any(|entry| {
            let own = entry.certificate.as_ref();
            own.is_some_and(|own| own.der() == certificate.der()) && self.revocation_of(&entry).is_some()
        });
        if is_ended {
            return true;
        }
        let issued = |issuer: &crate::issuer::Issuer| {
            let entry = issuer.entry();
            entry
                .certificate
                .as_ref()
                .is_some_and(|own| own.subject() == certificate.issuer())
        };
        issuers.iter().filter(|issuer| issued(issuer)).any(|issuer| {
            matches!(
                issuer.statuses.find(&certificate.serial()),
                Some(State::Revoked { .. })
            )
        })
    }

    pub(super) async fn prove_spiffe_certificate(
        &self,
        credentials: &[Credential],
        shown: &ShownCertificate,
    ) -> Result<Proved, Denial> {
        if credentials.is_empty() {
            self.prove_certificate_in_vain(shown).await?;
        }
        first_right(credentials, |_, binding| async move {
            let Binding::Spiffe(wanted) = binding else {
                return Err(Denial::Unknown("the credential is of another method"));
            };
            self.judge_spiffe_certificate(wanted, shown).await
        })
        .await
    }

    /// X509-SVID §2 and §5: exactly one URI, no CA, and a chain to the bundle of the trust domain.
    async fn judge_spiffe_certificate(
        &self,
        wanted: &SpiffeBinding,
        shown: &ShownCertificate,
    ) -> Result<Whom, Denial> {
        let names = shown.leaf.subject_alt_names().unwrap_or_default();
        let mut ids = names.iter().filter_map(|name| match name {
            SubjectAltName::Uri(uri) => Some(uri.as_str()),
            _ => None,
        });
        let (Some(id), None) = (ids.next(), ids.next()) else {
            return Err(Denial::Unknown("the certificate has no identity, or several"));
        };
        if shown.leaf.is_ca() || !wanted.admits(id) {
            return Err(Denial::Unknown("the identity is another one"));
        }
        let keys = match &wanted.bundle {
            KeySource::Static(keys) => jose::KeySet::parse(keys.to_string().as_bytes())
                .map(std::sync::Arc::new)
                .map_err(|_| Denial::Unknown("the pinned bundle cannot be read"))?,
            KeySource::Url(address) => self.keys_of(address, None, false).await?,
            KeySource::Discovery => return Err(Denial::Unknown("the credential has no bundle")),
        };
        // SPIFFE Trust Domain and Bundle §4.2.2: an authority for certificates is said to be one, and is its own certificate.
        let authorities = keys
            .keys()
            .iter()
            .filter(|key| key.key_use == Some(KeyUse::X509Svid));
        let anchors: Vec<Certificate> = authorities
            .filter_map(|key| Certificate::from_der(key.x5c.first()?).ok())
            .collect();
        self.check_chain_to(&anchors, shown).map_err(Denial::Unknown)?;
        Ok(Whom {
            subject: id.to_owned(),
            names_key: shown.names_key,
        })
    }
}

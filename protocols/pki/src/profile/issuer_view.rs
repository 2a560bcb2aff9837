//! What building and linting need to know of the issuer; never its private key.

use jiff::Timestamp;

use crate::profile::{Order, Profile, ProfileRefusal};
use crate::{Certificate, DistinguishedName, PublicKey, SignatureAlgorithm};

/// The issuer as certificates and CRLs see it.
#[derive(Clone, Debug)]
pub struct IssuerView {
    /// Its subject, which becomes the issuer field octet for octet.
    pub subject: DistinguishedName,
    /// Its public key.
    pub public_key: PublicKey,
    /// The value of its subjectKeyIdentifier, which becomes the authorityKeyIdentifier (RFC 5280 §4.2.1.1). For an
    /// imported authority this need not be a hash of the key.
    pub key_id: Vec<u8>,
    /// The start of its validity; what it issues starts no earlier.
    pub not_before: Timestamp,
    /// The end of its validity; what it issues ends no later.
    pub not_after: Timestamp,
    /// How many authorities may stand below it; `None` means any number.
    pub path_length: Option<u8>,
    /// The algorithm it signs with.
    pub algorithm: SignatureAlgorithm,
    /// Where its services are.
    pub urls: Urls,
}

/// Addresses of an issuer's services, as certificates carry them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Urls {
    /// The issuer's own certificate, in DER.
    pub ca_issuers: Vec<String>,
    /// The OCSP responder.
    pub ocsp: Vec<String>,
    /// The CRL.
    pub crl: Vec<String>,
}

impl IssuerView {
    /// The view of an issuer that has a certificate.
    pub fn from_certificate(certificate: &Certificate, algorithm: SignatureAlgorithm, urls: Urls) -> Self {
        let public_key = certificate.public_key().clone();
        Self {
            subject: certificate.subject().clone(),
            key_id: certificate
                .subject_key_id()
                .unwrap_or_else(|| public_key.key_id().to_vec()),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            path_length: certificate.path_len(),
            public_key,
            algorithm,
            urls,
        }
    }

    /// The view of an authority that is about to sign its own certificate: the subject and key the certificate will
    /// have, no limits of its own and no addresses.
    pub fn self_signed(
        profile: &Profile,
        order: &Order,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, ProfileRefusal> {
        Ok(Self {
            subject: profile.subject.apply(&order.subject, &order.names)?,
            key_id: order.public_key.key_id().to_vec(),
            public_key: order.public_key.clone(),
            not_before: Timestamp::MIN,
            not_after: Timestamp::MAX,
            path_length: None,
            algorithm,
            urls: Urls::default(),
        })
    }

    /// Whether a certificate with this subject and key is self-signed when this issuer signs it.
    pub fn is_self(&self, subject_der: &[u8], key: &PublicKey) -> bool {
        self.subject.der() == subject_der && self.public_key.spki_der() == key.spki_der()
    }
}

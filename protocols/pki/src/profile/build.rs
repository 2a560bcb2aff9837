//! From an order to the bytes to be signed.
//!
//! The TBSCertificate is put together from octets: issuer name, subject, key and algorithm go in as they already are,
//! nothing is decoded to be encoded again (x509-cert's generic builder costs half a P-256 signature and drops what its
//! profiles do not know).

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::profile::extensions::CommonExtensions;
use crate::profile::validity::Validity;
use crate::profile::{IssuerView, Order, Profile, ProfileRefusal};
use crate::{CertificateTbs, DistinguishedName, KeyAlgorithm, Serial, Tbs, encode, time};

/// `[0] EXPLICIT INTEGER 2`: version 3, RFC 5280 §4.1.2.1.
const VERSION_3: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02];
/// `[3] EXPLICIT`, the tag of the extensions.
const EXTENSIONS: u8 = 0xa3;

/// Builds the certificate that an order asks for under a profile, ready for the lint and then the signer.
///
/// Pure: the same arguments give the same bytes. `now` is cut to whole seconds. The order is checked against the profile
/// again, so an order that came by another way than [`crate::profile::order_from_csr`] gets no more.
pub fn build(
    profile: &Profile,
    order: &Order,
    issuer: &IssuerView,
    serial: &Serial,
    now: Timestamp,
) -> Result<Tbs<CertificateTbs>, ProfileRefusal> {
    let subject = order.admitted_subject(profile)?;
    let validity = Validity::decide(profile, order.validity, issuer, now)?;
    let common = CommonExtensions::new(
        profile,
        issuer,
        order.public_key.algorithm(),
        validity.is_short_lived,
        issuer.is_self(subject.der(), &order.public_key),
    )?;
    fill(profile, order, issuer, serial, &subject, validity, &common)
}

/// A profile and an issuer, with what their certificates have in common encoded once.
#[derive(Debug)]
pub struct Template {
    profile: Arc<Profile>,
    issuer: Arc<IssuerView>,
    /// By whether the key is one of RSA, on which the key usage depends, and whether the certificate is short-lived. Each
    /// is made when it is first needed.
    common: [[OnceLock<CommonExtensions>; 2]; 2],
}

impl Template {
    /// A template of which nothing is encoded yet.
    pub fn new(profile: Arc<Profile>, issuer: Arc<IssuerView>) -> Self {
        Self {
            profile,
            issuer,
            common: Default::default(),
        }
    }

    /// The profile.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// The issuer.
    pub fn issuer(&self) -> &Arc<IssuerView> {
        &self.issuer
    }

    /// What [`build`] makes of the profile and the issuer.
    pub fn build(
        &self,
        order: &Order,
        serial: &Serial,
        now: Timestamp,
    ) -> Result<Tbs<CertificateTbs>, ProfileRefusal> {
        let (profile, issuer) = (&*self.profile, &*self.issuer);
        let subject = order.admitted_subject(profile)?;
        if issuer.is_self(subject.der(), &order.public_key) {
            return build(profile, order, issuer, serial, now);
        }
        let validity = Validity::decide(profile, order.validity, issuer, now)?;
        let key = order.public_key.algorithm();
        let [other, rsa] = &self.common;
        let [lasting, short_lived] = if matches!(key, KeyAlgorithm::Rsa(_)) {
            rsa
        } else {
            other
        };
        let place = if validity.is_short_lived {
            short_lived
        } else {
            lasting
        };
        let common = if let Some(common) = place.get() {
            common
        } else {
            let made = CommonExtensions::new(profile, issuer, key, validity.is_short_lived, false)?;
            place.get_or_init(|| made)
        };
        fill(profile, order, issuer, serial, &subject, validity, common)
    }
}

fn fill(
    profile: &Profile,
    order: &Order,
    issuer: &IssuerView,
    serial: &Serial,
    subject: &DistinguishedName,
    validity: Validity,
    common: &CommonExtensions,
) -> Result<Tbs<CertificateTbs>, ProfileRefusal> {
    let extensions = common.with_those_of(order, profile, subject)?;
    let der = encode::wrap(
        encode::SEQUENCE,
        &[
            VERSION_3,
            &encode::unsigned(serial.as_bytes()),
            issuer.algorithm.identifier_der(),
            issuer.subject.der(),
            &encode::wrap(
                encode::SEQUENCE,
                &[
                    &time::to_der(validity.not_before),
                    &time::to_der(validity.not_after),
                ],
            ),
            subject.der(),
            order.public_key.spki_der(),
            &encode::wrap(EXTENSIONS, &[&extensions]),
        ],
    );
    Ok(Tbs::new(der, issuer.algorithm))
}

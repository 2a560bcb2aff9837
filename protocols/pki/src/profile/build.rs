//! From an order to the bytes to be signed.
//!
//! The TBSCertificate is put together from octets: issuer name, subject, key and algorithm go in as they already are,
//! nothing is decoded to be encoded again (x509-cert's generic builder costs half a P-256 signature and drops what its
//! profiles do not know).

use der::Encode;
use jiff::Timestamp;

use crate::profile::extensions::extensions;
use crate::profile::validity::Validity;
use crate::profile::{IssuerView, Order, Profile, ProfileRefusal};
use crate::{CertificateTbs, Serial, Tbs, encode, time};

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
    let extensions = extensions(profile, order, issuer, &subject, validity.is_short_lived)?.to_der()?;
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

//! Object identifiers that x509-cert has no type for.

use const_oid::ObjectIdentifier;

/// `id-pe-tlsfeature`, RFC 7633.
pub(crate) const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
/// `id-ce-noRevAvail`, RFC 9608.
pub(crate) const NO_REV_AVAIL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.56");
/// `id-pkix-ocsp-nocheck`, RFC 6960 §4.2.2.2.1.
pub(crate) const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
/// `szOID_NTDS_CA_SECURITY_EXT`, MS-WCCE §2.2.2.7.7.4.
pub(crate) const MICROSOFT_SID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.25.2");
/// `szOID_NTDS_OBJECTSID`, the type of the name inside [`MICROSOFT_SID`].
pub(crate) const MICROSOFT_OBJECT_SID: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.25.2.1");
/// `id-ad-ocsp`, RFC 5280 §4.2.2.1.
pub(crate) const ACCESS_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// `id-ad-caIssuers`, RFC 5280 §4.2.2.1.
pub(crate) const ACCESS_CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
/// `SEQUENCE OF INTEGER` with the one feature status_request(5), RFC 7633 §6.
pub(crate) const STATUS_REQUEST: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];

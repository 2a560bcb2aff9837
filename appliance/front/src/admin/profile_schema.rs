//! The form of a profile for the OpenAPI document.
//!
//! `pki` has the profile and knows no OpenAPI; these are its shadow. They are never made: a test holds the document
//! against the profiles that a running server shows, and a field that is missing here fails it.
#![expect(dead_code, reason = "described, never made")]

use serde::Deserialize;
use utoipa::ToSchema;

/// One sort of certificate: what may be asked for, and what it looks like. Durations are written like `45m`, `12h`, `90d`
/// or `10y`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Profile)]
pub(crate) struct ProfileSchema {
    /// Lower-case letters, digits and hyphens, 1 to 64 of them.
    name: String,
    /// One line for people choosing a profile.
    #[schema(required = false)]
    description: String,
    /// The kinds and sizes of key a certificate may be asked for: `rsa-3072`, `ec-p256`, `ed25519`, `ml-dsa-65`, …
    #[schema(required = false)]
    key_algorithms: Vec<String>,
    /// The purposes of the extendedKeyUsage extension, from which the key usage follows: `serverAuth`, `clientAuth`,
    /// `codeSigning`, `emailProtection`, `timeStamping`, `OCSPSigning`, or an object identifier.
    #[schema(required = false)]
    extended_key_usages: Vec<String>,
    #[schema(required = false)]
    names: NamePolicySchema,
    #[schema(required = false)]
    subject: SubjectPolicySchema,
    /// How long a certificate lives when the order does not say.
    default_validity: String,
    /// The longest a certificate may live; longer wishes are cut to this.
    max_ttl: String,
    /// How far notBefore lies before issuance.
    #[schema(required = false)]
    backdate: String,
    /// A certificate living less than this is short-lived: no CRL or OCSP pointers, and noRevAvail instead (RFC 9608).
    #[schema(required = false)]
    short_lived_below: String,
    /// Whether TLS servers must staple an OCSP response (RFC 7633).
    #[schema(required = false)]
    must_staple: bool,
    /// Whether relying parties shall not ask for the certificate's own status (RFC 6960 §4.2.2.2.1).
    #[schema(required = false)]
    ocsp_no_check: bool,
    /// Whether the Microsoft security identifier extension is written when the order's trusted field has a value.
    #[schema(required = false)]
    microsoft_sid: bool,
    #[schema(required = false)]
    pointers: PointersSchema,
    /// RFC 5280 §4.2.1.4.
    #[schema(required = false)]
    certificate_policies: Vec<CertificatePolicySchema>,
    /// Present in profiles of certification authorities.
    #[schema(required = false)]
    authority: Option<AuthorityPolicySchema>,
}

/// Which subject alternative names may be asked for. No pattern of a sort allows no name of that sort.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NamePolicy)]
pub(crate) struct NamePolicySchema {
    /// Whether there must be at least one.
    #[schema(required = false)]
    required: bool,
    /// Most of them in one certificate.
    #[schema(required = false)]
    max_count: u16,
    /// Whether `*` may stand for the left-most label of a DNS name.
    #[schema(required = false)]
    wildcards: bool,
    /// Patterns of DNS names.
    #[schema(required = false)]
    dns: Vec<String>,
    /// Ranges of addresses, as `10.0.0.0/8`.
    #[schema(required = false)]
    ip: Vec<String>,
    /// Patterns of mail addresses.
    #[schema(required = false)]
    email: Vec<String>,
    /// Patterns of URIs.
    #[schema(required = false)]
    uri: Vec<String>,
    /// Patterns of user principal names.
    #[schema(required = false)]
    upn: Vec<String>,
}

/// Which attributes the subject may have, by short name (`CN`, `O`, …) or object identifier.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubjectPolicy)]
pub(crate) struct SubjectPolicySchema {
    /// What a request may contain.
    #[schema(required = false)]
    allowed: Vec<String>,
    /// What of it is taken over into the certificate.
    #[schema(required = false)]
    taken: Vec<String>,
    /// What must be there.
    #[schema(required = false)]
    required: Vec<String>,
    /// Whether a common name must be one of the names.
    #[schema(required = false)]
    common_name_in_names: bool,
}

/// Which pointers to the issuer's services a certificate carries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Pointers)]
pub(crate) struct PointersSchema {
    /// Where the issuer's certificate is, RFC 5280 §4.2.2.1.
    #[schema(required = false)]
    ca_issuers: bool,
    /// Where the OCSP responder is, RFC 5280 §4.2.2.1.
    #[schema(required = false)]
    ocsp: bool,
    /// Where the CRL is, RFC 5280 §4.2.1.13.
    #[schema(required = false)]
    crl: bool,
}

/// One certificate policy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CertificatePolicy)]
pub(crate) struct CertificatePolicySchema {
    /// Its object identifier.
    oid: String,
    /// Where its practice statement is.
    #[schema(required = false)]
    cps: Option<String>,
    /// What relying parties shall be shown.
    #[schema(required = false)]
    user_notice: Option<String>,
}

/// What makes a certificate that of an authority.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthorityPolicy)]
pub(crate) struct AuthorityPolicySchema {
    /// How many authorities may stand below; no limit when absent. RFC 5280 §4.2.1.9.
    #[schema(required = false)]
    path_length: Option<u8>,
    #[schema(required = false)]
    name_constraints: NameConstraintsSchema,
}

/// RFC 5280 §4.2.1.10. Subtrees are written as `dns:example.com`, `ip:10.0.0.0/8`, `email:example.com`, …
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NameConstraints)]
pub(crate) struct NameConstraintsSchema {
    #[schema(required = false)]
    permitted: Vec<String>,
    #[schema(required = false)]
    excluded: Vec<String>,
}

//! Plans to begin with: each can be carried out once the approvers' keys and the names are one's own.

const HEAD: &str = r#"# A plan of a key ceremony. People read it, `chancery ceremony check` reads it, `chancery ceremony run` carries it out.
# It is known by its SHA-256: after the first step it cannot be changed any more.
version = 1
title = "TITLE"
# What the addresses of certificates and CRLs begin with; where relying parties will look for them.
base_url = "http://pki.example"
# The time that stands in everything that is signed; that of the machine when left out.
# time = "2030-01-01T10:00:00Z"
# How many of the approvers below each step takes.
threshold = 1

# One section for each; `chancery ceremony keygen` makes the key and prints the section.
[[approvers]]
name = "alice"
public_key = """
-----BEGIN PUBLIC KEY-----
(her public key)
-----END PUBLIC KEY-----
"""
"#;

const ROOT: &str = r#"
# A root with a new key in a token.
[[steps]]
do = "root"
name = "offline-root"
subject = "CN=Example Root,O=Example"
# ec-p256, ec-p384, ec-p521, rsa-2048 to rsa-4096, ed25519, ml-dsa-44, ml-dsa-65, ml-dsa-87.
key_algorithm = "ec-p384"
# signature_algorithm = "ecdsa-sha384"
# The name of the token in signerd.toml; `software` for keys in files.
token = "hsm"
# s, m, h, d, w, y; the profile says it when left out.
validity = "20y"
# profile = "root"
# Where the certificate and the CRL will be, when that is not below base_url.
# ca_url = "http://pki.example/root.cer"
# crl_url = "http://pki.example/root.crl"

# Its first CRL, good until the next ceremony.
[[steps]]
do = "crl"
issuer = "offline-root"
validity = "1y"
"#;

const INTERMEDIATE: &str = r#"
# Certify an appliance of the network by its request: chancery ca subordinate …; chancery ca csr issuing > issuing.csr
[[steps]]
do = "intermediate"
name = "issuing"
issuer = "offline-root"
# Must be the subject of the request.
subject = "CN=Example Issuing CA,O=Example"
# The file, beside this plan. Left out, a key is made here: give key_algorithm and token in its place.
csr = "issuing.csr"
# key_algorithm = "ec-p384"
# token = "hsm"
validity = "10y"
# profile = "sub-ca"
"#;

const CROSS_SIGN: &str = r#"
# The profile of the cross-certificate: how many authorities may stand below the other root.
[[profiles]]
name = "cross"
description = "Roots of other authorities"
default_validity = "5y"
max_ttl = "10y"
[profiles.authority]
path_length = 1

# Certify the root of another authority by its self-signed certificate.
[[steps]]
do = "cross-sign"
name = "other-root"
issuer = "offline-root"
# Must be the subject of the certificate.
subject = "CN=Other Root,O=Other"
# The file, beside this plan.
certificate = "other-root.pem"
profile = "cross"
validity = "5y"
"#;

const ROLLOVER: &str = r#"
# A root gets a new key and certificate, and both link certificates (RFC 4210 §4.4).
[[steps]]
do = "rollover"
issuer = "offline-root"
# As before when left out:
# key_algorithm = "ec-p384"
# signature_algorithm = "ecdsa-sha384"
# token = "hsm"
validity = "20y"
# ca_url = "http://pki.example/root-2.cer"
# crl_url = "http://pki.example/root-2.crl"

# The first CRL of the new generation.
[[steps]]
do = "crl"
issuer = "offline-root"
validity = "1y"
"#;

const CRL: &str = r#"
# A CRL of an offline CA.
[[steps]]
do = "crl"
issuer = "offline-root"
# Until the next one comes at the latest.
validity = "180d"

# What is revoked before; none when left out.
# [[steps.revoke]]
# serial = "4a5b…"
# reason = "keyCompromise"
# invalidity_date = "2030-01-01T00:00:00Z"
"#;

/// The templates there are.
pub const TEMPLATES: [&str; 5] = ["root", "intermediate", "cross-sign", "rollover", "crl"];

/// A commented plan of this sort.
pub fn template(name: &str) -> Option<String> {
    let (title, steps) = match name {
        "root" => ("A root and its first CRL", ROOT),
        "intermediate" => ("An issuing CA under the root", INTERMEDIATE),
        "cross-sign" => ("A cross-certificate", CROSS_SIGN),
        "rollover" => ("A new key of the root", ROLLOVER),
        "crl" => ("A CRL of the root", CRL),
        _ => return None,
    };
    Some(HEAD.replace("TITLE", title) + steps)
}

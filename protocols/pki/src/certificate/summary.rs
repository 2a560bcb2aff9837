//! A certificate for people, in the manner of `openssl x509 -text`.

use std::fmt::Write as _;

use const_oid::ObjectIdentifier;
use const_oid::db::DB;
use x509_cert::ext::pkix::KeyUsage;

use super::Certificate;

/// The lines, each ending in a newline.
pub(super) fn of(certificate: &Certificate) -> String {
    let mut text = String::from("Certificate:\n");
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {name:<26} {value}");
    };
    line("Serial Number:", &colons(certificate.serial().as_bytes()));
    line(
        "Signature Algorithm:",
        &certificate.signature_algorithm().to_string(),
    );
    line("Issuer:", &certificate.issuer().to_string());
    line("Not Before:", &certificate.not_before().to_string());
    line("Not After:", &certificate.not_after().to_string());
    line("Subject:", &certificate.subject().to_string());
    line(
        "Public Key Algorithm:",
        &certificate.public_key().algorithm().to_string(),
    );
    if certificate.is_ca() {
        let depth = certificate
            .path_len()
            .map_or_else(String::new, |depth| format!(", pathlen:{depth}"));
        line("Basic Constraints:", &format!("CA:TRUE{depth}"));
    } else {
        line("Basic Constraints:", "CA:FALSE");
    }
    if let Some(usage) = certificate.key_usage() {
        line("Key Usage:", &key_usage(usage));
    }
    let purposes: Vec<String> = certificate
        .extended_key_usage()
        .into_iter()
        .map(purpose)
        .collect();
    if !purposes.is_empty() {
        line("Extended Key Usage:", &purposes.join(", "));
    }
    match certificate.subject_alt_names() {
        Ok(names) if names.is_empty() => {}
        Ok(names) => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            line("Subject Alternative Name:", &names.join(", "));
        }
        Err(fault) => line("Subject Alternative Name:", &fault.to_string()),
    }
    for (name, id) in [
        ("Subject Key Identifier:", certificate.subject_key_id()),
        ("Authority Key Identifier:", certificate.authority_key_id()),
    ] {
        if let Some(id) = id {
            line(name, &colons(&id));
        }
    }
    for (name, urls) in [
        ("OCSP:", certificate.ocsp_urls()),
        ("CA Issuers:", certificate.ca_issuer_urls()),
        ("CRL:", certificate.crl_urls()),
    ] {
        for url in urls {
            line(name, &url);
        }
    }
    if certificate.must_staple() {
        line("TLS Feature:", "status_request");
    }
    line("SHA-256 Fingerprint:", &colons(&certificate.fingerprint_sha256()));
    text
}

fn colons(octets: &[u8]) -> String {
    let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(":")
}

fn purpose(oid: ObjectIdentifier) -> String {
    DB.by_oid(&oid).map_or_else(
        || oid.to_string(),
        |name| name.trim_start_matches("id-kp-").to_owned(),
    )
}

fn key_usage(usage: KeyUsage) -> String {
    let bits = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "contentCommitment"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
    ];
    let names: Vec<&str> = bits
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| *name)
        .collect();
    names.join(", ")
}

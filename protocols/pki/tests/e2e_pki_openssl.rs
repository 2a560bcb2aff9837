//! What OpenSSL says of the things that are made here, and what is read of things that it makes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use pki::crl::{CrlInput, IssuingDistributionPoint, RevokedEntry};
use pki::{
    Certificate, Csr, DistinguishedName, RevocationReason, Serial, SignatureAlgorithm, SubjectAltName, cms,
    crl, csr, key_file, pem, pkcs12,
};

fn vector(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path);
    std::fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Runs `openssl` with this on its standard input and gives both outputs; it must succeed.
fn openssl(arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("openssl cannot be run ({cause}): `cargo xtask test --install-only`"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "openssl {arguments:?}: {text}");
    text
}

fn rsa(encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
    let pair = RsaKeyPair::from_pkcs8(&vector("key_file/rsa-2048.pk8.der")).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
        .unwrap();
    signature
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, key: &str, message: &[u8]) -> Vec<u8> {
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, &vector(&format!("key_file/{key}.pk8.der"))).unwrap();
    pair.sign(&SystemRandom::new(), message)
        .unwrap()
        .as_ref()
        .to_vec()
}

/// Signs with the test key of the algorithm.
fn sign(algorithm: SignatureAlgorithm, message: &[u8]) -> Vec<u8> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256 => rsa(&RSA_PKCS1_SHA256, message),
        SignatureAlgorithm::RsaPkcs1Sha384 => rsa(&RSA_PKCS1_SHA384, message),
        SignatureAlgorithm::RsaPkcs1Sha512 => rsa(&RSA_PKCS1_SHA512, message),
        SignatureAlgorithm::RsaPssSha256 => rsa(&RSA_PSS_SHA256, message),
        SignatureAlgorithm::RsaPssSha384 => rsa(&RSA_PSS_SHA384, message),
        SignatureAlgorithm::RsaPssSha512 => rsa(&RSA_PSS_SHA512, message),
        SignatureAlgorithm::EcdsaSha256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, "ec-p256", message),
        SignatureAlgorithm::EcdsaSha384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, "ec-p384", message),
        SignatureAlgorithm::EcdsaSha512 => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING, "ec-p521", message),
        SignatureAlgorithm::Ed25519 => {
            let pair =
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(&vector("key_file/ed25519.pk8.der")).unwrap();
            pair.sign(message).as_ref().to_vec()
        }
        other => panic!("OpenSSL 3.0 does not know {other}"),
    }
}

#[test]
fn e2e_pki_openssl_verifies_our_requests_of_every_algorithm() {
    let subject = DistinguishedName::parse("CN=a.example,OU=R\\, D,O=Exämple,C=CH").unwrap();
    let names: Vec<SubjectAltName> = [
        "dns:a.example",
        "ip:192.0.2.1",
        "ip:2001:db8::1",
        "email:a@b.example",
        "uri:https://c.example/",
        "upn:u@c.example",
    ]
    .iter()
    .map(|text| text.parse().unwrap())
    .collect();
    for (algorithm, key) in [
        (SignatureAlgorithm::RsaPkcs1Sha256, "rsa-2048"),
        (SignatureAlgorithm::RsaPkcs1Sha384, "rsa-2048"),
        (SignatureAlgorithm::RsaPkcs1Sha512, "rsa-2048"),
        (SignatureAlgorithm::RsaPssSha256, "rsa-2048"),
        (SignatureAlgorithm::RsaPssSha384, "rsa-2048"),
        (SignatureAlgorithm::RsaPssSha512, "rsa-2048"),
        (SignatureAlgorithm::EcdsaSha256, "ec-p256"),
        (SignatureAlgorithm::EcdsaSha384, "ec-p384"),
        (SignatureAlgorithm::EcdsaSha512, "ec-p521"),
        (SignatureAlgorithm::Ed25519, "ed25519"),
    ] {
        let public_key = key_file::parse(&vector(&format!("key_file/{key}.pk8.der")), None)
            .unwrap()
            .public_key;
        let info = csr::request_info(&subject, &public_key, true, &names);
        let der = csr::assemble(&info, algorithm, &sign(algorithm, &info));
        assert_eq!(
            Csr::parse(&der).unwrap().verify().unwrap().subject(),
            &subject,
            "{algorithm}"
        );
        let arguments = [
            "req",
            "-inform",
            "DER",
            "-noout",
            "-verify",
            "-text",
            "-nameopt",
            "RFC2253,-esc_msb,utf8",
        ];
        let text = openssl(&arguments, &der);
        for part in [
            "self-signature verify OK",
            "Subject: CN=a.example,OU=R\\, D,O=Exämple,C=CH",
            "CA:TRUE",
            "Digital Signature, Certificate Sign, CRL Sign",
            "DNS:a.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, email:a@b.example, \
             URI:https://c.example/, othername: UPN::u@c.example",
        ] {
            assert!(text.contains(part), "{algorithm}: no `{part}` in {text}");
        }
    }
}

#[test]
fn e2e_pki_openssl_verifies_our_requests_for_hosts() {
    let names = ["dns:a.example", "dns:*.a.example", "ip:192.0.2.1"].map(|text| text.parse().unwrap());
    for (subject, algorithm, key) in [
        ("CN=a.example", SignatureAlgorithm::RsaPkcs1Sha256, "rsa-2048"),
        ("", SignatureAlgorithm::EcdsaSha256, "ec-p256"),
        (
            "CN=a.example,O=Example",
            SignatureAlgorithm::EcdsaSha384,
            "ec-p384",
        ),
        ("CN=a.example", SignatureAlgorithm::EcdsaSha512, "ec-p521"),
        ("CN=a.example", SignatureAlgorithm::Ed25519, "ed25519"),
    ] {
        let file = vector(&format!("key_file/{key}.pk8.der"));
        let public_key = key_file::parse(&file, None).unwrap().public_key;
        let subject = DistinguishedName::parse(subject).unwrap();
        let der = csr::request(&subject, &names, &public_key, algorithm, |info| {
            Ok::<_, std::convert::Infallible>(sign(algorithm, info))
        });
        let der = der.unwrap();
        let request = Csr::parse(&der).unwrap().verify().unwrap();
        assert_eq!(request.signature_algorithm(), Some(algorithm));
        assert_eq!(request.subject_alt_names().unwrap(), names);
        let text = openssl(&["req", "-inform", "DER", "-noout", "-verify", "-text"], &der);
        for part in [
            "self-signature verify OK",
            "DNS:a.example, DNS:*.a.example, IP Address:192.0.2.1",
        ] {
            assert!(text.contains(part), "{algorithm}: no `{part}` in {text}");
        }
        assert!(!text.contains("Basic Constraints"), "{text}");
    }
    let refused = csr::request(
        &DistinguishedName::empty(),
        &names,
        &key_file::parse(&vector("key_file/ed25519.pk8.der"), None)
            .unwrap()
            .public_key,
        SignatureAlgorithm::Ed25519,
        |_| Err("the key is away"),
    );
    assert_eq!(refused, Err("the key is away"));
}

#[test]
fn e2e_pki_openssl_opens_keys_that_we_encrypt() {
    for key in ["rsa-2048", "ec-p521"] {
        let file = vector(&format!("key_file/{key}.pk8.der"));
        let encrypted = key_file::encrypt(&file, b"correct horse", &[7; 16], &[9; 16]).unwrap();
        let plain = openssl(&["pkey", "-passin", "pass:correct horse"], encrypted.as_bytes());
        let read = key_file::parse(plain.as_bytes(), None).unwrap();
        assert_eq!(
            read.public_key.spki_der(),
            vector(&format!("key/{key}.spki.der")),
            "{key}"
        );
        let about = openssl(&["asn1parse", "-i"], encrypted.as_bytes());
        for part in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc"] {
            assert!(about.contains(part), "{key}: no {part} in {about}");
        }
    }
}

#[test]
fn e2e_pki_openssl_reads_and_verifies_our_lists() {
    let issuing = Certificate::parse(&vector("chain/issuing.der")).unwrap();
    let entries: Vec<RevokedEntry> = (1..=10)
        .filter_map(|code| RevocationReason::from_code(code).map(|reason| (code, reason)))
        .map(|(code, reason)| RevokedEntry {
            serial: Serial::from_unsigned(&[0x90, code]).unwrap(),
            revoked_at: "2025-01-02T03:04:05Z".parse().unwrap(),
            reason: Some(reason),
            invalidity_date: Some("2025-01-01T00:00:00Z".parse().unwrap()),
        })
        .collect();
    let tbs = crl::build(
        &CrlInput {
            issuer: issuing.subject(),
            authority_key_id: &issuing.subject_key_id().unwrap(),
            algorithm: SignatureAlgorithm::EcdsaSha256,
            number: 0xfedc,
            this_update: "2025-02-01T00:00:00Z".parse().unwrap(),
            next_update: "2051-01-01T00:00:00Z".parse().unwrap(),
            distribution_point: Some(IssuingDistributionPoint {
                urls: vec!["http://pki.example/1.crl".to_owned()],
                only_user_certificates: true,
                only_ca_certificates: false,
            }),
            delta_base: Some(0x80),
            freshest: None,
        },
        &entries,
    );
    // The same three parts as a request.
    let der = csr::assemble(tbs.der(), tbs.algorithm(), &sign(tbs.algorithm(), tbs.der()));
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("issuing.pem");
    std::fs::write(&authority, issuing.pem()).unwrap();
    let arguments = [
        "crl",
        "-inform",
        "DER",
        "-noout",
        "-text",
        "-CAfile",
        authority.to_str().unwrap(),
    ];
    let text = openssl(&arguments, &der);
    for part in [
        "verify OK",
        "Issuer: C = CH, O = Example, CN = Issuing",
        "Last Update: Feb  1 00:00:00 2025 GMT",
        "Next Update: Jan  1 00:00:00 2051 GMT",
        "X509v3 Delta CRL Indicator: critical\n                128",
        "X509v3 CRL Number: \n                65244",
        "URI:http://pki.example/1.crl",
        "Only User Certificates",
        "Serial Number: 900A\n        Revocation Date: Jan  2 03:04:05 2025 GMT",
        "Invalidity Date: \n                Jan  1 00:00:00 2025 GMT",
        "Key Compromise",
        "CA Compromise",
        "Affiliation Changed",
        "Superseded",
        "Cessation Of Operation",
        "Certificate Hold",
        "Remove From CRL",
        "Privilege Withdrawn",
        "AA Compromise",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn e2e_pki_openssl_opens_our_bundles() {
    let chain = ["leaf", "issuing", "root"].map(|name| vector(&format!("chain/{name}.der")));
    let parts: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let subjects = ["CN = a.example", "CN = Issuing", "CN = Root"];
    let listed = openssl(
        &["pkcs7", "-inform", "DER", "-print_certs", "-noout"],
        &cms::certs_only(parts.iter().copied()),
    );
    let places: Vec<usize> = subjects
        .iter()
        .map(|name| listed.find(&format!("{name}\nissuer")).unwrap())
        .collect();
    assert!(places.is_sorted(), "leaf first: {listed}");

    let key = vector("key_file/ed25519.pk8.der");
    let file = pkcs12::write("a.example", &key, &parts, "pass word").unwrap();
    let opened = openssl(&["pkcs12", "-nodes", "-info", "-passin", "pass:pass word"], &file);
    for part in [
        "MAC: sha256, Iteration 10000",
        "PBES2, PBKDF2, AES-256-CBC",
        "friendlyName: a.example",
        subjects[1],
    ] {
        assert!(opened.contains(part), "no `{part}` in {opened}");
    }
    let read = key_file::parse(opened.as_bytes(), None).unwrap();
    assert_eq!(read.pkcs8.as_slice(), key);
    let mut certificates = Certificate::parse_all(opened.as_bytes()).unwrap();
    certificates.sort_by_key(|one| parts.iter().position(|part| *part == one.der()));
    let certificates: Vec<&[u8]> = certificates.iter().map(Certificate::der).collect();
    assert_eq!(certificates, parts);
}

#[test]
fn e2e_pki_openssl_keys_are_read_in_every_form() {
    let key = pem::encode("PRIVATE KEY", &vector("key_file/ec-p256.pk8.der"));
    let spki = vector("key/ec-p256.spki.der");
    for arguments in [
        vec!["pkey"],
        vec!["ec"],
        vec!["ec", "-conv_form", "compressed"],
        vec!["pkey", "-outform", "DER"],
        vec!["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:x"],
        vec![
            "pkcs8",
            "-topk8",
            "-v2",
            "aes-192-cbc",
            "-v2prf",
            "hmacWithSHA512",
            "-passout",
            "pass:x",
        ],
        vec!["pkcs8", "-topk8", "-scrypt", "-passout", "pass:x"],
        // What `openssl req -keyout` of OpenSSL 3.0 writes.
        vec!["pkcs8", "-topk8", "-v2", "des-ede3-cbc", "-passout", "pass:x"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("key");
        let arguments = [arguments, vec!["-out", out.to_str().unwrap()]].concat();
        openssl(&arguments, key.as_bytes());
        let read = key_file::parse(&std::fs::read(&out).unwrap(), Some(b"x"));
        assert_eq!(
            read.unwrap_or_else(|fault| panic!("{arguments:?}: {fault}"))
                .public_key
                .spki_der(),
            spki
        );
    }
    let strange = ["pkcs8", "-topk8", "-v2", "camellia-256-cbc", "-passout", "pass:x"];
    let fault = key_file::parse(openssl(&strange, key.as_bytes()).as_bytes(), Some(b"x")).unwrap_err();
    assert!(matches!(fault, key_file::KeyFileFault::Scheme), "{fault}");
    let old = ["ec", "-aes128", "-passout", "pass:x"];
    let fault = key_file::parse(openssl(&old, key.as_bytes()).as_bytes(), Some(b"x")).unwrap_err();
    assert!(matches!(fault, key_file::KeyFileFault::OldEncryption), "{fault}");
}

#[test]
fn e2e_pki_openssl_writes_names_as_we_do() {
    for text in [
        "CN=a.example,O=Example,C=CH",
        "CN=x+OU=y,O=Example",
        "CN=\\\"quoted\\\"\\, and \\+more\\;\\<\\>\\\\,O=x",
        "CN=\\#hash,O=\\ space\\ ",
        "UID=u,DC=corp,DC=example",
        "emailAddress=a@b.example,CN=mail",
    ] {
        let name = DistinguishedName::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(
            DistinguishedName::parse(&name.to_string()).unwrap(),
            name,
            "{text}"
        );
        let key = key_file::parse(&vector("key_file/ec-p256.pk8.der"), None)
            .unwrap()
            .public_key;
        let info = csr::request_info(&name, &key, false, &[]);
        let der = csr::assemble(
            &info,
            SignatureAlgorithm::EcdsaSha256,
            &sign(SignatureAlgorithm::EcdsaSha256, &info),
        );
        let written = openssl(
            &[
                "req", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253",
            ],
            &der,
        );
        let theirs = written.trim_end_matches('\n').strip_prefix("subject=").unwrap();
        assert_eq!(
            DistinguishedName::parse(theirs).unwrap(),
            name,
            "{text} is {theirs} to OpenSSL"
        );
    }
}

//! A CA with a delegated responder: certificates by the `openssl` command, responses by this crate, signatures by aws-lc-rs.
//!
//! The keys are OpenSSL's PKCS#8 files, so that the certificates are nobody's work but OpenSSL's.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use jiff::{SignedDuration, Timestamp};
use ocsp::lint::{self, Responder};
use ocsp::{CertStatus, Request, ResponseInput, SingleStatus, Template};
use pki::{Certificate, Serial, SignatureAlgorithm};

/// Key algorithms of the CA and its responder.
pub(crate) const KINDS: [Kind; 3] = [Kind::P256, Kind::Rsa, Kind::Ed25519];

/// The serial of the certificate `good.pem`.
pub(crate) const GOOD: &str = "5a1b2c3d4e5f60718293a4b5c6d7e8f9";
/// The serial of the certificate `revoked.pem`.
pub(crate) const REVOKED: &str = "61";

/// A key algorithm.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    P256,
    Rsa,
    Ed25519,
}

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signer {
    Delegated,
    Ca,
}

/// The folder of one CA.
pub(crate) struct Authority {
    kind: Kind,
    folder: tempfile::TempDir,
}

impl Authority {
    /// Makes `ca`, `responder`, `good` and `revoked`, each as `.key` and `.pem`.
    pub(crate) fn new(kind: Kind) -> Self {
        let authority = Self {
            kind,
            folder: tempfile::tempdir().unwrap(),
        };
        authority.new_key("ca");
        authority.openssl(
            "req -new -x509 -key ca.key -subj /CN=CA -days 30 -out ca.pem \
             -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
        );
        authority.issue(
            "responder",
            "40",
            "extendedKeyUsage=OCSPSigning\nnoCheck=ignored\n",
        );
        authority.issue("good", GOOD, "extendedKeyUsage=serverAuth\n");
        authority.issue("revoked", REVOKED, "extendedKeyUsage=serverAuth\n");
        authority
    }

    fn new_key(&self, name: &str) {
        let arguments = match self.kind {
            Kind::P256 => "EC -pkeyopt ec_paramgen_curve:P-256",
            Kind::Rsa => "RSA -pkeyopt rsa_keygen_bits:2048",
            Kind::Ed25519 => "ED25519",
        };
        self.openssl(&format!("genpkey -algorithm {arguments} -out {name}.key"));
        self.openssl(&format!(
            "pkcs8 -topk8 -nocrypt -in {name}.key -outform DER -out {name}.p8"
        ));
    }

    fn issue(&self, name: &str, serial: &str, extensions: &str) {
        self.new_key(name);
        fs::write(self.path("extensions"), extensions).unwrap();
        self.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial 0x{serial} -days 20 \
             -extfile extensions -out {name}.pem"
        ));
    }

    /// Runs `openssl` in the folder and wants it to succeed.
    pub(crate) fn openssl(&self, arguments: &str) -> Output {
        let output = self.run("openssl", arguments);
        assert!(
            output.status.success(),
            "openssl {arguments}: {}",
            text_of(&output)
        );
        output
    }

    /// Runs a program in the folder; a program that is not installed fails the test.
    pub(crate) fn run(&self, program: &str, arguments: &str) -> Output {
        Command::new(program)
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"))
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The octets of a file of the folder.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// A certificate of the folder.
    pub(crate) fn certificate(&self, name: &str) -> Certificate {
        Certificate::parse(&self.read(&format!("{name}.pem"))).unwrap()
    }

    /// Answers a request as a responder would: `good` and `revoked` are known, everything else is not.
    pub(crate) fn answer(&self, request_der: &[u8], signer: Signer) -> Vec<u8> {
        let now = now();
        let request = Request::parse(request_der).unwrap();
        let statuses: Vec<_> = request
            .cert_ids()
            .map(|cert_id| SingleStatus {
                cert_id: *cert_id,
                status: self.status(cert_id.serial()),
                this_update: now,
                next_update: Some(now + SignedDuration::from_hours(1)),
            })
            .collect();
        let (name, certificate, responder): (_, _, fn(&Certificate) -> Responder) = match signer {
            Signer::Delegated => ("responder", self.certificate("responder"), Responder::delegated),
            Signer::Ca => ("ca", self.certificate("ca"), Responder::ca),
        };
        let certificates: &[&[u8]] = match signer {
            Signer::Delegated => &[certificate.der()],
            Signer::Ca => &[],
        };
        let key = certificate.public_key();
        let template = Template::new(
            key,
            SignatureAlgorithm::default_for(key.algorithm()),
            certificates,
        );
        let tbs = template.tbs(&ResponseInput {
            produced_at: now,
            statuses: &statuses,
            nonce: request.nonce(),
            is_extended_revoke: false,
        });
        let linted = lint::check(tbs.unwrap(), &responder(&certificate)).unwrap();
        let signature = self.sign(name, linted.der());
        template.assemble(linted, &signature)
    }

    fn status(&self, serial: Serial) -> CertStatus {
        if serial == GOOD.parse().unwrap() {
            CertStatus::Good
        } else if serial == REVOKED.parse().unwrap() {
            let at = self.certificate("revoked").not_before();
            CertStatus::Revoked {
                at,
                reason: Some(pki::crl::RevocationReason::KeyCompromise),
            }
        } else {
            CertStatus::Unknown
        }
    }

    fn sign(&self, name: &str, message: &[u8]) -> Vec<u8> {
        let key = self.read(&format!("{name}.p8"));
        let rng = SystemRandom::new();
        match self.kind {
            Kind::P256 => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key).unwrap();
                key.sign(&rng, message).unwrap().as_ref().to_vec()
            }
            Kind::Rsa => {
                let key = RsaKeyPair::from_pkcs8(&key).unwrap();
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)
                    .unwrap();
                signature
            }
            Kind::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key)
                .unwrap()
                .sign(message)
                .as_ref()
                .to_vec(),
        }
    }
}

/// Everything a program said.
pub(crate) fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The time the judges go by.
#[expect(
    clippy::disallowed_methods,
    reason = "the judges read the machine's clock, and so must the answers"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

//! Certificates for the tests, made by OpenSSL: a certification authority and what it certifies.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// A certification authority in a folder of its own.
pub(crate) struct Authority {
    dir: TempDir,
}

/// A certificate and its key, in files.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

const CONFIG: &str = "[ca]\ndefault_ca=d\n[d]\ndatabase=db\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n\
                      copy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n";

impl Authority {
    pub(crate) fn new() -> Self {
        let made = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::write(made.path("ca.cnf"), CONFIG).unwrap();
        std::fs::write(made.path("db"), "").unwrap();
        std::fs::write(made.path("serial"), "1000\n").unwrap();
        made.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=Test authority",
            "-days",
            "30",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ]);
        made
    }

    /// Its certificate, in PEM.
    pub(crate) fn pem(&self) -> Vec<u8> {
        std::fs::read(self.path("ca.pem")).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A certificate of a new key on P-256, valid now.
    pub(crate) fn certify(&self, name: &str, alternative: &str) -> Pair {
        self.certify_with(
            name,
            alternative,
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            &["-days", "20"],
        )
    }

    /// A certificate whose time is over.
    pub(crate) fn certify_expired(&self, name: &str, alternative: &str) -> Pair {
        let past = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"];
        self.certify_with(
            name,
            alternative,
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            &past,
        )
    }

    /// A certificate of a key that these options make, valid as these say.
    pub(crate) fn certify_with(
        &self,
        name: &str,
        alternative: &str,
        key: &[&str],
        validity: &[&str],
    ) -> Pair {
        let file = |suffix: &str| format!("{name}.{suffix}");
        let (key_file, csr, pem) = (file("key"), file("csr"), file("pem"));
        let (subject, extension) = (format!("/CN={name}"), format!("subjectAltName={alternative}"));
        let mut request = vec!["req"];
        request.extend(key);
        request.extend([
            "-nodes", "-keyout", &key_file, "-out", &csr, "-subj", &subject, "-addext", &extension,
        ]);
        self.openssl(&request);
        let mut sign = vec![
            "ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", &csr, "-out", &pem,
            "-batch", "-notext",
        ];
        sign.extend(validity);
        self.openssl(&sign);
        Pair {
            certificate: self.path(&pem),
            key: self.path(&key_file),
        }
    }

    fn openssl(&self, arguments: &[&str]) {
        let run = Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
}

impl Pair {
    /// The settings of a server with this certificate.
    pub(crate) fn server(&self) -> rustls::ServerConfig {
        self.versioned_server(rustls::ALL_VERSIONS)
    }

    /// The same, for these versions of TLS.
    pub(crate) fn versioned_server(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> rustls::ServerConfig {
        let provider = rustls::crypto::aws_lc_rs::default_provider().into();
        rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                chain(&self.certificate),
                PrivateKeyDer::from_pem_file(&self.key).unwrap(),
            )
            .unwrap()
    }

    /// The settings of a server that wants a certificate of this authority.
    pub(crate) fn asking_server(&self, authority: &Authority) -> rustls::ServerConfig {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&authority.pem()).unwrap())
            .unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            roots.into(),
            std::sync::Arc::clone(&provider),
        )
        .build()
        .unwrap();
        rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                chain(&self.certificate),
                PrivateKeyDer::from_pem_file(&self.key).unwrap(),
            )
            .unwrap()
    }

    /// SHA-256 of its public key.
    pub(crate) fn pin(&self) -> [u8; 32] {
        let certificate = pki::Certificate::parse(&std::fs::read(&self.certificate).unwrap()).unwrap();
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.public_key().spki_der());
        digest.as_ref().try_into().unwrap()
    }
}

fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

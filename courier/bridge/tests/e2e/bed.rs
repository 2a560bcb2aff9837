//! A folder with a CA that openssl keeps, and certificates of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const CA: &str = "
[ca]
default_ca = bed
[bed]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
[server]
subjectAltName = DNS:localhost,DNS:appliance.test,DNS:bridge.test,IP:127.0.0.1
extendedKeyUsage = serverAuth
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
";

pub(crate) struct Bed {
    folder: TempDir,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let bed = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(bed.path("ca.cnf"), CA).unwrap();
        std::fs::write(bed.path("index.txt"), "").unwrap();
        std::fs::write(bed.path("serial"), "1000").unwrap();
        bed.openssl(&[
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
            "/CN=bed",
            "-days",
            "3650",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]);
        bed.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "tls.key",
            "-out",
            "tls.csr",
            "-subj",
            "/CN=localhost",
        ]);
        let pem = bed.sign("tls.csr", "server", "20250101000000Z");
        std::fs::write(bed.path("tls.pem"), pem).unwrap();
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Signs a request with the CA: valid from a time on for a hundred years. Where that begins long ago two thirds may be over or not.
    pub(crate) fn sign(&self, csr: &str, extensions: &str, begins: &str) -> String {
        self.sign_until(csr, extensions, begins, "20990101000000Z")
    }

    pub(crate) fn sign_until(&self, csr: &str, extensions: &str, begins: &str, ends: &str) -> String {
        let out = format!("{csr}.pem");
        self.openssl(&[
            "ca",
            "-batch",
            "-notext",
            "-config",
            "ca.cnf",
            "-extensions",
            extensions,
            "-startdate",
            begins,
            "-enddate",
            ends,
            "-in",
            csr,
            "-out",
            &out,
        ]);
        std::fs::read_to_string(self.path(&out)).unwrap()
    }

    /// An identity as registration would have left it.
    pub(crate) fn identity(&self, state: &str, begins: &str, ends: &str) -> (String, String) {
        let (key, csr) = (format!("{state}.key"), format!("{state}.csr"));
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &csr,
            "-subj",
            "/CN=instance",
        ]);
        let pem = self.sign_until(&csr, "client", begins, ends);
        let instance = uuid::Uuid::new_v4().to_string();
        let kept = serde_json::json!({
            "version": 1, "instance": instance, "key_pem": std::fs::read_to_string(self.path(&key)).unwrap(),
            "certificate_pem": pem,
        });
        std::fs::create_dir_all(self.path(state)).unwrap();
        let path = self.path(state).join("instance.json");
        std::fs::write(&path, kept.to_string()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, mode).unwrap();
        (instance, pem)
    }

    pub(crate) fn openssl(&self, arguments: &[&str]) -> Output {
        let done = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is there");
        assert!(
            done.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        done
    }
}

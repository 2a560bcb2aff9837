//! Two unrelated soft tokens, each in a directory of its own.
//!
//! Both modules read their configuration from the environment of the process, and a process has one: so a test that
//! needs one runs itself again as a child with that environment ([`in_child`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "test support"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use token::TokenConfig;
use token::inspect::{self, NewToken};

/// The PIN of every token here: long enough to be looked for in a memory without a chance hit.
pub(crate) const PIN: &str = "user-pin-6Yh2Qz9w";
/// The security officer's PIN.
pub(crate) const SO_PIN: &str = "so-pin-0Kd7Vb3m";

const SOFTHSM: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// Which soft token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Softhsm,
    Kryoptic,
    /// SoftHSM2 behind a module that fails as its control file says (see `faulty.rs`).
    Faulty,
}

impl Make {
    /// The module; a missing one fails the test.
    pub(crate) fn module(self) -> PathBuf {
        match self {
            Self::Softhsm => SOFTHSM
                .iter()
                .map(PathBuf::from)
                .find(|path| path.exists())
                .expect("SoftHSM2 is not installed; run `cargo xtask test`, which installs it"),
            Self::Kryoptic => built("kryoptic", "CHANCERY_TEST_KRYOPTIC_MODULE"),
            Self::Faulty => built("faulty", "CHANCERY_TEST_FAULTY_MODULE"),
        }
    }

    /// Writes the module's configuration into `directory`, and gives the environment variables that name it.
    pub(crate) fn environment(self, directory: &Path) -> Vec<(&'static str, PathBuf)> {
        match self {
            Self::Softhsm => {
                let tokens = directory.join("tokens");
                fs::create_dir_all(&tokens).unwrap();
                let path = directory.join("softhsm2.conf");
                let text = format!(
                    "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
                    tokens.display()
                );
                fs::write(&path, text).unwrap();
                vec![("SOFTHSM2_CONF", path)]
            }
            Self::Kryoptic => {
                let path = directory.join("kryoptic.toml");
                let storage = directory.join("kryoptic.sql");
                let slot = |number: u32| {
                    let storage = storage.with_extension(format!("{number}.sql"));
                    format!(
                        "[[slots]]\nslot = {number}\ndbtype = \"sqlite\"\ndbargs = \"{}\"\n",
                        storage.display()
                    )
                };
                fs::write(&path, slot(0) + &slot(1)).unwrap();
                vec![("KRYOPTIC_CONF", path)]
            }
            Self::Faulty => {
                let mut environment = Self::Softhsm.environment(directory);
                environment.extend([
                    ("FAULTY_PKCS11_MODULE", Self::Softhsm.module()),
                    ("FAULTY_PKCS11_CONTROL", directory.join("faults")),
                    ("FAULTY_PKCS11_JOURNAL", directory.join("journal")),
                ]);
                environment
            }
        }
    }

    /// Initialises a token with this label, and gives the configuration that opens it. To be called in the child.
    pub(crate) fn new_token(self, directory: &Path, label: &str) -> TokenConfig {
        let new = NewToken {
            slot: None,
            label: label.to_owned(),
            so_pin: SO_PIN.into(),
            user_pin: PIN.into(),
        };
        let slot = inspect::init_token(&self.module(), &new).unwrap();
        assert_eq!(slot.token.unwrap().label, label);
        self.config(directory, label)
    }

    /// The configuration of a token that is initialised.
    pub(crate) fn config(self, directory: &Path, label: &str) -> TokenConfig {
        TokenConfig {
            name: label.to_owned(),
            module: self.module(),
            label: Some(label.to_owned()),
            pin_file: Some(secret_file(directory, "pin", PIN)),
            ..TokenConfig::default()
        }
    }
}

/// A module that `cargo xtask test` builds, or the one that an environment variable names.
fn built(name: &str, variable: &str) -> PathBuf {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target");
    let folder = PathBuf::from(target).join(name).join("release");
    let path =
        std::env::var_os(variable).map_or_else(|| folder.join(format!("lib{name}_pkcs11.so")), PathBuf::from);
    assert!(
        path.exists(),
        "{} is missing; run `cargo xtask test`, which builds it",
        path.display()
    );
    path.canonicalize().unwrap()
}

/// A file that only its owner may read.
pub(crate) fn secret_file(directory: &Path, name: &str, contents: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, contents).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Runs `body` in a child process that has the module's environment: this test again, by its name. In the parent the
/// body is not run.
pub(crate) fn in_child(make: Make, test: &str, body: impl FnOnce(&Path)) {
    const CHILD: &str = "CHANCERY_TEST_CHILD_DIRECTORY";
    if let Some(directory) = std::env::var_os(CHILD) {
        return body(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .envs(make.environment(directory.path()))
        .env(CHILD, directory.path())
        .output()
        .unwrap();
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "the child failed:\n{printed}");
    eprint!("{printed}");
    assert!(
        printed.contains("1 passed"),
        "the child ran no test named {test}:\n{printed}"
    );
}

//! Where the files go and whose they are: the `output` section, checked.

use std::fmt;
use std::path::PathBuf;

use kit::account::{Account, AccountFault};
use secrecy::SecretString;

use crate::folder::Access;

/// How the files are switched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Stable names are symbolic links; all switch at once.
    #[default]
    Links,
    /// Stable names are files, each replaced by a rename.
    Plain,
}

/// A PKCS#12 file.
#[derive(Clone, Debug)]
pub struct Pkcs12Output {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: SecretString,
    /// Whether old Java and Windows must read it.
    pub legacy: bool,
}

/// The file names; `None` disables one.
#[derive(Clone, Debug)]
pub struct Names {
    /// The leaf; `cert.pem`.
    pub certificate: Option<String>,
    /// The private key; `privkey.pem`.
    pub private_key: Option<String>,
    /// What stands between leaf and root; `chain.pem`.
    pub chain: Option<String>,
    /// Leaf and chain; `fullchain.pem`.
    pub fullchain: Option<String>,
    /// The authorities; `ca.pem`.
    pub ca: Option<String>,
    /// Private key and fullchain in one file; none.
    pub combined: Option<String>,
    /// Everything under a password; none.
    pub pkcs12: Option<Pkcs12Output>,
}

impl Names {
    /// Every file that there is: the key that names it, and its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pkcs12 = self.pkcs12.as_ref().map(|pkcs12| pkcs12.name.as_str());
        let all = [
            ("certificate", self.certificate.as_deref()),
            ("private_key", self.private_key.as_deref()),
            ("chain", self.chain.as_deref()),
            ("fullchain", self.fullchain.as_deref()),
            ("ca", self.ca.as_deref()),
            ("combined", self.combined.as_deref()),
            ("pkcs12", pkcs12),
        ];
        all.into_iter().filter_map(|(key, name)| Some((key, name?)))
    }
}

impl Default for Names {
    fn default() -> Self {
        let some = |name: &str| Some(name.to_owned());
        Self {
            certificate: some("cert.pem"),
            private_key: some("privkey.pem"),
            chain: some("chain.pem"),
            fullchain: some("fullchain.pem"),
            ca: some("ca.pem"),
            combined: None,
            pkcs12: None,
        }
    }
}

/// The checked `output` section.
#[derive(Clone)]
pub struct OutputSettings {
    /// The certificate's name; tells sets in one directory apart.
    pub name: String,
    /// Where the files appear; absolute.
    pub dir: PathBuf,
    /// How they are switched.
    pub layout: Layout,
    /// What they are called.
    pub names: Names,
    /// Encrypts the private key on disk.
    pub passphrase: Option<SecretString>,
    /// Mode of files with a private key; `0600`.
    pub mode_key: u32,
    /// Mode of the others; `0644`.
    pub mode_cert: u32,
    /// Mode of directories that are made; `0750`.
    pub mode_dir: u32,
    /// Who owns the files; this process.
    pub owner: Option<Account>,
    /// Their group.
    pub group: Option<Account>,
    /// How many generations before the current one stay; 3.
    pub keep_previous: usize,
}

impl fmt::Debug for OutputSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("OutputSettings");
        debug.field("name", &self.name).field("dir", &self.dir);
        debug.field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl OutputSettings {
    /// The defaults for a certificate and a directory.
    pub fn new(name: &str, dir: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.into(),
            layout: Layout::default(),
            names: Names::default(),
            passphrase: None,
            mode_key: 0o600,
            mode_cert: 0o644,
            mode_dir: 0o750,
            owner: None,
            group: None,
            keep_previous: 3,
        }
    }

    /// The directory of the generations of this set, and of what leads to them.
    pub(crate) fn set_path(&self) -> PathBuf {
        self.dir.join(".courier").join(&self.name)
    }

    /// The mode with owner and group as numbers.
    pub(crate) fn access(&self, mode: u32) -> Result<Access, AccountFault> {
        let owner = self.owner.as_ref().map(Account::user);
        let group = self.group.as_ref().map(Account::group);
        Ok(Access {
            mode,
            owner: owner.transpose()?,
            group: group.transpose()?,
        })
    }
}

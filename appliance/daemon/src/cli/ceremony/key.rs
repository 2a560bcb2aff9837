//! The keys of approvers on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ca::ceremony::{ApproverKey, public_key_toml};
use pki::KeyAlgorithm;
use secrecy::SecretString;
use serde_json::json;

use crate::cli::say::{say, say_part};
use crate::cli::token::Which;
use crate::cli::{Output, Place, table};
use crate::files;

/// A key to be made.
#[derive(Debug, clap::Args)]
pub(crate) struct Keygen {
    /// The approver: lower-case letters, digits and hyphens.
    name: String,
    /// ec-p256, ec-p384, ec-p521, ed25519, rsa-2048 to rsa-4096, ml-dsa-44, ml-dsa-65, ml-dsa-87.
    #[arg(long, default_value = "ec-p256", value_name = "ALGORITHM")]
    key_algorithm: KeyAlgorithm,
    /// The folder for the key's file, which only its owner may read.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["token", "module"])]
    dir: Option<PathBuf>,
    /// The file with the passphrase that the key's file is encrypted with.
    #[arg(long, value_name = "FILE", requires = "dir")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    token: Which,
}

/// A key that is there.
#[derive(Debug, clap::Args)]
pub(crate) struct Chosen {
    /// The file with the key: PKCS#8, SEC 1 or PKCS#1, perhaps encrypted.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "module"])]
    key: Option<PathBuf>,
    /// The file with its passphrase.
    #[arg(long, value_name = "FILE", requires = "key")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    token: Which,
    /// The key in the token, by its label or fingerprint; the only one when left out.
    #[arg(long, value_name = "LABEL", conflicts_with = "key")]
    key_label: Option<String>,
}

/// Makes a key and prints the section of the plan that names it.
pub(super) fn generate(place: &Place, args: &Keygen) -> Result<ExitCode> {
    let key = match &args.dir {
        Some(dir) => ApproverKey::generate_file(
            dir,
            &args.name,
            args.key_algorithm,
            args.passphrase_file.as_deref(),
        )?,
        None if args.token.is_given() => {
            let token = args.token.one(place)?;
            let memory = token.memory.as_deref();
            ApproverKey::generate_in_token(&token.config, token.pin, memory, &args.name, args.key_algorithm)?
        }
        None => bail!("say where the key is to be: --dir for a file, --module or --token for a token"),
    };
    let public_key = key.public_key()?;
    let section = public_key_toml(&args.name, &public_key);
    match place.output {
        Output::Table => {
            say!(
                "# the key {} is in {}",
                public_key.fingerprint(),
                where_it_is(args, &key)
            );
            say_part!("{section}");
        }
        Output::Json => table::json(&json!({
            "name": args.name, "key": public_key.fingerprint().to_string(), "place": where_it_is(args, &key),
            "public_key_pem": pki::pem::encode("PUBLIC KEY", public_key.spki_der()), "plan_toml": section,
        })),
    }
    Ok(ExitCode::SUCCESS)
}

fn where_it_is(args: &Keygen, key: &ApproverKey) -> String {
    let (label, place) = key.place();
    match (&args.dir, key.public_key()) {
        (Some(dir), Ok(public_key)) => {
            let fingerprint = public_key.fingerprint().to_string();
            let begin = fingerprint.get(..16).unwrap_or_default();
            dir.join(format!("{label}.{begin}.pem")).display().to_string()
        }
        _ => format!("the token {place}, labelled {label}"),
    }
}

impl Chosen {
    /// The key, ready to sign.
    pub(super) fn open(&self, place: &Place) -> Result<ApproverKey> {
        if let Some(file) = &self.key {
            let passphrase = self
                .passphrase_file
                .as_deref()
                .map(files::first_line)
                .transpose()?;
            let passphrase = passphrase.map(SecretString::from);
            return ApproverKey::from_file(file, passphrase.as_ref()).context("the approver's key");
        }
        if !self.token.is_given() {
            bail!("say with which key: --key for a file, --module or --token for a token");
        }
        let token = self.token.one(place)?;
        let memory = token.memory.as_deref();
        Ok(ApproverKey::in_token(
            &token.config,
            token.pin,
            memory,
            self.key_label.as_deref(),
        )?)
    }
}

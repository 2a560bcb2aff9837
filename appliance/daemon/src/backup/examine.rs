//! Whether a backup is of use: it is restored into a folder that is thrown away, every CA key is found and signs, chains and the audit
//! log hold.
//!
//! A key is looked for where the CA would look for it (the signing process of this machine, or the configuration that is named), and,
//! when the backup has the key itself, there as well: a backup that lacks the key is found out before it is needed.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use ca::{Clock, Signer};
use jiff::Timestamp;
use pki::{Certificate, PublicKey};
use serde::Serialize;
use store::issuers::IssuerRow;
use store::{Finding, Store};
use tlog::NoteKey;
use token::KeyRing;

use super::conditions::check_schema;
use super::manifest::{Key, Manifest, Role};
use super::place::Place;
use super::signature::{self, Signature};
use super::soft_token;
use super::unpack::{Source, Told, Unpacked, staged_sqlite};
use super::write::hexadecimal;
use crate::config::{Config, SignerMode};
use crate::interrupt;

/// What is to be examined.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) source: Source,
    /// The configuration of a signing process, in place of the configured one.
    pub(crate) signing: Option<PathBuf>,
    /// The configuration of this machine, if there is one.
    pub(crate) config: PathBuf,
    /// Where the sandbox is made.
    pub(crate) work_dir: Option<PathBuf>,
}

/// One look.
#[derive(Debug, Serialize)]
pub(crate) struct Look {
    /// What was looked at.
    pub(crate) check: String,
    /// What is wrong with it, and what helps; nothing when it is as it should be.
    pub(crate) problem: Option<String>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) manifest: Manifest,
    pub(crate) signature: Signature,
    /// The key that it was held against: the one that was named, or that of the store of this machine.
    pub(crate) trusted: Option<NoteKey>,
    pub(crate) looks: Vec<Look>,
}

/// Where the keys are looked for.
enum Signing {
    Here(Signer, String),
    Nowhere(String),
}

/// Examines a backup. What makes it unreadable is an error; everything else is a look with a problem.
pub(crate) async fn examine(wanted: Wanted, told: &mut Told<'_>) -> Result<Examined> {
    let modules = local_modules(&wanted);
    let trusted = match &wanted.source.signed_by {
        Some(named) => Some(named.clone()),
        None => own_key(&wanted.config).await,
    };
    let mut sandbox = tempfile::Builder::new();
    sandbox
        .prefix("chancery-verify-")
        .permissions(fs::Permissions::from_mode(0o700));
    let sandbox = match &wanted.work_dir {
        Some(folder) => sandbox.tempdir_in(folder),
        None => sandbox.tempdir(),
    };
    let sandbox = sandbox.context("making a folder to restore into: name another place by --work-dir")?;
    let folder = sandbox.path().join("restored");
    let unpacked = wanted.source.unpack(
        |header| {
            check_schema(header)?;
            Ok(Place::sandbox(&header.places, &folder))
        },
        |place| {
            Ok(Store::open(&staged_sqlite(
                &place.state,
                Path::new("verified.db"),
            ))?)
        },
        told,
    );
    let unpacked = unpacked.await?;
    let store = unpacked.restore.store().clone();
    unpacked.restore.settle(|_| Ok(())).await?;
    store::restore::complete(&store).await?;
    let mut looks = Vec::new();
    looks.extend(
        trusted
            .as_ref()
            .map(|trusted| signature_look(&unpacked.signature, trusted)),
    );
    told("looking at", "the store", 0, None);
    looks.extend(store.read(store::check).await?.into_iter().map(look));
    looks.push(look(store.read(ca::check_audit_tree).await?));
    looks.push(audit_look(&unpacked, &store).await?);
    interrupt::check()?;
    let issuers = store.read(store::issuers::all).await?;
    if issuers.is_empty() {
        looks.push(Look {
            check: "there is a CA".to_owned(),
            problem: Some(
                "the store that was backed up has none: it is not the one that you want back".to_owned(),
            ),
        });
    }
    let now = Clock::system().now();
    looks.extend(issuers.iter().filter_map(|issuer| chain_look(issuer, now)));
    looks.extend(issuers.iter().filter_map(lost_look));
    told("looking for", "the keys", 0, None);
    let signing = signing(wanted.signing.as_deref(), &wanted.config).await;
    let included = Included::look(&unpacked.place, sandbox.path(), &modules);
    for key in &unpacked.manifest.keys {
        interrupt::check()?;
        looks.extend(key_looks(key, &signing, &included).await);
    }
    Ok(Examined {
        manifest: unpacked.manifest,
        signature: unpacked.signature,
        trusted,
        looks,
    })
}

/// The key of the audit log of this machine's store, if there is one that can be asked.
async fn own_key(config: &Path) -> Option<NoteKey> {
    let store = Store::open_read_only(&Config::load(config).ok()?.store_config().ok()?).ok()?;
    let key = store.read(ca::BackupKey::read).await.ok()??;
    Some(key.verifier().clone())
}

fn signature_look(signature: &Signature, trusted: &NoteKey) -> Look {
    Look {
        check: format!("the backup is signed by {}", signature::name_of(trusted)),
        problem: signature.check(trusted).err().map(|error| format!("{error:#}")),
    }
}

fn look(finding: Finding) -> Look {
    Look {
        check: format!("store: {}", finding.what),
        problem: finding.problem,
    }
}

async fn audit_look(unpacked: &Unpacked, store: &Store) -> Result<Look> {
    let end = &unpacked.manifest.audit;
    let found = store.read(store::audit::verify).await?;
    let problem = match found {
        store::audit::Verdict::Sound { entries, head }
            if (entries, hexadecimal(&head)) == (end.entries, end.head.clone()) =>
        {
            None
        }
        _ => Some("it does not end as the manifest says: make another backup".to_owned()),
    };
    Ok(Look {
        check: format!("the audit log ends with entry {}", end.entries),
        problem,
    })
}

/// The chain of a CA that signs.
fn chain_look(issuer: &IssuerRow, now: Timestamp) -> Option<Look> {
    if !matches!(issuer.state.as_str(), "active" | "retired") {
        return None;
    }
    let check = || -> Result<()> {
        let own = Certificate::from_der(issuer.certificate.as_deref().context("it has no certificate")?)?;
        if own.public_key().fingerprint().0.as_slice() != issuer.key_fingerprint {
            bail!("its certificate is for another key");
        }
        let mut chain = vec![own];
        if !issuer.chain.is_empty() {
            chain.extend(Certificate::parse_all(&issuer.chain)?);
        }
        Ok(pki::chain::verify(&chain, now)?)
    };
    Some(Look {
        check: format!("the chain of the CA {} {} holds", issuer.name, issuer.generation),
        problem: check()
            .err()
            .map(|error| format!("{error:#}: roll it over, or import its chain")),
    })
}

/// The key of a CA that was noted as lost is told and not looked for.
fn lost_look(issuer: &IssuerRow) -> Option<Look> {
    let lost = ca::KeyLost::of(issuer)?;
    Some(Look {
        check: format!(
            "the key of the CA {} {} is lost since {} ({}), and is not looked for",
            issuer.name,
            issuer.generation,
            lost.at(),
            lost.reason()
        ),
        problem: None,
    })
}

async fn key_looks(key: &Key, signing: &Signing, included: &Included) -> Vec<Look> {
    let who = format!(
        "{} (key {} in token `{}`, label {})",
        key.used_by.join(", "),
        key.fingerprint,
        key.token,
        key.label
    );
    let mut looks = Vec::new();
    match signing {
        Signing::Here(signer, place) => looks.push(Look {
            check: format!("{who} signs through {place}"),
            problem: prove(signer, key).await.err().map(|error| {
                format!(
                    "{error:#}: name the configuration of the signing process that has the key by --signing"
                )
            }),
        }),
        Signing::Nowhere(why) if !key.is_included => looks.push(Look {
            check: format!("{who} signs"),
            problem: Some(format!(
                "{why}: name the configuration of a signing process by --signing"
            )),
        }),
        Signing::Nowhere(_) => {}
    }
    if key.is_included {
        let problem = included.prove(key).await.err();
        looks.push(Look {
            check: format!("{who} is in the backup and signs"),
            problem: problem
                .map(|error| format!("{error:#}: the backup cannot bring this key back; make another")),
        });
    }
    looks
}

async fn prove(signer: &Signer, key: &Key) -> Result<()> {
    let octets: Option<Vec<u8>> = key
        .spki
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let public = PublicKey::from_spki_der(&octets.context("the key is unreadable")?)?;
    Ok(ca::prove_key(signer, &public).await?)
}

/// The signing process of this machine, or what is named.
async fn signing(named: Option<&Path>, config: &Path) -> Signing {
    let here = |file: &Path| -> Result<Signer> {
        let signing = token::Config::load(file)?;
        Ok(Signer::in_process(Arc::new(KeyRing::open(&signing)?)))
    };
    if let Some(file) = named {
        return match here(file) {
            Ok(signer) => Signing::Here(signer, file.display().to_string()),
            Err(error) => Signing::Nowhere(format!("{}: {error:#}", file.display())),
        };
    }
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(error) => return Signing::Nowhere(error.to_string()),
    };
    if config.signer.mode != SignerMode::InProcess {
        let signer = Signer::daemon(&config.path(&config.signer.socket));
        if signer.status().await.is_ok() {
            return Signing::Here(signer, "the signing process".to_owned());
        }
    }
    let file = config.path(&config.signer.config);
    match here(&file) {
        Ok(signer) => Signing::Here(signer, file.display().to_string()),
        Err(error) => Signing::Nowhere(format!("{}: {error:#}", file.display())),
    }
}

/// The keys that the backup has itself.
struct Included {
    software: Result<Signer>,
    /// What became of a test signature by each key of the soft tokens.
    soft: Result<HashMap<String, String>>,
}

impl Included {
    fn look(place: &Place, sandbox: &Path, modules: &[PathBuf]) -> Self {
        let signing = staged_signing(place);
        let (software, soft) = match &signing {
            Ok(signing) => (software(place, signing), soft(place, signing, sandbox, modules)),
            Err(error) => (Err(anyhow!("{error:#}")), Err(anyhow!("{error:#}"))),
        };
        Self { software, soft }
    }

    async fn prove(&self, key: &Key) -> Result<()> {
        if key.token == "software" {
            return match &self.software {
                Ok(signer) => prove(signer, key).await,
                Err(error) => bail!("{error:#}"),
            };
        }
        match &self.soft {
            Ok(outcomes) => match outcomes.get(&key.fingerprint).map(String::as_str) {
                Some("ok") => Ok(()),
                Some(other) => bail!("{other}"),
                None => bail!("it is not in the token's objects"),
            },
            Err(error) => bail!("{error:#}"),
        }
    }
}

/// The configuration of the signing process in the backup, with its files where they are in the sandbox.
fn staged_signing(place: &Place) -> Result<token::Config> {
    let name = place
        .from
        .signing
        .as_ref()
        .context("the backup has no configuration of a signing process")?;
    let file = place.staged_file(name);
    let text = fs::read_to_string(&file)?;
    crate::files::write(&file, place.moved(&text).as_bytes(), crate::files::Readers::Owner)?;
    let mut signing = token::Config::load(&file)?;
    let elsewhere = place.staged(Role::Elsewhere);
    let stage = |path: &mut PathBuf| {
        let staged = elsewhere.join(path.strip_prefix("/").unwrap_or(path));
        if staged.exists() {
            *path = staged;
        }
    };
    if let Some(software) = &mut signing.software {
        [&mut software.directory, &mut software.passphrase_file]
            .into_iter()
            .flatten()
            .for_each(stage);
    }
    signing
        .tokens
        .iter_mut()
        .filter_map(|token| token.pin_file.as_mut())
        .for_each(stage);
    Ok(signing)
}

fn software(place: &Place, signing: &token::Config) -> Result<Signer> {
    let mut only = signing.clone();
    only.tokens.clear();
    let folder = only
        .software
        .as_ref()
        .and_then(|software| software.directory.as_ref());
    // Where the backup has none, those of this machine would be looked at.
    if folder.is_none_or(|folder| !folder.starts_with(&place.staging)) {
        bail!("the backup has no software keys");
    }
    Ok(Signer::in_process(Arc::new(KeyRing::open(&only)?)))
}

/// The modules of SoftHSM2 that this machine has. Never one that a backup names: whoever knows a recipient can make a backup, and a
/// module is a program.
fn local_modules(wanted: &Wanted) -> Vec<PathBuf> {
    let configured = || {
        Config::load(&wanted.config)
            .ok()
            .map(|own| own.path(&own.signer.config))
    };
    let signing = wanted.signing.clone().or_else(configured);
    let configured = signing.and_then(|file| token::Config::load(&file).ok());
    let named = configured.into_iter().flat_map(|signing| signing.tokens);
    let named = named.filter(soft_token::is_soft).map(|token| token.module);
    let usual = soft_token::USUAL_MODULES.iter().map(PathBuf::from);
    named.chain(usual).filter(|module| module.is_file()).collect()
}

/// A process of its own finds the tokens of the sandbox: which folder SoftHSM2 looks at is decided by its environment.
fn soft(
    place: &Place,
    signing: &token::Config,
    sandbox: &Path,
    modules: &[PathBuf],
) -> Result<HashMap<String, String>> {
    let all = || signing.tokens.iter().filter(|token| soft_token::is_soft(token));
    if all().next().is_none() {
        return Ok(HashMap::new());
    }
    let module = modules.first().context(
        "SoftHSM2 is not on this machine: install it, or name the configuration of a signing process that has it by --signing",
    )?;
    let conf = sandbox.join("softhsm2.conf");
    let tokens = place.staged(Role::Token);
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\n",
        tokens.display()
    );
    fs::write(&conf, text)?;
    let mut outcomes = HashMap::new();
    for token in all() {
        let (Some(label), Some(pin)) = (&token.label, &token.pin_file) else {
            bail!(
                "the token `{}` is not named by its label, or its PIN is in no file",
                token.name
            );
        };
        let mut child = Command::new(std::env::current_exe()?);
        child
            .args(["--output", "json", "token", "test", "--label", label])
            .arg("--module")
            .arg(module)
            .arg("--pin-file")
            .arg(pin)
            .env("SOFTHSM2_CONF", &conf)
            .stdin(Stdio::null());
        let output = child.output()?;
        // A token that the backup lacks takes nothing from the others: its keys are found to be missing.
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
        for row in rows {
            let text = |name: &str| {
                row.get(name)
                    .and_then(|value| value.as_str())
                    .unwrap_or_default()
                    .to_owned()
            };
            outcomes.insert(text("key"), text("outcome"));
        }
    }
    Ok(outcomes)
}

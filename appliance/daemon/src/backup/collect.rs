//! Which files belong into a backup: the configuration and what it names, the state folder, the tokens' objects.
//!
//! Left out is what can be made again (lists, but for the last full one of each CA, whose key may be gone when it is needed; OCSP answers),
//! what must not be there twice (which server this is), and other backups.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ca::CrlInFile;
use store::{Location, StoreConfig};

use super::manifest::{FileName, Places, Role};
use super::{named, soft_token};
use crate::config::Config;

/// Folders and files of the state folder that are not carried.
const NOT_CARRIED: &[&str] = &["crls", "ocsp-answers", "node"];
/// The beginning of backups and of encrypted keys.
const AGE: &[u8] = b"age-encryption.org/";
/// How deep folders are gone into.
const DEEPEST: usize = 16;

/// A file and its place.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: FileName,
    pub(crate) file: PathBuf,
}

/// What goes into a backup.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) places: Places,
    /// What is needed before the store can be opened.
    pub(crate) first: Vec<Source>,
    /// Whether software keys, and which tokens' objects, go along.
    pub(crate) has_software_keys: bool,
    pub(crate) soft_tokens: Vec<String>,
    pub(crate) left_out: Vec<String>,
    /// Folders that are looked through when it is their turn, so that a key that is in the store has its file there.
    later: Vec<(Role, PathBuf, PathBuf)>,
    skipped: BTreeSet<PathBuf>,
    /// The folder of the lists.
    lists: PathBuf,
}

impl Collected {
    /// Looks what there is.
    pub(crate) fn look(config_file: &Path, config: &Config, store: &StoreConfig) -> Result<Self> {
        let config_file = std::path::absolute(config_file)?;
        let configuration = config_file
            .parent()
            .context("the configuration is in no folder")?
            .to_owned();
        let name = config_file.file_name().context("the configuration has no name")?;
        let signing_file = config.path(&config.signer.config);
        let mut collected = Self {
            places: Places {
                state: config.state_dir.clone(),
                configuration,
                config: name.to_string_lossy().into_owned(),
                signing: None,
            },
            first: Vec::new(),
            has_software_keys: false,
            soft_tokens: Vec::new(),
            left_out: Vec::new(),
            later: Vec::new(),
            skipped: BTreeSet::new(),
            lists: store.folder.join("crls"),
        };
        if let Location::File(path) = &store.location {
            for end in ["", "-wal", "-shm", "-lock", "-journal"] {
                let mut name = path.as_os_str().to_owned();
                name.push(end);
                collected.skipped.insert(name.into());
            }
        }
        collected
            .skipped
            .extend(NOT_CARRIED.iter().map(|name| config.state_dir.join(name)));
        // The log of a restored store is another one: its files are made anew.
        collected.skipped.insert(config.path(&config.audit.folder));
        collected.leave_out_witness(config);
        collected.leave_out_archive(config);
        collected.add(&config_file);
        for file in named::by_server(config) {
            collected.add(&file);
        }
        collected.look_at_signing(&signing_file);
        collected
            .later
            .push((Role::State, config.state_dir.clone(), PathBuf::new()));
        Ok(collected)
    }

    /// A witness that was restored has forgotten what it saw since, and must not sign as the one it was.
    fn leave_out_witness(&mut self, config: &Config) {
        let Some(own) = &config.audit.witness else {
            return;
        };
        let (key, folder) = (config.path(&own.key_file), config.path(&own.folder));
        self.left_out.push(format!(
            "the key of this server as a witness ({}) and what it has seen: restored, it is another witness with a new key",
            key.display()
        ));
        self.skipped.extend([key, folder]);
    }

    /// The archive grows for ever: where it has a place of its own, it is secured there.
    fn leave_out_archive(&mut self, config: &Config) {
        let archive = config.path(&config.retention.archive);
        if !archive.starts_with(&self.places.state) {
            self.left_out.push(format!(
                "the archive of ended certificates ({}): it is outside the state folder; secure it by other means",
                archive.display()
            ));
            self.skipped.insert(archive);
        }
    }

    fn look_at_signing(&mut self, file: &Path) {
        let signing = match token::Config::load(file) {
            Ok(signing) => signing,
            Err(error) => {
                self.left_out
                    .push(format!("the configuration of the signing process: {error}"));
                return;
            }
        };
        self.add(file);
        self.places.signing = Some(self.place_of(file));
        for named in named::by_signing(&signing) {
            self.add(&named);
        }
        if let Some(folder) = named::key_folder(&signing) {
            self.has_software_keys = true;
            if !folder.starts_with(&self.places.state) {
                let below = folder.strip_prefix("/").unwrap_or(folder).to_owned();
                self.later.push((Role::Elsewhere, folder.clone(), below));
            }
        }
        for token in &signing.tokens {
            self.look_at_token(token);
        }
    }

    fn look_at_token(&mut self, token: &token::TokenConfig) {
        let name = &token.name;
        if !soft_token::is_soft(token) {
            let what = format!("the keys in the token `{name}`: secure them by its vendor's means");
            self.left_out.push(what);
            return;
        }
        let folders = soft_token::folders(token);
        if folders.is_empty() {
            let what = format!(
                "the keys in the token `{name}`: SoftHSM2 has no folder of it here; SOFTHSM2_CONF names its configuration"
            );
            self.left_out.push(what);
            return;
        }
        self.soft_tokens.push(name.clone());
        for folder in folders {
            let below = PathBuf::from(folder.file_name().unwrap_or_default());
            if !self.later.iter().any(|(.., other)| *other == below) {
                self.later.push((Role::Token, folder, below));
            }
        }
    }

    /// A file that a configuration names. One that is not there is told.
    fn add(&mut self, file: &Path) {
        if !file.is_file() {
            self.left_out.push(format!("{}: it is not there", file.display()));
            return;
        }
        let source = Source {
            name: self.place_of(file),
            file: file.to_owned(),
        };
        self.skipped.insert(file.to_owned());
        self.first.push(source);
    }

    fn place_of(&self, file: &Path) -> FileName {
        let below = |folder: &Path| file.strip_prefix(folder).ok();
        if let Some(path) = below(&self.places.state) {
            return FileName::new(Role::State, path);
        }
        if let Some(path) = below(&self.places.configuration) {
            return FileName::new(Role::Configuration, path);
        }
        FileName::new(Role::Elsewhere, below(Path::new("/")).unwrap_or(file))
    }

    /// Everything that comes after the store, and of the lists the last ones.
    pub(crate) fn rest(&mut self, lists: &[CrlInFile]) -> Result<Vec<Source>> {
        let mut found = Vec::new();
        for list in lists {
            self.add_list(list, &mut found);
        }
        for (role, folder, below) in &self.later {
            self.walk(*role, folder, below, 0, &mut found)?;
        }
        Ok(found)
    }

    fn add_list(&mut self, list: &CrlInFile, found: &mut Vec<Source>) {
        let file = self.lists.join(&list.name);
        let is_whole = std::fs::metadata(&file).is_ok_and(|about| about.len() == list.octets);
        let name = self.place_of(&file);
        if is_whole && name.role == Role::State {
            found.push(Source { name, file });
        } else if list.is_imported {
            // Of one that is made here another has just been made, or will be.
            self.left_out.push(format!(
                "the CRL {} of the offline CA {}: its file is not in the state folder; import it again after a restore",
                list.number, list.issuer
            ));
        }
    }

    fn walk(
        &self,
        role: Role,
        folder: &Path,
        below: &Path,
        depth: usize,
        found: &mut Vec<Source>,
    ) -> Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(error).with_context(|| format!("reading the folder {}", folder.display()));
            }
        };
        for entry in entries {
            let entry = entry?;
            let (file, below) = (entry.path(), below.join(entry.file_name()));
            let kind = entry.file_type()?;
            if self.skipped.contains(&file) || is_passing(&file) || is_of_other_store(&file) {
                continue;
            }
            if kind.is_dir() && depth < DEEPEST {
                self.walk(role, &file, &below, depth + 1, found)?;
            } else if file.is_file() && !is_age(&file) {
                let name = FileName::new(role, &below);
                found.push(Source { name, file });
            }
        }
        Ok(())
    }
}

/// A file that somebody is about to rename.
fn is_passing(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.contains(".chancery-")
}

fn is_age(file: &Path) -> bool {
    let mut begins = [0; AGE.len()];
    let read = std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut begins));
    read.is_ok() && begins == AGE
}

/// A store in a file that is not the one at work, as one that was copied to PostgreSQL, and what SQLite keeps beside it.
fn is_of_other_store(file: &Path) -> bool {
    let name = file.to_string_lossy();
    let ends = ["-wal", "-shm", "-lock", "-journal"];
    let path = ends
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    store::is_store_file(Path::new(path))
}

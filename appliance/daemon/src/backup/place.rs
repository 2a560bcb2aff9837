//! Where a backup is restored to: which folders, and how they come into their place.
//!
//! Everything is made ready in a folder beside the state folder; then the two change places in one step, and the old one, if there was
//! one, is kept under another name. Whatever stands outside (a configuration in a folder of its own, files at absolute paths that it names, a
//! soft token) is put where nothing is, and is never overwritten unless it is the configuration and that was asked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::manifest::{FileName, Places, Role};
use super::{named, soft_token};
use crate::config::Config;

/// The folders of a restore.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The state folder.
    pub(crate) state: PathBuf,
    /// The folder of the configuration.
    pub(crate) configuration: PathBuf,
    /// Where everything is made ready.
    pub(crate) staging: PathBuf,
    /// Where things were.
    pub(crate) from: Places,
}

/// What was put where.
#[derive(Debug, Default)]
pub(crate) struct Put {
    /// What was put there.
    pub(crate) there: Vec<PathBuf>,
    /// What was there already, and differs.
    pub(crate) kept: Vec<PathBuf>,
    /// Under which names the old ones are kept.
    pub(crate) aside: Vec<PathBuf>,
    /// What was left out, because no configuration names it.
    pub(crate) left_out: Vec<PathBuf>,
}

impl Place {
    /// In these folders; where they were when none is named.
    pub(crate) fn new(from: &Places, state: Option<&Path>, configuration: Option<&Path>) -> Result<Self> {
        let is_one = from.state == from.configuration;
        let state = std::path::absolute(state.unwrap_or(&from.state))?;
        let configuration = match configuration {
            Some(folder) => std::path::absolute(folder)?,
            None if is_one => state.clone(),
            None => from.configuration.clone(),
        };
        if is_one != (state == configuration) {
            bail!(
                "in the backup the configuration is {} the state folder: let --config-dir be {}",
                if is_one { "in" } else { "not in" },
                if is_one {
                    "left out"
                } else {
                    "another folder than --dir"
                }
            );
        }
        let name = state.file_name().context("the state folder has no name")?;
        let staging = state.with_file_name(format!(".{}.chancery-restoring", name.to_string_lossy()));
        Ok(Self {
            state,
            configuration,
            staging,
            from: from.clone(),
        })
    }

    /// In a folder that is thrown away.
    pub(crate) fn sandbox(from: &Places, folder: &Path) -> Self {
        let staged = |role: Role| folder.join(role.to_string());
        let is_one = from.state == from.configuration;
        Self {
            state: staged(Role::State),
            configuration: staged(if is_one { Role::State } else { Role::Configuration }),
            staging: folder.to_owned(),
            from: from.clone(),
        }
    }

    /// The configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.configuration.join(&self.from.config)
    }

    /// A folder of what is made ready.
    pub(crate) fn staged(&self, role: Role) -> PathBuf {
        self.staging.join(role.to_string())
    }

    /// A file of what is made ready.
    pub(crate) fn staged_file(&self, name: &FileName) -> PathBuf {
        self.staged(name.role).join(&name.path)
    }

    /// The configuration file among what is made ready.
    pub(crate) fn staged_config(&self) -> PathBuf {
        let is_one = self.from.state == self.from.configuration;
        let role = if is_one { Role::State } else { Role::Configuration };
        self.staged(role).join(&self.from.config)
    }

    /// Whether something is in the state folder.
    pub(crate) fn is_taken(&self) -> Result<bool> {
        match fs::read_dir(&self.state) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("the state folder {}", self.state.display())),
        }
    }

    /// Text of a configuration with the old folders replaced by these.
    pub(crate) fn moved(&self, text: &str) -> String {
        let to_state = replaced(text, &self.from.state, &self.state);
        if self.from.configuration == self.from.state {
            return to_state;
        }
        replaced(&to_state, &self.from.configuration, &self.configuration)
    }

    /// Lets what was made ready take the place of the state folder, in one step. Gives where the old one is, if there was any.
    pub(crate) fn switch(&self, when: &str) -> Result<Option<PathBuf>> {
        let ready = self.staged(Role::State);
        let outcome = if self.is_taken()? {
            // What was made ready gets the name of the old one first: so the exchange is the only step, and leaves each under the
            // name that it is to have.
            let old = aside(&self.state, when);
            fs::rename(&ready, &old).and_then(|()| {
                let exchanged = renameat_with(CWD, &old, CWD, &self.state, RenameFlags::EXCHANGE);
                exchanged.map(|()| Some(old.clone())).map_err(|error| {
                    // To where it is cleared away.
                    let _ = fs::rename(&old, &ready);
                    io::Error::from(error)
                })
            })
        } else {
            fs::rename(&ready, &self.state).map(|()| None)
        };
        let outcome = outcome.with_context(|| {
            format!(
                "{} cannot be put in its place: it must be a folder on the same file system as the one above it, and no mount point",
                self.state.display()
            )
        })?;
        sync(self.state.parent())?;
        Ok(outcome)
    }

    /// Puts what stands outside the state folder where it belongs.
    pub(crate) fn put_outside(&self, names: &[FileName], replaces: bool, when: &str) -> Result<Put> {
        let mut put = Put::default();
        for name in names.iter().filter(|name| name.role == Role::Configuration) {
            let to = self.configuration.join(&name.path);
            let contents = self.contents(name)?;
            if to.exists() && fs::read(&to)? != contents && replaces {
                let old = aside(&to, when);
                fs::rename(&to, &old)?;
                put.aside.push(old);
            }
            self.put(name, &to, &contents, &mut put)?;
        }
        self.put_elsewhere(names, &mut put)?;
        self.put_tokens(names, &mut put)?;
        Ok(put)
    }

    /// Of the files at absolute paths only those that the configurations name: first what `chancery.toml` does, then what
    /// `signerd.toml` does, which may be one of them.
    fn put_elsewhere(&self, names: &[FileName], put: &mut Put) -> Result<()> {
        let mut rest: Vec<&FileName> = names.iter().filter(|name| name.role == Role::Elsewhere).collect();
        if rest.is_empty() {
            return Ok(());
        }
        let config = Config::load(&self.config_file())?;
        let signing_file = config.path(&config.signer.config);
        let mut wanted = named::by_server(&config);
        wanted.push(signing_file.clone());
        self.put_named(&mut rest, |file| wanted.iter().any(|one| one == file), put)?;
        if let Ok(signing) = token::Config::load(&signing_file) {
            let (wanted, keys) = (named::by_signing(&signing), named::key_folder(&signing));
            let is_named = |file: &Path| {
                wanted.iter().any(|one| one == file) || keys.is_some_and(|folder| file.starts_with(folder))
            };
            self.put_named(&mut rest, is_named, put)?;
        }
        put.left_out = rest.into_iter().map(FileName::at_root).collect();
        Ok(())
    }

    /// Puts those that are named in their places; the others stay in the list.
    fn put_named(
        &self,
        rest: &mut Vec<&FileName>,
        is_named: impl Fn(&Path) -> bool,
        put: &mut Put,
    ) -> Result<()> {
        for name in rest.extract_if(.., |name| is_named(&name.at_root())) {
            self.put(name, &name.at_root(), &self.contents(name)?, put)?;
        }
        Ok(())
    }

    /// A file is put where nothing is.
    fn put(&self, name: &FileName, to: &Path, contents: &[u8], put: &mut Put) -> Result<()> {
        match fs::read(to) {
            Ok(there) if there == contents => return Ok(()),
            Ok(_) => {
                put.kept.push(to.to_owned());
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("reading {}", to.display())),
        }
        let place = || {
            crate::files::private_folder(to.parent().unwrap_or(Path::new("/")))?;
            let mode = fs::metadata(self.staged_file(name))?.permissions();
            crate::files::write(to, contents, crate::files::Readers::Owner)?;
            fs::set_permissions(to, mode)?;
            Ok::<(), anyhow::Error>(())
        };
        place().with_context(|| format!("putting {} in its place", to.display()))?;
        put.there.push(to.to_owned());
        Ok(())
    }

    fn contents(&self, name: &FileName) -> Result<Vec<u8>> {
        let file = self.staged_file(name);
        fs::read(&file).with_context(|| format!("reading {}", file.display()))
    }

    /// A token that is not there gets its folder; one that is there is left as it is, because it may have newer keys.
    fn put_tokens(&self, names: &[FileName], put: &mut Put) -> Result<()> {
        let first = |name: &FileName| {
            name.path
                .components()
                .next()
                .map(|one| PathBuf::from(one.as_os_str()))
        };
        let of_tokens = names.iter().filter(|name| name.role == Role::Token);
        let mut tokens: Vec<PathBuf> = of_tokens.filter_map(first).collect();
        tokens.dedup();
        if tokens.is_empty() {
            return Ok(());
        }
        let Some(folder) = soft_token::tokens_folder() else {
            bail!(
                "the backup has a token of SoftHSM2, which is not configured here: install softhsm2, or let SOFTHSM2_CONF name its \
                 configuration, then restore again"
            );
        };
        for token in tokens {
            let to = folder.join(&token);
            if to.exists() {
                if !self.is_same_token(&token, &to)? {
                    put.kept.push(to);
                }
                continue;
            }
            let new = folder.join(format!(".{}.chancery-new", token.display()));
            let copy = || {
                if new.exists() {
                    fs::remove_dir_all(&new)?;
                }
                crate::files::private_folder(&new)?;
                for entry in fs::read_dir(self.staged(Role::Token).join(&token))? {
                    let entry = entry?;
                    fs::copy(entry.path(), new.join(entry.file_name()))?;
                }
                fs::rename(&new, &to)?;
                Ok::<(), anyhow::Error>(())
            };
            copy().with_context(|| format!("putting the token into {}", folder.display()))?;
            put.there.push(to);
        }
        Ok(())
    }

    fn is_same_token(&self, token: &Path, there: &Path) -> Result<bool> {
        for entry in fs::read_dir(self.staged(Role::Token).join(token))? {
            let entry = entry?;
            let other = fs::read(there.join(entry.file_name())).unwrap_or_default();
            if fs::read(entry.path())? != other {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A name beside it that nothing has.
fn aside(of: &Path, when: &str) -> PathBuf {
    let name = of.file_name().unwrap_or_default().to_string_lossy();
    let first = of.with_file_name(format!("{name}.before-restore-{when}"));
    let others = (2..).map(|number: u32| of.with_file_name(format!("{name}.before-restore-{when}-{number}")));
    let mut names = std::iter::once(first.clone()).chain(others);
    names.find(|path| !path.exists()).unwrap_or(first)
}

/// Paths in quotes that lie in a folder lie in another one.
fn replaced(text: &str, from: &Path, to: &Path) -> String {
    let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
    text.replace(&format!("\"{from}/"), &format!("\"{to}/"))
        .replace(&format!("\"{from}\""), &format!("\"{to}\""))
}

fn sync(folder: Option<&Path>) -> io::Result<()> {
    match folder {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    fn places(state: &str, configuration: &str) -> Places {
        Places {
            state: state.into(),
            configuration: configuration.into(),
            config: "chancery.toml".to_owned(),
            signing: None,
        }
    }

    #[test]
    fn a_configuration_that_moves_names_its_new_folders() {
        let from = places("/var/lib/chancery", "/etc/chancery");
        let place = Place::new(&from, Some(Path::new("/srv/ca")), Some(Path::new("/srv/etc"))).unwrap();
        let text =
            "state_dir = \"/var/lib/chancery\"\npin = \"/etc/chancery/pin\"\nb = \"/var/lib/chancery-2\"\n";
        let moved = "state_dir = \"/srv/ca\"\npin = \"/srv/etc/pin\"\nb = \"/var/lib/chancery-2\"\n";
        assert_eq!(place.moved(text), moved);
        assert!(Place::new(&from, Some(Path::new("/a")), Some(Path::new("/a"))).is_err());
        let one = places("/srv/ca", "/srv/ca");
        let place = Place::new(&one, Some(Path::new("/srv/other")), None).unwrap();
        assert_eq!(place.config_file(), Path::new("/srv/other/chancery.toml"));
        assert!(Place::new(&one, None, Some(Path::new("/etc/x"))).is_err());
    }

    #[test]
    fn folders_change_places_in_one_step_and_the_old_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let place = Place::new(&places("/a", "/a"), Some(&state), None).unwrap();
        let ready = |text: &str| {
            fs::create_dir_all(place.staged(Role::State)).unwrap();
            fs::write(place.staged(Role::State).join("file"), text).unwrap();
        };
        ready("first");
        assert_eq!(place.switch("1").unwrap(), None);
        ready("before");
        let oldest = place.switch("2").unwrap().unwrap();
        assert_eq!(fs::read_to_string(oldest.join("file")).unwrap(), "first");
        fs::write(state.join("file"), "first").unwrap();
        ready("second");
        let old = place.switch("2").unwrap().unwrap();
        assert_ne!(old, oldest);
        assert_eq!(fs::read_to_string(state.join("file")).unwrap(), "second");
        assert_eq!(fs::read_to_string(old.join("file")).unwrap(), "first");
    }
}

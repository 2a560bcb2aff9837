//! Generations on disk: built, switched to, mended, pruned.

use rustix::fs::FileType;
use zeroize::Zeroizing;

use super::contents::{Contents, is_name};
use super::{Layout, OutputSettings, Watch, WriteFault};
use crate::folder::{Access, Folder};

const CURRENT: &str = "current";
/// Names the generation that a switch of the plain layout is on its way to.
const SWITCHING: &str = "switching";
const UNFINISHED: &str = ".new-";

/// The directories of one set.
pub(super) struct Shelf<'a> {
    settings: &'a OutputSettings,
    folder: Folder,
    set: Folder,
    generations: Folder,
    cert: Access,
    key: Access,
    dir: Access,
}

impl<'a> Shelf<'a> {
    pub(super) fn open(settings: &'a OutputSettings, watch: &mut impl Watch) -> Result<Self, WriteFault> {
        if !is_name(&settings.name) {
            return Err(WriteFault::Name(settings.name.clone()));
        }
        let dir = settings.access(settings.mode_dir)?;
        watch.step("make directories");
        let folder = Folder::create(&settings.dir, dir)?;
        let set = folder
            .make_folder(".courier", dir)?
            .make_folder(&settings.name, dir)?;
        let generations = set.make_folder("generations", dir)?;
        Ok(Self {
            settings,
            folder,
            set,
            generations,
            cert: settings.access(settings.mode_cert)?,
            key: settings.access(settings.mode_key)?,
            dir,
        })
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The generation that readers see.
    pub(super) fn current(&self) -> Result<Option<u64>, WriteFault> {
        let target = self.set.link_target(CURRENT)?;
        Ok(target.and_then(|target| target.strip_prefix("generations/")?.parse().ok()))
    }

    /// All whole generations, oldest first.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, WriteFault> {
        let names = self.generations.names()?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Removes what a killed run left. A switch of the plain layout that it began is finished.
    pub(super) fn mend(&self, watch: &mut impl Watch) -> Result<(), WriteFault> {
        for name in self.generations.names()? {
            if name.starts_with(UNFINISHED) {
                watch.step("remove an unfinished generation");
                self.generations.remove_folder(&name)?;
            }
        }
        if let Some(number) = self.set.read_file(SWITCHING)? {
            let number = std::str::from_utf8(&number)
                .ok()
                .and_then(|text| text.parse().ok());
            match number.filter(|_| self.settings.layout == Layout::Plain) {
                Some(number) if self.numbers()?.contains(&number) => self.switch(number, watch)?,
                _ => self.set.remove_file(SWITCHING)?,
            }
        }
        let current = self.current()?;
        for number in self.numbers()? {
            if current.is_none_or(|current| number > current) {
                watch.step("remove a generation that was never switched to");
                self.generations.remove_folder(&number.to_string())?;
            }
        }
        if let Some(current) = current.filter(|_| self.settings.layout == Layout::Links) {
            self.link(current, false, watch)?;
        }
        Ok(())
    }

    /// Refuses what stands under a stable name and is neither ours nor a plain file of ours.
    pub(super) fn check_names(&self, contents: &Contents) -> Result<(), WriteFault> {
        let own = rustix::process::geteuid().as_raw();
        for file in &contents.files {
            let Some(stat) = self.folder.stat(&file.name)? else {
                continue;
            };
            let refuse = |why| Err(self.folder.refuse(&file.name, why).into());
            let is_owned = stat.st_uid == own || self.cert.owner == Some(stat.st_uid);
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink if !self.is_our_link(&file.name)? => {
                    return refuse("it is a symbolic link that the courier did not make");
                }
                FileType::RegularFile if stat.st_nlink > 1 => {
                    return refuse("it has a second name (hard link)");
                }
                FileType::RegularFile if !is_owned => return refuse("it belongs to another account"),
                FileType::Symlink | FileType::RegularFile => {}
                _ => return refuse("it is neither a file nor a link"),
            }
        }
        Ok(())
    }

    /// Takes plain files that stand under stable names into a generation of their own, so that the first switch to links
    /// is atomic, too.
    pub(super) fn adopt(&self, contents: &Contents, watch: &mut impl Watch) -> Result<(), WriteFault> {
        let mut found: Vec<(String, bool, Zeroizing<Vec<u8>>)> = Vec::new();
        let mut has_plain = false;
        let current = match self.current()? {
            Some(number) => Some(self.generations.enter(&number.to_string())?),
            None => None,
        };
        for file in &contents.files {
            let octets = if self.is_our_link(&file.name)? {
                current
                    .as_ref()
                    .map_or(Ok(None), |current| current.read_file(&file.name))?
            } else {
                let octets = self.folder.read_file(&file.name)?;
                has_plain |= octets.is_some();
                octets
            };
            found.extend(octets.map(|octets| (file.name.clone(), file.role.is_secret(), octets)));
        }
        if !has_plain {
            return Ok(());
        }
        let files = found
            .iter()
            .map(|(name, secret, octets)| (name.as_str(), *secret, octets.as_slice()));
        let number = self.shelve(files, watch)?;
        self.switch(number, watch)
    }

    /// Writes a new generation; readers see nothing of it.
    pub(super) fn build(&self, contents: &Contents, watch: &mut impl Watch) -> Result<u64, WriteFault> {
        let files = contents.files.iter();
        self.shelve(
            files.map(|file| (file.name.as_str(), file.role.is_secret(), file.octets.as_slice())),
            watch,
        )
    }

    fn shelve<'f>(
        &self,
        files: impl Iterator<Item = (&'f str, bool, &'f [u8])>,
        watch: &mut impl Watch,
    ) -> Result<u64, WriteFault> {
        let number = self.numbers()?.last().map_or(1, |last| last.saturating_add(1));
        let unfinished = format!("{UNFINISHED}{number}");
        watch.step("make a generation");
        let generation = self.generations.make_folder(&unfinished, self.dir)?;
        for (name, is_secret, octets) in files {
            watch.step("write a file");
            generation.create_file(name, if is_secret { self.key } else { self.cert }, octets)?;
        }
        watch.step("make the files durable");
        generation.sync()?;
        watch.step("number the generation");
        self.generations.rename(&unfinished, &number.to_string())?;
        self.generations.sync()?;
        Ok(number)
    }

    /// Lets readers see a generation.
    pub(super) fn switch(&self, number: u64, watch: &mut impl Watch) -> Result<(), WriteFault> {
        self.switch_names(number, true, watch)
    }

    /// The same; only what was looked at before may be replaced, so that going back leaves a foreign file alone.
    pub(super) fn switch_names(
        &self,
        number: u64,
        replace: bool,
        watch: &mut impl Watch,
    ) -> Result<(), WriteFault> {
        if self.settings.layout == Layout::Plain {
            return self.copy(number, watch);
        }
        if self.current()?.is_none() {
            self.link_ahead(number, watch)?;
        }
        watch.step("switch");
        self.set.replace_link(CURRENT, &format!("generations/{number}"))?;
        self.link(number, replace, watch)
    }

    /// Links where nothing stands yet. Before the first switch they lead nowhere, so that all names appear at once.
    fn link_ahead(&self, number: u64, watch: &mut impl Watch) -> Result<(), WriteFault> {
        for name in self.generations.enter(&number.to_string())?.names()? {
            if self.folder.stat(&name)?.is_none() {
                watch.step("link a stable name ahead");
                self.folder.replace_link(&name, &self.target(&name))?;
            }
        }
        Ok(())
    }

    /// Each stable name of a generation is a link through `current`; links of ours that have lost their file go.
    fn link(&self, number: u64, replace: bool, watch: &mut impl Watch) -> Result<(), WriteFault> {
        let names = self.generations.enter(&number.to_string())?.names()?;
        for name in &names {
            let is_due = !self.is_our_link(name)? && (replace || self.folder.stat(name)?.is_none());
            if is_due {
                watch.step("link a stable name");
                self.folder.replace_link(name, &self.target(name))?;
            }
        }
        for name in self.folder.names()? {
            if self.is_our_link(&name)? && !names.contains(&name) {
                watch.step("remove a stale link");
                self.folder.remove_file(&name)?;
            }
        }
        Ok(())
    }

    /// The plain layout: a rename for each file, the private key last.
    fn copy(&self, number: u64, watch: &mut impl Watch) -> Result<(), WriteFault> {
        let generation = self.generations.enter(&number.to_string())?;
        watch.step("note the switch");
        let note = number.to_string();
        self.set.replace_file(
            SWITCHING,
            Access {
                mode: 0o600,
                ..self.key
            },
            note.as_bytes(),
        )?;
        let mut names = generation.names()?;
        let key = self.settings.names.private_key.as_ref();
        names.sort_by_key(|name| key == Some(name));
        for name in names {
            let Some(octets) = generation.read_file(&name)? else {
                continue;
            };
            let access = if self.is_secret(&name) {
                self.key
            } else {
                self.cert
            };
            watch.step("replace a file");
            self.folder.replace_file(&name, access, &octets)?;
        }
        watch.step("switch");
        self.set.replace_link(CURRENT, &format!("generations/{number}"))?;
        watch.step("forget the note");
        self.set.remove_file(SWITCHING)?;
        Ok(())
    }

    fn is_secret(&self, name: &str) -> bool {
        let names = &self.settings.names;
        let pkcs12 = names.pkcs12.as_ref().map(|wanted| wanted.name.as_str());
        [names.private_key.as_deref(), names.combined.as_deref(), pkcs12].contains(&Some(name))
    }

    /// Removes the generations, with their private keys, that are not to be kept.
    pub(super) fn prune(&self, current: u64, watch: &mut impl Watch) -> Result<(), WriteFault> {
        let older: Vec<u64> = self
            .numbers()?
            .into_iter()
            .filter(|number| *number < current)
            .collect();
        let excess = older.len().saturating_sub(self.settings.keep_previous);
        for number in older.iter().take(excess) {
            watch.step("remove an old generation");
            self.generations.remove_folder(&number.to_string())?;
        }
        Ok(())
    }

    fn target(&self, name: &str) -> String {
        format!(".courier/{}/{CURRENT}/{name}", self.settings.name)
    }

    fn is_our_link(&self, name: &str) -> Result<bool, WriteFault> {
        Ok(self
            .folder
            .link_target(name)?
            .is_some_and(|target| target == self.target(name)))
    }
}

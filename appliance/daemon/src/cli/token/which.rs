//! Which tokens a command is about: those of the signing process's configuration, or one that is named by its module.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use token::{PinSource, TokenConfig};

use crate::cli::Place;
use crate::config::Config;

/// The tokens a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// A token of the signing process's configuration, by its name there; all of them when left out.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["module", "label"])]
    token: Option<String>,
    /// The vendor's PKCS#11 module, in place of what is configured.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The label of a token in this module.
    #[arg(long, requires = "module")]
    label: Option<String>,
    /// The file with the PIN, when it is not where the configuration says.
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

/// A token, and what it takes to log in.
#[derive(Debug)]
pub(in crate::cli) struct Chosen {
    pub(in crate::cli) config: TokenConfig,
    pub(in crate::cli) pin: PinSource,
    /// Where it is remembered that it rejected a PIN.
    pub(in crate::cli) memory: Option<PathBuf>,
}

impl Which {
    /// The modules, each once.
    pub(super) fn modules(&self, place: &Place) -> Result<Vec<PathBuf>> {
        if let Some(module) = &self.module {
            return Ok(vec![module.clone()]);
        }
        let mut modules: Vec<PathBuf> = Vec::new();
        for token in self.configured(place)?.0 {
            if !modules.contains(&token.module) {
                modules.push(token.module);
            }
        }
        Ok(modules)
    }

    /// Whether one token is named by hand, as those do who want to see its keys.
    pub(super) fn names_one(&self) -> bool {
        self.label.is_some()
    }

    /// Whether a token is named at all.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.token.is_some() || self.module.is_some()
    }

    /// The one token that is named.
    pub(in crate::cli) fn one(&self, place: &Place) -> Result<Chosen> {
        let mut tokens = self.tokens(place)?;
        match (tokens.pop(), tokens.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => bail!("several tokens are configured: name one with --token"),
        }
    }

    /// The tokens, each with its PIN.
    pub(super) fn tokens(&self, place: &Place) -> Result<Vec<Chosen>> {
        if let Some(module) = &self.module {
            let label = self
                .label
                .clone()
                .context("name the token in the module with --label")?;
            let pin_file = self
                .pin_file
                .clone()
                .context("name the file with its PIN with --pin-file")?;
            return Ok(vec![by_hand(module, label, pin_file)]);
        }
        let (tokens, memory) = self.configured(place)?;
        tokens
            .into_iter()
            .map(|mut config| {
                if let Some(file) = &self.pin_file {
                    config.pin_file = Some(file.clone());
                    config.pin_credential = None;
                }
                Ok(Chosen {
                    pin: PinSource::of(&config)?,
                    config,
                    memory: memory.clone(),
                })
            })
            .collect()
    }

    /// The one token that is to be made: its module, its label and the file with its PIN.
    pub(super) fn new_token(&self, place: &Place) -> Result<(PathBuf, String, PathBuf)> {
        if let (Some(module), Some(label), Some(pin_file)) = (&self.module, &self.label, &self.pin_file) {
            return Ok((module.clone(), label.clone(), pin_file.clone()));
        }
        if self.module.is_some() {
            bail!("give --label and --pin-file with --module");
        }
        let (tokens, _) = self.configured(place)?;
        let [token] = tokens.as_slice() else {
            bail!("several tokens are configured: name one with --token");
        };
        let label = token.label.clone().context(
            "the configuration names this token by its serial or slot; give --module, --label and --pin-file",
        )?;
        let pin_file = self
            .pin_file
            .clone()
            .or_else(|| token.pin_file.clone())
            .context("its PIN is a systemd credential: name a file that holds it with --pin-file")?;
        Ok((token.module.clone(), label, pin_file))
    }

    /// The configured tokens, and the folder where rejected PINs are remembered.
    fn configured(&self, place: &Place) -> Result<(Vec<TokenConfig>, Option<PathBuf>)> {
        let elsewhere = "to look at a token that is not configured, name its module with --module";
        let config = Config::load(&place.config).context(elsewhere)?;
        let signing = token::Config::load(&config.path(&config.signer.config)).context(elsewhere)?;
        let mut tokens = signing.tokens;
        if let Some(name) = &self.token {
            let known: Vec<String> = tokens.iter().map(|token| token.name.clone()).collect();
            tokens.retain(|token| token.name == *name);
            if tokens.is_empty() {
                bail!(
                    "no token is configured as `{name}`; there are: {}",
                    known.join(", ")
                );
            }
        }
        if tokens.is_empty() {
            bail!("the signing process has no token, its keys are in files; {elsewhere}");
        }
        Ok((tokens, signing.state_directory))
    }
}

/// A token that no configuration knows. That it rejected a PIN is remembered beside the PIN.
fn by_hand(module: &Path, label: String, pin_file: PathBuf) -> Chosen {
    let slug = |character: char| {
        if character.is_ascii_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let folder = pin_file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    Chosen {
        memory: Some(folder.to_owned()),
        config: TokenConfig {
            name: label.chars().map(slug).collect(),
            module: module.to_owned(),
            label: Some(label),
            pin_file: Some(pin_file.clone()),
            ..TokenConfig::default()
        },
        pin: PinSource::File(pin_file),
    }
}

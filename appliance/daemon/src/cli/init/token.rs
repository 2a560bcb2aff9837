//! The part of `init` about the token: the configuration of the signing process, the token itself, its PINs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use secrecy::SecretString;
use token::{SoftwareConfig, TokenConfig, inspect};

use super::draft::Draft;
use super::given::{self, There};
use super::layout::Layout;
use super::{Args, Steps};
use crate::files::{self, Readers};

/// Where Debian and others put SoftHSM2.
const SOFTHSM: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];
/// The configured name of the token.
pub(super) const TOKEN: &str = "hsm";

/// The configured name of the backend that makes the CA keys. Where the signing process is configured already, what that says counts, so
/// that the options of the first run need not be repeated.
pub(super) fn name(args: &Args, there: &There) -> String {
    if there.is_connected(args) {
        return args.token.clone();
    }
    let is_software = match &there.signing {
        _ if args.software => true,
        Some(there) => there.tokens.is_empty(),
        None => false,
    };
    let token = there.signing.as_ref().and_then(given::own_token);
    match token {
        _ if is_software => "software".to_owned(),
        Some(token) => token.name.clone(),
        None => TOKEN.to_owned(),
    }
}

/// `signerd.toml`, to be tried; before that, sees to the token.
pub(super) fn draft(
    args: &Args,
    steps: Steps,
    layout: &Layout,
    there: &There,
) -> Result<(Draft, token::Config)> {
    if let Some(config) = &there.signing {
        return Ok((Draft::there(&layout.signing), config.clone()));
    }
    let config = if args.software {
        software(layout)?
    } else {
        hardware(args, steps, layout)?
    };
    Ok((Draft::new(&layout.signing, &config)?, config))
}

/// Tells what `draft` would do.
pub(super) fn plan(args: &Args, steps: Steps, layout: &Layout, there: &There) -> Result<()> {
    if there.signing.is_some() {
        steps.done("signing process", "is there");
        return Ok(());
    }
    if args.software {
        steps.done("keys", "in files, without an HSM");
    } else {
        let (module, label) = (module(args)?, label(args));
        match (find_token(&module, label)?, args.init_token) {
            (Found::Ready, _) => steps.done("token", &format!("`{label}` is there")),
            (Found::WithoutPin, true) => {
                steps.done("token", &format!("set the PIN of `{label}`"));
            }
            (Found::Nothing, true) => {
                steps.done("token", &format!("initialise `{label}` in {}", module.display()));
            }
            (found, false) => bail!(no_token(label, found)),
        }
    }
    steps.done(
        "signing process",
        &format!("configure in {}", layout.signing.display()),
    );
    Ok(())
}

/// The label of the token.
fn label(args: &Args) -> &str {
    args.token_label.as_deref().unwrap_or("chancery")
}

fn software(layout: &Layout) -> Result<token::Config> {
    files::private_folder(&layout.state.join("keys"))?;
    Ok(token::Config {
        software: Some(SoftwareConfig {
            directory: Some(layout.for_signing("keys")),
            passphrase_file: None,
        }),
        audit_file: Some(layout.for_signing("signerd-audit.log")),
        ..token::Config::default()
    })
}

fn hardware(args: &Args, steps: Steps, layout: &Layout) -> Result<token::Config> {
    let (module, label) = (module(args)?, label(args));
    let pin_file = layout.pin_file(args.pin_file.as_deref())?;
    let found = find_token(&module, label)?;
    if found == Found::Ready {
        steps.done("token", "is there");
        if !pin_file.exists() {
            bail!(
                "the PIN of the token `{}` is not there: write it into {}, or name its file with --pin-file",
                label,
                pin_file.display()
            );
        }
    } else if args.init_token {
        let new = inspect::NewToken {
            slot: None,
            label: label.to_owned(),
            so_pin: pin(&layout.configuration.join("so-pin"))?,
            user_pin: pin(&pin_file)?,
        };
        inspect::init_token(&module, &new)?;
        steps.done("token", "initialised");
    } else {
        bail!(no_token(label, found));
    }
    let token = TokenConfig {
        name: TOKEN.to_owned(),
        // A soft token reads its files for every signature made with a token key.
        session_copies: module.to_string_lossy().contains("softhsm"),
        module,
        label: Some(label.to_owned()),
        pin_file: Some(pin_file),
        ..TokenConfig::default()
    };
    Ok(token::Config {
        tokens: vec![token],
        audit_file: Some(layout.for_signing("signerd-audit.log")),
        state_directory: Some(layout.for_signing(".")),
        ..token::Config::default()
    })
}

fn module(args: &Args) -> Result<PathBuf> {
    match &args.module {
        Some(module) => Ok(std::path::absolute(module)?),
        None => SOFTHSM
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .context(
                "there is no SoftHSM2 here: name the module of your HSM with --module, install softhsm2, or try without an \
                 HSM (--software)",
            ),
    }
}

/// What is there of the token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Ready,
    /// Its initialisation was broken off.
    WithoutPin,
    Nothing,
}

fn find_token(module: &Path, label: &str) -> Result<Found> {
    let slots = inspect::slots(module)?;
    let found = slots
        .iter()
        .filter_map(|slot| slot.token.as_ref())
        .find(|token| token.initialized && token.label == label);
    let unseen = slots
        .iter()
        .find_map(|slot| Some((slot.slot, slot.problem.as_ref()?)));
    if let (None, Some((slot, problem))) = (found, unseen) {
        bail!(
            "it cannot be told what is in slot {slot}: {problem}; look at the HSM, then run the command again"
        );
    }
    Ok(match found {
        Some(token) if token.user_pin == inspect::NO_PIN_YET => Found::WithoutPin,
        Some(_) => Found::Ready,
        None => Found::Nothing,
    })
}

fn no_token(label: &str, found: Found) -> String {
    match found {
        Found::WithoutPin => format!(
            "the token labelled `{label}` has no user PIN yet: write its SO PIN into the file `so-pin` beside the \
             configuration and add --init-token, or set the PIN with the vendor's tool"
        ),
        Found::Ready | Found::Nothing => format!(
            "there is no token labelled `{label}`: name another with --token-label (`chancery token list` shows them), \
             or add --init-token"
        ),
    }
}

/// The PIN in a file; a new one of 16 digits when there is no file.
fn pin(file: &Path) -> Result<SecretString> {
    if !file.exists() {
        files::write(file, format!("{}\n", new_pin()?).as_bytes(), Readers::Owner)?;
    }
    Ok(SecretString::from(files::first_line(file)?))
}

/// Sixteen digits, each as probable as the others: octets from 250 on would favour the lower digits and are left out.
fn new_pin() -> Result<String> {
    let mut digits = String::new();
    while digits.len() < 16 {
        let mut octet = [0_u8; 1];
        aws_lc_rs::rand::fill(&mut octet).map_err(|_| anyhow::anyhow!("the random generator failed"))?;
        if let [octet @ 0..250] = octet {
            digits.push(char::from(b'0' + octet % 10));
        }
    }
    Ok(digits)
}

//! What the command line says, held against the files that are there: an option that says something else than they do is refused, because
//! those files stay as they are.

use std::path::Path;

use anyhow::{Result, bail};
use token::TokenConfig;

use super::Args;
use super::layout::Layout;
use super::token::TOKEN;
use crate::config::{Config, SignerMode};

/// What is there of the configuration.
#[derive(Debug, Default)]
pub(super) struct There {
    /// `chancery.toml`.
    pub(super) server: Option<Config>,
    /// `signerd.toml`, unless somebody else runs the signing process.
    pub(super) signing: Option<token::Config>,
}

impl There {
    /// Reads it, and looks whether the options say the same. The signing process's file is where `chancery.toml` says.
    pub(super) fn read(args: &Args, layout: &mut Layout) -> Result<Self> {
        let mut there = Self::default();
        if layout.config.exists() {
            let config = Config::load(&layout.config)?;
            layout.signing = config.path(&config.signer.config);
            refuse(&layout.config, &server_differences(args, &config)?)?;
            there.server = Some(config);
        }
        if !there.is_connected(args) && layout.signing.exists() {
            let config = token::Config::load(&layout.signing)?;
            refuse(&layout.signing, &signing_differences(args, &config)?)?;
            there.signing = Some(config);
        }
        Ok(there)
    }

    /// Whether somebody else runs the signing process.
    pub(super) fn is_connected(&self, args: &Args) -> bool {
        let is_there = |config: &Config| config.signer.mode == SignerMode::Connect;
        args.signer_socket.is_some() || self.server.as_ref().is_some_and(is_there)
    }
}

/// A machine for ceremonies has no server's files: a folder with them is that of a server.
pub(super) fn refuse_a_server(args: &Args, layout: &Layout, there: &There) -> Result<()> {
    let in_state = |name: &str| match &there.server {
        Some(config) => config.path(name.as_ref()),
        None => layout.state.join(name),
    };
    let files = ["admin.token", "tls/server.pem"].map(in_state);
    match files.iter().find(|file| args.offline && file.exists()) {
        Some(file) => bail!(
            "{} is there, so this is the folder of a server: name another folder for a machine for ceremonies, or leave --offline out",
            file.display()
        ),
        None => Ok(()),
    }
}

/// Where the configuration of the signing process alone is lost, and the keys were in files, another one for an HSM would have none of them.
pub(super) fn refuse_lost_signing(args: &Args, layout: &Layout, there: &There) -> Result<()> {
    let Some(config) = &there.server else {
        return Ok(());
    };
    let is_told = args.software || args.module.is_some() || args.token_label.is_some();
    if is_told || there.is_connected(args) || there.signing.is_some() {
        return Ok(());
    }
    let keys = config.path("keys".as_ref());
    let has_keys = std::fs::read_dir(&keys).is_ok_and(|mut entries| entries.next().is_some());
    if has_keys {
        bail!(
            "{} is gone, and {} has keys in files: run the same command with --software, or name the token with --token-label",
            layout.signing.display(),
            keys.display()
        );
    }
    Ok(())
}

/// An option, and the key that has another value with that value.
struct Difference {
    option: &'static str,
    key: &'static str,
    value: String,
}

fn refuse(file: &Path, differences: &[Difference]) -> Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = differences
        .iter()
        .map(|one| {
            let (option, key, value) = (one.option, one.key, &one.value);
            format!("  it says {key} = {value}, and {option} says something else")
        })
        .collect();
    bail!(
        "{} is there, and is not changed by `init`:\n{}\nchange it there, or leave the option out",
        file.display(),
        lines.join("\n")
    )
}

fn server_differences(args: &Args, there: &Config) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    let mut hold = |is_same: bool, option, key, value: String| {
        if !is_same {
            found.push(Difference { option, key, value });
        }
    };
    let mut given = Config::new();
    args.store.put(&mut given)?;
    let (own, given) = (&there.store, &given.store);
    if args.store.is_given() {
        hold(own.url == given.url, "--store-url", "store.url", quoted(&own.url));
    }
    let files = [
        (
            "--store-password-file",
            "store.password_file",
            &own.password_file,
            &given.password_file,
        ),
        (
            "--store-tls-roots",
            "store.tls_roots",
            &own.tls_roots,
            &given.tls_roots,
        ),
        (
            "--store-tls-identity",
            "store.tls_identity",
            &own.tls_identity,
            &given.tls_identity,
        ),
    ];
    for (option, key, own, given) in files {
        let Some(given) = given else { continue };
        let own = own.as_ref().map(|own| there.path(own));
        let is_same = own.as_ref().is_some_and(|own| is_one_file(own, given));
        hold(is_same, option, key, path_or_nothing(own.as_deref()));
    }
    if let Some(url) = &args.base_url {
        let own = &there.public.base_url;
        hold(own == url, "--base-url", "public.base_url", quoted(own));
    }
    let listeners = [
        ("--public", "public.listen", there.public.listen, args.public),
        ("--api", "api.listen", there.api.listen, args.api),
        ("--metrics", "metrics.listen", there.metrics.listen, args.metrics),
    ];
    for (option, key, own, given) in listeners {
        hold(
            given.is_none_or(|given| given == own),
            option,
            key,
            quoted(&own.to_string()),
        );
    }
    let has_all = args.names.iter().all(|name| there.api.names.contains(name));
    hold(has_all, "--name", "api.names", format!("{:?}", there.api.names));
    if let Some(socket) = &args.signer_socket {
        let is_connected = there.signer.mode == SignerMode::Connect;
        hold(is_connected, "--signer-socket", "signer.mode", mode(there));
        let own = there.path(&there.signer.socket);
        let is_same = !is_connected || is_one_file(&own, &std::path::absolute(socket)?);
        hold(
            is_same,
            "--signer-socket",
            "signer.socket",
            quoted(&own.to_string_lossy()),
        );
    } else if there.signer.mode == SignerMode::Connect {
        let wants_own = args.software || args.init_token || args.module.is_some() || args.pin_file.is_some();
        hold(
            !wants_own,
            "what was said of the token",
            "signer.mode",
            mode(there),
        );
    }
    Ok(found)
}

fn signing_differences(args: &Args, there: &token::Config) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    let mut hold = |is_same: bool, option, key, value: String| {
        if !is_same {
            found.push(Difference { option, key, value });
        }
    };
    let nothing = || "nothing".to_owned();
    hold(
        !args.software || there.software.is_some(),
        "--software",
        "[software]",
        nothing(),
    );
    let token = own_token(there);
    hold(
        !args.init_token || token.is_some(),
        "--init-token",
        "[[tokens]]",
        nothing(),
    );
    let own = token.map(|token| token.module.as_path());
    if let Some(given) = &args.module {
        let given = std::path::absolute(given)?;
        let is_same = own.is_some_and(|own| is_one_file(own, &given));
        hold(is_same, "--module", "tokens.module", path_or_nothing(own));
    }
    let own = token.and_then(|token| token.label.as_ref());
    if let Some(given) = &args.token_label {
        let value = own.map_or_else(nothing, |own| quoted(own));
        hold(own == Some(given), "--token-label", "tokens.label", value);
    }
    let own = token.and_then(|token| token.pin_file.as_deref());
    if let Some(given) = &args.pin_file {
        let given = std::path::absolute(given)?;
        let is_same = own.is_some_and(|own| is_one_file(own, &given));
        hold(is_same, "--pin-file", "tokens.pin_file", path_or_nothing(own));
    }
    Ok(found)
}

/// The token that `init` configures, or the first that somebody else did.
pub(super) fn own_token(there: &token::Config) -> Option<&TokenConfig> {
    let by_name = there.tokens.iter().find(|token| token.name == TOKEN);
    by_name.or_else(|| there.tokens.first())
}

fn is_one_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn path_or_nothing(path: Option<&Path>) -> String {
    path.map_or_else(|| "nothing".to_owned(), |path| quoted(&path.to_string_lossy()))
}

fn mode(config: &Config) -> String {
    let mode = match config.signer.mode {
        SignerMode::Spawn => "spawn",
        SignerMode::Connect => "connect",
        SignerMode::InProcess => "in-process",
    };
    quoted(mode)
}

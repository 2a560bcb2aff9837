//! `doctor`: one report on everything that keeps a certificate from being fetched, instead of one error after the other.

use std::path::Path;

use serde::Serialize;

use super::Console;
use crate::client::skew;
use crate::config::{CertificateSettings, Deployment, KeyProvider};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::hook::HookCommand;
use crate::key::KeptKey;
use crate::run::disk;
use crate::site::Site;
use crate::token_key::TokenSettings;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    /// What.
    about: String,
    /// Whether it is as it should be.
    is_ok: bool,
    /// What was found.
    detail: String,
}

impl Finding {
    fn of(about: impl Into<String>, found: Result<String, String>) -> Self {
        let (is_ok, detail) = match found {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Self {
            about: about.into(),
            is_ok,
            detail,
        }
    }
}

/// Examines the connection, the credentials and every certificate's surroundings; 1 when something is wrong.
pub(super) async fn examine(console: Console, site: &Site, chosen: &[CertificateSettings]) -> u8 {
    let mut all = vec![Finding::of("appliance", reach(site).await)];
    all.push(Finding::of("sign in", sign_in(site).await));
    for settings in chosen {
        let about = |what: &str| format!("{}: {what}", settings.name);
        let owner = settings.output.access(0).map(|access| access.owner);
        let outputs = owner.map_err(|fault| fault.to_string());
        let outputs = outputs.and_then(|owner| folder_of(&settings.output.dir, owner));
        all.push(Finding::of(about("output directory"), outputs));
        all.push(Finding::of(
            about("state directory"),
            folder_of(&settings.state_dir, None),
        ));
        all.push(Finding::of(about("certificate"), certificate(settings, site)));
        if let KeyProvider::Pkcs11(wanted) = &settings.key.provider {
            all.push(Finding::of(about("token"), token(settings, wanted, site)));
        }
        for deployment in &settings.deploy {
            let about = about(&format!("deploy {}", deployment.kind));
            all.push(Finding::of(about, server(deployment)));
        }
        let hooks = &settings.hooks;
        let each = [
            ("hook pre", &hooks.pre),
            ("hook on_success", &hooks.on_success),
            ("hook on_failure", &hooks.on_failure),
            ("hook on_nochange", &hooks.on_nochange),
        ];
        for (name, hook) in each {
            if let Some(hook) = hook {
                all.push(Finding::of(about(name), executable(&hook.command)));
            }
        }
    }
    for finding in &all {
        let mark = if finding.is_ok { "ok" } else { "WRONG" };
        console.tell(
            finding,
            &format!("{mark:5} {}: {}", finding.about, finding.detail),
        );
    }
    u8::from(all.iter().any(|finding| !finding.is_ok))
}

/// Name, connection, TLS and clock in one call: the fault says which of them it was.
async fn reach(site: &Site) -> Result<String, String> {
    let client = site.client().map_err(|failure| failure.told())?;
    let health = client.health().await;
    let health = health.map_err(|fault| Failure::from(fault).told())?;
    let ahead = skew::seconds_ahead(site.clock().now(), health.server_time);
    match skew::warning(ahead) {
        Some(warning) => Err(warning),
        None => Ok(format!("{} version {}", health.identity, health.version)),
    }
}

async fn sign_in(site: &Site) -> Result<String, String> {
    let courier = site.courier().await.map_err(|failure| failure.told())?;
    let own: Result<courier_wire::OwnRecord, _> = courier.description().await;
    let own = own.map_err(|fault| Failure::from(fault).told())?;
    Ok(format!(
        "{} is {}, may have {}",
        own.courier.name,
        own.courier.status,
        if own.allowed_names.is_empty() {
            "no names".to_owned()
        } else {
            own.allowed_names.join(", ")
        }
    ))
}

/// Whether a directory may be used, as a run would use it; `owner` is whose the files in it will be.
fn folder_of(dir: &Path, owner: Option<u32>) -> Result<String, String> {
    if !dir.exists() {
        return Ok(format!("{} is made by the first run", dir.display()));
    }
    match Folder::open(dir, owner) {
        Ok(_) => Ok(dir.display().to_string()),
        Err(fault) => Err(fault.to_string()),
    }
}

fn certificate(settings: &CertificateSettings, site: &Site) -> Result<String, String> {
    let found = disk::read(settings).map_err(|failure| failure.told())?;
    if let Some(broken) = found.broken {
        return Err(broken);
    }
    let Some(leaf) = found.leaf() else {
        return Ok("there is none yet".to_owned());
    };
    if found.key.as_ref().is_none_or(|key| !key.is_of(leaf.public_key())) {
        return Err("the private key on disk is not the certificate's".to_owned());
    }
    if !leaf.is_valid_at(site.clock().now()) {
        return Err(format!(
            "it is valid from {} to {}",
            leaf.not_before(),
            leaf.not_after()
        ));
    }
    Ok(format!("{} until {}", leaf.subject(), leaf.not_after()))
}

/// Whether the token can be opened, and has the key of the certificate.
fn token(settings: &CertificateSettings, wanted: &TokenSettings, site: &Site) -> Result<String, String> {
    let keys = site.open_token(settings).map_err(|failure| failure.told())?;
    let found = disk::read(settings).map_err(|failure| failure.told())?;
    let (Some(leaf), Some(reference)) = (found.leaf(), found.key.as_ref().and_then(KeptKey::in_token)) else {
        return Ok(format!("the {} is there", wanted.place));
    };
    match keys.public_key(reference) {
        Some(public) if public == *leaf.public_key() => {
            Ok(format!("the {} has the key {}", wanted.place, reference.object))
        }
        _ => Err(format!(
            "the {} does not have the key of the certificate: `generate --force` makes both anew",
            wanted.place
        )),
    }
}

/// Whether the files of a server can be put where they go, and its commands are there.
fn server(deployment: &Deployment) -> Result<String, String> {
    let plan = deployment.target.plan(&kit::Bundle::default());
    let plan = plan.map_err(|fault| fault.to_string())?;
    for file in &plan.files {
        let dir = file.path.parent().unwrap_or(Path::new("/"));
        if !dir.exists() {
            return Err(format!("{} does not exist: make it", dir.display()));
        }
        Folder::open(dir, file.access.owner).map_err(|fault| fault.to_string())?;
    }
    let applied = match &plan.apply {
        kit::Apply::Command(command) => Some(command),
        kit::Apply::HaproxySocket { socket, .. } if socket.exists() => None,
        kit::Apply::HaproxySocket { socket, .. } => {
            return Err(format!("{} does not exist", socket.display()));
        }
    };
    for command in plan.check.iter().chain(applied) {
        executable(&HookCommand::Direct(command.words().to_vec()))?;
    }
    let files = plan.files.iter().map(|file| file.path.display().to_string());
    Ok(files.collect::<Vec<_>>().join(", "))
}

/// Whether the program of a hook is there. What a shell makes of a text is not looked into.
fn executable(command: &HookCommand) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let program = match command {
        HookCommand::Shell(_) => return Ok("a text for the shell".to_owned()),
        HookCommand::Direct(list) => list.first().cloned().unwrap_or_default(),
    };
    let is_program = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let found = if program.contains('/') {
        is_program(Path::new(&program))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|dir| is_program(&dir.join(&program)))
    };
    if found {
        Ok(program)
    } else {
        Err(format!("`{program}` is no program that can be run"))
    }
}

//! The registration of an instance: a token that is good once, a key that is made here, the certificate that the appliance gives.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use courier_wire::{BridgeRegistration, Secret};
use zeroize::Zeroizing;

use crate::config::Settings;
use crate::identity::{self, Identity, NewKey};
use crate::upstream::{self, Appliance};

/// Longest token file, in octets.
const MAX_TOKEN: u64 = 4096;
const PATH: &str = "/api/v1/courier/bridges/register";

/// Registers and keeps what came of it.
pub(crate) async fn register(settings: &Settings, token: &Path, may_replace: bool) -> Result<Identity> {
    if !may_replace && identity::is_there(&settings.state_dir) {
        bail!(
            "{} has an identity already; `--replace` registers anew",
            settings.state_dir.display()
        );
    }
    let token = read_token(token)?;
    let appliance = Appliance::new(&settings.upstream)?;
    let speaker = appliance.speaker(None)?;
    let key = NewKey::generate()?;
    let request = BridgeRegistration {
        token,
        csr_pem: key.request.clone(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    };
    let given = upstream::certificate(&appliance, &speaker, PATH, &request).await?;
    let made = Identity::new(&given.instance, key.pkcs8.clone(), &given.certificate_pem);
    let made = made
        .map_err(anyhow::Error::msg)
        .context("the answer of the appliance")?;
    identity::store(
        &settings.state_dir,
        &given.instance,
        &key.pkcs8,
        &given.certificate_pem,
    )?;
    Ok(made)
}

fn read_token(path: &Path) -> Result<Secret> {
    let about = || format!("the token in {}", path.display());
    let length = std::fs::metadata(path).with_context(about)?.len();
    if length > MAX_TOKEN {
        bail!("{} is longer than {MAX_TOKEN} octets", path.display());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(about)?);
    let token = text.trim();
    if token.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(Secret::from(token.to_owned()))
}

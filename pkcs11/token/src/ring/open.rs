//! Opening everything a configuration names.
//!
//! Each token is attached on a thread of its own, so that one that hangs keeps none of the others, nor the service, from
//! starting: after a while it counts as away, and its thread goes on waiting for it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::KeyRing;
use crate::config::Config;
use crate::error::Error;
use crate::hsm::Hsm;
use crate::keys::Keys;
use crate::module::Module;
use crate::software::Software;

/// How long the start waits for a token when another is there. A network HSM takes a second; one that is unplugged may take a
/// minute to say so.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits for the first one: less than a supervisor waits for the service.
const PATIENCE_FOR_THE_FIRST: Duration = Duration::from_secs(40);

impl KeyRing {
    /// Opens everything the configuration names. A token that is away does not fail this, nor one that rejects its PIN while
    /// another backend is there to work; a module or key file that is not usable does.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let tokens = tokens(config)?;
        let outcomes = attach(&tokens)?;
        let software = config
            .software
            .as_ref()
            .map(Software::open)
            .transpose()?
            .map(Arc::new);
        let mut rejections = Vec::new();
        for outcome in outcomes {
            match outcome {
                Some(error @ Error::PinRejected { .. }) => rejections.push(error),
                Some(Error::TokenAbsent { .. } | Error::Module { .. }) | None => {}
                Some(error) => return Err(error),
            }
        }
        let is_all_rejected = software.is_none() && rejections.len() == tokens.len();
        match rejections.pop() {
            Some(rejection) if is_all_rejected => return Err(rejection),
            Some(rejection) => {
                tracing::error!(error = %rejection, "the other tokens work on without this one");
            }
            None => {}
        }
        let backends = tokens.into_iter().map(|hsm| hsm as Arc<dyn Keys>).collect();
        Ok(Self::new(backends, software))
    }
}

/// The tokens, none of them attached; those of one module share it.
fn tokens(config: &Config) -> Result<Vec<Arc<Hsm>>, Error> {
    let mut modules: HashMap<PathBuf, Arc<Module>> = HashMap::new();
    let mut tokens = Vec::new();
    for token in &config.tokens {
        let path = token
            .module
            .canonicalize()
            .unwrap_or_else(|_| token.module.clone());
        let module = match modules.get(&path) {
            Some(module) => Arc::clone(module),
            None => Module::load(&path)?,
        };
        modules.insert(path, Arc::clone(&module));
        tokens.push(Arc::new(Hsm::configured(
            module,
            token,
            config.state_directory.as_deref(),
        )?));
    }
    Ok(tokens)
}

/// Attaches all of them at the same time: what went wrong with each, where anything did by the end of our patience.
fn attach(tokens: &[Arc<Hsm>]) -> Result<Vec<Option<Error>>, Error> {
    let (sender, attached) = mpsc::channel();
    for (place, hsm) in tokens.iter().enumerate() {
        let (sender, hsm) = (sender.clone(), Arc::clone(hsm));
        let work = move || {
            let outcome = hsm.tend().inspect_err(|error| {
                tracing::warn!(token = hsm.name(), %error, "the token is away; it is looked for again from time to time");
            });
            // Nobody listens any more to a token that took too long.
            let _ = sender.send((place, outcome.err()));
        };
        let spawned = std::thread::Builder::new()
            .name(format!("attach-{place}"))
            .spawn(work);
        spawned.map_err(|error| Error::Refused(format!("no thread for a token: {error}")))?;
    }
    drop(sender);
    let mut outcomes: Vec<Option<Error>> = tokens.iter().map(|_| None).collect();
    let (mut missing, mut is_one_there) = (tokens.len(), false);
    let started = Instant::now();
    loop {
        let patience = if is_one_there {
            PATIENCE
        } else {
            PATIENCE_FOR_THE_FIRST
        };
        let Ok((place, outcome)) = attached.recv_timeout(patience.saturating_sub(started.elapsed())) else {
            break;
        };
        missing -= 1;
        is_one_there |= outcome.is_none();
        if let Some(slot) = outcomes.get_mut(place) {
            *slot = outcome;
        }
    }
    if missing > 0 {
        tracing::error!(
            tokens = missing,
            "tokens do not answer; the service starts without them"
        );
    }
    Ok(outcomes)
}

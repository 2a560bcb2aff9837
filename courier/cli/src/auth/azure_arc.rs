//! A machine in Azure Arc: the local metadata service (HIMDS) challenges with a file that only its group can read.
//!
//! The path of the file comes out of an answer, so it is taken for hostile: it is exactly the agent's directory and one name that ends
//! with `.key`, no link is followed to it, it is a regular file, and at most 4096 octets of it are read. The endpoint is on this machine
//! or is not asked, and one challenge is answered once.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use rustix::fs::{Mode, OFlags};
use secrecy::{ExposeSecret as _, SecretString};

use super::fetch::{Question, is_loopback, url};
use super::presented::Presented;
use super::token_file::{Bound, bounded};
use super::{Context, Fault, peek};

/// The audience when the settings name none, as the contract has it.
pub const DEFAULT_RESOURCE: &str = "https://management.azure.com/";
/// The port when the settings name none.
pub const DEFAULT_PORT: u16 = 40342;
/// Longest challenge read, in octets.
pub const MAX_CHALLENGE_LEN: usize = 4096;

const VERSION: &str = "2019-11-01";
const PATH: &str = "/metadata/identity/oauth2/token";

/// The settings of `azure_arc`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The audience of the token.
    pub resource: String,
    /// The port of the metadata service; without it `IDENTITY_ENDPOINT` counts when it is on this machine, then [`DEFAULT_PORT`].
    pub himds_port: Option<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            resource: DEFAULT_RESOURCE.to_owned(),
            himds_port: None,
        }
    }
}

impl Settings {
    /// What is not advisable about them.
    pub fn warnings(&self) -> Vec<String> {
        if !peek::is_management_audience(&self.resource) {
            return Vec::new();
        }
        vec![format!(
            "auth.resource {} is the audience of a cloud's own interface: whoever receives the token can act there with this machine's rights; set `resource` to the appliance's own application URI",
            self.resource
        )]
    }

    /// What is presented.
    pub(crate) async fn present(&self, context: &Context<'_>) -> Result<Presented, Fault> {
        let endpoint = self.endpoint(context)?;
        let first = question(&endpoint)?.ask(None).await?;
        if first.status != 401 {
            // A service that gives a token without a challenge is not the Arc agent.
            return Err(match first.status {
                200 => Fault::Malformed(format!("{} gave a token without a challenge", first.endpoint)),
                status => Fault::Answered {
                    endpoint: first.endpoint,
                    status,
                },
            });
        }
        let path = challenge_path(&first.headers, &context.places.arc_tokens)?;
        let challenge = challenge(&path)?;
        let answer = SecretString::from(format!("Basic {}", challenge.expose_secret()));
        let second = question(&endpoint)?
            .header("Authorization", answer.expose_secret())?
            .ask(None)
            .await?;
        let token = second.good()?.token(&["/access_token"])?;
        // The contract's default is a cloud's audience; the warning is told beforehand.
        peek::check(token.expose_secret(), "azure_arc", true, context.now)?;
        Ok(Presented::AzureArc {
            access_token: token,
            resource: self.resource.clone(),
        })
    }

    fn endpoint(&self, context: &Context<'_>) -> Result<Url, Fault> {
        let mut endpoint = match (self.himds_port, told(context)) {
            (None, Some(told)) => told,
            (port, _) => {
                let port = port.unwrap_or(DEFAULT_PORT);
                url(&format!("http://127.0.0.1:{port}{PATH}"), "himds_port")?
            }
        };
        endpoint.set_query(None);
        endpoint
            .query_pairs_mut()
            .append_pair("api-version", VERSION)
            .append_pair("resource", &self.resource);
        Ok(endpoint)
    }
}

/// What `IDENTITY_ENDPOINT` says, when that is on this machine: the Arc agent is here or nowhere.
fn told(context: &Context<'_>) -> Option<Url> {
    let told = context.environment.var("IDENTITY_ENDPOINT")?;
    let mut told = Url::parse(&told).ok().filter(is_loopback).or_else(|| {
        tracing::warn!("IDENTITY_ENDPOINT is not on this machine and not asked");
        None
    })?;
    if told.host_str() == Some("localhost") {
        // Whatever a resolver makes of the name.
        told.set_host(Some("127.0.0.1")).ok()?;
    }
    Some(told)
}

fn question(endpoint: &Url) -> Result<Question, Fault> {
    Question::get(endpoint.clone()).header("Metadata", "true")
}

/// The path in `WWW-Authenticate: Basic realm=<path>`.
fn challenge_path(headers: &HeaderMap, directory: &Path) -> Result<PathBuf, Fault> {
    let refused = |why: &str| Fault::Malformed(format!("the challenge of the Arc agent is refused: {why}"));
    let mut challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    let (Some(challenge), None) = (challenges.next(), challenges.next()) else {
        return Err(refused("there is not exactly one"));
    };
    let challenge = challenge.to_str().map_err(|_| refused("it is not text"))?;
    let (scheme, parameter) = challenge
        .trim()
        .split_once(' ')
        .ok_or_else(|| refused("it has no realm"))?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(refused("its scheme is not Basic"));
    }
    let (name, value) = parameter
        .trim()
        .split_once('=')
        .ok_or_else(|| refused("it has no realm"))?;
    if !name.trim().eq_ignore_ascii_case("realm") {
        return Err(refused("it has no realm"));
    }
    let value = value.trim();
    let path = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    // The text is compared, not its components: `Path` takes `.` and doubled slashes for nothing.
    let base = directory
        .to_str()
        .and_then(|directory| path.strip_prefix(directory))
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| refused("its file is not in the directory of the agent"))?;
    if base.contains(['/', '\\', '\0']) || base.contains("..") {
        return Err(refused("its file is not in the directory of the agent"));
    }
    if base.len() <= ".key".len() || Path::new(base).extension() != Some(OsStr::new("key")) {
        return Err(refused("its file is not named .key"));
    }
    Ok(directory.join(base))
}

fn challenge(path: &Path) -> Result<SecretString, Fault> {
    const WHAT: &str = "the challenge of the Arc agent";
    let unreadable = |cause| Fault::File {
        what: WHAT,
        path: path.to_owned(),
        cause,
    };
    // Neither a link is followed nor a pipe waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|cause| unreadable(cause.into()))?;
    let file = File::from(file);
    let is_file = file.metadata().map_err(unreadable)?.is_file();
    if !is_file {
        return Err(Fault::Malformed(format!("{WHAT} {} is no file", path.display())));
    }
    let octets = bounded(file, WHAT, MAX_CHALLENGE_LEN).map_err(|fault| match fault {
        Bound::Io(cause) => unreadable(cause),
        Bound::Long(fault) => fault,
    })?;
    let text = std::str::from_utf8(&octets)
        .map_err(|_| Fault::Malformed(format!("{WHAT} {} is not text", path.display())))?
        .trim();
    if text.is_empty() {
        return Err(Fault::Malformed(format!("{WHAT} {} is empty", path.display())));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests;

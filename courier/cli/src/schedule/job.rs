//! What is started: which program, for which file, as whom, and what it has to reach.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::auth::Method;
use crate::config::Settings;

/// What is started.
#[derive(Clone, Debug)]
pub struct Job {
    name: String,
    pub(super) program: String,
    pub(super) config: String,
    pub(super) user: String,
    pub(super) writable: BTreeSet<String>,
    /// Names and files that systemd hands over.
    pub(super) credentials: Vec<(String, String)>,
    /// Whether something outside is reached below `/tmp`.
    pub(super) needs_tmp: bool,
}

/// Why something cannot be started by a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobFault {
    /// It is not absolute, or holds what no schedule can carry.
    #[error("{0:?} is no absolute path of printable characters")]
    Path(PathBuf),
    /// It is no name of an account.
    #[error("{0:?} is no name of an account")]
    User(String),
    /// It is no name of a credential.
    #[error("{0:?} is no name of a credential")]
    Credential(String),
}

impl Job {
    /// The job of a configuration: writable is what its certificates write, what its servers take, and nothing else.
    pub fn new(settings: &Settings, program: &Path, user: &str) -> Result<Self, JobFault> {
        let is_user = (1..=32).contains(&user.len())
            && user
                .bytes()
                .all(|each| each.is_ascii_alphanumeric() || b"-_".contains(&each))
            && !user.starts_with('-');
        if !is_user {
            return Err(JobFault::User(user.to_owned()));
        }
        let log = settings.logging.file.as_deref().and_then(Path::parent);
        let certificates = settings.certificates.iter();
        let written = certificates.flat_map(|one| [one.output.dir.as_path(), one.state_dir.as_path()]);
        let writable: Result<_, _> = written.chain(log).map(text).collect();
        let mut writable: BTreeSet<String> = writable?;
        for server in settings.certificates.iter().flat_map(|one| &one.deploy) {
            for path in server.target.paths() {
                writable.insert(text(path.parent().unwrap_or(Path::new("/")))?);
            }
        }
        let stem = settings.path.file_stem().map(|stem| stem.to_string_lossy());
        Ok(Self {
            name: slug(&stem.unwrap_or_default()),
            program: text(program)?,
            config: text(&settings.path)?,
            user: user.to_owned(),
            credentials: Vec::new(),
            needs_tmp: is_in_tmp(settings) || writable.iter().any(|path| is_below_tmp(path)),
            writable,
        })
    }

    /// With a secret that systemd hands over: the configuration finds it as `<key>_file: <name>`.
    pub fn with_credential(mut self, name: &str, file: &Path) -> Result<Self, JobFault> {
        let is_name = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|each| each.is_ascii_alphanumeric() || b"-_.".contains(&each))
            && !name.starts_with('.');
        if !is_name {
            return Err(JobFault::Credential(name.to_owned()));
        }
        self.credentials.push((name.to_owned(), text(file)?));
        Ok(self)
    }

    /// What it is called: `courier-` and the stem of the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A path that every schedule can carry.
fn text(path: &Path) -> Result<String, JobFault> {
    let wrong = || JobFault::Path(path.to_owned());
    let text = path.to_str().ok_or_else(wrong)?;
    if !path.is_absolute() || text.chars().any(char::is_control) {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// Cron takes no file with a dot in its name.
fn slug(stem: &str) -> String {
    let fits = |each: char| each.is_ascii_alphanumeric() || matches!(each, '-' | '_');
    let letters = stem
        .chars()
        .take(64)
        .map(|each| if fits(each) { each } else { '-' });
    format!("courier-{}", letters.collect::<String>())
}

fn is_in_tmp(settings: &Settings) -> bool {
    let socket = settings.auth.as_ref().and_then(|auth| match &auth.method {
        Method::Spiffe(spiffe) => spiffe.workload_api_socket.as_deref(),
        _ => None,
    });
    let socket = socket.map(|socket| socket.trim_start_matches("unix:"));
    let socket = socket.map(|socket| format!("/{}", socket.trim_start_matches('/')));
    socket.is_some_and(|socket| is_below_tmp(&socket)) || is_below_tmp(&settings.path.to_string_lossy())
}

fn is_below_tmp(path: &str) -> bool {
    path.starts_with("/tmp/") || path.starts_with("/var/tmp/")
}

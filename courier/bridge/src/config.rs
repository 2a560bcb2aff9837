//! The configuration: YAML, `version: 1`. Everything that is wrong with it is told at once.

mod nearest;
mod section;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use section::Section;

/// Longest configuration, in octets.
const MAX_LEN: u64 = 256 * 1024;
/// Most octets of the body of a request that are ever forwarded.
const MOST_BODY: u64 = 1024 * 1024;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigFault {
    /// It cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system or the parser says.
        cause: String,
    },
    /// Things in it are wrong: all of them.
    #[error("{path}: {}", .problems.join("\n  "))]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// One sentence each, with the key.
        problems: Vec<String>,
    },
}

/// What is done with what couriers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Octets are passed on: TLS is between courier and appliance.
    Tunnel,
    /// TLS ends here and begins anew.
    Terminate,
}

impl Mode {
    /// As the configuration has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tunnel => "tunnel",
            Self::Terminate => "terminate",
        }
    }
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where couriers connect to.
    pub(crate) listen: SocketAddr,
    /// What is done with what they send.
    pub(crate) mode: Mode,
    /// The certificate of the listener; only in [`Mode::Terminate`].
    pub(crate) tls: Option<TlsFiles>,
    /// The appliance.
    pub(crate) upstream: Upstream,
    /// Where the identity of this instance is.
    pub(crate) state_dir: PathBuf,
    /// Who may connect; everybody when empty.
    pub(crate) clients: Vec<IpNet>,
    /// Whether `/acme/` is forwarded as well.
    pub(crate) has_acme: bool,
    /// Limits.
    pub(crate) limits: Limits,
    /// Whether log lines are JSON.
    pub(crate) is_log_json: bool,
    /// What is logged.
    pub(crate) log_level: String,
    /// Where Prometheus asks, and who wants to know how it is.
    pub(crate) metrics: SocketAddr,
}

/// `tls`
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The chain, PEM.
    pub(crate) cert: PathBuf,
    /// The key, PEM.
    pub(crate) key: PathBuf,
}

/// `upstream`
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// Its name or address, without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// The only roots that count, where they are named; else those of the system.
    pub(crate) ca: Option<PathBuf>,
    /// SHA-256 of keys, of which the certificate has to have one; any when empty.
    pub(crate) pins: Vec<[u8; 32]>,
}

/// `limits`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// Connections at the same time from one address.
    pub(crate) connections_per_address: usize,
    /// Requests and tunnels in a minute.
    pub(crate) requests: u32,
    /// Requests and tunnels in a minute from one address.
    pub(crate) requests_per_address: u32,
    /// Octets of a body.
    pub(crate) body: usize,
    /// How long a handshake and the head of a request may take.
    pub(crate) head_timeout: Duration,
    /// How long a body may take.
    pub(crate) body_timeout: Duration,
    /// How long the appliance may take for an answer.
    pub(crate) answer_timeout: Duration,
    /// How long a tunnel may be silent.
    pub(crate) idle: Duration,
    /// How long connections may go on after the end has come.
    pub(crate) drain: Duration,
}

impl Settings {
    /// Reads and checks a file. Paths in it that are not absolute begin at its folder.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigFault> {
        let unreadable = |cause: String| ConfigFault::Unreadable {
            path: path.to_owned(),
            cause,
        };
        let length = std::fs::metadata(path).map_err(|cause| unreadable(cause.to_string()))?;
        if length.len() > MAX_LEN {
            return Err(unreadable(format!("it is longer than {MAX_LEN} octets")));
        }
        let text = std::fs::read_to_string(path).map_err(|cause| unreadable(cause.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).map_err(|fault| match fault {
            Wrong::Syntax(cause) => unreadable(cause),
            Wrong::Problems(problems) => ConfigFault::Wrong {
                path: path.to_owned(),
                problems,
            },
        })
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, Wrong> {
        let tree: serde_json::Value =
            serde_saphyr::from_str(text).map_err(|fault| Wrong::Syntax(fault.to_string()))?;
        let mut problems = Vec::new();
        let settings = Self::checked(tree, folder, &mut problems);
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(Wrong::Problems(problems)),
        }
    }

    /// All keys are looked at before anything is given up.
    fn checked(tree: serde_json::Value, folder: &Path, problems: &mut Vec<String>) -> Option<Self> {
        let mut top = Section::top(tree, problems);
        let version = top.required("version", problems, |text| text.parse::<u32>().ok(), "a number");
        if version.is_some_and(|version| version != 1) {
            problems.push("version: this program reads version 1".to_owned());
        }
        let listen = top.required(
            "listen",
            problems,
            |text| text.parse().ok(),
            "an address with a port, as 0.0.0.0:8443",
        );
        let mode = top.required("mode", problems, mode, "`tunnel` or `terminate`");
        let mut tls = top.section("tls", problems);
        let files = tls_files(&mut tls, mode, folder, problems);
        let mut upstream = top.section("upstream", problems);
        let upstream_settings = Upstream::checked(&mut upstream, folder, problems);
        let mut identity = top.section("identity", problems);
        let state_dir = identity.optional("state_dir", problems, path_in(folder), "a path");
        let mut allow = top.section("allow", problems);
        let clients = allow.list("cidr", problems, network, "a network, as 192.0.2.0/24");
        let has_acme = allow.optional("acme", problems, |text| text.parse().ok(), "true or false");
        let mut limits = top.section("limits", problems);
        let limits_settings = Limits::checked(&mut limits, problems);
        let mut logging = top.section("logging", problems);
        let is_log_json = logging.optional("format", problems, log_format, "`text` or `json`");
        let log_level = logging.optional("level", problems, log_level, "a level, as `info`");
        let mut metrics = top.section("metrics", problems);
        let metrics_listen = metrics.optional(
            "listen",
            problems,
            |text| text.parse().ok(),
            "an address with a port",
        );
        for section in [top, tls, upstream, identity, allow, limits, logging, metrics] {
            section.close(problems);
        }
        Some(Self {
            listen: listen?,
            mode: mode?,
            tls: files,
            upstream: upstream_settings?,
            state_dir: state_dir.unwrap_or_else(|| PathBuf::from("/var/lib/courier-bridge")),
            clients,
            has_acme: has_acme.unwrap_or(false),
            limits: limits_settings,
            is_log_json: is_log_json.unwrap_or(false),
            log_level: log_level.unwrap_or_else(|| "info".to_owned()),
            metrics: metrics_listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9465))),
        })
    }
}

/// What is wrong with a text.
#[derive(Debug)]
enum Wrong {
    Syntax(String),
    Problems(Vec<String>),
}

impl Upstream {
    fn checked(section: &mut Section, folder: &Path, problems: &mut Vec<String>) -> Option<Self> {
        let url = section.required(
            "url",
            problems,
            https,
            "https://HOST[:PORT] and nothing behind it",
        );
        let ca = section.optional("ca", problems, path_in(folder), "a path");
        let pins = section.list(
            "pin",
            problems,
            pin,
            "the SHA-256 of a public key in 64 hexadecimal digits",
        );
        let url = url?;
        let host = match url.host()? {
            Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Some(Self {
            host,
            port: url.port().unwrap_or(443),
            ca,
            pins,
        })
    }
}

impl Limits {
    fn checked(section: &mut Section, problems: &mut Vec<String>) -> Self {
        let mut number = |key, default: u64, most: u64| {
            let within = |text: &str| text.parse().ok().filter(|value| (1..=most).contains(value));
            let wanted = format!("a whole number from 1 to {most}");
            section
                .optional(key, problems, within, &wanted)
                .unwrap_or(default)
        };
        let seconds = Duration::from_secs;
        let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self {
            connections: size(number("connections", 1024, 100_000)),
            connections_per_address: size(number("connections_per_address", 64, 100_000)),
            requests: small(number("requests_per_minute", 3000, 1_000_000)),
            requests_per_address: small(number("requests_per_minute_per_address", 300, 1_000_000)),
            body: size(number("body_bytes", MOST_BODY, MOST_BODY)),
            head_timeout: seconds(number("head_seconds", 10, 300)),
            body_timeout: seconds(number("body_seconds", 30, 300)),
            answer_timeout: seconds(number("answer_seconds", 90, 600)),
            idle: seconds(number("idle_seconds", 120, 3600)),
            drain: seconds(number("drain_seconds", 20, 600)),
        }
    }
}

fn tls_files(
    section: &mut Section,
    mode: Option<Mode>,
    folder: &Path,
    problems: &mut Vec<String>,
) -> Option<TlsFiles> {
    let cert = section.optional("cert", problems, path_in(folder), "a path");
    let key = section.optional("key", problems, path_in(folder), "a path");
    match (mode?, cert, key) {
        (Mode::Terminate, Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (Mode::Terminate, ..) => {
            problems.push("tls: `mode: terminate` needs `cert` and `key`".to_owned());
            None
        }
        (Mode::Tunnel, None, None) => None,
        (Mode::Tunnel, ..) => {
            problems
                .push("tls: in `mode: tunnel` TLS does not end here; take `cert` and `key` out".to_owned());
            None
        }
    }
}

fn mode(text: &str) -> Option<Mode> {
    match text {
        "tunnel" => Some(Mode::Tunnel),
        "terminate" => Some(Mode::Terminate),
        _ => None,
    }
}

fn log_format(text: &str) -> Option<bool> {
    match text {
        "text" => Some(false),
        "json" => Some(true),
        _ => None,
    }
}

fn log_level(text: &str) -> Option<String> {
    let is_filter = text.parse::<tracing_subscriber::filter::Targets>().is_ok();
    is_filter.then(|| text.to_owned())
}

fn path_in(folder: &Path) -> impl Fn(&str) -> Option<PathBuf> {
    move |text| (!text.is_empty()).then(|| folder.join(text))
}

fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address)
}

fn https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (url.scheme() == "https" && is_bare && url.host().is_some()).then_some(url)
}

fn pin(text: &str) -> Option<[u8; 32]> {
    let mut pin = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (octet, digits) in pin.iter_mut().zip(text.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(pin)
}

#[cfg(test)]
mod tests;

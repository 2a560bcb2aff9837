//! The section `api`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, ServerName};
use url::Url;
use uuid::Uuid;

use super::Action;
use super::scalar;
use super::section::Section;
use crate::client::{self, MinTls};

const ACTIONS: [(&str, Action); 8] = [
    ("run", Action::Run),
    ("status", Action::Status),
    ("generate", Action::Generate),
    ("renew", Action::Renew),
    ("generate-keys", Action::GenerateKeys),
    ("check-api-health", Action::CheckApiHealth),
    ("check-api-auth", Action::CheckApiAuth),
    ("validate-config", Action::ValidateConfig),
];

/// What the section says.
pub(super) struct Api {
    pub(super) client: Option<client::Settings>,
    pub(super) action: Action,
    pub(super) uuid: Option<Uuid>,
}

impl Action {
    /// Its name.
    pub fn name(self) -> &'static str {
        let found = ACTIONS.iter().find(|(_, action)| *action == self);
        found.map_or("run", |(name, _)| name)
    }
}

pub(super) fn read(section: &Section<'_>) -> Api {
    if !section.flag("verify_tls", true) {
        section.problem(
            "verify_tls",
            "is false: the appliance's certificate is always verified; `ca_file` names the CA of an appliance that the system does not \
             trust, and `pin_spki_sha256` pins its key",
        );
    }
    Api {
        client: client(section),
        action: section.choice("action", &ACTIONS).unwrap_or_default(),
        uuid: uuid(section),
    }
}

pub(super) fn uuid(section: &Section<'_>) -> Option<Uuid> {
    section.parsed("uuid", |text| {
        Uuid::try_parse(text).map_err(|_| "is no UUID".to_owned())
    })
}

fn client(section: &Section<'_>) -> Option<client::Settings> {
    let url = section.parsed("base_url", scalar::appliance_url);
    // Without a URL the other keys are read all the same, for their problems.
    let base_url = url.clone().or_else(|| Url::parse("https://localhost").ok())?;
    let mut client = client::Settings::new(base_url);
    client.anchors = anchors(section);
    client.tls_server_name = section.parsed("tls_server_name", server_name);
    client.pins = pins(section);
    let versions = [("1.2", MinTls::Tls12), ("1.3", MinTls::Tls13)];
    client.min_tls = section.choice("min_tls", &versions).unwrap_or_default();
    let timeout = |key, default| match section.duration(key) {
        Some(given) if given.is_zero() => {
            section.problem(key, "is no time at all");
            default
        }
        given => given.unwrap_or(default),
    };
    client.connect_timeout = timeout("connect_timeout", client.connect_timeout);
    client.request_timeout = timeout("request_timeout", client.request_timeout);
    client.retries = section.number("retries", 0, 20).unwrap_or(client.retries);
    let delay = section.duration("retry_max_delay");
    client.retry_max_delay = delay.unwrap_or(client.retry_max_delay);
    client.proxy = proxy(section);
    client.fallback_urls = fallback_urls(section);
    client.user_agent_suffix = section.parsed("user_agent_suffix", suffix);
    if client.proxy.is_some() && client.tls_server_name.is_some() {
        section.problem(
            "tls_server_name",
            "does not go together with `proxy`: the proxy would be told that name",
        );
    }
    url.map(|_| client)
}

fn anchors(section: &Section<'_>) -> Vec<CertificateDer<'static>> {
    let mut anchors = Vec::new();
    let surroundings = &section.findings.surroundings;
    let path = section.parsed("ca_file", scalar::path);
    if let Some(path) = path {
        let octets = surroundings
            .files
            .octets(&surroundings.absolute(Path::new(&path)), false);
        let found =
            octets.and_then(|octets| client::trust::anchors(&octets).map_err(|fault| fault.to_string()));
        anchors.extend(section.noted("ca_file", found).unwrap_or_default());
    }
    let found = section.parsed("ca_pem", |pem| {
        client::trust::anchors(pem.as_bytes()).map_err(|fault| fault.to_string())
    });
    anchors.extend(found.unwrap_or_default());
    anchors
}

fn server_name(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(ServerName::DnsName(_)) => Ok(text.to_owned()),
        _ => Err("is no name of a host".to_owned()),
    }
}

fn pins(section: &Section<'_>) -> Vec<[u8; 32]> {
    let texts = section.texts("pin_spki_sha256");
    let pins = texts.iter().enumerate().filter_map(|(number, text)| {
        let pin = pin(text);
        if pin.is_none() {
            section.problem(
                &format!("pin_spki_sha256[{number}]"),
                "is no SHA-256: 64 hexadecimal digits, or 44 characters of base64",
            );
        }
        pin
    });
    pins.collect()
}

fn pin(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_prefix("sha256/").unwrap_or(text);
    let hex: String = text.chars().filter(|each| *each != ':').collect();
    if hex.len() == 64 && hex.bytes().all(|each| each.is_ascii_hexdigit()) {
        let mut octets = [0; 32];
        for (octet, digits) in octets.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        return Some(octets);
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn proxy(section: &Section<'_>) -> Option<Url> {
    let url = section.parsed("proxy", |text| {
        let url = Url::parse(text).map_err(|_| "is no URL".to_owned())?;
        if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
            return Err("is no URL of http or https".to_owned());
        }
        Ok(url)
    })?;
    if url.password().is_some() && section.is_literal("proxy") {
        section.findings.literal_secret(section.path_of("proxy"));
    }
    Some(url)
}

fn fallback_urls(section: &Section<'_>) -> Vec<Url> {
    let texts = section.texts("fallback_urls");
    let urls = texts.iter().enumerate().filter_map(|(number, text)| {
        section.noted(&format!("fallback_urls[{number}]"), scalar::appliance_url(text))
    });
    urls.collect()
}

fn suffix(text: &str) -> Result<String, String> {
    let is_tag =
        (1..=64).contains(&text.len()) && text.bytes().all(|each| each.is_ascii_graphic() || each == b' ');
    if is_tag {
        Ok(text.to_owned())
    } else {
        Err("is no tag: 1 to 64 printable characters of ASCII".to_owned())
    }
}

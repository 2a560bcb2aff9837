//! The section `api`: how the appliance is reached.

use aws_lc_rs::digest::SHA256_OUTPUT_LEN;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use uuid::Uuid;

use super::Action;
use super::file;
use super::section::Section;
use crate::client::{MinTls, Settings, trust};

/// Longest file of trust anchors, in octets.
const MAX_ANCHORS: u64 = 4 * 1024 * 1024;

/// What the section says.
pub(super) struct Api {
    pub(super) connection: Option<Settings>,
    pub(super) uuid: Option<Uuid>,
    pub(super) action: Action,
}

/// Reads the section.
pub(super) fn read(root: &Section<'_>) -> Api {
    let api = root.section("api");
    let actions = [
        ("run", Action::Run),
        ("status", Action::Status),
        ("generate", Action::Generate),
        ("renew", Action::Renew),
        ("generate-keys", Action::GenerateKeys),
        ("check-api-health", Action::CheckApiHealth),
        ("check-api-auth", Action::CheckApiAuth),
        ("validate-config", Action::ValidateConfig),
    ];
    Api {
        connection: if api.is_there() { connection(&api) } else { None },
        uuid: api.parsed("uuid"),
        action: api.choice("action", &actions).unwrap_or_default(),
    }
}

fn connection(api: &Section<'_>) -> Option<Settings> {
    // The contract's own examples have none; the rest is read all the same, for its problems.
    if !api.has("base_url") {
        api.reading
            .warn("`api.base_url` is missing: only commands without network work".to_owned());
    }
    let is_known = api.has("base_url");
    let base_url = api.text("base_url").and_then(|text| url(api, "base_url", &text));
    let base_url = base_url.or_else(|| Url::parse("https://localhost").ok());
    if api.flag("verify_tls") == Some(false) {
        api.problem(
            "verify_tls",
            "is true: the appliance is always verified; name its own authority by `ca_file`, or its key by `pin_spki_sha256`",
        );
    }
    let mut settings = Settings::new(base_url?);
    let others = api.texts("fallback_urls").into_iter().enumerate();
    settings.fallback_urls = others
        .filter_map(|(number, text)| url(api, &format!("fallback_urls[{number}]"), &text))
        .collect();
    settings.anchors = anchors(api);
    settings.tls_server_name = api.text("tls_server_name");
    settings.pins = pins(api);
    let versions = [("1.2", MinTls::Tls12), ("1.3", MinTls::Tls13)];
    settings.min_tls = api.choice("min_tls", &versions).unwrap_or_default();
    if let Some(timeout) = api.limit("connect_timeout") {
        settings.connect_timeout = timeout;
    }
    if let Some(timeout) = api.limit("request_timeout") {
        settings.request_timeout = timeout;
    }
    if let Some(retries) = api.number("retries", 0, 20) {
        settings.retries = retries;
    }
    if let Some(delay) = api.unsigned_duration("retry_max_delay") {
        settings.retry_max_delay = delay;
    }
    settings.proxy = api.text("proxy").and_then(|text| proxy(api, &text));
    settings.user_agent_suffix = api.text("user_agent_suffix").filter(|text| {
        let is_plain = text.len() <= 64
            && text
                .bytes()
                .all(|octet| octet.is_ascii_graphic() || octet == b' ');
        if !is_plain {
            api.problem("user_agent_suffix", "is at most 64 printable characters of ASCII");
        }
        is_plain
    });
    is_known.then_some(settings)
}

fn proxy(api: &Section<'_>, text: &str) -> Option<Url> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
        Ok(_) => {
            api.problem("proxy", "begins with http:// or https:// and names a host");
            None
        }
        Err(error) => {
            api.problem("proxy", format!("is no URL: {error}"));
            None
        }
    }
}

/// An address; without TLS only on this machine.
fn url(api: &Section<'_>, key: &str, text: &str) -> Option<Url> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            api.problem(key, format!("is no URL: {error}"));
            return None;
        }
    };
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let why = match url.scheme() {
        "https" if url.host().is_some() => None,
        "http" if is_loopback => None,
        "http" => Some("begins with https://: without TLS only this machine itself is spoken to"),
        _ => Some("begins with https:// and names a host"),
    };
    if let Some(why) = why {
        api.problem(key, why);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        api.problem(key, "holds no name and no password");
        return None;
    }
    Some(url)
}

fn anchors(api: &Section<'_>) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    let mut all = Vec::new();
    if let Some(path) = api.path_of("ca_file") {
        match file::octets(&path, MAX_ANCHORS) {
            Ok(pem) => match trust::anchors(&pem) {
                Ok(found) => all.extend(found),
                Err(fault) => api.problem("ca_file", format!("names {}: {fault}", path.display())),
            },
            Err(what) => api.problem("ca_file", what),
        }
    }
    if let Some(pem) = api.text("ca_pem") {
        match trust::anchors(pem.as_bytes()) {
            Ok(found) => all.extend(found),
            Err(fault) => api.problem("ca_pem", fault.to_string()),
        }
    }
    all
}

/// SHA-256 of public keys, in hexadecimal digits or in Base64.
fn pins(api: &Section<'_>) -> Vec<[u8; SHA256_OUTPUT_LEN]> {
    let texts = api.texts("pin_spki_sha256").into_iter().enumerate();
    texts
        .filter_map(|(number, text)| {
            let text = text.trim().trim_start_matches("sha256//").replace(':', "");
            let octets = if text.len() == SHA256_OUTPUT_LEN * 2 {
                octets(&text)
            } else {
                STANDARD.decode(&text).ok()
            };
            let pin = octets.and_then(|octets| octets.try_into().ok());
            if pin.is_none() {
                let key = format!("pin_spki_sha256[{number}]");
                api.problem(&key, "is a SHA-256 in 64 hexadecimal digits or in Base64");
            }
            pin
        })
        .collect()
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| {
        char::from(octet)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

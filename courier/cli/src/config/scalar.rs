//! What texts mean: time spans, modes, paths, slugs.

use std::time::Duration;

use url::Url;

/// Why something is no time span.
pub(super) const NO_DURATION: &str = "is no time span; write `90s`, `2m`, `12h`, `30d` or `1h30m`";
/// Longest time span: ten years.
const MAX_DURATION: Duration = Duration::from_hours(10 * 366 * 24);

/// A time span: numbers with `ms`, `s`, `m`, `h`, `d` or `w`, added up.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || NO_DURATION.to_owned();
    let mut sum = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|each: char| !each.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, behind) = rest.split_at_checked(digits).ok_or_else(wrong)?;
        let letters = behind
            .find(|each: char| each.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(letters).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let thousandths = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(thousandths).map(Duration::from_millis);
        sum = part.and_then(|part| sum.checked_add(part)).ok_or_else(wrong)?;
        rest = behind;
    }
    if sum > MAX_DURATION {
        return Err("is longer than ten years".to_owned());
    }
    Ok(sum)
}

/// The bits of a mode, written in octal.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let is_octal = (3..=5).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    let mode = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| is_octal && *mode <= 0o777);
    mode.ok_or_else(|| "is no mode in octal such as \"0640\"".to_owned())
}

/// A path that names something.
pub(super) fn path(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("is no path".to_owned());
    }
    Ok(text.to_owned())
}

/// A file name: one component that hides nothing.
pub(super) fn file_name(text: &str) -> Result<String, String> {
    let is_name =
        !text.is_empty() && !text.starts_with('.') && !text.contains(['/', '\0']) && text.len() < 200;
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("is no file name: one part of a path, without `/`, that does not begin with a dot".to_owned())
    }
}

/// A name for files and logs: small letters, digits, `-`, `_` and `.`.
pub(super) fn slug(text: &str) -> Result<String, String> {
    let is_slug = (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|each| each.is_ascii_alphanumeric() || b"-_.".contains(&each));
    if is_slug {
        Ok(text.to_owned())
    } else {
        Err("is no name: 1 to 64 letters, digits, `-`, `_` and `.`, a letter or digit first".to_owned())
    }
}

/// A URL of the appliance: HTTPS, or HTTP on this machine.
pub(super) fn appliance_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is no URL".to_owned())?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err("has a user, a query or a fragment, which the appliance's URL has not".to_owned());
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("is http: only https is spoken beyond this machine".to_owned()),
        _ => Err("is no URL of https".to_owned()),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A key of somebody else's making, so that it can be shown.
pub(super) fn printable(key: &str) -> String {
    key.chars().take(60).flat_map(char::escape_debug).collect()
}

/// Whether what stands under such a key is a secret, in settings that others read.
pub(super) fn is_secret_name(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let secret = [
        "password",
        "passphrase",
        "secret",
        "token",
        "api_key",
        "authorization",
        "cookie",
        "credential",
    ];
    !key.ends_with("_file") && !key.ends_with("_path") && secret.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests;

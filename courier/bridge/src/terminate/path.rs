//! Which addresses are forwarded.
//!
//! A path is compared octet for octet, so it may have nothing that somebody behind the bridge would read in another way: no escape, no
//! empty segment, no dots that lead elsewhere. None of the addresses that are forwarded needs any of that.

/// Whether a path is forwarded.
pub(super) fn is_forwarded(path: &str, has_acme: bool) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let segments: Vec<&str> = rest.split('/').collect();
    if !segments.iter().all(|segment| is_plain(segment)) {
        return false;
    }
    match segments.as_slice() {
        // Registration and renewal of bridges: forwarded as this instance they would be of this instance.
        ["api", "v1", "courier", "bridges", ..] => false,
        ["api", "v1", "health"] | ["api", "v1", "courier", _, ..] => true,
        ["acme", _, ..] => has_acme,
        _ => false,
    }
}

/// Unreserved characters of RFC 3986 §2.3, and two that identifiers have.
fn is_plain(segment: &str) -> bool {
    let is_known = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~:=".contains(&octet);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn couriers_get_what_is_theirs() {
        for path in [
            "/api/v1/health",
            "/api/v1/courier/auth",
            "/api/v1/courier/orders/0192-ab/certificate",
            "/api/v1/courier/certificates/00:11/renewal-info",
        ] {
            assert!(is_forwarded(path, false), "{path}");
        }
        assert!(is_forwarded("/acme/directory", true) && !is_forwarded("/acme/directory", false));
    }

    #[test]
    fn nothing_else_is_forwarded() {
        for path in [
            "",
            "/",
            "*",
            "/api/v1/health/",
            "/api/v1/healthz",
            "/api/v1/courier",
            "/api/v1/courier/",
            "/api/v1/couriers",
            "/api/v1/courier/../issuers",
            "/api/v1/courier/./auth",
            "/api/v1/courier/..",
            "/api/v1/courier/%2e%2e/issuers",
            "/api/v1/courier/%2E./issuers",
            "/api/v1/courier/a%2f..%2fissuers",
            "/api/v1/courier/a%00",
            "/api/v1/courier//auth",
            "//api/v1/courier/auth",
            "/api//v1/courier/auth",
            "/api/v1/courier/auth/",
            "/api/v1/courier/a\\..\\b",
            "/api/v1/courier/a;b=c/..;/x",
            "/api/v1/courier/ä",
            "/API/v1/courier/auth",
            "/api/v1/courier/bridges/register",
            "/api/v1/courier/bridges/renew",
            "/api/v1/courier/bridges",
            "/acme",
            "/acme/",
            "/metrics",
        ] {
            assert!(!is_forwarded(path, true), "{path}");
        }
    }
}

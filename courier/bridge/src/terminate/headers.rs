//! Headers: what belongs to one connection stays there, and what a client says of where it comes from and who somebody says it is is
//! not believed.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

/// Of one connection (RFC 9110 §7.6.1), beside those that `Connection` names.
const OF_A_HOP: [HeaderName; 7] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What proxies say of clients and their certificates, by how it begins.
const CLAIMS: [&str; 19] = [
    courier_wire::BRIDGE_HEADERS,
    "forwarded",
    "via",
    "x-forwarded",
    "x-real-ip",
    "x-client",
    "x-original",
    "x-rewrite",
    "x-cluster-client",
    "x-envoy",
    "x-ssl",
    "x-arr-",
    "x-amzn-mtls",
    "x-tls",
    "ssl-",
    "ssl_",
    "client-cert",
    "cf-connecting",
    "true-client",
];

/// Takes away what is not to be forwarded of a request.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    strip_hop(headers);
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
    // The body is sent whole: nobody waits for a word in between, and its length is told anew.
    headers.remove(EXPECT);
    headers.remove(CONTENT_LENGTH);
}

/// Takes away what is of one connection.
pub(super) fn strip_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_A_HOP) {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

/// Says where a request comes from (RFC 7239 §4).
pub(super) fn tell_origin(headers: &mut HeaderMap, client: IpAddr, host: &str) {
    let node = match client.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    // A host is quoted: with a port it is no token.
    let told = format!("for={node};host=\"{host}\";proto=https");
    if let Ok(value) = HeaderValue::from_str(&told) {
        headers.insert(FORWARDED, value);
    }
    headers.insert(VIA, HeaderValue::from_static("1.1 courier-bridge"));
}

/// A name with an underscore is one that somebody behind may read as another (`X_Forwarded_For`).
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.contains('_') || CLAIMS.iter().any(|claim| name.starts_with(claim))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn nobody_is_believed_about_himself() {
        let mut told = headers(&[
            ("Forwarded", "for=10.0.0.1"),
            ("Forwarded", "for=10.0.0.2"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("X_Forwarded_For", "10.0.0.1"),
            ("X-Forwarded-Client-Cert", "Hash=00"),
            ("X-Real-IP", "10.0.0.1"),
            ("X-Client-Cert", "x"),
            ("X-SSL-Client-Verify", "SUCCESS"),
            ("Ssl-Client-Cert", "x"),
            ("Client-Cert", ":x:"),
            ("Client-Cert-Chain", ":x:"),
            ("X-ARR-ClientCert", "x"),
            ("X-Original-URL", "/api/v1/issuers"),
            ("Chancery-Bridge-Assertion", "x"),
            ("Chancery-Bridge-Else", "x"),
            ("Via", "1.1 x"),
        ]);
        strip_request(&mut told);
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn what_is_of_a_connection_stays_there() {
        let mut told = headers(&[
            ("Connection", "keep-alive, X-Mine"),
            ("Connection", "close , Authorization-Not"),
            ("X-Mine", "1"),
            ("Keep-Alive", "5"),
            ("TE", "trailers"),
            ("Trailer", "x"),
            ("Upgrade", "h2c"),
            ("Transfer-Encoding", "chunked"),
            ("Proxy-Authorization", "Basic x"),
            ("Proxy-Connection", "x"),
            ("Content-Length", "5"),
            ("Expect", "100-continue"),
            ("Authorization", "DPoP t"),
            ("DPoP", "p"),
            ("Idempotency-Key", "k"),
            ("Host", "bridge"),
        ]);
        strip_request(&mut told);
        let mut left: Vec<&str> = told.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "dpop", "host", "idempotency-key"]);
    }

    #[test]
    fn the_origin_is_told_once() {
        let mut told = HeaderMap::new();
        tell_origin(&mut told, "::ffff:192.0.2.7".parse().unwrap(), "bridge:8443");
        assert_eq!(
            told.get(FORWARDED).unwrap(),
            "for=192.0.2.7;host=\"bridge:8443\";proto=https"
        );
        tell_origin(&mut told, "2001:db8::1".parse().unwrap(), "b");
        let all: Vec<_> = told.get_all(FORWARDED).iter().collect();
        assert_eq!(all, ["for=\"[2001:db8::1]\";host=\"b\";proto=https"]);
    }
}

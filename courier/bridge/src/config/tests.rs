#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use super::*;

fn parse(text: &str) -> Result<Settings, Wrong> {
    Settings::parse(text, Path::new("/etc/courier-bridge"))
}

fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Err(Wrong::Problems(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

const TUNNEL: &str =
    "version: 1\nlisten: 0.0.0.0:3128\nmode: tunnel\nupstream:\n  url: https://PKI.example.com.:8443/\n";

#[test]
fn little_is_enough() {
    let settings = parse(TUNNEL).unwrap();
    assert_eq!(settings.mode, Mode::Tunnel);
    assert_eq!(
        (settings.upstream.host.as_str(), settings.upstream.port),
        ("pki.example.com", 8443)
    );
    assert_eq!(settings.limits.body, 1024 * 1024);
    assert!(settings.metrics.ip().is_loopback() && settings.clients.is_empty() && !settings.has_acme);
}

#[test]
fn everything_can_be_said() {
    let text = "
version: 1
listen: '[::]:8443'
mode: terminate
tls: { cert: tls.pem, key: /run/tls.key }
upstream:
  url: https://192.0.2.1
  ca: ca.pem
  pin: 00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF
identity: { state_dir: state }
allow: { cidr: [10.0.0.0/8, 2001:db8::/32, 192.0.2.7], acme: true }
limits: { connections: 5, connections_per_address: 2, requests_per_minute: 9, requests_per_minute_per_address: 3, body_bytes: 100,
  head_seconds: 1, body_seconds: 2, answer_seconds: 3, idle_seconds: 4, drain_seconds: 5 }
logging: { format: json, level: 'info,hyper=warn' }
metrics: { listen: 127.0.0.1:0 }
";
    let settings = parse(text).unwrap();
    let tls = settings.tls.unwrap();
    assert_eq!(tls.cert, Path::new("/etc/courier-bridge/tls.pem"));
    assert_eq!(tls.key, Path::new("/run/tls.key"));
    assert_eq!(settings.upstream.port, 443);
    assert_eq!(settings.upstream.pins.first().map(|pin| pin[31]), Some(0xff));
    assert_eq!(settings.clients.len(), 3);
    assert!(settings.has_acme && settings.is_log_json);
    assert_eq!(
        (settings.limits.body, settings.limits.drain),
        (100, Duration::from_secs(5))
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let found = problems(
        "lisen: 0.0.0.0:1\nmode: tunel\nupstream: { url: 'http://x', pins: 00, pin: 0011 }\nlimits: { body_bytes: 2000000 }\nallow: { cidr: [nowhere] }\nlogging: [x]\n",
    );
    for wanted in [
        "version: is missing",
        "listen: is missing",
        "lisen: there is no such key; did you mean `listen`?",
        "mode: must be `tunnel` or `terminate`",
        "upstream.url: must be https",
        "upstream.pins: there is no such key; did you mean `pin`?",
        "upstream.pin[0]: must be",
        "limits.body_bytes: must be a whole number from 1 to 1048576",
        "allow.cidr[0]: must be a network",
        "logging: must be a mapping",
    ] {
        assert!(
            found.iter().any(|problem| problem.starts_with(wanted)),
            "{wanted}: {found:?}"
        );
    }
    assert_eq!(found.len(), 10);
}

#[test]
fn tls_belongs_to_terminate_alone() {
    let both = TUNNEL.replace("mode: tunnel", "mode: tunnel\ntls: { cert: a, key: b }");
    assert!(problems(&both).join("").contains("take `cert` and `key` out"));
    let none = TUNNEL.replace("tunnel", "terminate");
    assert!(problems(&none).join("").contains("needs `cert` and `key`"));
}

#[test]
fn an_address_with_more_than_a_host_is_none() {
    for url in [
        "https://u@h",
        "https://h/path",
        "https://h?q",
        "h:443",
        "https://",
    ] {
        assert!(
            !problems(&TUNNEL.replace("https://PKI.example.com.:8443/", url)).is_empty(),
            "{url}"
        );
    }
}

#[test]
fn yaml_that_says_something_twice_is_refused() {
    let twice = format!("{TUNNEL}mode: terminate\n");
    assert!(matches!(parse(&twice), Err(Wrong::Syntax(_))));
    assert!(matches!(parse("a: [\n"), Err(Wrong::Syntax(_))));
}

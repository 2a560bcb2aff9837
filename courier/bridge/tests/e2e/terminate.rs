//! Mode `terminate`: what is forwarded, as whom, and what is not.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use courier_wire::{Assertion, attested_request};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::bed::Bed;
use crate::bridge_process::{Bridge, PATIENCE, curl};
use crate::sim_appliance::{Asked, SimAppliance};

pub(crate) fn config(appliance: &SimAppliance, more: &str) -> String {
    format!(
        "version: 1\nlisten: 127.0.0.1:0\nmode: terminate\ntls: {{ cert: tls.pem, key: tls.key }}\n\
         upstream: {{ url: 'https://localhost:{}', ca: ca.pem }}\nidentity: {{ state_dir: state }}\n\
         metrics: {{ listen: '127.0.0.1:0' }}\n{more}",
        appliance.at.port()
    )
}

pub(crate) async fn start(more: &str) -> (Arc<Bed>, SimAppliance, Bridge, String) {
    let bed = Arc::new(Bed::new());
    let appliance = SimAppliance::start(&bed).await;
    let (instance, _) = bed.identity("state", "20260101000000Z", "20990101000000Z");
    let bridge = Bridge::start(&bed, &config(&appliance, more));
    (bed, appliance, bridge, instance)
}

/// Status and body of a request by curl.
fn ask(bed: &Bed, bridge: &Bridge, target: &str, more: &[&str]) -> (u16, String) {
    let (address, ca) = (
        format!("https://bridge.test:{}{target}", bridge.couriers.port()),
        bed.path("ca.pem"),
    );
    let resolve = format!("bridge.test:{}:127.0.0.1", bridge.couriers.port());
    let mut all = vec![
        "-s",
        "--path-as-is",
        "-w",
        "\n%{http_code}",
        "--resolve",
        &resolve,
    ];
    all.extend(["--cacert", ca.to_str().unwrap()]);
    all.extend(more);
    all.push(&address);
    let done = curl(&all);
    let text = String::from_utf8(done.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets)
        .as_ref()
        .try_into()
        .unwrap()
}

pub(crate) fn base64url(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Verifies the assertion of a request with the key of the certificate that came with it.
pub(crate) fn assertion(asked: &Asked) -> Assertion {
    let jws = asked.headers[courier_wire::ASSERTION_HEADER].to_str().unwrap();
    let leaf = pki::Certificate::from_der(asked.certificate.as_ref().unwrap()).unwrap();
    let key = jose::VerifyKey::from_spki_der(leaf.public_key().spki_der()).unwrap();
    let verified = key.verify(&jose::Jws::parse(jws).unwrap()).unwrap();
    serde_json::from_slice(verified.payload()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_bridge_curl_is_forwarded_as_the_instance_and_believed_in_nothing() {
    let (bed, appliance, bridge, instance) = start("").await;
    let lies = [
        "Forwarded: for=10.9.9.9",
        "X-Forwarded-For: 10.9.9.9",
        "X-Real-IP: 10.9.9.9",
        "Client-Cert: :AAAA:",
        "X_Forwarded_For: 10.9.9.9",
        "Chancery-Bridge-Assertion: ey.ey.x",
        "Connection: X-Hop",
        "X-Hop: 1",
        "DPoP: the-proof",
        "Idempotency-Key: k",
    ];
    let mut more = vec!["-d", "{\"a\":1}"];
    more.extend(lies.iter().flat_map(|lie| ["-H", lie]));
    let (status, body) = ask(&bed, &bridge, "/api/v1/courier/orders?wait=5", &more);
    assert_eq!((status, body.as_str()), (200, "{\"status\":\"ok\"}"));
    let asked = appliance.asked().remove(0);
    let host = format!("bridge.test:{}", bridge.couriers.port());
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", "/api/v1/courier/orders?wait=5")
    );
    assert_eq!(asked.body.as_ref(), b"{\"a\":1}");
    assert_eq!(asked.headers["host"], host.as_str());
    assert_eq!(asked.headers["dpop"], "the-proof");
    assert_eq!(asked.headers["idempotency-key"], "k");
    for gone in [
        "x-forwarded-for",
        "x-real-ip",
        "client-cert",
        "x_forwarded_for",
        "x-hop",
        "connection",
    ] {
        assert!(asked.headers.get(gone).is_none(), "{gone}");
    }
    let forwarded: Vec<_> = asked.headers.get_all("forwarded").iter().collect();
    assert_eq!(forwarded, [&format!("for=127.0.0.1;host=\"{host}\";proto=https")]);
    assert_eq!(
        asked
            .headers
            .get_all(courier_wire::ASSERTION_HEADER)
            .iter()
            .count(),
        1
    );
    let told = assertion(&asked);
    assert_eq!((told.iss, told.client_ip.as_str()), (instance, "127.0.0.1"));
    let text = attested_request(
        "POST",
        &host,
        "/api/v1/courier/orders?wait=5",
        &sha256(b"{\"a\":1}"),
    );
    assert_eq!(told.request, base64url(&sha256(&text)));

    assert_eq!(bridge.look("/readyz").0, 200);
    let (_, metrics) = bridge.look("/metrics");
    assert!(
        metrics.contains("courier_bridge_requests_total{outcome=\"forwarded\"} 1"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_bridge_curl_gets_no_other_address_and_no_long_body() {
    let (bed, appliance, bridge, _) = start("limits: { body_bytes: 1000 }\n").await;
    for target in [
        "/api/v1/issuers",
        "/",
        "/api/v1/courier/../issuers",
        "/api/v1/courier/%2e%2e/issuers",
        "/api/v1//courier/auth",
        "//api/v1/courier/auth",
        "/api/v1/courier/..%2fissuers",
        "/api/v1/courier/bridges/renew",
        "/acme/directory",
    ] {
        let (status, body) = ask(&bed, &bridge, target, &[]);
        assert!(
            status == 404 && body.contains("\"NOT_FOUND\""),
            "{target}: {status} {body}"
        );
    }
    let long = bed.write("long", &"x".repeat(1001));
    let long = format!("@{}", long.display());
    for more in [
        vec!["-H", "Expect:", "--data-binary", &long],
        vec![
            "-H",
            "Expect:",
            "-H",
            "Transfer-Encoding: chunked",
            "--data-binary",
            &long,
        ],
    ] {
        let (status, body) = ask(&bed, &bridge, "/api/v1/courier/orders", &more);
        assert!(
            status == 413 && body.contains("MALFORMED_REQUEST"),
            "{status} {body}"
        );
    }
    let (status, _) = ask(
        &bed,
        &bridge,
        "/api/v1/health",
        &["--request-target", "https://elsewhere/api/v1/health"],
    );
    assert_eq!(status, 400);
    assert!(appliance.asked().is_empty(), "{:?}", appliance.asked());
    let exact = bed.write("exact", &"x".repeat(1000));
    let exact = format!("@{}", exact.display());
    assert_eq!(
        ask(
            &bed,
            &bridge,
            "/api/v1/courier/orders",
            &["--data-binary", &exact]
        )
        .0,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_bridge_curl_is_told_when_it_asks_too_often() {
    let (bed, appliance, bridge, _) = start("limits: { requests_per_minute_per_address: 3 }\n").await;
    let asked: Vec<u16> = (0..5)
        .map(|_| ask(&bed, &bridge, "/api/v1/health", &[]).0)
        .collect();
    assert_eq!(asked, [200, 200, 200, 429, 429]);
    assert_eq!(appliance.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_is_cut_off() {
    let (bed, appliance, bridge, _) = start("limits: { head_seconds: 1, body_seconds: 1 }\n").await;
    let begun = Instant::now();
    // No handshake at all.
    let mut silent = TcpStream::connect(bridge.couriers).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0);
    // A head that never ends.
    let mut slow = tls(&bed, &bridge);
    slow.write_all(b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\nX-A: ")
        .unwrap();
    slow.flush().unwrap();
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    // A body that never comes.
    let mut slow = tls(&bed, &bridge);
    slow.write_all(b"POST /api/v1/courier/auth HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123")
        .unwrap();
    slow.flush().unwrap();
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer);
    assert!(
        answer.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "each is cut off in time"
    );
    assert!(appliance.asked().is_empty());
}

pub(crate) type Line = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

pub(crate) fn tls(bed: &Bed, bridge: &Bridge) -> Line {
    let stream = TcpStream::connect(bridge.couriers).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    rustls::StreamOwned::new(client(&bed.path("ca.pem")), stream)
}

fn client(ca: &Path) -> rustls::ClientConnection {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    rustls::ClientConnection::new(Arc::new(config), ServerName::try_from("bridge.test").unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_allowed_and_who_has_its_share_is_closed_at_once() {
    let (_bed, _appliance, bridge, _) = start("allow: { cidr: [192.0.2.0/24] }\n").await;
    let mut other = TcpStream::connect(bridge.couriers).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(other.read(&mut [0; 8]).unwrap_or(0), 0);
    bridge.wait_for("not in allow.cidr");

    let (bed, _appliance, bridge, _) = start("limits: { connections_per_address: 1 }\n").await;
    let mut held = tls(&bed, &bridge);
    held.write_all(b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut begun = [0; 12];
    held.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    let mut further = TcpStream::connect(bridge.couriers).unwrap();
    further.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(further.read(&mut [0; 8]).unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appliance_with_another_key_or_name_is_not_spoken_to() {
    let bed = Arc::new(Bed::new());
    let appliance = SimAppliance::start(&bed).await;
    bed.identity("state", "20260101000000Z", "20990101000000Z");
    let pinned =
        config(&appliance, "").replace("ca: ca.pem", &format!("ca: ca.pem, pin: '{}'", "00".repeat(32)));
    let renamed = config(&appliance, "").replace("https://localhost", "https://127.0.0.2");
    bed.openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "other.key",
        "-out",
        "other.pem",
        "-subj",
        "/CN=other",
    ]);
    let unknown = config(&appliance, "").replace("ca: ca.pem", "ca: other.pem");
    for config in [pinned, renamed, unknown] {
        let bridge = Bridge::start(&bed, &config);
        let (status, body) = ask(&bed, &bridge, "/api/v1/health", &[]);
        assert!(
            status == 502 && body.contains("BRIDGE_UPSTREAM_UNAVAILABLE"),
            "{status} {body}"
        );
        assert_eq!(bridge.look("/readyz").0, 503);
        assert_eq!(bridge.look("/healthz").0, 200);
    }
    assert!(appliance.asked().is_empty());
}

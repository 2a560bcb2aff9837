//! Clients that want one request to be read as two, or as one of somebody else: what reaches the appliance is what the bridge read,
//! framed anew and attested itself, or nothing.

#[path = "smuggling/claims.rs"]
mod claims;
#[path = "smuggling/slow.rs"]
mod slow;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Instant;

use courier_wire::attested_request;

use crate::bed::Bed;
use crate::bridge_process::{Bridge, PATIENCE};
use crate::sim_appliance::{Asked, SimAppliance};
use crate::terminate::{Line, assertion, base64url, sha256, start, tls};

/// What would be a request of its own, if it was ever read as one.
const HIDDEN: &str = "GET /api/v1/courier/hidden HTTP/1.1\r\nHost: bridge.test\r\n\r\n";
const ORDERS: &str = "POST /api/v1/courier/orders HTTP/1.1\r\nHost: bridge.test\r\n";
const HEALTH: &str = "GET /api/v1/health HTTP/1.1\r\nHost: bridge.test\r\n\r\n";
/// Short times, so that a connection that waits for more ends soon.
const SOON: &str = "limits: { head_seconds: 1, body_seconds: 1, body_bytes: 1000, requests_per_minute_per_address: 10000 }\n";

struct Site {
    bed: Arc<Bed>,
    appliance: SimAppliance,
    bridge: Bridge,
    instance: String,
}

impl Site {
    async fn open(more: &str) -> Self {
        let (bed, appliance, bridge, instance) = start(more).await;
        Self {
            bed,
            appliance,
            bridge,
            instance,
        }
    }

    fn line(&self) -> Line {
        tls(&self.bed, &self.bridge)
    }

    /// The statuses of all answers to these octets, until the connection ends. It may end before all of them are taken.
    fn statuses(&self, octets: &[u8]) -> Vec<u16> {
        let mut line = self.line();
        let _ = line.write_all(octets).and_then(|()| line.flush());
        statuses(&rest(&mut line))
    }

    /// Asserts that a request is refused, and that neither it nor what is behind it is forwarded.
    fn refuses(&self, octets: &[u8]) {
        let told = self.statuses(octets);
        let shown = String::from_utf8_lossy(&octets[..octets.len().min(120)]).into_owned();
        assert!(
            told.len() <= 1 && told.iter().all(|status| (400..500).contains(status)),
            "{shown:?}: {told:?}"
        );
        assert!(
            self.appliance.asked().is_empty(),
            "{shown:?}: {:?}",
            self.appliance.asked()
        );
    }

    /// What reached the appliance until now and is not the request that this asks for last.
    fn settled(&self) -> Vec<Asked> {
        assert_eq!(self.statuses(HEALTH.as_bytes()), [200]);
        let mut asked = self.appliance.asked();
        assert_eq!(asked.pop().unwrap().target, "/api/v1/health");
        asked
    }
}

/// Everything that comes until the connection ends.
fn rest(line: &mut Line) -> String {
    let mut answer = Vec::new();
    let begun = Instant::now();
    let _ = line.read_to_end(&mut answer);
    assert!(begun.elapsed() < PATIENCE, "the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    let heads = answer.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_end_is_told_in_two_ways_is_refused() {
    let site = Site::open(SOON).await;
    for lengths in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 5\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length: 4 4\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length : 0\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "X-A: b\r\n Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 4\r\n",
    ] {
        site.refuses(format!("{ORDERS}{lengths}\r\n0\r\n\r\n{HIDDEN}").as_bytes());
    }
    let old =
        "POST /api/v1/courier/orders HTTP/1.0\r\nHost: bridge.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    site.refuses(format!("{old}0\r\n\r\n{HIDDEN}").as_bytes());
    for chunks in [
        "0x1\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "1\na\n0\n\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "1\r\nab0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\na\r\n0\r\n\r\n",
        "1\r\na\r\n0\r\nX\0: y\r\n\r\n",
    ] {
        site.refuses(format!("{ORDERS}Transfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}").as_bytes());
    }
    // A body that ends before its length says so.
    site.refuses(format!("{ORDERS}Content-Length: 50\r\n\r\nabc").as_bytes());
    site.refuses(format!("{ORDERS}Transfer-Encoding: chunked\r\n\r\n5\r\nabc").as_bytes());
    assert!(site.settled().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forwarded_is_framed_anew() {
    let site = Site::open(SOON).await;
    // RFC 9112 §6.1: where both are there the chunks count, and nothing more is read from that connection.
    for lengths in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\nTransfer-Encoding: CHUNKED\r\n",
    ] {
        let told = site.statuses(format!("{ORDERS}{lengths}\r\n0\r\n\r\n{HIDDEN}").as_bytes());
        assert_eq!(told.len(), 1, "{lengths}: {told:?}");
    }
    let trailers = "Chancery-Bridge-Assertion: e.y.x\r\nX-Forwarded-For: 10.9.9.9\r\nContent-Length: 9\r\nHost: other\r\n";
    let chunked = format!(
        "{ORDERS}Transfer-Encoding: ChunKed\r\nTrailer: Host\r\n\r\n3;x=y\r\nabc\r\n0\r\n{trailers}\r\n"
    );
    assert_eq!(site.statuses(chunked.as_bytes()), [200]);
    let same = format!("{ORDERS}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(site.statuses(same.as_bytes()), [200]);
    // RFC 9112 §2.2: a line may end in a line feed alone. Behind it, too, is what the bridge read.
    assert_eq!(site.statuses(HEALTH.replace("\r\n", "\n").as_bytes()), [200]);
    // What follows is a request of its own, and looked at as one.
    let two = format!("{HEALTH}GET /api/v1/issuers HTTP/1.1\r\nHost: bridge.test\r\n\r\n");
    assert_eq!(site.statuses(two.as_bytes()), [200, 404]);
    let inside = format!("{ORDERS}Content-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len());
    assert_eq!(site.statuses(inside.as_bytes()), [200]);

    let asked = site.settled();
    let seen: Vec<_> = asked
        .iter()
        .map(|one| {
            (
                one.target.as_str(),
                String::from_utf8_lossy(&one.body).into_owned(),
            )
        })
        .filter(|(target, body)| !(target.ends_with("orders") && body.is_empty()))
        .collect();
    let of = |target, body: &str| (target, body.to_owned());
    assert_eq!(
        seen,
        [
            of("/api/v1/courier/orders", "abc"),
            of("/api/v1/courier/orders", "abc"),
            of("/api/v1/health", ""),
            of("/api/v1/health", ""),
            of("/api/v1/courier/orders", HIDDEN),
        ]
    );
    for one in &asked {
        assert!(one.headers.get("transfer-encoding").is_none() && one.headers.get("trailer").is_none());
        let length = one.headers.get_all("content-length").iter().collect::<Vec<_>>();
        assert!(length.len() <= 1, "{length:?}");
        let told = length
            .first()
            .map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        assert_eq!(told, one.body.len());
        site.attested(one, "bridge.test");
    }
}

impl Site {
    /// Asserts that a request is attested by the instance, once, as it arrived.
    fn attested(&self, asked: &Asked, host: &str) {
        let all = |name: &str| asked.headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("host"), [host]);
        assert_eq!(all(courier_wire::ASSERTION_HEADER).len(), 1);
        let expected = format!("for=127.0.0.1;host=\"{host}\";proto=https");
        assert_eq!(all("forwarded"), [expected.as_str()]);
        let told = assertion(asked);
        assert_eq!(
            (&told.iss, told.client_ip.as_str()),
            (&self.instance, "127.0.0.1")
        );
        let text = attested_request(&asked.method, host, &asked.target, &sha256(&asked.body));
        assert_eq!(told.request, base64url(&sha256(&text)), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let site = Site::open(SOON).await;
    let with =
        |line: &str| format!("GET /api/v1/health HTTP/1.1\r\nHost: bridge.test\r\n{line}\r\n\r\n{HIDDEN}");
    for line in [
        "X-A: b\r\n c",
        "X-A: b\r\n\tc",
        " X-A: b",
        "X-A: b\0c",
        "X-A: b\rc",
        "X-A: b\rChancery-Bridge-Assertion: e.y.x",
        "X\0A: b",
        "X A: b",
        ": b",
        "X-A",
        "X-Ä: b",
        "Host: other",
        "Host: bridge.test",
        "host : other",
    ] {
        site.refuses(with(line).as_bytes());
    }
    for host in [
        "",
        "Host: \r\n",
        "Host: user@bridge.test\r\n",
        "Host: bridge.test/api/v1/issuers?\r\n",
        "Host: bridge.test, other\r\n",
        "Host: bridge.test#\r\n",
        "Host: \"bridge.test\"\r\n",
        "Host: brücke.test\r\n",
    ] {
        site.refuses(format!("GET /api/v1/health HTTP/1.1\r\n{host}\r\n{HIDDEN}").as_bytes());
    }
    for line in [
        "GET  /api/v1/health HTTP/1.1",
        "GET /api/v1/health  HTTP/1.1",
        "GET\t/api/v1/health HTTP/1.1",
        "GET /api/v1/health\0 HTTP/1.1",
        "GET /api/v1/health x HTTP/1.1",
        "GET /api/v1/health",
        "GET /api/v1/health HTTP/1.2",
        "GET /api/v1/health HTTP/2.0",
        "GET /api/v1/health http/1.1",
        "GET /api/v1/health HTTP/1.1 HTTP/1.1",
        "PRI * HTTP/2.0",
        "G(T /api/v1/health HTTP/1.1",
    ] {
        site.refuses(format!("{line}\r\nHost: bridge.test\r\n\r\n{HIDDEN}").as_bytes());
    }
    let long = "x".repeat(40_000);
    site.refuses(with(&format!("X-A: {long}")).as_bytes());
    site.refuses(with(&format!("X-{long}: a")).as_bytes());
    site.refuses(with(&vec!["X-A: b"; 200].join("\r\n")).as_bytes());
    let target = format!("GET /api/v1/health?{long}{long} HTTP/1.1\r\nHost: bridge.test\r\n\r\n");
    site.refuses(target.as_bytes());
    let body = format!("{ORDERS}Content-Length: 1001\r\n\r\n{}", &long[..1001]);
    site.refuses(format!("{body}{HIDDEN}").as_bytes());
    let chunk = format!(
        "{ORDERS}Transfer-Encoding: chunked\r\n\r\n3e9\r\n{}",
        &long[..1001]
    );
    site.refuses(format!("{chunk}\r\n0\r\n\r\n{HIDDEN}").as_bytes());
    assert!(site.settled().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_an_address_leads_elsewhere() {
    let site = Site::open(SOON).await;
    for target in [
        "https://localhost/api/v1/health",
        "https://bridge.test/api/v1/health",
        "http://169.254.169.254/api/v1/health",
        "https://user@bridge.test/api/v1/health",
        "bridge.test:443",
        "//localhost/api/v1/health",
        "*",
        "api/v1/health",
        "/api/v1/courier/../issuers",
        "/api/v1/courier/%2e%2e/issuers",
        "/api/v1/courier/.%2E/issuers",
        "/api/v1/courier/..%2fissuers",
        "/api/v1/courier/..%5cissuers",
        "/api/v1/courier/..\\issuers",
        "/api/v1/courier/%252e%252e/issuers",
        "/api/v1/courier/%252e%252e%252fissuers",
        "/api/v1/courier/%c0%ae%c0%ae/issuers",
        "/api/v1/courier/..;/issuers",
        "/api/v1/courier/..;a=b/issuers",
        "/api/v1/courier/x/../../issuers",
        "/api/v1/courier/bridges/renew",
        "/api/v1/courier/./bridges/renew",
        "/api/v1/courier/%62ridges/renew",
        "/api/v1/courier//bridges/renew",
        "/api/v1/courier/x/../bridges/renew",
        "/api/v1/health/../issuers",
        "/api/v1/health%00",
        "/api/v1/health/",
        "/api/v1/./health",
        "/api%2fv1%2fhealth",
        "/%61pi/v1/health",
        "/API/V1/health",
        "/api/v1/issuers?/api/v1/health",
        "/api/v1/issuers#/../health",
        "/acme/directory",
        "/metrics",
        "/",
    ] {
        for method in ["GET", "POST"] {
            site.refuses(format!("{method} {target} HTTP/1.1\r\nHost: bridge.test\r\n\r\n").as_bytes());
        }
    }
    for method in [
        "CONNECT", "TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "get", "GETX",
    ] {
        for target in ["/api/v1/health", "/api/v1/courier/orders", "localhost:443", "*"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: bridge.test\r\n\r\n{HIDDEN}");
            site.refuses(request.as_bytes());
        }
    }
    let mut line = site.line();
    line.write_all(b"TRACE /api/v1/health HTTP/1.1\r\nHost: bridge.test\r\n\r\n")
        .unwrap();
    let told = rest(&mut line);
    assert_eq!(statuses(&told), [405]);
    assert!(told.contains("allow: GET, HEAD, POST\r\n"), "{told}");
    assert!(site.settled().is_empty());
}

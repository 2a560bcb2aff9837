//! Documents of issuers, and requests that couriers signed, over real connections to a site by HTTPS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "issuer_documents/site.rs"]
mod site;

use std::process::Command;
use std::time::{Duration, Instant};

use ca::courier::{MOST_DOCUMENT, SignedRequest};

use site::{Answer, Authority, Site};

/// Names a proxy, for the child of the test of that.
const PROXY: &str = "JOBS_TEST_PROXY";

/// Fetches a document as the program does, from whom this authority certifies, or without roots.
async fn fetch(authority: Option<&Authority>, url: &str) -> Result<Vec<u8>, String> {
    let roots = authority.map(Authority::pem);
    jobs::issuer_documents(roots.as_deref())
        .unwrap()
        .fetch(url.to_owned())
        .await
}

/// Sends a request as the program does.
async fn send(authority: Option<&Authority>, request: SignedRequest) -> Result<(u16, Vec<u8>), String> {
    let roots = authority.map(Authority::pem);
    jobs::signed_requests(roots.as_deref())
        .unwrap()
        .send(request)
        .await
}

/// A request as couriers sign it, for the host of this address.
fn signed(url: &str) -> SignedRequest {
    let host = url.split('/').nth(2).unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned().into());
    SignedRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![
            header("host", host),
            header("x-amz-date", "20300101T120000Z"),
            header("x-amz-security-token", "a+token/with=signs =="),
            header("x-chancery-appliance", "https://pki.example.com"),
            header("x-chancery-session-key", "thumbprint"),
            header("content-type", "application/x-www-form-urlencoded"),
            header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIA/20300101/eu-central-1/sts/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature=00ff",
            ),
        ],
        body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
    }
}

/// Neither a document is taken nor an answer to a request; what is told of it has these words.
async fn refused(authority: &Authority, url: &str, words: &str) {
    let told = [
        fetch(Some(authority), url).await.unwrap_err(),
        send(Some(authority), signed(url)).await.unwrap_err(),
    ];
    for told in told {
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn a_document_is_fetched_from_whom_the_roots_certify() {
    let authority = Authority::new("Roots");
    let answer = Answer::whole(200, "Content-Type: application/json\r\n", b"{\"keys\":[]}");
    let site = Site::start(Some(authority.certify("IP:127.0.0.1", 20)), answer.clone()).await;
    let document = fetch(Some(&authority), &site.url()).await.unwrap();
    assert_eq!(document, b"{\"keys\":[]}");
    let asked = site.only();
    assert_eq!(asked.line, "GET /keys HTTP/1.1");
    assert_eq!(
        asked.headers,
        [
            ("accept".to_owned(), "*/*".to_owned()),
            ("host".to_owned(), site.address.to_string()),
        ]
    );
    assert_eq!(asked.body, b"");

    let site = Site::start(Some(authority.certify("DNS:localhost", 20)), answer).await;
    let url = format!("https://localhost:{}/a/b?c=d", site.address.port());
    assert_eq!(fetch(Some(&authority), &url).await.unwrap(), b"{\"keys\":[]}");
    assert_eq!(site.only().line, "GET /a/b?c=d HTTP/1.1");
}

#[tokio::test]
async fn who_is_certified_by_nobody_or_for_another_name_is_asked_nothing() {
    let (authority, other) = (Authority::new("Roots"), Authority::new("Others"));
    let namesake = Authority::new("Roots");
    let answer = Answer::whole(200, "", b"{}");
    for (config, words) in [
        (other.certify("IP:127.0.0.1", 20), "UnknownIssuer"),
        (namesake.certify("IP:127.0.0.1", 20), "BadSignature"),
        (authority.certify("DNS:localhost", 20), "not valid for name"),
        (authority.certify("IP:127.0.0.2", 20), "not valid for name"),
        (authority.certify("IP:127.0.0.1", -1), "Expired"),
    ] {
        let site = Site::start(Some(config), answer.clone()).await;
        refused(&authority, &site.url(), words).await;
        assert_eq!((site.connections(), site.asked()), (2, Vec::new()), "{words}");
    }
    // Nor who speaks no TLS: the request is not sent a second time without it.
    let site = Site::start(None, answer).await;
    refused(&authority, &site.url(), "error sending request").await;
    assert_eq!((site.connections(), site.asked()), (2, Vec::new()));
}

#[tokio::test]
async fn without_tls_this_machine_alone_is_asked() {
    let authority = Authority::new("Roots");
    let answer = Answer::whole(200, "", b"here");
    let site = Site::start(None, answer.clone()).await;
    let url = format!("http://{}/keys", site.address);
    assert_eq!(fetch(None, &url).await.unwrap(), b"here");
    assert_eq!(send(None, signed(&url)).await.unwrap(), (200, b"here".to_vec()));
    assert_eq!(site.connections(), 2);
    // A name is what somebody else says where it is.
    let named = format!("http://localhost:{}/keys", site.address.port());
    refused(&authority, &named, "neither https:// nor on this machine").await;
    let user = format!("http://user:secret@{}/keys", site.address);
    refused(&authority, &user, "it has a user in it").await;
    assert_eq!(site.connections(), 2);
    // And nobody by TLS whom no roots certify.
    let site = Site::start(Some(authority.certify("IP:127.0.0.1", 20)), answer).await;
    for told in [
        fetch(None, &site.url()).await.unwrap_err(),
        send(None, signed(&site.url())).await.unwrap_err(),
    ] {
        assert!(told.contains("couriers.tls_roots"), "{told}");
    }
    assert_eq!(site.connections(), 0);
}

#[test]
fn roots_that_are_none_are_said_at_once() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for roots in ["", "no certificate\n", broken] {
        assert!(jobs::issuer_documents(Some(roots.as_bytes())).is_err(), "{roots}");
        assert!(jobs::signed_requests(Some(roots.as_bytes())).is_err(), "{roots}");
    }
}

#[tokio::test]
async fn nobody_is_followed_to_another_place() {
    let authority = Authority::new("Roots");
    let config = authority.certify("IP:127.0.0.1", 20);
    let elsewhere = Site::start(Some(config.clone()), Answer::whole(200, "", b"elsewhere")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}\r\n", elsewhere.url());
        let site = Site::start(Some(config.clone()), Answer::whole(status, &location, b"there")).await;
        let told = fetch(Some(&authority), &site.url()).await.unwrap_err();
        assert_eq!(told, format!("it answers {status}"));
        let told = send(Some(&authority), signed(&site.url())).await.unwrap();
        assert_eq!(told, (status, b"there".to_vec()));
        assert_eq!(site.asked().len(), 2);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_document_comes_with_200() {
    let authority = Authority::new("Roots");
    let config = authority.certify("IP:127.0.0.1", 20);
    for status in [201, 202, 203, 206, 400, 401, 404, 429, 500, 503] {
        let site = Site::start(Some(config.clone()), Answer::whole(status, "", b"{\"keys\":[]}")).await;
        let told = fetch(Some(&authority), &site.url()).await.unwrap_err();
        assert_eq!(told, format!("it answers {status}"));
        // What AWS says of a request is for the use case to read.
        let told = send(Some(&authority), signed(&site.url())).await.unwrap();
        assert_eq!(told, (status, b"{\"keys\":[]}".to_vec()));
    }
    // Less than what was announced is nothing.
    let cut = b"HTTP/1.1 200 Said\r\nContent-Length: 100\r\n\r\n{\"keys\":[]}".to_vec();
    let site = Site::start(Some(config), Answer::Octets(cut)).await;
    refused(&authority, &site.url(), "error").await;
}

#[tokio::test]
async fn no_more_is_read_than_is_taken() {
    let authority = Authority::new("Roots");
    let config = authority.certify("IP:127.0.0.1", 20);
    let words = format!("more than {MOST_DOCUMENT} octets");
    let most = vec![b'x'; MOST_DOCUMENT];
    let site = Site::start(Some(config.clone()), Answer::whole(200, "", &most)).await;
    assert_eq!(fetch(Some(&authority), &site.url()).await.unwrap(), most);
    let more = vec![b'x'; MOST_DOCUMENT + 1];
    let site = Site::start(Some(config.clone()), Answer::whole(200, "", &more)).await;
    refused(&authority, &site.url(), &words).await;

    // Who never ends is left: at once when he says so, and else when it is too much.
    let announced = b"HTTP/1.1 200 Said\r\nContent-Length: 1000000000000\r\n\r\n".to_vec();
    let chunked = b"HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let unsaid = b"HTTP/1.1 200 Said\r\nConnection: close\r\n\r\n".to_vec();
    let (plain, chunk) = (
        vec![b'x'; 4096],
        [b"1000\r\n", [b'x'; 4096].as_slice(), b"\r\n"].concat(),
    );
    for (head, again) in [(announced, plain.clone()), (chunked, chunk), (unsaid, plain)] {
        let site = Site::start(Some(config.clone()), Answer::Endless(head, again, Duration::ZERO)).await;
        let since = Instant::now();
        refused(&authority, &site.url(), &words).await;
        assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
        // Besides the document this is what lies in the buffers of two connections.
        assert!(site.sent() < 64 << 20, "{} octets were taken", site.sent());
    }
}

#[tokio::test]
async fn what_is_coded_is_not_taken() {
    let authority = Authority::new("Roots");
    let config = authority.certify("IP:127.0.0.1", 20);
    for coding in ["gzip", "br", "deflate", "zstd"] {
        let header = format!("Content-Encoding: {coding}\r\n");
        let site = Site::start(
            Some(config.clone()),
            Answer::whole(200, &header, b"\x1f\x8b\x08\0"),
        )
        .await;
        refused(&authority, &site.url(), "a coding that nobody asked for").await;
        for asked in site.asked() {
            assert_eq!(asked.values("accept-encoding"), Vec::<&str>::new());
        }
    }
}

#[tokio::test]
async fn who_is_slow_is_left() {
    let authority = Authority::new("Roots");
    let config = authority.certify("IP:127.0.0.1", 20);
    let slowly = |head: &str, again: &[u8]| {
        Answer::Endless(
            head.as_bytes().to_vec(),
            again.to_vec(),
            Duration::from_millis(200),
        )
    };
    let body = "HTTP/1.1 200 Said\r\nContent-Length: 1000\r\n\r\n";
    let answers = [
        Answer::Silence(Vec::new()),
        Answer::Silence(b"HTTP/1.1 200 Said\r\nContent-".to_vec()),
        Answer::Silence(body.as_bytes().to_vec()),
        slowly("HTTP/1.1 200 Said\r\n", b"X-More: 1\r\n"),
        slowly(body, b"x"),
        slowly(
            "HTTP/1.1 200 Said\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
        ),
    ];
    let mut sites = Vec::new();
    for answer in answers {
        sites.push(Site::start(Some(config.clone()), answer).await);
    }
    // Nobody speaks TLS here: the system takes the connection, and nobody takes it from the system.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut urls: Vec<String> = sites.iter().map(Site::url).collect();
    urls.push(format!("https://{}/keys", silent.local_addr().unwrap()));
    let pem = authority.pem();
    let documents = jobs::issuer_documents(Some(&pem)).unwrap();
    let requests = jobs::signed_requests(Some(&pem)).unwrap();
    let since = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for url in urls {
        let (documents, requests) = (documents.clone(), requests.clone());
        let request = signed(&url);
        waiting.spawn(async move { documents.fetch(url).await.map(drop) });
        waiting.spawn(async move { requests.send(request).await.map(drop) });
    }
    for told in waiting.join_all().await {
        let told = told.unwrap_err();
        // The time for a connection is over at the same moment as that for everything.
        let is_in_time = told == "no answer in time" || told.contains("operation timed out");
        assert!(is_in_time, "{told}");
    }
    let took = since.elapsed();
    assert!(
        took > Duration::from_secs(9) && took < Duration::from_secs(20),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_request_arrives_as_it_was_signed() {
    let authority = Authority::new("Roots");
    let config = authority.certify("IP:127.0.0.1", 20);
    let site = Site::start(Some(config), Answer::whole(403, "", b"<Error/>")).await;
    let url = format!("https://{}/", site.address);
    let request = signed(&url);
    let told = send(Some(&authority), request.clone()).await.unwrap();
    assert_eq!(told, (403, b"<Error/>".to_vec()));
    let asked = site.only();
    assert_eq!(asked.line, "POST / HTTP/1.1");
    assert_eq!(asked.body, request.body.as_bytes());
    for (name, value) in &request.headers {
        assert_eq!(asked.values(name), [value.as_str()], "{name}");
    }
    let signed: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    let added: Vec<&str> = asked
        .names()
        .into_iter()
        .filter(|name| !signed.contains(name))
        .collect();
    assert_eq!(added, ["accept", "content-length"]);
    assert_eq!(asked.values("content-length"), [request.body.len().to_string()]);
}

#[tokio::test]
async fn what_can_be_no_header_is_not_sent() {
    let authority = Authority::new("Roots");
    let site = Site::start(
        Some(authority.certify("IP:127.0.0.1", 20)),
        Answer::whole(200, "", b""),
    )
    .await;
    for (name, value) in [
        ("x-amz-date", "1\r\nx-more: 2"),
        ("x-amz-date", "1\nx-more: 2"),
        ("x-amz-date", "1\0"),
        ("x-more: 2\r\nx-amz-date", "1"),
        ("", "1"),
    ] {
        let mut request = signed(&site.url());
        request.headers.push((name.to_owned(), value.to_owned().into()));
        assert!(
            send(Some(&authority), request).await.is_err(),
            "{name:?}: {value:?}"
        );
    }
    assert_eq!(site.asked(), []);
}

/// The child of the test below; by itself it does nothing.
#[tokio::test]
async fn one_with_a_proxy() {
    if std::env::var_os(PROXY).is_none() {
        return;
    }
    let authority = Authority::new("Roots");
    let site = Site::start(
        Some(authority.certify("IP:127.0.0.1", 20)),
        Answer::whole(200, "", b"{}"),
    )
    .await;
    assert_eq!(fetch(Some(&authority), &site.url()).await.unwrap(), b"{}");
    assert_eq!(send(Some(&authority), signed(&site.url())).await.unwrap().0, 200);
    assert_eq!(site.asked().len(), 2);
}

#[tokio::test]
async fn no_proxy_of_the_environment_is_asked() {
    let proxy = Site::start(None, Answer::whole(502, "", b"")).await;
    let url = format!("http://{}", proxy.address);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "one_with_a_proxy", "--nocapture"])
        .env(PROXY, &url);
    for name in [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        child.env(name, &url);
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let ended = tokio::task::spawn_blocking(move || child.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && told.contains("1 passed"), "{told}");
    assert_eq!(proxy.connections(), 0);
}

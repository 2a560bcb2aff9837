//! CRLs and certificates of issuers, as relying parties and caches fetch them.

use pki::Certificate;
use pki::crl::Crl;
use reqwest::Method;

use crate::house::{House, Reply};
use crate::wire;

async fn get(house: &House, path: &str, headers: &[(&str, &str)]) -> Reply {
    ask(house, Method::GET, path, headers).await
}

async fn ask(house: &House, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = house.plain.request(method, house.public(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::to(request).await
}

/// What RFC 9919 §7.2 wants of the headers of something with an end.
fn assert_cacheable(reply: &Reply) {
    let cache = reply.header("cache-control");
    assert!(
        cache.ends_with(", public, no-transform, must-revalidate"),
        "{cache}"
    );
    let age: u64 = cache
        .strip_prefix("max-age=")
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(age >= 3600, "{cache}");
    assert!(reply.header("etag").starts_with('"'));
    assert!(reply.header("last-modified").ends_with(" GMT"));
}

#[tokio::test]
async fn the_crl_is_found_by_identifier_and_name() {
    let house = House::open().await;
    let issuer = house.issuer("issuing");
    for key in [
        issuer.id.to_string(),
        "issuing".to_owned(),
        "issuing.crl".to_owned(),
        format!("{}.crl", issuer.id),
    ] {
        let reply = get(&house, &format!("/.well-known/pki/crl/{key}"), &[]).await;
        assert_eq!(reply.status, 200, "{key}");
        assert_eq!(reply.header("content-type"), "application/pkix-crl");
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        assert_cacheable(&reply);
        assert!(reply.header("expires").ends_with(" GMT"));
        // Another CRL may take its place at any time.
        assert!(reply.header("cache-control").starts_with("max-age=3600,"));
        let crl = Crl::parse(&reply.body).unwrap();
        assert_eq!(crl.issuer().to_string(), "CN=Test Issuing,O=Example");
    }
}

#[tokio::test]
async fn the_certificate_comes_in_der_unless_pem_is_asked_for() {
    let house = House::open().await;
    let issuer = house.issuer("issuing");
    let der = issuer.certificate.as_ref().unwrap().der().to_vec();
    for path in [
        "",
        ".der",
        ".crt",
        ".cer",
        ".pem?format=pem&x=.der",
        "?format=der",
    ] {
        let reply = get(&house, &format!("/.well-known/pki/ca/{}{path}", issuer.id), &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        if path.starts_with(".pem") {
            continue;
        }
        assert_eq!(reply.header("content-type"), "application/pkix-cert");
        assert_eq!(reply.body, der, "{path}");
        assert_cacheable(&reply);
    }
    let accept = [("accept", "application/x-pem-file")];
    for (path, headers) in [(".pem", &[][..]), ("?format=pem", &[][..]), ("", &accept[..])] {
        let reply = get(&house, &format!("/.well-known/pki/ca/issuing{path}"), headers).await;
        assert_eq!(reply.header("content-type"), "application/x-pem-file", "{path}");
        assert_eq!(Certificate::parse(&reply.body).unwrap().der(), der);
        assert_cacheable(&reply);
    }
}

#[tokio::test]
async fn der_and_pem_have_different_validators() {
    let house = House::open().await;
    let der = get(&house, "/.well-known/pki/ca/root", &[]).await;
    let pem = get(&house, "/.well-known/pki/ca/root.pem", &[]).await;
    assert_ne!(der.header("etag"), pem.header("etag"));
    assert_eq!(der.header("vary"), "accept");
}

#[tokio::test]
async fn a_cache_that_is_up_to_date_gets_304() {
    let house = House::open().await;
    for path in [
        "/.well-known/pki/crl/root",
        "/.well-known/pki/ca/root",
        "/.well-known/pki/ca/root.pem",
    ] {
        let first = get(&house, path, &[]).await;
        for (name, value) in [
            ("if-none-match", first.header("etag")),
            ("if-modified-since", first.header("last-modified")),
        ] {
            let second = get(&house, path, &[(name, value)]).await;
            assert_eq!(second.status, 304, "{path} {name}");
            assert!(second.body.is_empty());
            assert_eq!(second.header("etag"), first.header("etag"));
            assert_cacheable(&second);
        }
        assert_eq!(get(&house, path, &[("if-none-match", "\"0\"")]).await.status, 200);
        let before = [("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(get(&house, path, &before).await.status, 200);
    }
}

#[tokio::test]
async fn a_new_crl_has_a_new_validator() {
    let house = House::open().await;
    let first = get(&house, "/.well-known/pki/crl/root", &[]).await;
    house
        .authority
        .publish_crl(&ca::Principal::local("test"), "root")
        .await
        .unwrap();
    let second = get(
        &house,
        "/.well-known/pki/crl/root",
        &[("if-none-match", first.header("etag"))],
    )
    .await;
    assert_eq!(second.status, 200);
    assert!(Crl::parse(&second.body).unwrap().number() > Crl::parse(&first.body).unwrap().number());
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let house = House::open().await;
    for path in [
        "/.well-known/pki/crl/root",
        "/.well-known/pki/ca/root",
        "/healthz",
        "/nowhere",
    ] {
        let got = get(&house, path, &[]).await;
        let head = ask(&house, Method::HEAD, path, &[]).await;
        assert_eq!(head.status, got.status, "{path}");
        assert!(head.body.is_empty());
        assert_eq!(
            head.header("content-length"),
            got.body.len().to_string(),
            "{path}"
        );
        assert_eq!(head.header("content-type"), got.header("content-type"));
        assert_eq!(head.header("etag"), got.header("etag"));
    }
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let house = House::open().await;
    for (path, allow) in [
        ("/.well-known/pki/crl/root", "GET, HEAD"),
        ("/.well-known/pki/ca/root", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/.well-known/pki/ocsp/root", "GET, HEAD, POST"),
    ] {
        for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            let reply = ask(&house, method, path, &[]).await;
            assert_eq!(
                (reply.status.as_u16(), reply.header("allow")),
                (405, allow),
                "{path}"
            );
        }
    }
    assert_eq!(
        ask(&house, Method::POST, "/.well-known/pki/crl/root", &[])
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn paths_that_lead_nowhere_are_404() {
    let house = House::open().await;
    let nobody = uuid::Uuid::new_v4();
    for path in [
        "/",
        "/.well-known/pki",
        "/.well-known/pki/",
        "/.well-known/pki/crl",
        "/.well-known/pki/crl/",
        "/.well-known/pki/crl/nobody",
        &format!("/.well-known/pki/crl/{nobody}"),
        "/.well-known/pki/crl/root/more",
        "/.well-known/pki/crl/..%2f..%2fetc%2fpasswd",
        "/.well-known/pki/crl/root%00",
        "/.well-known/pki/ca/nobody.pem",
        "/.well-known/pki/ca/.pem",
        "/.well-known/pki/ocsp/nobody",
        "/.well-known/pki/ocsp/",
        "/.well-known/pki/keys/root",
        "//.well-known/pki/crl/root",
        "/api/v1/certificates",
        "/metrics",
        "/.well-known/pki/crl/%ff%fe",
    ] {
        assert_eq!(get(&house, path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_issuer_without_certificate_or_crl_is_404() {
    let house = House::open().await;
    let pending = ca::Subordinate {
        name: "pending".to_owned(),
        subject: "CN=Pending".to_owned(),
        key_algorithm: pki::KeyAlgorithm::P256,
        signature_algorithm: None,
        token: "software".to_owned(),
        crl: ca::CrlPlan::default(),
    };
    house
        .authority
        .subordinate_csr(&ca::Principal::local("test"), pending)
        .await
        .unwrap();
    assert_eq!(get(&house, "/.well-known/pki/ca/pending", &[]).await.status, 404);
    assert_eq!(get(&house, "/.well-known/pki/crl/pending", &[]).await.status, 404);
}

#[tokio::test]
async fn targets_that_are_no_paths_are_survived() {
    let house = House::open().await;
    let address = house.addresses.public;
    for (request, status) in [
        (
            "GET http://elsewhere/.well-known/pki/ca/root HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "200",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "404",
        ),
        ("GET /.well-known/pki/ca/root HTTP/1.0\r\n\r\n", "200"),
        ("CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", "404"),
        ("GET / HTTP/3.0\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}\u{2} hello\r\n\r\n", "400"),
    ] {
        let answer = wire::ask(address, request).await;
        assert_eq!(answer.get(9..12), Some(status), "{request}: {answer}");
    }
    assert_eq!(get(&house, "/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn healthz_says_that_the_process_lives() {
    let house = House::open().await;
    let reply = get(&house, "/healthz", &[]).await;
    assert_eq!(
        (reply.status.as_u16(), reply.body.as_slice()),
        (200, &b"ok\n"[..])
    );
}

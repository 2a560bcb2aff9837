//! OCSP over HTTP, as clients speak it and as they should not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ocsp::{
    CertId, CertStatus, ErrorStatus, Expectation, HashAlgorithm, Nonce, Request, Response, der_to_get_path,
};
use pki::Serial;

use crate::house::{House, Reply};
use crate::wire;

struct Leaf {
    serial: Serial,
    id: String,
}

async fn leaf(house: &House) -> Leaf {
    let issued = house.admin().await.enrol("host.example").await;
    Leaf {
        serial: issued["serial"].as_str().unwrap().parse().unwrap(),
        id: issued["id"].as_str().unwrap().to_owned(),
    }
}

fn request(house: &House, algorithm: HashAlgorithm, serial: Serial) -> Request {
    let issuer = house.issuer("issuing");
    let certificate = issuer.certificate.as_ref().unwrap();
    Request::new(CertId::for_issuer(
        algorithm,
        certificate.subject().der(),
        certificate.public_key(),
        serial,
    ))
}

fn responder(house: &House) -> String {
    format!("/.well-known/pki/ocsp/{}", house.issuer("issuing").id)
}

async fn get(house: &House, path: &str) -> Reply {
    Reply::to(house.plain.get(house.public(path))).await
}

async fn post(house: &House, body: Vec<u8>) -> Reply {
    let request = house.plain.post(house.public(&responder(house)));
    Reply::to(
        request
            .header("content-type", "application/ocsp-request")
            .body(body),
    )
    .await
}

/// What a careful client believes of an answer.
fn status(house: &House, reply: &Reply, request: &Request) -> CertStatus {
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (200, "application/ocsp-response")
    );
    let Response::Signed(signed) = Response::parse(&reply.body).unwrap() else {
        panic!("declined: {reply:?}")
    };
    let issuer = house.issuer("issuing");
    let cert_ids: Vec<CertId> = request.cert_ids().copied().collect();
    let expected = Expectation {
        issuer: issuer.certificate.as_ref().unwrap(),
        cert_ids: &cert_ids,
        nonce: request.nonce(),
        at: house.authority.clock().now(),
        skew: Duration::ZERO,
    };
    signed.verify(&expected).unwrap().first().unwrap().status
}

fn declined(reply: &Reply) -> ErrorStatus {
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (200, "application/ocsp-response")
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    let Response::Declined(status) = Response::parse(&reply.body).unwrap() else {
        panic!("it is signed")
    };
    status
}

#[tokio::test]
async fn post_and_every_form_of_get_say_good_and_then_revoked() {
    let house = House::open().await;
    let leaf = leaf(&house).await;
    let responder = responder(&house);
    let request = request(&house, HashAlgorithm::Sha1, leaf.serial);
    let escaped = der_to_get_path(&request.to_der().unwrap());
    let plain = escaped
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    let twice = escaped.replace('%', "%25");
    let paths = [
        format!("{responder}/{escaped}"),
        format!("{responder}/{plain}"),
        format!("{responder}/{twice}"),
        format!("{responder}//{escaped}"),
        format!("/.well-known/pki/ocsp/issuing/{escaped}"),
        format!("{responder}/{}", leaf.serial),
        format!("{responder}/{}", leaf.serial.to_string().to_uppercase()),
    ];
    for path in &paths {
        assert_eq!(
            status(&house, &get(&house, path).await, &request),
            CertStatus::Good,
            "{path}"
        );
    }
    assert_eq!(
        status(&house, &post(&house, request.to_der().unwrap()).await, &request),
        CertStatus::Good
    );
    let revoke = format!("/api/v1/certificates/{}/revoke", leaf.id);
    let api = house.api("other", ca::Role::Admin).await;
    api.post_ok(&revoke, serde_json::json!({"reason": "keyCompromise"}))
        .await;
    for path in &paths {
        let status = status(&house, &get(&house, path).await, &request);
        assert!(matches!(status, CertStatus::Revoked { .. }), "{path}: {status:?}");
    }
    let posted = post(&house, request.to_der().unwrap()).await;
    assert!(matches!(
        status(&house, &posted, &request),
        CertStatus::Revoked { .. }
    ));
}

/// The same race as that of the use case, with what HTTP keeps of an answer, and with GET and POST.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn good_is_never_sent_after_revoke_returned() {
    const CERTIFICATES: usize = 25;
    const ASKERS: usize = 20;
    let house = Arc::new(House::open().await);
    let api = house.api("other", ca::Role::Admin).await;
    let (mut leaves, mut races) = (Vec::new(), tokio::task::JoinSet::new());
    for _ in 0..CERTIFICATES {
        let leaf = leaf(&house).await;
        let request = request(&house, HashAlgorithm::Sha256, leaf.serial);
        let acknowledged = Arc::new(AtomicBool::new(false));
        for asker in 0..ASKERS {
            let (house, acknowledged, request) =
                (Arc::clone(&house), Arc::clone(&acknowledged), request.clone());
            races.spawn(async move {
                let der = request.to_der().unwrap();
                let path = format!("{}/{}", responder(&house), der_to_get_path(&der));
                let mut good = false;
                loop {
                    let must_be_revoked = acknowledged.load(Ordering::SeqCst);
                    let reply = if asker % 2 == 0 {
                        get(&house, &path).await
                    } else {
                        post(&house, der.clone()).await
                    };
                    let is_good = status(&house, &reply, &request) == CertStatus::Good;
                    assert!(!(is_good && must_be_revoked), "an old answer");
                    good |= is_good;
                    if must_be_revoked {
                        return good;
                    }
                }
            });
        }
        leaves.push((leaf, acknowledged));
    }
    for (leaf, acknowledged) in leaves {
        let revoke = format!("/api/v1/certificates/{}/revoke", leaf.id);
        api.post_ok(&revoke, serde_json::json!({"reason": "superseded"}))
            .await;
        acknowledged.store(true, Ordering::SeqCst);
    }
    let mut before = 0;
    while let Some(race) = races.join_next().await {
        before += usize::from(race.unwrap());
    }
    assert!(
        before > CERTIFICATES * ASKERS / 10,
        "{before} were told good before"
    );
}

#[tokio::test]
async fn sha256_and_several_certificates_are_answered() {
    let house = House::open().await;
    let leaf = leaf(&house).await;
    let one = request(&house, HashAlgorithm::Sha256, leaf.serial);
    assert_eq!(
        status(&house, &post(&house, one.to_der().unwrap()).await, &one),
        CertStatus::Good
    );
    let unknown = *request(&house, HashAlgorithm::Sha1, Serial::from_random([9; 16])).first();
    let two = one.with_cert_id(unknown);
    assert_eq!(
        status(&house, &post(&house, two.to_der().unwrap()).await, &two),
        CertStatus::Good
    );
}

#[tokio::test]
async fn answers_may_be_kept_for_half_of_their_life_and_are_checked_by_304() {
    let house = House::open().await;
    let leaf = leaf(&house).await;
    let path = format!("{}/{}", responder(&house), leaf.serial);
    let first = get(&house, &path).await;
    let cache = first.header("cache-control");
    let age: u64 = cache
        .strip_prefix("max-age=")
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((11 * 3600..=12 * 3600).contains(&age), "{cache}");
    assert!(
        cache.ends_with(", public, no-transform, must-revalidate"),
        "{cache}"
    );
    for name in ["etag", "last-modified", "expires"] {
        assert_ne!(first.header(name), "", "{name}");
    }
    for (name, value) in [
        ("if-none-match", first.header("etag")),
        ("if-modified-since", first.header("last-modified")),
    ] {
        let again = Reply::to(house.plain.get(house.public(&path)).header(name, value)).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{name}");
    }
    let head = Reply::to(house.plain.head(house.public(&path))).await;
    assert_eq!((head.header("etag"), head.body.len()), (first.header("etag"), 0));
    let der = request(&house, HashAlgorithm::Sha1, leaf.serial)
        .to_der()
        .unwrap();
    assert_eq!(post(&house, der).await.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn an_answer_with_a_nonce_is_for_its_asker_and_signed_all_the_same() {
    let house = House::open().await;
    let leaf = leaf(&house).await;
    let request = request(&house, HashAlgorithm::Sha1, leaf.serial).with_nonce(Nonce::new(&[7; 32]).unwrap());
    let reply = post(&house, request.to_der().unwrap()).await;
    assert_eq!(status(&house, &reply, &request), CertStatus::Good);
    assert_eq!(
        reply.header("cache-control"),
        "max-age=0, public, no-transform, must-revalidate"
    );
    assert_eq!(reply.header("etag"), "");
}

#[tokio::test]
async fn what_was_never_issued_is_unknown() {
    let house = House::open().await;
    let serial = Serial::from_random([3; 16]);
    let reply = get(&house, &format!("{}/{serial}", responder(&house))).await;
    assert_eq!(
        status(&house, &reply, &request(&house, HashAlgorithm::Sha1, serial)),
        CertStatus::Unknown
    );
    // It may be issued in a moment.
    assert!(reply.header("cache-control").starts_with("max-age=0,"));
}

#[tokio::test]
async fn a_request_about_another_issuer_is_unauthorized() {
    let house = House::open().await;
    let leaf = leaf(&house).await;
    let der = request(&house, HashAlgorithm::Sha1, leaf.serial)
        .to_der()
        .unwrap();
    let path = format!("/.well-known/pki/ocsp/root/{}", der_to_get_path(&der));
    assert_eq!(declined(&get(&house, &path).await), ErrorStatus::Unauthorized);
}

#[tokio::test]
async fn a_request_cut_off_at_any_octet_is_malformed() {
    let house = House::open().await;
    let leaf = leaf(&house).await;
    let der = request(&house, HashAlgorithm::Sha1, leaf.serial)
        .to_der()
        .unwrap();
    for length in 0..der.len() {
        let cut = der.get(..length).unwrap().to_vec();
        let path = format!("{}/{}", responder(&house), der_to_get_path(&cut));
        assert_eq!(
            declined(&post(&house, cut).await),
            ErrorStatus::MalformedRequest,
            "{length}"
        );
        assert_eq!(
            declined(&get(&house, &path).await),
            ErrorStatus::MalformedRequest,
            "{length}"
        );
    }
}

#[tokio::test]
async fn garbage_behind_the_issuer_is_malformed() {
    let house = House::open().await;
    for rest in [
        "",
        "/",
        "/MEIw",
        "/%%%",
        "/zz",
        "/MA==/MA==",
        "/../../root",
        "/%00",
        "/0000",
    ] {
        let raw = format!(
            "GET {}{rest} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            responder(&house)
        );
        let answer = wire::ask(house.addresses.public, &raw).await;
        assert!(answer.starts_with("http/1.1 200 ok"), "{rest}: {answer}");
        assert!(answer.contains("cache-control: no-store"), "{rest}: {answer}");
    }
}

#[tokio::test]
async fn a_request_in_pieces_is_one_request() {
    let house = House::open().await;
    let request = request(&house, HashAlgorithm::Sha1, leaf(&house).await.serial);
    let der = request.to_der().unwrap();
    for length in [1, 7, der.len() - 1] {
        let pieces: Vec<_> = der
            .chunks(length)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
            .collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let reply = Reply::to(house.plain.post(house.public(&responder(&house))).body(body)).await;
        assert_eq!(status(&house, &reply, &request), CertStatus::Good);
    }
}

#[tokio::test]
async fn a_body_over_64_kib_is_refused_and_the_refusal_arrives() {
    let house = House::open().await;
    assert_eq!(
        declined(&post(&house, vec![0x30; 64 * 1024]).await),
        ErrorStatus::MalformedRequest
    );
    assert_eq!(post(&house, vec![0x30; 64 * 1024 + 1]).await.status, 413);
    assert_eq!(post(&house, vec![0x30; 10 * 1024 * 1024]).await.status, 413);
    let chunks = futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![0x30; 1024])));
    let body = reqwest::Body::wrap_stream(chunks);
    let request = house.plain.post(house.public(&responder(&house))).body(body);
    assert_eq!(Reply::to(request).await.status, 413);
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_told_not_to() {
    let house = House::open().await;
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 70000\r\n\r\n",
        responder(&house)
    );
    let answer = wire::ask(house.addresses.public, &request).await;
    assert!(answer.starts_with("http/1.1 413"), "{answer}");
}

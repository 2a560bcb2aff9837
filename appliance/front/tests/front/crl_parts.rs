//! Parts and variants of a CRL, as downloads that broke off and clients that save traffic ask for them.

use ca::Principal;
use pki::crl::Crl;

use crate::house::{House, Reply};

const PATH: &str = "/.well-known/pki/crl/root";

async fn get(house: &House, headers: &[(&str, &str)]) -> Reply {
    let mut request = house.plain.get(house.public(PATH));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::to(request).await
}

/// The compressed variant is made just after the CRL is published.
async fn compressed(house: &House) -> Reply {
    loop {
        let reply = get(house, &[("accept-encoding", "gzip")]).await;
        assert_eq!(reply.header("vary"), "accept-encoding");
        if reply.headers.contains_key("content-encoding") {
            return reply;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let house = House::open().await;
    let whole = get(&house, &[]).await;
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let length = whole.body.len();
    let first = get(&house, &[("range", "bytes=0-99")]).await;
    assert_eq!(first.status, 206);
    assert_eq!(first.header("content-range"), format!("bytes 0-99/{length}"));
    assert_eq!(first.header("content-length"), "100");
    assert_eq!(first.header("etag"), whole.header("etag"));
    let rest = [("range", "bytes=100-"), ("if-range", whole.header("etag"))];
    let second = get(&house, &rest).await;
    assert_eq!(second.status, 206);
    assert_eq!([first.body, second.body].concat(), whole.body);
    // Another list has come: the rest of it is of no use.
    house
        .authority
        .publish_crl(&Principal::local("test"), "root")
        .await
        .unwrap();
    let other = get(&house, &rest).await;
    assert_eq!(other.status, 200);
    assert!(Crl::parse(&other.body).is_ok());
    let beyond = get(&house, &[("range", "bytes=999999-")]).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.header("content-range"),
        format!("bytes */{}", other.body.len())
    );
    assert!(beyond.body.is_empty());
    assert_eq!(get(&house, &[("range", "bytes=1-2,5-6")]).await.status, 200);
}

#[tokio::test]
async fn the_compressed_variant_is_the_same_list_with_its_own_tag() {
    let house = House::open().await;
    let plain = get(&house, &[]).await;
    let packed = compressed(&house).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_ne!(packed.header("etag"), plain.header("etag"));
    assert_eq!(packed.header("content-length"), packed.body.len().to_string());
    assert_eq!(unpacked(&packed.body), plain.body);
    let again = [
        ("accept-encoding", "gzip"),
        ("if-none-match", packed.header("etag")),
    ];
    assert_eq!(get(&house, &again).await.status, 304);
    let with_plain = [
        ("accept-encoding", "gzip"),
        ("if-none-match", plain.header("etag")),
    ];
    assert_eq!(get(&house, &with_plain).await.status, 304);
    let part = get(&house, &[("accept-encoding", "gzip"), ("range", "bytes=5-9")]).await;
    assert_eq!(
        (part.status.as_u16(), part.header("content-encoding")),
        (206, "gzip")
    );
    assert_eq!(part.body, packed.body[5..10]);
    let refused = get(&house, &[("accept-encoding", "gzip;q=0")]).await;
    assert_eq!(refused.body, plain.body);
}

/// A list that is too long for memory is sent from its file, piece by piece, and compressed when somebody asks.
#[tokio::test]
async fn a_long_list_is_sent_from_its_file_as_a_short_one_from_memory() {
    const ENTRIES: u64 = 20_000;
    let house = House::with_revocations(ENTRIES).await;
    let whole = get(&house, &[]).await;
    assert!(whole.body.len() > 512 * 1024, "{}", whole.body.len());
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    assert_eq!(Crl::parse(&whole.body).unwrap().entries().count() as u64, ENTRIES);
    let length = whole.body.len();
    for (first, last) in [
        (0, 65_535),
        (65_535, 65_536),
        (100_000, 400_000),
        (length - 1, length - 1),
    ] {
        let part = get(&house, &[("range", &format!("bytes={first}-{last}"))]).await;
        assert_eq!(part.status, 206);
        assert_eq!(
            part.header("content-range"),
            format!("bytes {first}-{last}/{length}")
        );
        assert_eq!(part.body, whole.body[first..=last]);
    }
    let head = Reply::to(house.plain.head(house.public(PATH))).await;
    assert_eq!(
        (head.header("content-length"), head.body.len()),
        (whole.header("content-length"), 0)
    );
    let known = get(&house, &[("if-none-match", whole.header("etag"))]).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    // Who asks first gets it as it is.
    let plain = get(&house, &[("accept-encoding", "gzip")]).await;
    assert_eq!(plain.body, whole.body);
    let packed = compressed(&house).await;
    assert!(packed.body.len() < length && packed.header("etag") != whole.header("etag"));
    assert_eq!(unpacked(&packed.body), whole.body);
    let part = get(
        &house,
        &[("accept-encoding", "gzip"), ("range", "bytes=70000-140000")],
    )
    .await;
    assert_eq!(
        (part.status.as_u16(), part.header("content-encoding")),
        (206, "gzip")
    );
    assert_eq!(part.body, packed.body[70_000..=140_000]);
}

/// As another program unpacks it.
fn unpacked(octets: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crl.gz");
    std::fs::write(&path, octets).unwrap();
    let output = std::process::Command::new("gzip")
        .arg("-dc")
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

#[tokio::test]
async fn shards_and_deltas_are_chosen_when_a_ca_is_made_and_have_addresses_of_their_own() {
    let house = House::open().await;
    let api = house.api("admin", ca::Role::Admin).await;
    let body = serde_json::json!({"kind": "issuing", "name": "cut", "parent": "root", "subject": "CN=Cut", "token": "software",
        "crl_shards": 2, "delta_crls": true});
    let made = api.post_ok("/api/v1/issuers", body).await;
    assert_eq!(
        (&made["crl_shards"], &made["delta_crls"]),
        (&2.into(), &true.into())
    );
    let published = api
        .post_ok("/api/v1/issuers/cut/crl", serde_json::json!({}))
        .await;
    assert_eq!(published["number"], 2);
    for (path, status) in [
        ("cut/0", 200),
        ("cut/1.crl", 200),
        ("cut/1/delta", 200),
        ("cut/0/delta.crl", 200),
        ("cut/2", 404),
        ("cut", 404),
        ("cut/delta", 404),
        ("root/0", 404),
        ("root/delta", 404),
    ] {
        let reply = Reply::to(
            house
                .plain
                .get(house.public(&format!("/.well-known/pki/crl/{path}"))),
        )
        .await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        if status == 200 {
            let crl = Crl::parse(&reply.body).unwrap();
            assert_eq!(crl.delta_base().is_some(), path.contains("delta"), "{path}");
            assert!(crl.distribution_point().is_some());
        }
    }
}

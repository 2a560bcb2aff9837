//! The TLS of the API, as rustls sees it from the other side.

use std::sync::Arc;

use reqwest::tls::Version;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::house::House;
use crate::wire;

fn config(house: &House, protocols: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(house.root_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// A TLS connection to the API that speaks one of these protocols.
pub(crate) async fn handshake(house: &House, protocols: &[&[u8]]) -> TlsStream<tokio::net::TcpStream> {
    let stream = wire::connect(house.addresses.api).await;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config(house, protocols)))
        .connect(name, stream)
        .await
        .unwrap()
}

fn leaf(stream: &TlsStream<tokio::net::TcpStream>) -> Vec<u8> {
    stream
        .get_ref()
        .1
        .peer_certificates()
        .unwrap()
        .first()
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn the_first_choice_is_hybrid_and_post_quantum() {
    let house = House::open().await;
    let stream = handshake(&house, &[b"h2"]).await;
    let session = stream.get_ref().1;
    assert_eq!(
        session.negotiated_key_exchange_group().unwrap().name(),
        rustls::NamedGroup::X25519MLKEM768
    );
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn tls_1_2_and_1_3_and_both_versions_of_http_work() {
    let house = House::open().await;
    let url = format!("https://localhost:{}/healthz", house.addresses.api.port());
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = house
            .client_builder()
            .tls_version_min(version)
            .tls_version_max(version)
            .build()
            .unwrap();
        assert_eq!(
            client.get(&url).send().await.unwrap().version(),
            reqwest::Version::HTTP_2
        );
        let client = house
            .client_builder()
            .tls_version_min(version)
            .tls_version_max(version)
            .http1_only();
        let answer = client.build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(
            (answer.version(), answer.status().as_u16()),
            (reqwest::Version::HTTP_11, 200)
        );
    }
}

#[tokio::test]
async fn the_certificate_is_from_the_own_ca_for_names_and_addresses() {
    let house = House::open().await;
    let url = format!("https://127.0.0.1:{}/healthz", house.addresses.api.port());
    assert_eq!(house.client().get(&url).send().await.unwrap().status(), 200);
    let stranger = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    assert!(
        stranger.get(&url).send().await.is_err(),
        "trusted without the root"
    );
}

#[tokio::test]
async fn a_new_certificate_is_used_and_open_connections_go_on() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let house = House::open().await;
    let mut old = handshake(&house, &[b"http/1.1"]).await;
    let names = ["localhost".to_owned()];
    let renewed = house
        .authority
        .tls_certificate(&names, Some("issuing"))
        .await
        .unwrap();
    house.identity.replace_by(&renewed).unwrap();
    let new = handshake(&house, &[b"http/1.1"]).await;
    assert_eq!(leaf(&new), renewed.certificate_der);
    assert_ne!(leaf(&old), leaf(&new));
    old.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut start = [0; 12];
    old.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_is_refused_and_the_old_one_stays() {
    let house = House::open().await;
    let before = leaf(&handshake(&house, &[]).await);
    let names = ["localhost".to_owned()];
    let one = house
        .authority
        .tls_certificate(&names, Some("issuing"))
        .await
        .unwrap();
    let other = house
        .authority
        .tls_certificate(&names, Some("issuing"))
        .await
        .unwrap();
    assert!(
        house
            .identity
            .replace(std::slice::from_ref(&one.certificate_der), &other.key_pkcs8)
            .is_err()
    );
    assert!(
        house
            .identity
            .replace(std::slice::from_ref(&one.certificate_der), b"no key")
            .is_err()
    );
    assert_eq!(leaf(&handshake(&house, &[]).await), before);
}

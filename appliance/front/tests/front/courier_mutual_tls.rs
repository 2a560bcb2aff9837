//! A certificate that the connection shows: it signs in where the appliance itself ends TLS, and nowhere else.

use courier::auth::{Method, certificate};
use http::StatusCode;
use reqwest::Method as HttpMethod;
use serde_json::json;

use crate::bridges;
use crate::courier_methods::{client_certificate, works};
use crate::courier_run::with_secret;
use crate::courier_site::{Host, Site, refused, unknown};
use crate::couriers::told;
use crate::house::{House, Reply};

async fn asking() -> Site {
    Site::of(House::with_settings(|settings| settings.couriers.asks_for_certificates = true).await).await
}

async fn shown(site: &Site, name: &str) -> certificate::Settings {
    let (settings, _) = client_certificate(site, name).await;
    certificate::Settings {
        mutual_tls: true,
        ..settings
    }
}

fn binding() -> serde_json::Value {
    json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:web01.example.com"] })
}

#[tokio::test]
async fn the_certificate_of_the_connection_signs_in() {
    let site = asking().await;
    let settings = shown(&site, "web01.example.com").await;
    let uuid = site.courier("web01", binding()).await;
    works(&site, "certificate", || {
        Host::new(uuid, Method::Certificate(settings.clone()))
    })
    .await;
    // Whoever has none is not kept out.
    let (uuid, method) = with_secret(&site, "web02", json!({})).await;
    let Method::ClientSecret(settings) = method else {
        panic!("another method");
    };
    works(&site, "client_secret", || {
        Host::new(uuid, Method::ClientSecret(settings.clone()))
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_is_not_the_couriers_signs_nobody_in() {
    let site = asking().await;
    let uuid = site.courier("web01", binding()).await;
    let sign_in = async |settings: certificate::Settings| {
        let host = Host::new(uuid, Method::Certificate(settings));
        refused(site.at(host, true).sign_in().await)
    };
    let other = shown(&site, "web02.example.com").await;
    assert_eq!(sign_in(other).await, unknown());
    assert_eq!(
        site.last_reason().await,
        "a name that is pinned is not in the certificate"
    );
    // One of nobody's, with the right name.
    site.openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "own.key",
        "-out",
        "own.pem",
        "-subj",
        "/CN=web01",
        "-addext",
        "subjectAltName=DNS:web01.example.com",
        "-days",
        "2",
    ]);
    let own = certificate::Settings {
        cert_path: site.folder.path().join("own.pem"),
        key_path: site.folder.path().join("own.key"),
        mutual_tls: true,
        installed: None,
    };
    assert_eq!(sign_in(own).await, unknown());
    assert_eq!(
        site.last_reason().await,
        "none of the CAs that are named issued the certificate"
    );
    // It counts no longer when it is revoked, also on a connection that is resumed.
    let (settings, issued) = client_certificate(&site, "web01.example.com").await;
    let settings = certificate::Settings {
        mutual_tls: true,
        ..settings
    };
    let courier = site.at(Host::new(uuid, Method::Certificate(settings)), true);
    courier.sign_in().await.unwrap();
    courier.sign_out().await;
    let path = format!("/api/v1/certificates/{}/revoke", issued["id"].as_str().unwrap());
    site.admin.post_ok(&path, json!({ "reason": "superseded" })).await;
    assert_eq!(refused(courier.sign_in().await), unknown());
    assert_eq!(site.last_reason().await, "the certificate is revoked");
}

#[tokio::test]
async fn what_a_header_says_of_a_certificate_is_nothing() {
    let site = asking().await;
    let uuid = site.courier("web01", binding()).await;
    let (_, issued) = client_certificate(&site, "web01.example.com").await;
    let pem = issued["certificate_pem"].as_str().unwrap().replace('\n', "%0A");
    let body = json!({ "uuid": uuid, "method": "certificate", "credential": {} });
    let mut request = site
        .house
        .api_with(None)
        .request(HttpMethod::POST, "/api/v1/courier/auth")
        .json(&body);
    for name in [
        "x-client-cert",
        "x-ssl-cert",
        "ssl-client-cert",
        "x-forwarded-client-cert",
        "client-cert",
    ] {
        request = request.header(name, &pem);
    }
    let reply = Reply::to(request).await;
    assert_eq!(told(&reply), (422, "VALIDATION_ERROR"));
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Nor is what a bridge shows for itself.
    let bridge = bridges::register(&site.house, &site.admin).await;
    let (status, answer) = bridge
        .forward(
            &site.house,
            "POST",
            "/api/v1/courier/auth",
            &[("x-client-cert", &pem)],
            &body.to_string(),
        )
        .await;
    assert_eq!(
        (status, &answer["error"]["details"][0]["field"]),
        (422, &json!("credential.challenge_jws"))
    );
}

#[tokio::test]
async fn nobody_is_asked_for_a_certificate_unless_the_settings_say_so() {
    let site = Site::open().await;
    let settings = shown(&site, "web01.example.com").await;
    let uuid = site.courier("web01", binding()).await;
    let courier = site.at(Host::new(uuid, Method::Certificate(settings)), true);
    assert_eq!(
        refused(courier.sign_in().await),
        ("VALIDATION_ERROR".to_owned(), 2)
    );
}

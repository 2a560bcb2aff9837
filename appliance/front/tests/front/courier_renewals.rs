//! A courier that signs in with what it installed itself, by its own code at a real front.

use std::sync::Arc;

use courier::auth::Method;
use courier::auth::certificate::{self, Installed, Outputs};
use courier_wire::OrderRequest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::courier_methods::client_certificate;
use crate::courier_site::{Host, Site, refused, unknown};
use crate::holder::Holder;

const NAME: &str = "web01.example.com";

/// A courier that begins with a certificate of the house for another name; with this besides in its credential.
async fn courier(site: &Site, name: &str, more: Value) -> (Uuid, certificate::Settings) {
    let boot = format!("boot-{name}.example.com");
    let mut binding =
        json!({ "method": "certificate", "issuer": "issuing", "names": [format!("dns:{boot}")] });
    for (key, value) in more.as_object().unwrap() {
        binding[key] = value.clone();
    }
    let record = json!({ "profiles": ["tls-client", "tls-server"] });
    let uuid = site.courier_with(name, record, binding).await;
    let (settings, _) = client_certificate(site, &boot).await;
    (uuid, settings)
}

/// Gets a certificate as a courier and installs it under this name.
async fn install(site: &Site, courier: &courier::client::Courier, file: &str) -> Arc<Installed> {
    let holder = Holder::new();
    let order = json!({ "kind": "issue", "key_mode": "local", "profile": "tls-client",
        "csr_pem": holder.csr(&[&format!("dns:{NAME}")]) });
    let order: OrderRequest = serde_json::from_value(order).unwrap();
    let placed = courier.order(&order, &Uuid::new_v4().to_string()).await.unwrap();
    let order = placed.value.order.uuid.parse().unwrap();
    let chain = courier.certificate(order).await.unwrap();
    Arc::new(Installed::new(vec![Outputs {
        certificate: site.file(&format!("{file}.pem"), &chain),
        key: site.file(&format!("{file}.key"), &holder.key_pem()),
        passphrase: None,
    }]))
}

fn by(boot: &certificate::Settings, installed: &Arc<Installed>) -> Method {
    Method::Certificate(certificate::Settings {
        installed: Some(Arc::clone(installed)),
        ..boot.clone()
    })
}

/// Settings whose files are gone, as after enrolment.
fn without_files(boot: &certificate::Settings) -> certificate::Settings {
    certificate::Settings {
        cert_path: boot.cert_path.with_extension("gone"),
        key_path: boot.key_path.with_extension("gone"),
        mutual_tls: false,
        installed: None,
    }
}

#[tokio::test]
async fn what_was_installed_signs_in_when_the_first_files_are_gone() {
    let site = Site::open().await;
    let (uuid, boot) = courier(&site, "web01", json!({ "renewals": true })).await;
    let first = site.at(Host::new(uuid, Method::Certificate(boot.clone())), true);
    let installed = install(&site, &first, "live").await;
    let second = site.at(Host::new(uuid, by(&without_files(&boot), &installed)), true);
    assert_eq!(second.verify().await.unwrap().method, "certificate");
    // And so on: what comes of that session is the next one's way in.
    let next = install(&site, &second, "next").await;
    let third = site.at(Host::new(uuid, by(&without_files(&boot), &next)), true);
    third.sign_in().await.unwrap();
    let listed = site.admin.get_ok("/api/v1/couriers/web01/credentials").await;
    assert_eq!(listed["items"][0]["binding"]["renewals"], true);
}

#[tokio::test]
async fn where_the_credential_does_not_say_so_the_first_files_sign_in() {
    let site = Site::open().await;
    let (uuid, boot) = courier(&site, "web01", json!({})).await;
    let first = site.at(Host::new(uuid, Method::Certificate(boot.clone())), true);
    let installed = install(&site, &first, "live").await;
    let second = site.at(Host::new(uuid, by(&boot, &installed)), true);
    assert_eq!(second.verify().await.unwrap().method, "certificate");
    let alone = certificate::Settings {
        cert_path: site.folder.path().join("live.pem"),
        key_path: site.folder.path().join("live.key"),
        mutual_tls: false,
        installed: None,
    };
    let third = site.at(Host::new(uuid, Method::Certificate(alone)), true);
    assert_eq!(refused(third.sign_in().await), unknown());
    assert_eq!(
        site.last_reason().await,
        "a name that is pinned is not in the certificate"
    );
}

#[tokio::test]
async fn what_another_courier_installed_opens_nothing() {
    let site = Site::open().await;
    let (uuid, boot) = courier(&site, "web01", json!({ "renewals": true })).await;
    let (other, _) = courier(&site, "web02", json!({ "renewals": true })).await;
    let first = site.at(Host::new(uuid, Method::Certificate(boot)), true);
    install(&site, &first, "live").await;
    let taken = certificate::Settings {
        cert_path: site.folder.path().join("live.pem"),
        key_path: site.folder.path().join("live.key"),
        mutual_tls: false,
        installed: None,
    };
    let thief = site.at(Host::new(other, Method::Certificate(taken)), true);
    assert_eq!(refused(thief.sign_in().await), unknown());
    assert_eq!(
        site.last_reason().await,
        "the certificate did not come of an order of this courier"
    );
}

//! Tokens of an OpenID provider that nobody here wrote: npm `oidc-provider`, installed by `cargo xtask test` into `target/node`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use ca::courier::DocumentFetch;
use courier::auth::{Method, oidc_jwt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::courier_run::order;
use crate::courier_site::{Host, IDENTITY, Issuer, Site, refused, unknown};
use crate::holder::Holder;
use crate::house::House;

const SECRET: &str = "a-secret-of-the-tests-that-is-long-enough";

/// The provider. It ends with its standard input, so with this.
struct Provider {
    issuer: String,
    _child: Child,
}

impl Provider {
    /// A provider that knows this key of its second client.
    async fn start(client_key: &Value) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node");
        let here = folder.join("node_modules/oidc-provider").exists();
        assert!(
            here,
            "no npm packages in {}: run `cargo xtask test`",
            folder.display()
        );
        let mut child = Command::new("node")
            .args([
                "--input-type=module",
                "-e",
                include_str!("oidc_provider.mjs"),
                "--",
                SECRET,
            ])
            .arg(client_key.to_string())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("node: run `cargo xtask test`");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("the provider ended");
            if let Some(port) = line.strip_prefix("listening ") {
                break port.to_owned();
            }
        };
        // Whatever else it says is read, so that it is never kept from going on.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            issuer: format!("http://127.0.0.1:{port}"),
            _child: child,
        }
    }

    /// How the courier asks it for a token for this resource.
    fn settings(&self, client: &str, resource: &str) -> oidc_jwt::Settings {
        oidc_jwt::Settings {
            token_request: oidc_jwt::TokenRequest::ClientCredentials,
            token_endpoint: Some(format!("{}/token", self.issuer)),
            client_id: Some(client.to_owned()),
            resource: Some(resource.to_owned()),
            ..oidc_jwt::Settings::default()
        }
    }

    fn with_secret(&self, resource: &str) -> oidc_jwt::Settings {
        oidc_jwt::Settings {
            client_secret: Some(SECRET.into()),
            ..self.settings("web01", resource)
        }
    }

    fn binding(&self, subject: &str, keys: &Value) -> Value {
        json!({
            "method": "oidc_jwt", "issuer": self.issuer, "subject": subject,
            "audiences": [IDENTITY, format!("{IDENTITY}/ec")], "claims": { "client_id": subject }, "keys": keys
        })
    }
}

fn host(uuid: Uuid, settings: oidc_jwt::Settings) -> Host {
    Host::new(uuid, Method::OidcJwt(Box::new(settings)))
}

/// A key of a client: as the provider knows it, and in a file of the host.
fn client_key(folder: &Path) -> (Value, PathBuf) {
    let holder = Holder::new();
    let pem = holder.key_pem();
    let path = folder.join("client.key");
    std::fs::write(&path, &pem).unwrap();
    let der = pki::pem::decode(pem.as_bytes()).unwrap().remove(0).der;
    let key = Issuer {
        key: jose::SigningKey::from_pkcs8_der(&der).unwrap(),
    };
    (key.jwk(), path)
}

#[tokio::test]
async fn e2e_courier_oidc_provider_by_its_published_keys() {
    let site = Site::open().await;
    let (key, path) = client_key(site.folder.path());
    let provider = Provider::start(&key).await;
    let published = reqwest::get(format!("{}/jwks", provider.issuer)).await.unwrap();
    let published: Value = serde_json::from_slice(&published.bytes().await.unwrap()).unwrap();
    let keys = json!({ "static": published });

    let uuid = site.courier("web01", provider.binding("web01", &keys)).await;
    for resource in [IDENTITY.to_owned(), format!("{IDENTITY}/ec")] {
        for has_proof in [true, false] {
            let courier = site.at(host(uuid, provider.with_secret(&resource)), has_proof);
            let placed = courier
                .order(&order("a.example.com"), &Uuid::new_v4().to_string())
                .await
                .unwrap();
            assert_eq!(placed.value.order.status, "issued", "{resource}");
            courier.sign_out().await;
        }
    }

    // The second client shows a signed assertion instead of a secret (RFC 7523).
    let settings = oidc_jwt::Settings {
        client_key_path: Some(path),
        client_key_id: Some("k1".to_owned()),
        ..provider.settings("web02", IDENTITY)
    };
    let second = site.courier("web02", provider.binding("web02", &keys)).await;
    let courier = site.at(host(second, settings.clone()), true);
    assert_eq!(courier.verify().await.unwrap().method, "oidc_jwt");

    // A token of another client, and one for another resource.
    let other = site.at(host(uuid, settings), true).sign_in().await;
    assert_eq!(refused(other), unknown());
    let elsewhere = provider.with_secret("https://other.example");
    let outcome = site.at(host(uuid, elsewhere), true).sign_in().await;
    assert_eq!(refused(outcome), unknown());

    // A secret that the provider does not know: nothing is shown to the appliance.
    let mut wrong = provider.with_secret(IDENTITY);
    wrong.client_secret = Some("wrong".into());
    let fault = site.at(host(uuid, wrong), true).sign_in().await.unwrap_err();
    assert!(fault.to_string().contains("/token answered 401"), "{fault}");
    assert_eq!(fault.exit_code(), 3);
}

#[tokio::test]
async fn e2e_courier_oidc_provider_by_discovery() {
    let fetch = DocumentFetch::new(|address| {
        Box::pin(async move {
            let answer = reqwest::get(&address).await.map_err(|fault| fault.to_string())?;
            let answer = answer.error_for_status().map_err(|fault| fault.to_string())?;
            let body = answer.bytes().await.map_err(|fault| fault.to_string())?;
            Ok(body.to_vec())
        })
    });
    let house = House::with_settings(|settings| settings.couriers.fetch_document = Some(fetch)).await;
    let site = Site::of(house).await;
    let (key, _) = client_key(site.folder.path());
    let provider = Provider::start(&key).await;
    let uuid = site
        .courier("web01", provider.binding("web01", &json!("discovery")))
        .await;
    let courier = site.at(host(uuid, provider.with_secret(IDENTITY)), true);
    assert_eq!(courier.verify().await.unwrap().method, "oidc_jwt");
    // A provider whose keys made no token of the other one: they are asked for anew, and nobody is let in.
    let impostor = Provider::start(&key).await;
    let keys = json!({ "url": format!("{}/jwks", impostor.issuer) });
    let binding = provider.binding("web01", &keys);
    let second = site.courier("web02", binding).await;
    let outcome = site
        .at(host(second, provider.with_secret(IDENTITY)), true)
        .sign_in()
        .await;
    assert_eq!(refused(outcome), unknown());
    assert_eq!(
        site.last_reason().await,
        "no key of the issuer made the signature"
    );
}

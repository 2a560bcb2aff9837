//! Keys that the appliance makes for couriers, as they travel: ordered with a recipient, given out once, opened by the recipient and
//! by other people's software.

use std::cell::Cell;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::jwe::{Expected, RecipientKey};
use jose::jwk::Curve;
use jose::{SigningKey, dpop};
use pki::Certificate;
use reqwest::Method;
use serde_json::{Value, json};

use crate::couriers::{courier, told};
use crate::holder::Holder;
use crate::house::{Api, House, Reply};

/// A courier whose session is bound to a key.
struct Bound<'a> {
    house: &'a House,
    nobody: Api,
    key: SigningKey,
    uuid: String,
    token: String,
    proofs: Cell<u32>,
}

impl<'a> Bound<'a> {
    async fn to(house: &'a House, record: Value) -> Self {
        let admin = house.admin().await;
        let mut request = courier(&admin, "web01", record).await;
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key = SigningKey::from_pkcs8_der(pkcs8.as_ref()).unwrap();
        request["proof_key"] = serde_json::from_str(&key.jwk().to_json()).unwrap();
        let nobody = house.api_with(None);
        let uuid = request["uuid"].as_str().unwrap().to_owned();
        let opened = nobody.post_ok("/api/v1/courier/auth", request).await;
        Self {
            house,
            nobody,
            key,
            uuid,
            token: opened["session"]["token"].as_str().unwrap().to_owned(),
            proofs: Cell::new(0),
        }
    }

    fn proof(&self, method: &str, url: &str) -> String {
        self.proofs.set(self.proofs.get() + 1);
        let request = dpop::Request {
            method,
            url,
            access_token_hash: Some(&dpop::access_token_hash(&self.token)),
            now: self.house.authority.clock().now().as_second(),
            id: &format!("proof-{}", self.proofs.get()),
            body: None,
        };
        dpop::build(&self.key, &request, &SystemRandom::new()).unwrap()
    }

    fn proof_of(&self, recipient: &RecipientKey) -> String {
        let thumbprint = recipient.jwk().thumbprint();
        let uri = format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{thumbprint}");
        self.proof("POST", &uri)
    }

    fn order(&self, recipient: &RecipientKey) -> Value {
        json!({
            "kind": "issue", "key_mode": "platform", "key_spec": { "algorithm": "ec-256" }, "digest": "sha256",
            "subject": { "common_name": "a.example.com" }, "sans": { "dns": ["a.example.com"] },
            "recipient": public(recipient), "recipient_proof": self.proof_of(recipient),
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let here = format!("https://localhost:{}", self.house.addresses.api.port());
        let proof = self.proof(method.as_str(), &format!("{here}{path}"));
        let mut request = self
            .nobody
            .request(method, path)
            .header("authorization", format!("DPoP {}", self.token))
            .header("dpop", proof);
        if let Some(body) = body {
            request = request.json(body);
        }
        Reply::to(request).await
    }

    async fn place(&self, body: &Value) -> Reply {
        self.ask(Method::POST, "/api/v1/courier/orders", Some(body)).await
    }
}

fn record() -> Value {
    json!({
        "allowed_names": ["*.example.com"], "profiles": ["tls-server"], "issuer": "issuing", "platform_keys": "allow",
    })
}

fn recipient() -> RecipientKey {
    RecipientKey::generate(Curve::P256, &SystemRandom::new()).unwrap()
}

fn public(recipient: &RecipientKey) -> Value {
    serde_json::from_str(&recipient.jwk().to_json()).unwrap()
}

#[tokio::test]
async fn a_courier_gets_a_key_once() {
    let house = House::open().await;
    let web = Bound::to(&house, record()).await;
    let recipient = recipient();
    let placed = web.place(&web.order(&recipient)).await;
    assert_eq!(placed.status, 201, "{}", placed.json);
    assert_eq!(placed.json["order"]["key_mode"], "platform");
    let order = placed.json["order"]["uuid"].as_str().unwrap();
    let path = format!("/api/v1/courier/orders/{order}");
    let chain = web.ask(Method::GET, &format!("{path}/certificate"), None).await;
    let leaf = Certificate::parse_all(&chain.body).unwrap().remove(0);
    let key = web.ask(Method::GET, &format!("{path}/key"), None).await;
    assert_eq!(key.status, 200, "{}", key.json);
    assert_eq!(key.header("cache-control"), "no-store");
    let expected = Expected {
        order,
        spki: &leaf.public_key().fingerprint().0,
    };
    let pkcs8 = recipient
        .decrypt(key.json["jwe"].as_str().unwrap(), &expected)
        .unwrap();
    let opened = pki::key_file::parse(&pkcs8, None).unwrap();
    assert_eq!(opened.public_key.spki_der(), leaf.public_key().spki_der());
    let again = web.ask(Method::GET, &format!("{path}/key"), None).await;
    assert_eq!(told(&again), (409, "ALREADY_RETRIEVED"));
    let print = placed.json["order"]["certificate"]["fingerprint_sha256"].clone();
    let ack = json!({ "installed_at": "2030-01-01T00:00:00Z", "fingerprint_sha256": print, "files": [] });
    let installed = web.ask(Method::POST, &format!("{path}/ack"), Some(&ack)).await;
    assert_eq!(installed.json["order"]["status"], "installed");
}

#[tokio::test]
async fn errors_of_platform_keys_have_the_codes_of_the_protocol() {
    let house = House::open().await;
    let web = Bound::to(&house, record()).await;
    let (own, of_the_bridge) = (recipient(), recipient());
    let place_with = async |name: &str, value: Value| {
        let mut body = web.order(&own);
        body[name] = value;
        web.place(&body).await
    };
    let swapped = place_with("recipient", public(&of_the_bridge)).await;
    assert_eq!(told(&swapped), (403, "KEY_MODE_NOT_ALLOWED"));
    let unproved = place_with("recipient_proof", Value::Null).await;
    assert_eq!(told(&unproved), (403, "KEY_MODE_NOT_ALLOWED"));
    for (name, value) in [
        ("recipient", Value::Null),
        ("sans", Value::Null),
        ("key_spec", Value::Null),
        ("key_spec", json!({ "algorithm": "dsa" })),
        ("key_spec", json!({ "algorithm": "ec-256", "more": 1 })),
        ("digest", "md5".into()),
        ("csr_pem", Holder::new().csr(&["dns:a.example.com"]).into()),
        ("key_mode", "elsewhere".into()),
    ] {
        assert_eq!(
            told(&place_with(name, value).await),
            (422, "VALIDATION_ERROR"),
            "{name}"
        );
    }
    let local = json!({
        "kind": "issue", "key_mode": "local", "csr_pem": Holder::new().csr(&["dns:a.example.com"]),
        "recipient": public(&own),
    });
    assert_eq!(told(&web.place(&local).await), (422, "VALIDATION_ERROR"));
    let placed = web.place(&web.order(&own)).await;
    let order = placed.json["order"]["uuid"].as_str().unwrap();
    let print = placed.json["order"]["certificate"]["fingerprint_sha256"].clone();
    let ack = json!({ "installed_at": "2030-01-01T00:00:00Z", "fingerprint_sha256": print, "files": [] });
    let path = format!("/api/v1/courier/orders/{order}");
    web.ask(Method::POST, &format!("{path}/ack"), Some(&ack)).await;
    let gone = web.ask(Method::GET, &format!("{path}/key"), None).await;
    assert_eq!(told(&gone), (410, "KEY_EXPIRED"));
    let local = json!({
        "kind": "issue", "key_mode": "local", "csr_pem": Holder::new().csr(&["dns:a.example.com"]),
    });
    let local = web.place(&local).await;
    let path = format!(
        "/api/v1/courier/orders/{}/key",
        local.json["order"]["uuid"].as_str().unwrap()
    );
    assert_eq!(told(&web.ask(Method::GET, &path, None).await), (404, "NOT_FOUND"));
}

/// The Python that `cargo xtask test` prepared.
fn python() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = workspace.join("target/venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: cargo xtask test makes it",
        python.display()
    );
    python
}

/// The private key of a recipient as a JWK (RFC 7518 §6.2.2).
fn private(recipient: &RecipientKey) -> Value {
    let mut jwk = public(recipient);
    jwk["d"] = base64url(recipient.to_octets()).into();
    jwk
}

fn base64url(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

#[tokio::test]
async fn e2e_platform_key_jwcrypto() {
    let house = House::open().await;
    let web = Bound::to(&house, record()).await;
    let recipient = recipient();
    let placed = web.place(&web.order(&recipient)).await;
    let order = placed.json["order"]["uuid"].as_str().unwrap();
    let path = format!("/api/v1/courier/orders/{order}");
    let chain = web.ask(Method::GET, &format!("{path}/certificate"), None).await;
    let leaf = Certificate::parse_all(&chain.body).unwrap().remove(0);
    let key = web.ask(Method::GET, &format!("{path}/key"), None).await;
    let said = json!({
        "jwe": key.json["jwe"], "recipient": private(&recipient),
        "certificate": pki::pem::encode("CERTIFICATE", leaf.der()),
    });
    let mut judge = Command::new(python())
        .args(["-c", include_str!("open_jwe.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    judge
        .stdin
        .take()
        .unwrap()
        .write_all(said.to_string().as_bytes())
        .unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let judged: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(judged["matches"], true);
    let header = json!({
        "alg": "ECDH-ES+A256KW", "enc": "A256GCM", "order": order,
        "apu": base64url(b"http://pki.example"), "apv": base64url(web.uuid.as_bytes()),
        "spki": base64url(&leaf.public_key().fingerprint().0),
    });
    assert_eq!(judged["header"], header);
}

//! Challenges and proofs count once, and for what they were made for.

use std::sync::Mutex;

use courier::auth::proof::ProofKey;
use courier::auth::{self, Appliance, Context, Method, Pending, Places, Presented, certificate, spiffe};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::courier_methods::{SPIFFE_ID, client_certificate, x509_svid};
use crate::courier_site::{Host, IDENTITY, Site, refused, unknown};
use crate::house::Reply;

/// An appliance that says what it is told to, to whoever signs a challenge.
struct Told {
    identity: String,
    nonce: Mutex<String>,
}

impl Appliance for Told {
    fn identity(&self) -> Pending<'_, Result<String, auth::Fault>> {
        Box::pin(async { Ok(self.identity.clone()) })
    }

    fn challenge(&self) -> Pending<'_, Result<String, auth::Fault>> {
        Box::pin(async { Ok(self.nonce.lock().unwrap().clone()) })
    }
}

/// A challenge signed by the courier's own code, and what may be wrong with it.
struct Signing<'a> {
    uuid: Uuid,
    settings: &'a certificate::Settings,
    identity: &'a str,
    nonce: String,
    thumbprint: Option<String>,
    at: i64,
}

impl Signing<'_> {
    async fn jws(&self) -> String {
        let told = Told {
            identity: self.identity.to_owned(),
            nonce: Mutex::new(self.nonce.clone()),
        };
        let context = Context {
            uuid: self.uuid,
            environment: &std::collections::BTreeMap::<String, String>::new(),
            places: &Places::default(),
            appliance: &told,
            now: jiff::Timestamp::from_second(self.at).unwrap(),
            thumbprint: self.thumbprint.as_deref(),
        };
        match Method::Certificate(self.settings.clone())
            .present(&context)
            .await
            .unwrap()
        {
            Presented::Certificate { challenge_jws } => challenge_jws.expose_secret().to_owned(),
            other => panic!("another method: {other:?}"),
        }
    }
}

async fn nonce(site: &Site) -> String {
    let nobody = site.house.api_with(None);
    let challenge = nobody.post_ok("/api/v1/courier/auth/challenge", json!({})).await;
    challenge["nonce"].as_str().unwrap().to_owned()
}

/// Shows a signed challenge as it is.
async fn show(site: &Site, uuid: Uuid, method: &str, jws: &str, key: Option<Value>) -> Reply {
    let mut body = json!({ "uuid": uuid, "method": method, "credential": { "challenge_jws": jws } });
    if method == "spiffe" {
        body["credential"]["svid_type"] = "x509".into();
    }
    if let Some(key) = key {
        body["proof_key"] = key;
    }
    site.house.api_with(None).post("/api/v1/courier/auth", body).await
}

#[tokio::test]
async fn a_challenge_counts_once_and_for_what_it_was_signed_for() {
    let site = Site::open().await;
    let (settings, _) = client_certificate(&site, "web01.example.com").await;
    let binding = |name: &str| json!({ "method": "certificate", "issuer": "issuing", "names": [name] });
    let uuid = site.courier("web01", binding("dns:web01.example.com")).await;
    let other = site.courier("web02", binding("dns:web02.example.com")).await;
    let good = async || Signing {
        uuid,
        settings: &settings,
        identity: IDENTITY,
        nonce: nonce(&site).await,
        thumbprint: None,
        at: site.now(),
    };
    let jws = good().await.jws().await;
    assert_eq!(show(&site, uuid, "certificate", &jws, None).await.status, 200);
    let refused = async |uuid: Uuid, method: &str, jws: &str, key: Option<Value>, reason: &str| {
        let reply = show(&site, uuid, method, jws, key).await;
        reply.refused(401, "INVALID_CREDENTIALS");
        assert_eq!(site.last_reason().await, reason);
    };
    let used = "the challenge is not ours, too old, or used before";
    refused(uuid, "certificate", &jws, None, used).await;
    let not_ours = "what was signed is not for this courier and us";
    let fresh = good().await.jws().await;
    refused(other, "certificate", &fresh, None, not_ours).await;
    refused(uuid, "spiffe", &fresh, None, not_ours).await;
    let mut elsewhere = good().await;
    elsewhere.identity = "https://other.example";
    refused(uuid, "certificate", &elsewhere.jws().await, None, not_ours).await;
    let mut early = good().await;
    early.at -= 600;
    refused(uuid, "certificate", &early.jws().await, None, not_ours).await;
    let mut own_nonce = good().await;
    own_nonce.nonce = "bm90LW9mLXRoZS1hcHBsaWFuY2U".to_owned();
    refused(uuid, "certificate", &own_nonce.jws().await, None, used).await;
    // A hop that puts its own key in, or takes the courier's out.
    let another = "the key of the session is not the one that was signed";
    let (key, foreign) = (ProofKey::generate().unwrap(), ProofKey::generate().unwrap());
    let mut bound = good().await;
    bound.thumbprint = Some(key.thumbprint());
    let bound = bound.jws().await;
    refused(uuid, "certificate", &bound, Some(foreign.jwk()), another).await;
    refused(uuid, "certificate", &bound, None, another).await;
    assert_eq!(
        show(&site, uuid, "certificate", &bound, Some(key.jwk()))
            .await
            .status,
        200
    );
    // The text of one signature under another.
    let (head, _) = fresh.rsplit_once('.').unwrap();
    let (_, tail) = jws.rsplit_once('.').unwrap();
    let mixed = format!("{head}.{tail}");
    refused(
        uuid,
        "certificate",
        &mixed,
        None,
        "the signature of the challenge is wrong",
    )
    .await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_name_or_that_is_revoked_is_not_let_in() {
    let site = Site::open().await;
    let binding = json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:web01.example.com"] });
    let uuid = site.courier("web01", binding).await;
    let by = |settings: certificate::Settings| site.at(Host::new(uuid, Method::Certificate(settings)), true);
    let (named_otherwise, _) = client_certificate(&site, "web02.example.com").await;
    assert_eq!(refused(by(named_otherwise).sign_in().await), unknown());
    site.openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "self.key",
        "-out",
        "self.pem",
        "-subj",
        "/CN=web01",
        "-addext",
        "subjectAltName=DNS:web01.example.com",
    ]);
    let made_alone = certificate::Settings {
        cert_path: site.folder.path().join("self.pem"),
        key_path: site.folder.path().join("self.key"),
        mutual_tls: false,
        installed: None,
    };
    assert_eq!(refused(by(made_alone).sign_in().await), unknown());
    assert_eq!(
        site.last_reason().await,
        "none of the CAs that are named issued the certificate"
    );
    let (good, issued) = client_certificate(&site, "web01.example.com").await;
    by(good.clone()).sign_in().await.unwrap();
    let path = format!("/api/v1/certificates/{}/revoke", issued["id"].as_str().unwrap());
    site.admin
        .post_ok(&path, json!({ "reason": "keyCompromise" }))
        .await;
    assert_eq!(refused(by(good).sign_in().await), unknown());
    assert_eq!(site.last_reason().await, "the certificate is revoked");
}

#[tokio::test]
async fn a_proof_counts_once_and_for_its_request() {
    const PATH: &str = "/api/v1/courier/auth/verify";
    let site = Site::open().await;
    let uuid = site.courier("web01", site.binding("oidc_jwt")).await;
    let (key, foreign) = (ProofKey::generate().unwrap(), ProofKey::generate().unwrap());
    let nobody = site.house.api_with(None);
    let opened = nobody
        .post_ok(
            "/api/v1/courier/auth",
            json!({
                "uuid": uuid, "method": "oidc_jwt", "proof_key": key.jwk(),
                "credential": { "token": site.issuer.token(&site.claims()) }
            }),
        )
        .await;
    let token = opened["session"]["token"].as_str().unwrap();
    let here = format!("https://localhost:{}", site.house.addresses.api.port());
    let now = || site.house.authority.clock().now();
    let ask = async |word: &str, proof: Option<&str>| {
        let mut request = nobody
            .request(reqwest::Method::GET, PATH)
            .header("authorization", format!("{word} {token}"));
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        Reply::to(request).await
    };
    let prove = |key: &ProofKey, method: &str, host: &str, token: Option<&str>, at| {
        key.prove(method, &format!("{host}{PATH}"), token, None, at)
            .unwrap()
    };
    let good = prove(&key, "GET", &here, Some(token), now());
    assert_eq!(ask("DPoP", Some(&good)).await.status, 200);
    let minutes = |count: i64| now() + jiff::SignedDuration::from_mins(count);
    let again = || prove(&key, "GET", &here, Some(token), now());
    for (what, word, proof) in [
        ("replayed", "DPoP", Some(good)),
        (
            "by another key",
            "DPoP",
            Some(prove(&foreign, "GET", &here, Some(token), now())),
        ),
        (
            "for another method",
            "DPoP",
            Some(prove(&key, "POST", &here, Some(token), now())),
        ),
        (
            "for another place",
            "DPoP",
            Some(prove(&key, "GET", "https://other.example", Some(token), now())),
        ),
        (
            "for another token",
            "DPoP",
            Some(prove(&key, "GET", &here, Some("other"), now())),
        ),
        (
            "for no token",
            "DPoP",
            Some(prove(&key, "GET", &here, None, now())),
        ),
        (
            "of the past",
            "DPoP",
            Some(prove(&key, "GET", &here, Some(token), minutes(-5))),
        ),
        (
            "of the future",
            "DPoP",
            Some(prove(&key, "GET", &here, Some(token), minutes(5))),
        ),
        ("none", "DPoP", None),
        ("as a bearer token", "Bearer", Some(again())),
    ] {
        let reply = ask(word, proof.as_deref()).await;
        assert_eq!(reply.status, 401, "{what}: {}", reply.json);
        assert_eq!(reply.json["error"]["code"], "PROOF_INVALID", "{what}");
    }
    assert_eq!(ask("DPoP", Some(&again())).await.status, 200);
}

#[tokio::test]
async fn an_x509_svid_of_another_trust_domain_or_identity_is_not_let_in() {
    let site = Site::open().await;
    let (own, bundle) = x509_svid(&site, SPIFFE_ID);
    let (foreign, _) = x509_svid(&site, SPIFFE_ID);
    let (other, others) = x509_svid(&site, "spiffe://example.com/other");
    let binding = |bundle: &Value| json!({ "method": "spiffe", "spiffe_id": SPIFFE_ID, "bundle": { "static": bundle } });
    let uuid = site.courier("web01", binding(&bundle)).await;
    let with_others = site.courier("web02", binding(&others)).await;
    let show = async |uuid: Uuid, svid: &str| {
        let path = site.file("svid.pem", svid);
        let host = Host::new(uuid, Method::Spiffe(spiffe::Settings::default()))
            .with("SPIFFE_SVID_PATH", path.to_str().unwrap());
        site.at(host, true).sign_in().await
    };
    show(uuid, &own).await.unwrap();
    assert_eq!(refused(show(uuid, &foreign).await), unknown());
    assert_eq!(
        site.last_reason().await,
        "none of the CAs that are named issued the certificate"
    );
    assert_eq!(refused(show(with_others, &other).await), unknown());
    assert_eq!(site.last_reason().await, "the identity is another one");
}

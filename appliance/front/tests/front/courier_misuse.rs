//! What is not let in, however well it is made: tokens and secrets of somebody else, of another time, for another purpose, made otherwise.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use courier::auth::{Method, aws_oidc, azure_arc, azure_jwt, spiffe};
use courier::client::{Clock, Fault};
use jose::{Algorithm, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::courier_methods::host_with;
use crate::courier_run::with_secret;
use crate::courier_site::{Host, IDENTITY, Issuer, Site, refused, unknown};
use crate::sim_himds::SimHimds;

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_token_with_another_claim_is_not_let_in() {
    let site = Site::open().await;
    let uuid = site.courier("web01", site.binding("oidc_jwt")).await;
    let now = site.now();
    site.at(host_with(uuid, &site.issuer.token(&site.claims())), true)
        .sign_in()
        .await
        .unwrap();
    let issuer_audience_time = "issuer, audience or time of the token is not right";
    for (name, value, reason) in [
        ("aud", json!("https://other.example"), issuer_audience_time),
        ("aud", json!([]), issuer_audience_time),
        ("aud", Value::Null, "no pinned key made the signature"),
        (
            "iss",
            json!("https://issuer.example/"),
            "the issuer is another one",
        ),
        ("exp", json!(now - 100), issuer_audience_time),
        ("exp", json!(now + 2 * 24 * 3600), issuer_audience_time),
        ("nbf", json!(now + 600), issuer_audience_time),
        ("sub", json!("somebody"), "the subject is another one"),
    ] {
        let mut claims = site.claims();
        claims[name] = value.clone();
        let mut host = host_with(uuid, &site.issuer.token(&claims));
        // The courier itself would not send what is past its time: its clock is behind.
        host.clock = Clock::new(move || jiff::Timestamp::from_second(now - 240).unwrap());
        let outcome = site.at(host, true).sign_in().await;
        assert_eq!(refused(outcome), unknown(), "{name} = {value}");
        assert_eq!(site.last_reason().await, reason, "{name} = {value}");
    }
    let mut claims = site.claims();
    claims["exp"] = (now - 3600).into();
    let own = site.at(host_with(uuid, &site.issuer.token(&claims)), true);
    let fault = own.sign_in().await.unwrap_err();
    assert!(
        fault.to_string().contains("expired") && fault.exit_code() == 3,
        "{fault}"
    );
}

/// Texts that say the same as a good token, or nearly, and are not of its issuer.
fn forged(issuer: &Issuer, claims: &Value) -> Vec<(&'static str, String)> {
    let good = issuer.token(claims);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let header = |alg: &str| part(&json!({ "alg": alg, "kid": "k1", "typ": "JWT" }));
    let said = |alg: &str| format!("{}.{}", header(alg), part(claims));
    // The public key taken for a shared secret.
    let secret = hmac::Key::new(hmac::HMAC_SHA256, issuer.key.jwk().to_json().as_bytes());
    let text = said("HS256");
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, text.as_bytes()));
    let mut named = Header::new(issuer.key.algorithm());
    named.kid = Some("another".to_owned());
    let named = issuer
        .key
        .sign(&named, claims.to_string().as_bytes(), &SystemRandom::new());
    let mut later = claims.clone();
    later["exp"] = (claims["exp"].as_i64().unwrap() + 600).into();
    vec![
        ("HMAC", format!("{text}.{tag}")),
        ("none", format!("{}.", said("none"))),
        ("none, with a signature", format!("{}.{signature}", said("none"))),
        ("a foreign algorithm", format!("{}.{signature}", said("ES384"))),
        ("an unknown algorithm", format!("{}.{signature}", said("ES256K"))),
        ("RSA by name", format!("{}.{signature}", said("RS256"))),
        ("another key", Issuer::new().token(claims)),
        ("another name of the key", named.unwrap()),
        (
            "another text",
            format!("{}.{}.{signature}", header("ES256"), part(&later)),
        ),
    ]
}

/// Tokens of the issuer that are not for this, or not for now.
fn misdirected(issuer: &Issuer, claims: &Value, now: i64) -> Vec<(&'static str, String)> {
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        issuer.token(&claims)
    };
    vec![
        ("another audience", with("aud", json!("https://other.example"))),
        ("no audience", with("aud", json!([]))),
        ("expired", with("exp", json!(now - 100))),
        ("too long a life", with("exp", json!(now + 2 * 24 * 3600))),
        ("not yet", with("nbf", json!(now + 600))),
        (
            "another subject",
            with("sub", json!("spiffe://example.com/other")),
        ),
    ]
}

/// A method that shows a token, and the agent that gives one to the method that asks for it.
struct Shows<'a> {
    method: &'static str,
    site: &'a Site,
    agent: SimHimds,
    given: Arc<Mutex<String>>,
}

impl<'a> Shows<'a> {
    const ROLE: &'static str = "arn:aws:iam::123456789012:role/web";
    const SUBJECT: &'static str = "spiffe://example.com/web";

    async fn new(method: &'static str, site: &'a Site) -> Self {
        let current = Arc::new(Mutex::new(String::new()));
        let minted = Arc::clone(&current);
        Self {
            method,
            site,
            agent: SimHimds::start(move |_| minted.lock().unwrap().clone()).await,
            given: current,
        }
    }

    fn claims(&self) -> Value {
        let mut claims = self.site.claims();
        claims["sub"] = Self::SUBJECT.into();
        claims["tid"] = "tenant-1".into();
        claims
    }

    fn binding(&self, subject: &str) -> Value {
        let mut binding = self.site.binding(self.method);
        binding["subject"] = subject.into();
        match self.method {
            "spiffe" => {
                return json!({ "method": "spiffe", "spiffe_id": subject, "bundle": binding["keys"] });
            }
            "azure_jwt" => binding["tenant_id"] = "tenant-1".into(),
            "azure_arc" => {
                binding["tenant_id"] = "tenant-1".into();
                binding["resource"] = IDENTITY.into();
            }
            "aws_oidc" => binding["role_arn"] = Self::ROLE.into(),
            _ => {}
        }
        binding
    }

    /// A host that shows this token, whatever it thinks of its time.
    async fn show(&self, uuid: Uuid, token: &str) -> Result<(), Fault> {
        let path = self.site.file("token", token);
        token.clone_into(&mut self.given.lock().unwrap());
        let path = path.to_str().unwrap();
        let arc = azure_arc::Settings {
            resource: IDENTITY.to_owned(),
            himds_port: Some(self.agent.port),
        };
        let mut host = match self.method {
            "spiffe" => {
                Host::new(uuid, Method::Spiffe(spiffe::Settings::default())).with("SPIFFE_SVID_PATH", path)
            }
            "azure_jwt" => Host::new(
                uuid,
                Method::AzureJwt(azure_jwt::Settings::new("tenant-1", "client-1")),
            )
            .with("AZURE_FEDERATED_TOKEN_FILE", path),
            "azure_arc" => Host::new(uuid, Method::AzureArc(arc)),
            "aws_oidc" => Host::new(
                uuid,
                Method::AwsOidc(aws_oidc::Settings::new(Self::ROLE, "eu-central-1")),
            )
            .with("AWS_WEB_IDENTITY_TOKEN_FILE", path),
            _ => host_with(uuid, token),
        };
        self.agent.tokens.path().clone_into(&mut host.places.arc_tokens);
        let behind = self.site.now() - 240;
        host.clock = Clock::new(move || jiff::Timestamp::from_second(behind).unwrap());
        self.site.at(host, true).sign_in().await
    }
}

#[tokio::test]
async fn no_method_lets_in_a_token_that_is_forged_or_for_something_else() {
    let site = Site::open().await;
    for method in ["oidc_jwt", "azure_jwt", "azure_arc", "aws_oidc", "spiffe"] {
        let shows = Shows::new(method, &site).await;
        let name = |what: &str| format!("{method}-{what}").replace('_', "-");
        let uuid = site.courier(&name("own"), shows.binding(Shows::SUBJECT)).await;
        let claims = shows.claims();
        let good = site.issuer.token(&claims);
        shows.show(uuid, &good).await.unwrap();
        let mut wrong = forged(&site.issuer, &claims);
        wrong.extend(misdirected(&site.issuer, &claims, site.now()));
        if method.starts_with("azure") {
            let mut foreign = claims.clone();
            foreign["tid"] = "tenant-2".into();
            wrong.push(("another tenant", site.issuer.token(&foreign)));
        }
        for (what, token) in wrong {
            let outcome = shows.show(uuid, &token).await;
            assert_eq!(refused(outcome), unknown(), "{method}: {what}");
        }
        let other = shows.binding("spiffe://example.com/other");
        let other = site.courier(&name("other"), other).await;
        assert_eq!(
            refused(shows.show(other, &good).await),
            unknown(),
            "{method}: another record"
        );
        for (what, more, code) in [
            (
                "there",
                json!({ "allowed_ips": ["192.0.2.0/24"] }),
                "IP_NOT_ALLOWED",
            ),
            (
                "off",
                json!({ "disabled_methods": [method] }),
                "METHOD_NOT_ENABLED",
            ),
        ] {
            let binding = shows.binding(Shows::SUBJECT);
            let uuid = site.courier_with(&name(what), more, binding).await;
            let outcome = shows.show(uuid, &good).await;
            assert_eq!(refused(outcome), (code.to_owned(), 3), "{method}");
        }
        let path = format!("/api/v1/couriers/{}/disable", name("own"));
        site.admin.post_ok(&path, json!(null)).await;
        let outcome = shows.show(uuid, &good).await;
        assert_eq!(refused(outcome), ("COURIER_DISABLED".to_owned(), 5), "{method}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_own_record_and_method() {
    let site = Site::open().await;
    let mut other = site.binding("oidc_jwt");
    other["subject"] = "another workload".into();
    let (own, other) = (
        site.courier("web01", site.binding("oidc_jwt")).await,
        site.courier("web02", other).await,
    );
    let mut claims = site.claims();
    claims["tid"] = "tenant-1".into();
    let token = site.issuer.token(&claims);
    site.at(host_with(own, &token), true).sign_in().await.unwrap();
    for (uuid, what) in [(other, "another record"), (Uuid::from_u128(7), "no record")] {
        let outcome = site.at(host_with(uuid, &token), true).sign_in().await;
        assert_eq!(refused(outcome), unknown(), "{what}");
    }
    let path = site.file("azure.jwt", &token);
    let azure = Method::AzureJwt(azure_jwt::Settings::new("tenant-1", "client-1"));
    let host = Host::new(own, azure).with("AZURE_FEDERATED_TOKEN_FILE", path.to_str().unwrap());
    assert_eq!(refused(site.at(host, true).sign_in().await), unknown());
    assert_eq!(
        site.last_reason().await,
        "the courier has no credential of this method"
    );
}

#[tokio::test]
async fn a_secret_of_another_record_is_not_let_in() {
    let site = Site::open().await;
    let (_, method) = with_secret(&site, "web01", json!({})).await;
    let (other, _) = with_secret(&site, "web02", json!({})).await;
    let outcome = site.at(Host::new(other, method), true).sign_in().await;
    assert_eq!(refused(outcome), unknown());
}

#[tokio::test]
async fn a_record_that_is_switched_off_or_elsewhere_is_told_so() {
    let site = Site::open().await;
    for (name, more, code, exit) in [
        (
            "there",
            json!({ "allowed_ips": ["192.0.2.0/24"] }),
            "IP_NOT_ALLOWED",
            3,
        ),
        (
            "off",
            json!({ "disabled_methods": ["client_secret"] }),
            "METHOD_NOT_ENABLED",
            3,
        ),
        (
            "old",
            json!({ "minimum_client_version": "99.0.0" }),
            "CLIENT_TOO_OLD",
            2,
        ),
    ] {
        let (uuid, method) = with_secret(&site, name, more).await;
        let outcome = site.at(Host::new(uuid, method), true).sign_in().await;
        assert_eq!(refused(outcome), (code.to_owned(), exit));
    }
    let (uuid, method) = with_secret(&site, "web01", json!({})).await;
    let host = site.at(Host::new(uuid, method), true);
    host.sign_in().await.unwrap();
    site.admin
        .post_ok("/api/v1/couriers/web01/disable", json!(null))
        .await;
    assert_eq!(refused(host.sign_in().await), ("COURIER_DISABLED".to_owned(), 5));
}

#[tokio::test]
async fn a_foreign_algorithm_of_rsa_is_not_let_in_by_a_key_for_another() {
    let site = Site::open().await;
    site.openssl(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        "rsa.pem",
    ]);
    let pem = std::fs::read(site.folder.path().join("rsa.pem")).unwrap();
    let der = pki::pem::decode(&pem).unwrap().remove(0).der;
    let issuer = Issuer {
        key: jose::SigningKey::from_pkcs8_der(&der).unwrap(),
    };
    let mut key = issuer.jwk();
    key["alg"] = "RS256".into();
    let mut binding = site.binding("oidc_jwt");
    binding["keys"] = json!({ "static": { "keys": [key] } });
    let uuid = site.courier("web01", binding).await;
    let by = |algorithm: Algorithm| {
        let mut header = Header::new(algorithm);
        header.kid = Some("k1".to_owned());
        issuer
            .key
            .sign(
                &header,
                site.claims().to_string().as_bytes(),
                &SystemRandom::new(),
            )
            .unwrap()
    };
    site.at(host_with(uuid, &by(Algorithm::Rs256)), false)
        .sign_in()
        .await
        .unwrap();
    let outcome = site
        .at(host_with(uuid, &by(Algorithm::Ps256)), false)
        .sign_in()
        .await;
    assert_eq!(refused(outcome), unknown());
}

//! The whole way: an appliance over a store, the program as a process that registered there, and clients that know nothing of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "e2e/bed.rs"]
#[allow(dead_code, reason = "not every test binary uses all of it")]
mod bed;
#[path = "e2e/bridge_process.rs"]
#[allow(dead_code, reason = "not every test binary uses all of it")]
mod bridge_process;

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use bed::Bed;
use bridge_process::{Bridge, command, curl};
use ca::courier::{BridgeStatus, BridgeTokenRequest, CourierRecord, NewCourier, SecretRequest};
use ca::{Authority, Clock, CreateRoot, Principal, Settings, Signer};
use front::{Front, FrontSettings, Limits, TlsIdentity};
use jose::{SigningKey, dpop};
use pki::KeyAlgorithm;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct Appliance {
    authority: Authority,
    at: SocketAddr,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Appliance {
    async fn start(bed: &Bed) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store_bed::open(folder.path().join("store.db"));
        let signer = Signer::in_process(Arc::new(token::KeyRing::in_memory()));
        let authority = Authority::open(
            store,
            signer,
            Clock::system(),
            Settings::new("http://pki.example"),
        )
        .await
        .unwrap();
        let root = CreateRoot {
            name: "root".to_owned(),
            subject: "CN=Test Root".to_owned(),
            key_algorithm: KeyAlgorithm::P256,
            signature_algorithm: None,
            token: "software".to_owned(),
            validity: None,
            profile: None,
            crl: ca::CrlPlan::default(),
        };
        authority.create_root(&admin(), root).await.unwrap();
        let names = ["localhost".to_owned()];
        let identity = TlsIdentity::of(&authority.tls_certificate(&names, None).await.unwrap()).unwrap();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = FrontSettings {
            public: anywhere,
            api: anywhere,
            is_api_plain: false,
            metrics: anywhere,
            limits: Limits::default(),
        };
        let here = tokio::runtime::Handle::current();
        let front = Front::bind(settings, authority.clone(), &identity, here).unwrap();
        let (at, stop) = (front.addresses().api, CancellationToken::new());
        tokio::spawn(front.serve(stop.clone()));
        let root = authority
            .issuer("root")
            .unwrap()
            .certificate
            .as_ref()
            .unwrap()
            .pem();
        bed.write("appliance.pem", &root);
        Self {
            authority,
            at,
            stop,
            _folder: folder,
        }
    }

    fn config(&self, state: &str) -> String {
        format!(
            "version: 1\nlisten: 127.0.0.1:0\nmode: terminate\ntls: {{ cert: tls.pem, key: tls.key }}\n\
             upstream: {{ url: 'https://localhost:{}', ca: appliance.pem }}\nidentity: {{ state_dir: {state} }}\n\
             metrics: {{ listen: '127.0.0.1:0' }}\n",
            self.at.port()
        )
    }

    /// Registers an instance with the program itself and starts it.
    async fn bridge(&self, bed: &Bed, state: &str) -> Bridge {
        self.bridge_with(bed, state, false).await
    }

    async fn bridge_with(&self, bed: &Bed, state: &str, needs_approval: bool) -> Bridge {
        let request = BridgeTokenRequest {
            bridge: "dmz".to_owned(),
            needs_approval,
            ..BridgeTokenRequest::default()
        };
        let made = self
            .authority
            .create_bridge_token(&admin(), request)
            .await
            .unwrap();
        bed.write("token", made.token.expose_secret());
        let config = self.config(state);
        let register = |state: &str| {
            let config = config.replace("state_dir: ", &format!("state_dir: {state}"));
            command(bed, &config, &["register", "--token", "token"])
        };
        let registered = register("");
        assert!(registered.status.success(), "{registered:?}");
        let again = register("again-");
        let told = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(told.contains("INVALID_CREDENTIALS"), "{told}");
        Bridge::start(bed, &config)
    }

    /// A courier that may come from here alone, and the body with which it signs in.
    async fn courier(&self) -> Value {
        let record = CourierRecord {
            allowed_ips: vec!["127.0.0.1/32".parse().unwrap()],
            profiles: vec!["tls-server".to_owned()],
            ..CourierRecord::default()
        };
        let new = NewCourier {
            name: "web01".to_owned(),
            record,
            expires_at: None,
        };
        let made = self.authority.create_courier(&admin(), new).await.unwrap();
        let secret = self
            .authority
            .new_client_secret(&admin(), made.id, SecretRequest::default())
            .await
            .unwrap();
        json!({
            "uuid": made.id, "method": "client_secret",
            "credential": { "client_id": secret.credential.client_id, "client_secret": secret.secret.expose_secret() },
        })
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn admin() -> Principal {
    Principal::local("test")
}

/// Status and body of a request by curl over a bridge.
fn ask(bed: &Bed, bridge: &Bridge, path: &str, headers: &[String], body: Option<&Value>) -> (u16, Value) {
    let address = format!("https://localhost:{}{path}", bridge.couriers.port());
    let ca = bed.path("ca.pem");
    let mut all = vec!["-s", "-w", "\n%{http_code}", "--cacert", ca.to_str().unwrap()];
    for header in headers {
        all.extend(["-H", header]);
    }
    let body = body.map(|body| bed.write("body.json", &body.to_string()));
    let body = body.map(|path| format!("@{}", path.display()));
    if let Some(body) = &body {
        all.extend(["-H", "Content-Type: application/json", "--data-binary", body]);
    }
    all.push(&address);
    let text = String::from_utf8(curl(&all).stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (
        status.parse().unwrap(),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or("none"))
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_bridge_curl_signs_in_at_the_appliance_through_either_of_two_instances() {
    let bed = Bed::new();
    let appliance = Appliance::start(&bed).await;
    let bridges = [
        appliance.bridge(&bed, "one").await,
        appliance.bridge(&bed, "two").await,
    ];
    let mut sign_in = appliance.courier().await;
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let key = SigningKey::from_pkcs8_der(pkcs8.as_ref()).unwrap();
    let plain = sign_in.clone();
    sign_in["proof_key"] = serde_json::from_str(&key.jwk().to_json()).unwrap();
    for bridge in &bridges {
        assert_eq!(ask(&bed, bridge, "/api/v1/health", &[], None).1["status"], "ok");
        assert_eq!(bridge.look("/readyz").0, 200);
        let bare = ask(&bed, bridge, "/api/v1/courier/auth", &[], Some(&plain));
        assert_eq!(code(&bare), (403, "PROOF_REQUIRED"));
        let lies = [
            "X-Forwarded-For: 10.9.9.9".to_owned(),
            "Forwarded: for=10.9.9.9".to_owned(),
        ];
        let opened = ask(&bed, bridge, "/api/v1/courier/auth", &lies, Some(&sign_in));
        assert_eq!(opened.0, 200, "{opened:?}");
        let token = opened.1["session"]["token"].as_str().unwrap();
        let url = format!("https://localhost:{}/api/v1/courier/self", bridge.couriers.port());
        let proof = dpop::Request {
            method: "GET",
            url: &url,
            access_token_hash: Some(&dpop::access_token_hash(token)),
            now: appliance.authority.clock().now().as_second(),
            id: &uuid::Uuid::new_v4().to_string(),
            body: None,
        };
        let proof = dpop::build(&key, &proof, &random).unwrap();
        let headers = [format!("Authorization: DPoP {token}"), format!("DPoP: {proof}")];
        let own = ask(&bed, bridge, "/api/v1/courier/self", &headers, None);
        assert_eq!(
            (own.0, &own.1["courier"]["name"]),
            (200, &json!("web01")),
            "{own:?}"
        );
        let replayed = ask(&bed, bridge, "/api/v1/courier/self", &headers, None);
        assert_eq!(code(&replayed), (401, "PROOF_INVALID"));
    }
    let all = appliance.authority.bridges(&admin(), None, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    appliance
        .authority
        .retire_bridge(&admin(), all[0].id)
        .await
        .unwrap();
    let ended = ask(&bed, &bridges[0], "/api/v1/courier/auth", &[], Some(&sign_in));
    assert_eq!(code(&ended), (401, "BRIDGE_NOT_REGISTERED"));
    assert_eq!(bridges[0].look("/readyz").0, 503);
    assert_eq!(
        ask(&bed, &bridges[1], "/api/v1/courier/auth", &[], Some(&sign_in)).0,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_bridge_curl_waits_until_the_instance_is_approved() {
    let bed = Bed::new();
    let appliance = Appliance::start(&bed).await;
    let bridge = appliance.bridge_with(&bed, "one", true).await;
    bridge.wait_for("waits for approval");
    let health = || ask(&bed, &bridge, "/api/v1/health", &[], None);
    assert_eq!(code(&health()), (503, "BRIDGE_PENDING"));
    let (status, why) = bridge.look("/readyz");
    assert!(status == 503 && why.contains("approval"), "{status} {why}");

    let listed = async || {
        appliance
            .authority
            .bridges(&admin(), None, 9)
            .await
            .unwrap()
            .remove(0)
    };
    let instance = listed().await;
    assert_eq!(instance.status, BridgeStatus::Pending);
    assert_eq!(instance.report.unwrap().0.mode, "terminate");
    appliance
        .authority
        .approve_bridge(&admin(), instance.id)
        .await
        .unwrap();
    assert_eq!(health().1["status"], "ok");
    bridge.wait_for("this instance was approved");
    assert_eq!(bridge.look("/readyz").0, 200);
    let metrics = bridge.look("/metrics").1;
    assert!(
        metrics.contains("courier_bridge_heartbeats_total{outcome=\"ok\"}"),
        "{metrics}"
    );
    // What was said before the approval was said while nothing got through.
    let report = listed().await.report.unwrap().0;
    assert!(report.requests >= 1 && report.started_at.is_some(), "{report:?}");
}

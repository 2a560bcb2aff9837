//! A house with couriers: their records, an issuer of tokens, and hosts that run the courier's own code.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use courier::auth::{Method, Places};
use courier::client::{Client, Clock, Courier, Fault, Principal, Settings, trust};
use jose::{Header, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::house::{Api, House};

/// How the house calls itself.
pub(crate) const IDENTITY: &str = "http://pki.example";
/// Who makes the tokens.
pub(crate) const ISSUER: &str = "https://issuer.example";

/// A house with couriers.
pub(crate) struct Site {
    pub(crate) house: House,
    pub(crate) admin: Api,
    pub(crate) folder: TempDir,
    pub(crate) issuer: Issuer,
}

/// Everything that a host has to sign in with.
pub(crate) struct Host {
    pub(crate) uuid: Uuid,
    pub(crate) method: Method,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) places: Places,
    pub(crate) clock: Clock,
}

impl Host {
    pub(crate) fn new(uuid: Uuid, method: Method) -> Self {
        // Nothing of this machine is read.
        let nowhere = "/nonexistent/courier-test";
        Self {
            uuid,
            method,
            variables: BTreeMap::new(),
            places: Places {
                azure_token_file: nowhere.into(),
                azure_metadata: "http://127.0.0.1:9".to_owned(),
                arc_tokens: nowhere.into(),
                aws_token_file: nowhere.into(),
                aws_metadata: "http://127.0.0.1:9".to_owned(),
                aws_containers: "http://127.0.0.1:9".to_owned(),
            },
            clock: Clock::system(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Site {
    pub(crate) async fn open() -> Self {
        Self::of(House::open().await).await
    }

    pub(crate) async fn of(house: House) -> Self {
        let admin = house.admin().await;
        let domain = admin
            .post("/api/v1/domains", json!({ "apex": "example.com" }))
            .await;
        assert_eq!(domain.status, 201, "{}", domain.json);
        Self {
            house,
            admin,
            folder: tempfile::tempdir().unwrap(),
            issuer: Issuer::new(),
        }
    }

    /// A courier with the usual record that shows this.
    pub(crate) async fn courier(&self, name: &str, binding: Value) -> Uuid {
        self.courier_with(name, json!({}), binding).await
    }

    /// A courier whose record says this besides.
    pub(crate) async fn courier_with(&self, name: &str, more: Value, binding: Value) -> Uuid {
        let uuid = self.record(name, more).await;
        let path = format!("/api/v1/couriers/{name}/credentials");
        let added = self.admin.post(&path, json!({ "binding": binding })).await;
        assert_eq!(added.status, 201, "{}", added.json);
        uuid
    }

    /// A courier that has no way in yet.
    pub(crate) async fn record(&self, name: &str, more: Value) -> Uuid {
        let mut record =
            json!({ "allowed_names": ["*.example.com"], "profiles": ["tls-server"], "issuer": "issuing" });
        for (key, value) in more.as_object().unwrap() {
            record[key] = value.clone();
        }
        let made = self
            .admin
            .post("/api/v1/couriers", json!({ "name": name, "record": record }))
            .await;
        assert_eq!(made.status, 201, "{}", made.json);
        made.json["id"].as_str().unwrap().parse().unwrap()
    }

    /// The courier's own code on a host.
    pub(crate) fn at(&self, host: Host, has_proof: bool) -> Courier {
        let url = format!("https://localhost:{}", self.house.addresses.api.port());
        let mut settings = Settings::new(url.parse().unwrap());
        settings.anchors = trust::anchors(self.house.root_pem.as_bytes()).unwrap();
        settings.clock = host.clock;
        settings.retries = 0;
        if let Method::Certificate(own) = &host.method
            && own.mutual_tls
        {
            settings.identity = Some(own.clone());
        }
        let principal = Principal {
            uuid: host.uuid,
            method: host.method,
            environment: Box::new(host.variables),
            places: host.places,
            has_proof,
            hostname: "web01".to_owned(),
        };
        Courier::new(Client::new(settings).unwrap(), principal)
    }

    /// A file with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Why the last attempt was refused, as the audit log has it and the courier does not learn.
    pub(crate) async fn last_reason(&self) -> String {
        let page = self
            .admin
            .get_ok(&format!("/api/v1/audit?limit=1&before={}", i64::MAX))
            .await;
        let entry = &page["items"][0];
        assert_eq!(entry["action"], "courier.authenticate", "{entry}");
        entry["details"]["reason"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn now(&self) -> i64 {
        self.house.authority.clock().now().as_second()
    }

    /// What a good token of the issuer says.
    pub(crate) fn claims(&self) -> Value {
        json!({ "iss": ISSUER, "sub": "workload", "aud": IDENTITY, "iat": self.now(), "exp": self.now() + 600 })
    }

    /// A credential for tokens of the issuer.
    pub(crate) fn binding(&self, method: &str) -> Value {
        json!({
            "method": method, "issuer": ISSUER, "subject": "workload",
            "keys": { "static": { "keys": [self.issuer.jwk()] } }
        })
    }

    pub(crate) fn openssl(&self, arguments: &[&str]) {
        let run = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{arguments:?}: {said}");
    }
}

/// Code and exit code of a refusal.
pub(crate) fn refused(outcome: Result<(), Fault>) -> (String, u8) {
    match outcome {
        Err(Fault::Refused(refusal)) => (refusal.code.clone(), refusal.exit_code()),
        other => panic!("not refused by the appliance: {other:?}"),
    }
}

/// What every wrong credential is told.
pub(crate) fn unknown() -> (String, u8) {
    ("INVALID_CREDENTIALS".to_owned(), 3)
}

/// Somebody who makes tokens.
pub(crate) struct Issuer {
    pub(crate) key: SigningKey,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self {
            key: SigningKey::from_pkcs8_der(pkcs8.as_ref()).unwrap(),
        }
    }

    /// Its public key as it publishes it.
    pub(crate) fn jwk(&self) -> Value {
        let jwk = self.key.jwk().clone().with_kid("k1");
        serde_json::from_str(&jwk.to_json()).unwrap()
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut header = Header::new(self.key.algorithm());
        header.kid = Some("k1".to_owned());
        header.typ = Some("JWT".to_owned());
        self.key
            .sign(&header, claims.to_string().as_bytes(), &SystemRandom::new())
            .unwrap()
    }
}

//! A client that keeps what it was told: what was acknowledged must hold for ever, whatever dies afterwards.

use std::collections::BTreeMap;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pki::{Certificate, Crl, Serial};
use serde_json::{Value, json};

use super::courier::Hosts;
use super::ground::Ground;
use crate::api::Api;
use crate::harness::judge;

/// How a certificate may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Good,
    Revoked,
    /// A change of it was asked for and never answered.
    Either,
}

/// What was acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Certificates by their serials: the identifier of the issuer, and how they stand.
    pub(super) certificates: BTreeMap<String, (String, Stand)>,
    /// The highest number of a CRL of an issuer.
    pub(super) numbers: BTreeMap<String, u64>,
    /// What couriers and bridges keep.
    pub(super) hosts: Hosts,
}

/// The client. Where it gives nothing, the server died without an answer.
pub(super) struct Client<'a> {
    pub(super) api: Api,
    public: String,
    folder: PathBuf,
    csr: String,
    is_patient: bool,
    pub(super) heard: &'a mut Heard,
}

impl<'a> Client<'a> {
    pub(super) fn new(ground: &Ground, heard: &'a mut Heard) -> Self {
        let appliance = &ground.appliance;
        Self {
            api: Api::new(appliance),
            public: appliance.public_url(),
            folder: appliance.dir.path().to_owned(),
            csr: std::fs::read_to_string(appliance.file("host.csr")).unwrap(),
            is_patient: false,
            heard,
        }
    }

    /// One that takes a failure of the server for no answer, while parts of it are killed.
    pub(super) fn patient(ground: &Ground, heard: &'a mut Heard) -> Self {
        Self {
            is_patient: true,
            ..Self::new(ground, heard)
        }
    }

    pub(super) fn accepted(&self, answer: (u16, Value), what: &str) -> Option<Value> {
        let (status, body) = answer;
        if status >= 500 && self.is_patient {
            return None;
        }
        let log = || std::fs::read_to_string(self.folder.join("chancery.log")).unwrap_or_default();
        assert!((200..300).contains(&status), "{what}: {status} {body}\n{}", log());
        Some(body)
    }

    /// What is posted must be accepted.
    pub(super) fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let answer = self.api.try_post(path, body.to_string().as_bytes())?;
        self.accepted(answer, path)
    }

    pub(super) fn get(&self, path: &str) -> Option<Value> {
        let answer = self.api.try_get(path)?;
        self.accepted(answer, path)
    }

    /// An issuer, or null when there is none of this name.
    pub(super) fn find_issuer(&self, name: &str) -> Option<Value> {
        let (status, body) = self.api.try_get(&format!("issuers/{name}"))?;
        Some(if status == 200 { body } else { Value::Null })
    }

    /// Makes `fleet`, with two CRLs and deltas, where it is not there.
    pub(super) fn make_fleet(&self) -> Option<()> {
        if self.find_issuer("fleet")?.is_null() {
            let token = self.get("issuers/issuing")?["token"].clone();
            let fleet = json!({
                "kind": "issuing", "name": "fleet", "parent": "root", "subject": "CN=Fleet", "token": token,
                "crl_shards": 2, "delta_crls": true,
            });
            self.post("issuers", &fleet)?;
        }
        Some(())
    }

    pub(super) fn fetch(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        self.api.fetch(&format!("{}/.well-known/pki/{path}", self.public))
    }

    fn note_certificate(&mut self, body: &Value) -> String {
        let serial = body["serial"].as_str().unwrap().to_owned();
        let issuer = body["issuer_id"].as_str().unwrap().to_owned();
        self.heard
            .certificates
            .insert(serial.clone(), (issuer, Stand::Good));
        serial
    }

    fn order(&self, issuer: &str) -> Value {
        json!({ "csr_pem": self.csr, "profile": "tls-server", "issuer_id": issuer })
    }

    /// Its serial.
    pub(super) fn issue(&mut self, issuer: &str) -> Option<String> {
        let made = self.post("certificates", &self.order(issuer))?;
        Some(self.note_certificate(&made))
    }

    pub(super) fn issue_two_at_once(&mut self, issuer: &str) -> Option<()> {
        let order = self.order(issuer);
        let (status, body) = self
            .api
            .try_post_text("certificates/batch", format!("{order}\n{order}\n").as_bytes())?;
        assert_eq!(status, 200, "{body}");
        for line in body.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            self.note_certificate(&line["certificate"]);
        }
        Some(())
    }

    /// An order that is refused, which is recorded, too.
    pub(super) fn be_refused(&self) -> Option<()> {
        let order = json!({ "csr_pem": self.csr, "profile": "code-signing", "issuer_id": "issuing" });
        let (status, body) = self.api.try_post("certificates", order.to_string().as_bytes())?;
        assert!((400..500).contains(&status), "{status} {body}");
        let order = body["error"]["order_id"].as_str();
        let order = order.or_else(|| body["error"]["details"]["order_id"].as_str());
        if let Some(order) = order {
            self.get(&format!("orders/{order}"))?;
        }
        Some(())
    }

    pub(super) fn renew(&mut self, serial: &str) -> Option<String> {
        let renewed = self.post(&format!("certificates/{serial}/renew"), &json!({}))?;
        Some(self.note_certificate(&renewed))
    }

    /// Revokes, holds or releases.
    pub(super) fn revoke(&mut self, serial: &str, reason: &str) -> Option<()> {
        let known = self.heard.certificates.get_mut(serial);
        if let Some((_, stand)) = known {
            *stand = Stand::Either;
        }
        let answer = self.post(
            &format!("certificates/{serial}/revoke"),
            &json!({ "reason": reason }),
        )?;
        let stand = if answer["status"] == "revoked" {
            Stand::Revoked
        } else {
            Stand::Good
        };
        let issuer = answer["issuer_id"].as_str().unwrap().to_owned();
        self.heard.certificates.insert(serial.to_owned(), (issuer, stand));
        Some(())
    }

    /// Has a CRL published, of each shard.
    pub(super) fn publish(&mut self, issuer: &str) -> Option<()> {
        let entry = self.get(&format!("issuers/{issuer}"))?;
        let told = self.post(&format!("issuers/{issuer}/crl"), &json!({}))?;
        let number = told["number"].as_u64().unwrap();
        let id = entry["id"].as_str().unwrap().to_owned();
        let before = self.heard.numbers.insert(id, number).unwrap_or(0);
        assert!(number > before, "CRL {number} of {issuer} after {before}");
        Some(())
    }

    /// The full CRLs of an issuer, of all shards, verified.
    pub(super) fn crls(&self, issuer: &Value) -> Option<Vec<Crl>> {
        let id = issuer["id"].as_str().unwrap();
        let certificate = Certificate::parse(issuer["certificate_pem"].as_str().unwrap().as_bytes()).unwrap();
        let shards = issuer["crl_shards"].as_u64().unwrap();
        let mut crls = Vec::new();
        for shard in 0..shards {
            let path = if shards == 1 {
                format!("crl/{id}")
            } else {
                format!("crl/{id}/{shard}")
            };
            let (status, der) = self.fetch(&path)?;
            assert_eq!(status, 200, "{path}");
            let crl = Crl::parse(&der).unwrap();
            crl.verify_signed_by(certificate.public_key()).unwrap();
            crls.push(crl);
        }
        Some(crls)
    }

    /// Waits until a serial stands on a CRL that nobody asked for.
    pub(super) fn wait_until_listed(&self, issuer: &str, serial: &str) -> Option<()> {
        let issuer = self.get(&format!("issuers/{issuer}"))?;
        let serial: Serial = serial.parse().unwrap();
        let since = Instant::now();
        while !self.crls(&issuer)?.iter().any(|crl| crl.find(serial).is_some()) {
            assert!(since.elapsed().as_secs() < 10, "{serial} is on no CRL");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(())
    }

    /// Serials of certificates that are listed under a query.
    pub(super) fn list(&self, query: &str) -> Option<Vec<String>> {
        let page = self.get(&format!("certificates?{query}"))?;
        let items = page["items"].as_array().unwrap().iter();
        Some(
            items
                .map(|item| item["serial"].as_str().unwrap().to_owned())
                .collect(),
        )
    }

    /// A certificate of the foreign authority for the request of a pending CA, with that authority's own.
    pub(super) fn have_signed(&self, csr: &str) -> String {
        let path = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let (request, extensions, signed) = (path("sub.csr"), path("sub.cnf"), path("sub.pem"));
        std::fs::write(&request, csr).unwrap();
        let extended = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n\
            subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
        std::fs::write(&extensions, extended).unwrap();
        let (root, key) = (path(FOREIGN_ROOT), path(FOREIGN_KEY));
        let words = [
            "x509", "-req", "-days", "3000", "-in", &request, "-CA", &root, "-CAkey", &key,
        ];
        judge(
            "openssl",
            &[words.as_slice(), &["-extfile", &extensions, "-out", &signed]].concat(),
        );
        [signed, root]
            .map(|file| std::fs::read_to_string(file).unwrap())
            .concat()
    }
}

/// The certificate of an authority that nobody here runs.
const FOREIGN_ROOT: &str = "foreign.pem";
const FOREIGN_KEY: &str = "foreign.key";

/// Makes the foreign authority in a folder.
pub(super) fn make_foreign_root(folder: &Path) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let words = "req -x509 -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 3650 -subj /CN=Foreign \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout";
    let (key, certificate) = (path(FOREIGN_KEY), path(FOREIGN_ROOT));
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.extend([key.as_str(), "-out", &certificate]);
    judge("openssl", &words);
}

//! Couriers that keep what they began: after a kill it goes on under the same key, and comes to an end once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use jose::jwe::{Expected, RecipientKey};
use jose::jwk::Curve;
use jose::{SigningKey, dpop};
use pki::{Certificate, DistinguishedName, PublicKey, SignatureAlgorithm, SubjectAltName};
use serde_json::{Value, json};

use super::bridge::Registration;
use super::client::{Client, Stand};

/// Orders with a key of its own, and revokes.
pub(super) const WEB: &str = "web";
/// Has keys made by the appliance.
pub(super) const PLANT: &str = "plant";
/// Waits for approval.
pub(super) const VAULT: &str = "vault";

/// What the hosts keep on their disks.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    sessions: BTreeMap<&'static str, Session>,
    /// What was asked for, by whom.
    pub(super) wishes: Vec<Wish>,
    /// What instances of bridges bring.
    pub(super) registrations: Vec<Registration>,
}

#[derive(Clone, Debug)]
struct Session {
    token: String,
    /// The key it is bound to, PKCS#8.
    key: Option<Vec<u8>>,
}

/// A certificate that a courier wants, for a name that no other one has.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) courier: &'static str,
    pub(super) name: String,
    request: Value,
    /// For whom its key is made.
    recipient: Option<Vec<u8>>,
    /// The order that the appliance told of.
    order: Option<String>,
    /// The serial of its certificate.
    serial: Option<String>,
    key: Key,
    is_installed: bool,
}

/// How a key that is given out once stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    NotAskedFor,
    /// Asked for, and never answered.
    Asked,
    Here,
    /// It was given out to a run that died.
    Lost,
}

fn new_key() -> Vec<u8> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    key.unwrap().as_ref().to_vec()
}

/// A request with a key that nobody needs.
pub(super) fn csr(names: &[SubjectAltName]) -> String {
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &new_key()).unwrap();
    let spki =
        aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(key.public_key());
    let public = PublicKey::from_spki_der(spki.unwrap().as_ref()).unwrap();
    let info = pki::csr::request_info(&DistinguishedName::empty(), &public, false, names);
    let signature = key.sign(&SystemRandom::new(), &info).unwrap();
    let der = pki::csr::assemble(&info, SignatureAlgorithm::EcdsaSha256, signature.as_ref());
    pki::pem::encode("CERTIFICATE REQUEST", &der)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

impl Session {
    /// A proof of its key for a request, or for a recipient.
    fn proof(&self, method: &str, url: &str) -> Option<String> {
        let key = SigningKey::from_pkcs8_der(self.key.as_deref()?).unwrap();
        let request = dpop::Request {
            method,
            url,
            access_token_hash: Some(&dpop::access_token_hash(&self.token)),
            now: now(),
            id: &uuid::Uuid::new_v4().to_string(),
            body: None,
        };
        Some(dpop::build(&key, &request, &SystemRandom::new()).unwrap())
    }
}

impl Client<'_> {
    /// Makes the couriers, whose sessions outlast the tests.
    pub(super) fn make_couriers(&mut self) -> Option<()> {
        self.post("domains", &json!({ "apex": "example.com" }))?;
        for (name, more, is_bound) in [
            (WEB, json!({ "may_revoke": true }), false),
            (PLANT, json!({ "platform_keys": "require" }), true),
            (VAULT, json!({ "needs_approval": true }), false),
        ] {
            let mut record = json!({
                "allowed_names": ["*.example.com"], "profiles": ["tls-server"], "issuer": "issuing",
            });
            record
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let made = self.post("couriers", &json!({ "name": name, "record": record }))?;
            let secret = self.post(&format!("couriers/{name}/client-secrets"), &json!({}))?;
            let key = is_bound.then(new_key);
            let mut shown = json!({
                "uuid": made["id"], "method": "client_secret",
                "credential": { "client_id": secret["client_id"], "client_secret": secret["client_secret"] },
            });
            if let Some(key) = &key {
                let jwk = SigningKey::from_pkcs8_der(key).unwrap().jwk().to_json();
                shown["proof_key"] = serde_json::from_str(&jwk).unwrap();
            }
            let (status, opened) = self.api.try_ask("POST", "courier/auth", &[], Some(&shown))?;
            assert_eq!(status, 200, "{opened}");
            let token = opened["session"]["token"].as_str().unwrap().to_owned();
            self.heard.hosts.sessions.insert(name, Session { token, key });
        }
        Some(())
    }

    /// What a courier is answered; nothing when the server died.
    fn ask(
        &self,
        courier: &str,
        (method, path): (&str, &str),
        idempotency_key: Option<&str>,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let session = &self.heard.hosts.sessions[courier];
        let path = format!("courier/{path}");
        let proof = session.proof(method, &self.api.url_of(&path));
        let scheme = if proof.is_some() { "DPoP" } else { "Bearer" };
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("authorization", format!("{scheme} {}", session.token)),
        ];
        headers.extend(proof.map(|proof| ("dpop", proof)));
        headers.extend(idempotency_key.map(|key| ("idempotency-key", key.to_owned())));
        self.api.try_ask(method, &path, &headers, body)
    }

    /// The same, which must be accepted.
    fn told(&self, courier: &str, request: (&str, &str), body: Option<&Value>) -> Option<Value> {
        let answer = self.ask(courier, request, None, body)?;
        self.accepted(answer, request.1)
    }

    /// What was begun goes on; then another certificate is ordered and taken into use. Which wish that was.
    pub(super) fn order_as(&mut self, courier: &'static str) -> Option<usize> {
        for at in 0..self.heard.hosts.wishes.len() {
            self.carry_through(at)?;
        }
        let at = self.heard.hosts.wishes.len();
        let name = format!("n{at}.example.com");
        let recipient =
            (courier == PLANT).then(|| RecipientKey::generate(Curve::P256, &SystemRandom::new()).unwrap());
        let request = match &recipient {
            None => {
                let names = [SubjectAltName::dns(&name).unwrap()];
                json!({ "kind": "issue", "key_mode": "local", "csr_pem": csr(&names) })
            }
            Some(recipient) => {
                let jwk: Value = serde_json::from_str(&recipient.jwk().to_json()).unwrap();
                json!({
                    "kind": "issue", "key_mode": "platform", "key_spec": { "algorithm": "ec-256" }, "digest": "sha256",
                    "sans": { "dns": [name] }, "recipient": jwk,
                })
            }
        };
        self.heard.hosts.wishes.push(Wish {
            courier,
            name,
            request,
            recipient: recipient.map(|recipient| recipient.to_octets().to_vec()),
            order: None,
            serial: None,
            key: Key::NotAskedFor,
            is_installed: false,
        });
        self.carry_through(at)?;
        Some(at)
    }

    /// Brings a wish to its end, from wherever it is.
    fn carry_through(&mut self, at: usize) -> Option<()> {
        let order = self.placed(at)?;
        let wish = self.heard.hosts.wishes[at].clone();
        let uuid = order["uuid"].as_str().unwrap();
        if wish.is_installed {
            assert_eq!(order["status"], "installed", "{order}");
            return Some(());
        }
        let path = format!("orders/{uuid}/certificate");
        let fetched = self.told(wish.courier, ("GET", &path), None)?;
        let leaf = fetched["certificate_pem"].as_str().unwrap();
        let leaf = Certificate::parse(leaf.as_bytes()).unwrap();
        assert_eq!(wish.serial, Some(leaf.serial().to_string()), "{order}");
        if let Some(recipient) = &wish.recipient {
            self.unlock(at, uuid, recipient, &leaf)?;
            if self.heard.hosts.wishes[at].key == Key::Lost {
                return Some(());
            }
        }
        let ack = json!({
            "installed_at": "2030-01-01T00:00:00Z", "files": [],
            "fingerprint_sha256": order["certificate"]["fingerprint_sha256"],
        });
        let path = format!("orders/{uuid}/ack");
        let installed = self.told(wish.courier, ("POST", &path), Some(&ack))?;
        assert_eq!(installed["order"]["status"], "installed", "{installed}");
        self.heard.hosts.wishes[at].is_installed = true;
        Some(())
    }

    /// The order of a wish once it has its certificate. The same key gives the same order, unless a server died that was to sign for it.
    fn placed(&mut self, at: usize) -> Option<Value> {
        let wish = self.heard.hosts.wishes[at].clone();
        let since = Instant::now();
        loop {
            assert!(
                since.elapsed() < Duration::from_secs(10),
                "{} is stuck",
                wish.name
            );
            let mut request = wish.request.clone();
            if let Some(recipient) = &wish.recipient {
                let recipient = RecipientKey::from_octets(Curve::P256, recipient).unwrap();
                let thumbprint = recipient.jwk().thumbprint();
                let uri = format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{thumbprint}");
                let proof = self.heard.hosts.sessions[wish.courier].proof("POST", &uri);
                request["recipient_proof"] = proof.into();
            }
            let answer = self.ask(wish.courier, ("POST", "orders"), Some(&wish.name), Some(&request))?;
            let order = self.accepted(answer, "orders")?["order"].clone();
            self.note_order(at, &order)?;
            match order["status"].as_str().unwrap() {
                "issued" | "delivered" | "installed" => return Some(order),
                "pending_approval" => {
                    let uuid = order["uuid"].as_str().unwrap();
                    self.post(&format!("courier-orders/{uuid}/approve"), &json!({}))?;
                }
                // Until it is settled that the server is dead that was at it.
                "signing" => std::thread::sleep(Duration::from_millis(20)),
                _ => panic!("{order}"),
            }
        }
    }

    /// Holds what is told of an order against what was told before, and notes it.
    fn note_order(&mut self, at: usize, order: &Value) -> Option<()> {
        let wish = self.heard.hosts.wishes[at].clone();
        let uuid = order["uuid"].as_str().unwrap().to_owned();
        if let Some(before) = wish.order.filter(|before| *before != uuid) {
            assert_eq!(
                wish.serial, None,
                "{before} had a certificate, and now there is {order}"
            );
            let path = format!("orders/{before}");
            let before = self.told(wish.courier, ("GET", &path), None)?;
            let is_failed = before["order"]["status"] == "failed" && before["order"]["certificate"].is_null();
            assert!(is_failed, "{before} is followed by {order}");
        }
        let serial = order["certificate"]["serial"].as_str().map(ToOwned::to_owned);
        if let Some(before) = wish.serial {
            assert_eq!(
                serial,
                Some(before),
                "another certificate of the same order: {order}"
            );
        } else if let Some(serial) = &serial {
            let issuer = self.get("issuers/issuing")?["id"].as_str().unwrap().to_owned();
            self.heard
                .certificates
                .insert(serial.clone(), (issuer, Stand::Good));
        }
        let wish = &mut self.heard.hosts.wishes[at];
        (wish.order, wish.serial) = (Some(uuid), serial);
        Some(())
    }

    /// Fetches the key of an order, which is given out once.
    fn unlock(&mut self, at: usize, uuid: &str, recipient: &[u8], leaf: &Certificate) -> Option<()> {
        let (courier, before) = {
            let wish = &mut self.heard.hosts.wishes[at];
            let before = wish.key;
            if before == Key::NotAskedFor {
                wish.key = Key::Asked;
            }
            (wish.courier, before)
        };
        let path = format!("orders/{uuid}/key");
        let (status, told) = self.ask(courier, ("GET", &path), None, None)?;
        let is_gone = status == 409 && told["error"]["code"] == "ALREADY_RETRIEVED";
        let key = match before {
            Key::Here | Key::Lost => {
                assert!(is_gone, "it is given out once more: {status} {told}");
                return Some(());
            }
            // It went with the answer that did not come, or it is there still.
            Key::Asked if is_gone => Key::Lost,
            _ => {
                assert_eq!(status, 200, "it was given to nobody: {told}");
                let recipient = RecipientKey::from_octets(Curve::P256, recipient).unwrap();
                let expected = Expected {
                    order: uuid,
                    spki: &leaf.public_key().fingerprint().0,
                };
                let pkcs8 = recipient
                    .decrypt(told["jwe"].as_str().unwrap(), &expected)
                    .unwrap();
                let opened = pki::key_file::parse(&pkcs8, None).unwrap();
                assert_eq!(opened.public_key.spki_der(), leaf.public_key().spki_der());
                Key::Here
            }
        };
        self.heard.hosts.wishes[at].key = key;
        Some(())
    }

    /// A courier revokes what it ordered, which the next CRL says.
    pub(super) fn revoke_as_courier(&mut self, at: usize) -> Option<()> {
        let wish = self.heard.hosts.wishes[at].clone();
        let serial = wish.serial.unwrap();
        let path = format!("orders/{}", wish.order.unwrap());
        let order = self.told(wish.courier, ("GET", &path), None)?;
        let print = order["order"]["certificate"]["fingerprint_sha256"]
            .as_str()
            .unwrap();
        let path = format!("certificates/{print}/revoke");
        self.heard.certificates.get_mut(&serial).unwrap().1 = Stand::Either;
        let told = self.told(
            wish.courier,
            ("POST", &path),
            Some(&json!({ "reason": "keyCompromise" })),
        )?;
        assert_eq!(told["serial"], serial.as_str());
        self.heard.certificates.get_mut(&serial).unwrap().1 = Stand::Revoked;
        self.wait_until_listed("issuing", &serial)
    }
}

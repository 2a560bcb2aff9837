//! A fleet of couriers: each signs in with a token, orders, fetches, acknowledges and signs out; then each asks its question of the day.
//!
//! Every courier has a record, a key pair's request and an address of its own, as hosts have: the appliance limits how often one address
//! may sign in. They come as fast as the connections allow; in a real fleet they are spread over hours.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use jose::{Header, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::csr;
use crate::http::{Connection, Door};
use crate::load::{self, Operation, Shape};
use crate::run::Run;
use crate::target::Target;

/// Who the tokens are from.
const ISSUER: &str = "https://identity.chancery.test";
/// Longest measurement: all couriers come once, whatever time that takes.
const LONGEST: Duration = Duration::from_mins(30);
/// Records that are made at the same time.
const AT_ONCE: usize = 8;

/// Measures fleets of one courier, of a hundred, and of as many as are asked for.
pub(crate) async fn run(target: &Target, run: &mut Run) -> Result<()> {
    let mut sizes = vec![1, 100, run.sizes.couriers];
    sizes.retain(|size| *size <= run.sizes.couriers);
    sizes.dedup();
    target
        .ask(
            Method::POST,
            "/api/v1/domains",
            Some(json!({ "apex": "chancery.test" })),
        )
        .await?;
    for size in sizes {
        let fleet = Arc::new(Fleet::enrol(target, run, size).await?);
        for visit in [Visit::Renewal, Visit::Question] {
            let next = Arc::new(AtomicUsize::new(0));
            let workers = (0..run.shape.workers.min(size)).map(|_| Courier {
                fleet: Arc::clone(&fleet),
                next: Arc::clone(&next),
                visit,
            });
            let shape = Shape::new(run.shape.workers, LONGEST);
            let what = format!("{size} couriers, {}", visit.name());
            let figure = load::run(shape, &target.groups, "courier", &what, workers.collect()).await?;
            run.report.add(figure);
        }
    }
    Ok(())
}

/// What a courier comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    /// The next certificate.
    Renewal,
    /// How the certificate stands.
    Question,
}

impl Visit {
    fn name(self) -> &'static str {
        match self {
            Self::Renewal => "each renews: sign in, order, fetch, acknowledge, sign out",
            Self::Question => "each asks how its certificate stands: sign in, ask, sign out",
        }
    }
}

/// The couriers with what they need.
struct Fleet {
    door: Door,
    members: Vec<Member>,
}

/// One courier.
struct Member {
    address: IpAddr,
    /// The request that signs in.
    sign_in: Value,
    /// The order.
    order: Value,
}

impl Fleet {
    /// Makes the records of a fleet. All have names below one of their own, so that fleets do not meet.
    async fn enrol(target: &Target, run: &Run, size: usize) -> Result<Self> {
        let health = target.ask(Method::GET, "/api/v1/health", None).await?;
        let identity = told(&health, "/identity")?;
        let key = issuer_key()?;
        let keys: Value = serde_json::from_str(&key.jwk().to_json())?;
        let keys = json!({ "keys": [keys] });
        let mut members = Vec::with_capacity(size);
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..size {
            let name = format!("fleet-{size}-{number}");
            let (target, name_there, keys) = (target.clone(), name.clone(), keys.clone());
            if waiting.len() >= AT_ONCE {
                members.push(waiting.join_next().await.context("a record")???);
            }
            let token = token(&key, &name, &identity, run)?;
            // Each host has a key of its own; the appliance certifies one for nobody else.
            let csr = csr::request()?;
            waiting.spawn(async move { enrol(&target, &name_there, number, &keys, &token, &csr).await });
        }
        while let Some(member) = waiting.join_next().await {
            members.push(member??);
        }
        Ok(Self {
            door: target.api.clone(),
            members,
        })
    }
}

async fn enrol(
    target: &Target,
    name: &str,
    number: usize,
    keys: &Value,
    token: &str,
    csr: &str,
) -> Result<Member> {
    let record =
        json!({ "allowed_names": [csr::NAME], "profiles": [target.profile], "issuer": target.issuer });
    let made = json!({ "name": name, "record": record });
    let made = target.ask(Method::POST, "/api/v1/couriers", Some(made)).await?;
    let binding =
        json!({ "method": "oidc_jwt", "issuer": ISSUER, "subject": name, "keys": { "static": keys } });
    let path = format!("/api/v1/couriers/{name}/credentials");
    target
        .ask(Method::POST, &path, Some(json!({ "binding": binding })))
        .await?;
    let last = u32::try_from(number).context("a number of a courier")?;
    Ok(Member {
        // From 127.1.0.0 on: the whole network is this machine.
        address: IpAddr::V4(Ipv4Addr::from_bits(0x7f01_0000 + last)),
        sign_in: json!({ "uuid": told(&made, "/id")?, "method": "oidc_jwt", "credential": { "token": token } }),
        order: json!({ "kind": "issue", "key_mode": "local", "csr_pem": csr }),
    })
}

/// A member of an answer.
fn told(answer: &Value, pointer: &str) -> Result<Value> {
    let found = answer.pointer(pointer).cloned();
    found.with_context(|| format!("{pointer} in {answer}"))
}

fn issuer_key() -> Result<SigningKey> {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
        .map_err(|_| anyhow::anyhow!("making a key failed"))?;
    Ok(SigningKey::from_pkcs8_der(pkcs8.as_ref())?)
}

fn token(key: &SigningKey, subject: &str, audience: &Value, run: &Run) -> Result<String> {
    let now = run.begun.as_second();
    let claims = json!({ "iss": ISSUER, "sub": subject, "aud": audience, "iat": now, "exp": now + 6 * 3600 });
    let header = Header::new(key.algorithm());
    Ok(key.sign(&header, claims.to_string().as_bytes(), &SystemRandom::new())?)
}

/// A worker: one courier after the other.
struct Courier {
    fleet: Arc<Fleet>,
    next: Arc<AtomicUsize>,
    visit: Visit,
}

impl Operation for Courier {
    async fn once(&mut self) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(member) = self.fleet.members.get(number) else {
            // Another worker took the last one between two looks.
            return Ok(());
        };
        let door = &self.fleet.door;
        let mut session = Session {
            connection: door.open_from(member.address).await?,
            door,
            bearer: String::new(),
        };
        let opened = session.post("/api/v1/courier/auth", &member.sign_in).await?;
        let token = told(&opened, "/session/token")?;
        session.bearer = format!("Authorization: Bearer {}\r\n", token.as_str().context("a token")?);
        match self.visit {
            Visit::Renewal => session.renew(&member.order).await?,
            Visit::Question => {
                let asked = json!({ "fingerprints_sha256": ["00".repeat(32)] });
                session
                    .post("/api/v1/courier/certificates/status", &asked)
                    .await?;
            }
        }
        session.post("/api/v1/courier/auth/revoke", &json!({})).await?;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.next.load(Ordering::Relaxed) >= self.fleet.members.len()
    }
}

/// A connection within a session.
struct Session<'a> {
    connection: Connection,
    door: &'a Door,
    bearer: String,
}

impl Session<'_> {
    async fn renew(&mut self, order: &Value) -> Result<()> {
        let placed = self.post("/api/v1/courier/orders", order).await?;
        let uuid = told(&placed, "/order/uuid")?;
        let print = told(&placed, "/order/certificate/fingerprint_sha256")?;
        let path = format!("/api/v1/courier/orders/{}", uuid.as_str().context("a UUID")?);
        let request = self.door.get_with(&format!("{path}/certificate"), &self.bearer);
        let answer = self.connection.exchange(&request).await?;
        ensure!(
            answer.status == 200 && answer.body.starts_with(b"-----BEGIN CERTIFICATE"),
            "status {} for a certificate",
            answer.status
        );
        let ack = json!({ "installed_at": "2030-01-01T00:00:00Z", "fingerprint_sha256": print, "files": [] });
        self.post(&format!("{path}/ack"), &ack).await?;
        Ok(())
    }

    /// Posts; the JSON of the answer, which is nothing when it has no body.
    async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let request = self
            .door
            .post(path, "application/json", &self.bearer, body.as_bytes());
        let answer = self.connection.exchange(&request).await?;
        ensure!(
            matches!(answer.status, 200..=299),
            "{path}: status {}: {}",
            answer.status,
            String::from_utf8_lossy(answer.body)
        );
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(answer.body)?)
    }
}

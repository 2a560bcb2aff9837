//! One function per endpoint: its path, whether it needs the session, whether it may be repeated.
//!
//! What is sent and read is written once, in `courier_wire`. Every call that changes something carries an idempotency key, so that it
//! may be repeated; the one that hands something out once is not repeated.

use std::time::Duration;

use courier_wire::{
    Ack, DiscoveryAnswer, DiscoveryPage, Fingerprints, Health, MAX_WAIT_SECONDS, OrderAnswer, OrderRequest,
    Orders, OwnRecord, Preflight, RenewalInfo, Report, Revocation, RevocationRequest, Statuses, Verified,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Answer, Call, Client, Courier, Fault, skew};

/// Longest wait for an order in one call.
pub const MAX_WAIT: Duration = Duration::from_secs(MAX_WAIT_SECONDS);

const ROOT: &str = "/api/v1/courier";

/// An answer that was read, with what stands around it.
#[derive(Clone, Debug)]
pub struct Told<T> {
    /// What was read.
    pub value: T,
    /// The status of HTTP: 202 says that it is not done yet.
    pub status: u16,
    /// How long the appliance wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// The trust anchors of the appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaBundle {
    /// They are what they were.
    Same,
    /// They are these.
    New {
        /// In PEM.
        pem: String,
        /// What to ask with the next time.
        etag: Option<String>,
    },
}

/// What anybody may ask.
impl Client {
    /// What the appliance says of itself; the difference of the clocks is told on the way.
    pub async fn health(&self) -> Result<Health, Fault> {
        let health: Health = self.perform(&Call::get("/api/v1/health")).await?.json()?;
        let ahead = skew::seconds_ahead(self.clock().now(), health.server_time);
        if let Some(warning) = skew::warning(ahead) {
            tracing::warn!("{warning}");
        }
        Ok(health)
    }

    /// The trust anchors and intermediates, unless they are those of this tag.
    pub async fn ca_bundle(&self, etag: Option<&str>) -> Result<CaBundle, Fault> {
        let call = Call::get(format!("{ROOT}/ca-bundle")).in_pem().unless(etag);
        let answer = self.perform(&call).await?;
        if answer.status == 304 {
            return Ok(CaBundle::Same);
        }
        Ok(CaBundle::New {
            pem: answer.text()?.to_owned(),
            etag: answer.header("etag").map(ToOwned::to_owned),
        })
    }
}

impl Courier {
    /// How session and record stand.
    pub async fn verify(&self) -> Result<Verified, Fault> {
        self.asked("/auth/verify").await
    }

    /// What the appliance knows of this courier.
    pub async fn description(&self) -> Result<OwnRecord, Fault> {
        self.asked("/self").await
    }

    /// All checks of an order, without one.
    pub async fn preflight(&self, order: &OrderRequest) -> Result<Preflight, Fault> {
        let call = Call::post(format!("{ROOT}/preflight"), order)?.repeatable();
        self.call(&call).await?.json()
    }

    /// A new order, known again by this key.
    pub async fn order(&self, order: &OrderRequest, key: &str) -> Result<Told<OrderAnswer>, Fault> {
        let call = Call::post(format!("{ROOT}/orders"), order)?.with_idempotency_key(key);
        let answer = self.call(&call).await?;
        self.told(&answer)
    }

    /// The orders of this courier that fit these names and values.
    pub async fn orders(&self, filter: &[(&str, &str)]) -> Result<Orders, Fault> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(filter);
        match query.finish().as_str() {
            "" => self.asked("/orders").await,
            query => self.asked(&format!("/orders?{query}")).await,
        }
    }

    /// How an order stands; the appliance waits for a change as long as this, at most [`MAX_WAIT`].
    pub async fn order_status(&self, order: Uuid, wait: Duration) -> Result<Told<OrderAnswer>, Fault> {
        let wait = wait.min(MAX_WAIT);
        let mut path = format!("{ROOT}/orders/{order}");
        if !wait.is_zero() {
            path = format!("{path}?wait={}", wait.as_secs());
        }
        let answer = self.call(&Call::get(path).longer(wait)).await?;
        self.told(&answer)
    }

    /// The certificate of an order and those above it, in PEM.
    pub async fn certificate(&self, order: Uuid) -> Result<String, Fault> {
        let call = Call::get(format!("{ROOT}/orders/{order}/certificate")).in_pem();
        let answer = self.call(&call).await?;
        Ok(answer.text()?.to_owned())
    }

    /// The encrypted key of an order, in a form of the caller's choice. It is handed out once.
    pub async fn key<T: DeserializeOwned>(&self, order: Uuid) -> Result<T, Fault> {
        self.call(&Call::take(format!("{ROOT}/orders/{order}/key")))
            .await?
            .json()
    }

    /// Tells what became of a certificate here.
    pub async fn acknowledge(&self, order: Uuid, report: &Ack) -> Result<(), Fault> {
        self.done(&format!("/orders/{order}/ack"), report).await.map(drop)
    }

    /// Gives an order up that is not signed yet.
    pub async fn cancel(&self, order: Uuid) -> Result<(), Fault> {
        self.done(&format!("/orders/{order}/cancel"), &serde_json::json!({}))
            .await
            .map(drop)
    }

    /// How certificates stand.
    pub async fn certificates_status(&self, which: &Fingerprints) -> Result<Statuses, Fault> {
        let call = Call::post(format!("{ROOT}/certificates/status"), which)?.repeatable();
        self.call(&call).await?.json()
    }

    /// When a certificate is best renewed.
    pub async fn renewal_info(&self, fingerprint: &str) -> Result<Told<RenewalInfo>, Fault> {
        let path = format!("{ROOT}/certificates/{}/renewal-info", checked(fingerprint)?);
        let answer = self.call(&Call::get(path)).await?;
        self.told(&answer)
    }

    /// Revokes a certificate.
    pub async fn revoke(&self, fingerprint: &str, why: &RevocationRequest) -> Result<Revocation, Fault> {
        let path = format!("/certificates/{}/revoke", checked(fingerprint)?);
        self.done(&path, why).await?.json()
    }

    /// Tells what certificates lie on this machine.
    pub async fn discovered(&self, page: &DiscoveryPage) -> Result<DiscoveryAnswer, Fault> {
        let call = Call::post(format!("{ROOT}/discovery"), page)?.repeatable();
        self.call(&call).await?.json()
    }

    /// Tells how this machine is.
    pub async fn report(&self, report: &Report) -> Result<(), Fault> {
        self.done("/report", report).await.map(drop)
    }

    async fn asked<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        self.call(&Call::get(format!("{ROOT}{path}"))).await?.json()
    }

    async fn done(&self, path: &str, body: &impl Serialize) -> Result<Answer, Fault> {
        let key = Uuid::new_v4().to_string();
        let call = Call::post(format!("{ROOT}{path}"), body)?.with_idempotency_key(&key);
        self.call(&call).await
    }

    fn told<T: DeserializeOwned>(&self, answer: &Answer) -> Result<Told<T>, Fault> {
        Ok(Told {
            value: answer.json()?,
            status: answer.status,
            retry_after: answer.retry_after(self.client().clock().now()),
        })
    }
}

/// A fingerprint, which goes into a path: SHA-256 in hexadecimal.
fn checked(fingerprint: &str) -> Result<&str, Fault> {
    let is_one = fingerprint.len() == 64 && fingerprint.bytes().all(|octet| octet.is_ascii_hexdigit());
    if is_one {
        return Ok(fingerprint);
    }
    Err(Fault::Setting(
        "a fingerprint is 64 hexadecimal digits".to_owned(),
    ))
}

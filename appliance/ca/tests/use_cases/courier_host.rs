//! A host with a courier: its record, its secret, its sessions and its requests.

use std::net::IpAddr;

use aws_lc_rs::rand::SystemRandom;
use ca::courier::{
    Authentication, Bearing, ClientFacts, Courier, CourierOrderRequest, CourierRecord, CourierSession,
    NewClientSecret, NewCourier, OpenedSession, OrderKey, OrderKind, SecretRequest, Shown,
};
use ca::{Authority, Error};
use jose::{Header, SigningKey};
use secrecy::ExposeSecret as _;
use serde_json::json;
use zeroize::Zeroizing;

use crate::bed::{BASE_URL, Bed, admin};
use crate::request::{Holder, csr};

pub(crate) struct Host {
    pub(crate) courier: Courier,
    pub(crate) secret: NewClientSecret,
}

/// A record that may have names under example.com.
pub(crate) fn record() -> CourierRecord {
    serde_json::from_value(json!({
        "allowed_names": ["*.example.com", "ip:10.0.0.0/8"], "profiles": ["tls-server"], "issuer": "issuing",
    }))
    .unwrap()
}

impl Host {
    /// A courier with a secret, on a bed where example.com is registered.
    pub(crate) async fn on(bed: &Bed, name: &str, record: CourierRecord) -> Self {
        if bed.authority.domains(&admin(), None, 1).await.unwrap().is_empty() {
            bed.authority
                .register_domain(&admin(), "example.com", false)
                .await
                .unwrap();
        }
        let new = NewCourier {
            name: name.to_owned(),
            record,
            expires_at: None,
        };
        let courier = bed.authority.create_courier(&admin(), new).await.unwrap();
        let secret = bed
            .authority
            .new_client_secret(&admin(), courier.id, SecretRequest::default())
            .await
            .unwrap();
        Self { courier, secret }
    }

    pub(crate) fn shown(&self) -> Shown {
        Shown::Secret {
            client_id: self.secret.credential.client_id.clone().unwrap(),
            secret: Zeroizing::new(self.secret.secret.expose_secret().to_owned()),
        }
    }

    pub(crate) fn authentication(&self, shown: Shown) -> Authentication {
        Authentication {
            courier: self.courier.id,
            shown,
            proof_key: None,
            address: Some("192.0.2.10".parse().unwrap()),
            via: None,
            client: ClientFacts::default(),
        }
    }

    pub(crate) async fn opened(&self, authority: &Authority) -> OpenedSession {
        authority
            .authenticate_courier(self.authentication(self.shown()))
            .await
            .unwrap()
    }

    pub(crate) async fn session(&self, bed: &Bed) -> CourierSession {
        self.opened(&bed.authority).await.session
    }

    /// Why it is not let in.
    pub(crate) async fn refused(&self, bed: &Bed, shown: Shown) -> &'static str {
        let outcome = bed
            .authority
            .authenticate_courier(self.authentication(shown))
            .await;
        outcome.unwrap_err().code()
    }
}

/// What a request without a proof brings.
pub(crate) fn bearing(token: &str) -> Bearing<'_> {
    Bearing {
        token,
        is_bound: false,
        proof: None,
        http_method: "GET",
        path: "/api/v1/courier/self",
        host: None,
        address: Some("192.0.2.10".parse::<IpAddr>().unwrap()),
        via: None,
    }
}

/// A request for these names with a new key.
pub(crate) fn order(names: &[&str]) -> CourierOrderRequest {
    order_of(&Holder::new(), "", names)
}

pub(crate) fn order_of(holder: &Holder, subject: &str, names: &[&str]) -> CourierOrderRequest {
    CourierOrderRequest {
        kind: OrderKind::Issue,
        key: OrderKey::Local {
            csr: pki::pem::encode("CERTIFICATE REQUEST", &csr(holder, subject, names)),
        },
        profile: None,
        validity_days: None,
        replaces: None,
        label: None,
    }
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_pkcs8_der(&p256_pkcs8()).unwrap()
}

fn p256_pkcs8() -> Vec<u8> {
    Holder::new().pkcs8
}

/// A token signed with a key, which is called so.
pub(crate) fn token(key: &SigningKey, kid: Option<&str>, claims: &serde_json::Value) -> Zeroizing<String> {
    let mut header = Header::new(key.algorithm());
    header.kid = kid.map(str::to_owned);
    let text = key.sign(&header, claims.to_string().as_bytes(), &SystemRandom::new());
    Zeroizing::new(text.unwrap())
}

/// The public half of a key as JSON.
pub(crate) fn public(key: &SigningKey) -> serde_json::Value {
    serde_json::from_str(&key.jwk().to_json()).unwrap()
}

/// The claims of a token for this appliance that is good for ten minutes.
pub(crate) fn claims(bed: &Bed, issuer: &str, subject: &str) -> serde_json::Value {
    let now = bed.clock.now().as_second();
    json!({ "iss": issuer, "sub": subject, "aud": BASE_URL, "iat": now, "exp": now + 600 })
}

/// Which code an error has.
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.unwrap_err().code()
}

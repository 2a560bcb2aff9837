//! Keys that the appliance makes for couriers. The signing process makes and encrypts them; what is known here is the public half and
//! a ciphertext, which is recorded with the certificate and given out once.
//!
//! Whose key it is encrypted to must be said by the courier and not by whoever stands between: an order is taken only in a session that
//! is bound to a key, and with a proof of that key (RFC 9449) whose address is the thumbprint of the recipient (RFC 9278). The proof
//! in the header of the request covers no body, therefore there is a second one.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::SignedDuration;
use jose::Jwk;
use pki::profile::{IssuerView, Order, Profile};
use pki::{DistinguishedName, KeyAlgorithm, PublicKey, SubjectAltName};
use serde_json::json;
use store::courier_keys::Retrieval;
use store::courier_orders::Status;
use uuid::Uuid;

use super::ordered::{CourierOrderRequest, OrderKey, PlatformOrder};
use super::record::PlatformKeys;
use super::session::{CourierSession, PROOF_AGE};
use super::wanted::{self, WantedKey};
use crate::audit;
use crate::authority::Authority;
use crate::certify::{Certification, Prepared};
use crate::companion::{Companion, CourierKey};
use crate::error::{Error, Result};
use crate::issuer::Issuer;
use crate::permit::{Permit, action};

/// How long a key waits for its courier.
pub(super) const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// For what a proof of a recipient is used up.
const PROOF: &str = "courier.recipient_proof";
/// The start of the address that a proof names (RFC 9278 §3).
pub(super) const THUMBPRINT_URI: &str = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";

/// A certification that lacks nothing but the key.
#[derive(Debug)]
pub(super) struct Keyless {
    pub(super) permit: Permit<action::Issue>,
    pub(super) issuer: Arc<Issuer>,
    pub(super) view: Arc<IssuerView>,
    pub(super) profile: Arc<Profile>,
    pub(super) subject: DistinguishedName,
    pub(super) names: Vec<SubjectAltName>,
    pub(super) validity: Duration,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) order_id: Uuid,
    pub(super) requester: String,
    pub(super) replaces: Option<Uuid>,
    pub(super) action: &'static str,
}

/// What is signed when an order is carried out.
#[derive(Debug)]
pub(super) enum Ready {
    /// A certificate that passed the lint.
    Prepared(Box<Prepared>),
    /// One whose key is made first, for this courier and recipient.
    KeyToBeMade(Box<(Keyless, Uuid, Jwk)>),
}

impl Authority {
    /// A certification with its key, or with what its key will be made for.
    pub(super) fn ready(&self, keyless: Keyless, key: WantedKey, courier: Uuid) -> Result<Ready> {
        match key {
            WantedKey::Given(key) => {
                let prepared = self.prepare_with(keyless, key, None)?;
                Ok(Ready::Prepared(Box::new(prepared)))
            }
            WantedKey::ToBeMade(recipient) => {
                Ok(Ready::KeyToBeMade(Box::new((keyless, courier, *recipient))))
            }
        }
    }

    /// What is ready to be signed, after its key was made where that is still to be done.
    pub(super) async fn with_key(&self, ready: Ready) -> Result<Prepared> {
        let (keyless, courier, recipient) = match ready {
            Ready::Prepared(prepared) => return Ok(*prepared),
            Ready::KeyToBeMade(to_be_made) => *to_be_made,
        };
        let identity = &self.inner().settings.couriers.identity;
        let signer = &self.inner().signer;
        let sealed = signer
            .subject_key(keyless.algorithm, &recipient, identity, courier, keyless.order_id)
            .await?;
        let key = PublicKey::from_spki_der(&sealed.spki).map_err(Error::internal)?;
        if key.algorithm() != keyless.algorithm {
            return Err(Error::internal("the signing process made a key of another kind"));
        }
        let expires_at = self.inner().clock.now().saturating_add(KEPT);
        let key_of_courier = CourierKey {
            envelope: sealed.envelope,
            expires_at: expires_at.map_err(Error::internal)?.as_millisecond(),
        };
        self.prepare_with(keyless, key, Some(key_of_courier))
    }

    fn prepare_with(
        &self,
        keyless: Keyless,
        public_key: PublicKey,
        made: Option<CourierKey>,
    ) -> Result<Prepared> {
        let certification = Certification {
            issuer: keyless.issuer,
            view: keyless.view,
            profile: keyless.profile,
            order: Order {
                subject: keyless.subject,
                names: keyless.names,
                public_key,
                validity: Some(keyless.validity),
                ms_sid: None,
            },
            order_id: keyless.order_id,
            requester: keyless.requester,
            replaces: keyless.replaces,
            action: keyless.action,
            companion: Companion::CourierOrder(keyless.order_id, made),
        };
        self.prepare(&keyless.permit, certification)
    }

    /// Whether this session may place an order with such a key, and whether its key speaks for the recipient. A proof counts once.
    pub(super) async fn check_recipient(
        &self,
        session: &CourierSession,
        platform: &PlatformOrder,
    ) -> Result<()> {
        let bound = check_bound(session)?;
        let refused = || {
            not_allowed(
                "the order has no fresh proof by the key of its session that names the recipient (recipient_proof)",
            )
        };
        let recipient = wanted::recipient(platform).map_err(|_| refused())?;
        let proof = platform.recipient_proof.as_deref().ok_or_else(refused)?;
        let now = self.inner().clock.now().as_second();
        let expected = jose::dpop::Expected {
            method: "POST",
            url: &format!("{THUMBPRINT_URI}{}", recipient.thumbprint()),
            access_token_hash: Some(&session.access_token_hash()),
            now,
            max_age: PROOF_AGE,
        };
        let proof = jose::dpop::verify(proof, &expected).map_err(|_| refused())?;
        verify_slices_are_equal(&proof.thumbprint.0, &bound).map_err(|_| refused())?;
        let mut what = bound.to_vec();
        what.extend(proof.id.as_bytes());
        let until = now.saturating_add(2 * PROOF_AGE);
        if self.use_once(PROOF, &what, until).await? {
            Ok(())
        } else {
            Err(refused())
        }
    }

    /// The key of an order, encrypted to the recipient that the order named. It is given out once.
    pub async fn fetch_courier_key(&self, session: &CourierSession, id: Uuid) -> Result<String> {
        let row = self.own_row(session, id).await?;
        if row.status == Status::Expired {
            return Err(Error::Gone {
                code: "order_expired",
                message: "nobody came for the order in time: place another one".to_owned(),
            });
        }
        if row.key_mode != "platform" {
            return Err(Error::not_found("key of the order", id));
        }
        if row.certificate_id.is_none() {
            let message = format!("the order is {}: it has no key", row.status.as_str());
            return Err(Error::conflict("order_has_no_certificate", message));
        }
        let at = self.inner().clock.now();
        let now = at.as_millisecond();
        let look = self
            .inner()
            .store
            .read(move |reader| store::courier_keys::look(reader, id, now));
        match look.await? {
            Retrieval::Ciphertext(_) => {}
            Retrieval::Before(_) => return Err(already_retrieved()),
            Retrieval::Expired | Retrieval::Unknown => return Err(key_expired()),
        }
        let details = json!({ "fingerprint": row.fingerprint.as_deref().map(audit::hexadecimal) });
        let entry = audit::entry(
            at,
            &session.actor(),
            "courier_order.deliver_key",
            id,
            audit::OK,
            &details,
        );
        let taken = self.change(entry, move |tx| match store::courier_keys::take(tx, id, now)? {
            Retrieval::Ciphertext(ciphertext) => Ok(ciphertext),
            _ => Err(store::Error::Conflict {
                constraint: "the key was given out meanwhile".to_owned(),
            }),
        });
        match taken.await {
            Ok((ciphertext, _)) => String::from_utf8(ciphertext).map_err(Error::internal),
            Err(Error::Conflict { .. }) => Err(already_retrieved()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the record allows keys that are made where this order says.
pub(super) fn check_key_mode(session: &CourierSession, request: &CourierOrderRequest) -> Result<()> {
    match (session.courier.record.platform_keys, &request.key) {
        (PlatformKeys::Forbid, OrderKey::Platform { .. }) => {
            Err(not_allowed("the appliance makes no keys for this courier"))
        }
        (PlatformKeys::Require, OrderKey::Local { .. }) => {
            Err(not_allowed("the appliance makes the keys of this courier"))
        }
        _ => Ok(()),
    }
}

/// The key that the session is bound to. Who carried a secret or a token through a bridge may have had it taken there, and another key
/// put in the place of its own.
pub(super) fn check_bound(session: &CourierSession) -> Result<[u8; 32]> {
    let bound = session.thumbprint.ok_or_else(|| {
        not_allowed("the appliance makes keys only in a session that is bound to a key (RFC 9449)")
    })?;
    if session.is_key_own {
        return Ok(bound);
    }
    Err(not_allowed(
        "the session was opened through a bridge, and what was shown does not name its key: sign in by a certificate or by a token that \
         names the key, or past the bridge",
    ))
}

fn not_allowed(message: &str) -> Error {
    Error::forbidden("key_mode_not_allowed", message)
}

fn already_retrieved() -> Error {
    let message = "the key was given out before, and is given out once: place another order";
    Error::conflict("already_retrieved", message)
}

fn key_expired() -> Error {
    Error::Gone {
        code: "key_expired",
        message: "nobody came for the key in time: place another order".to_owned(),
    }
}

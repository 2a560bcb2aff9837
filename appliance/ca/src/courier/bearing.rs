//! What a request of a courier brings to show whose it is: the token of a session, and for a session with a key a proof of that key.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use uuid::Uuid;

use super::session::{CourierSession, PROOF_AGE, proof_invalid};
use crate::authority::Authority;
use crate::error::Result;

/// For what an identifier of a proof is used up.
const PROOF: &str = "courier.proof";

/// What a request brings to show whose it is.
#[derive(Debug)]
pub struct Bearing<'a> {
    /// The token.
    pub token: &'a str,
    /// Whether it came as `DPoP` and not as `Bearer`.
    pub is_bound: bool,
    /// The header `DPoP`.
    pub proof: Option<&'a str>,
    /// The method of the request.
    pub http_method: &'a str,
    /// Its path, without a query.
    pub path: &'a str,
    /// To which host it was sent, with the port where there is one.
    pub host: Option<&'a str>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// How a bridge forwarded it, which saw all of it.
    pub via: Option<&'a Forwarded>,
}

/// What a proof says of the body of its request: that one alone counts, whoever sends it. A bridge that ends TLS may keep a request for
/// itself and send another under its proof, also past every bridge.
#[derive(Clone, Debug)]
pub struct BodyClaim(String);

impl BodyClaim {
    /// Whether it is about this body.
    pub fn is_of(&self, body: &[u8]) -> bool {
        // What is hashed passed in clear: nothing is learnt from how long this takes.
        self.0 == jose::dpop::body_hash(body)
    }
}

/// A request that came through a bridge.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// The instance.
    pub bridge: Uuid,
    /// What a proof says that covers the body; nothing where there is no body.
    body_hash: Option<String>,
}

impl Forwarded {
    /// A request with this body.
    pub fn new(bridge: Uuid, body: &[u8]) -> Self {
        let body = Some(body).filter(|body| !body.is_empty());
        Self {
            bridge,
            body_hash: body.map(jose::dpop::body_hash),
        }
    }
}

impl Authority {
    /// A session with a key takes only requests that are signed with it, each once.
    /// What the proof says of the body is still to be held against it.
    pub(super) async fn check_proof(
        &self,
        session: &CourierSession,
        bearing: &Bearing<'_>,
    ) -> Result<Option<BodyClaim>> {
        let Some(thumbprint) = session.thumbprint else {
            return if bearing.is_bound {
                Err(proof_invalid())
            } else {
                Ok(None)
            };
        };
        let proof = bearing
            .proof
            .filter(|_| bearing.is_bound)
            .ok_or_else(proof_invalid)?;
        let now = self.inner().clock.now().as_second();
        let hash = jose::dpop::access_token_hash(bearing.token);
        let mut urls = vec![format!(
            "{}{}",
            self.inner().settings.couriers.identity,
            bearing.path
        )];
        urls.extend(bearing.host.map(|host| format!("https://{host}{}", bearing.path)));
        let mut proofs = urls.iter().map(|url| {
            let expected = jose::dpop::Expected {
                method: bearing.http_method,
                url,
                access_token_hash: Some(&hash),
                now,
                max_age: PROOF_AGE,
            };
            jose::dpop::verify(proof, &expected)
        });
        let proof = proofs
            .find_map(std::result::Result::ok)
            .ok_or_else(proof_invalid)?;
        verify_slices_are_equal(&proof.thumbprint.0, &thumbprint).map_err(|_| proof_invalid())?;
        // Where somebody ends TLS on the way, the courier answers for what it sent, too.
        if bearing
            .via
            .is_some_and(|forwarded| forwarded.body_hash != proof.body_hash)
        {
            return Err(proof_invalid());
        }
        let mut what = thumbprint.to_vec();
        what.extend(proof.id.as_bytes());
        if self
            .use_once(PROOF, &what, now.saturating_add(2 * PROOF_AGE))
            .await?
        {
            Ok(proof.body_hash.map(BodyClaim))
        } else {
            Err(proof_invalid())
        }
    }
}

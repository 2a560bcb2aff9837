//! What an instance says of a request: who sent it. It counts when the instance opened the connection with a certificate that it has
//! of us, for the request that its signature names, and once.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{Jws, VerifyKey};
use pki::Certificate;
use serde::Deserialize;

use super::{ACTIVE, Bridge};
use crate::authority::Authority;
use crate::courier::nonce::sha256;
use crate::error::{Error, Result};

/// For what an assertion is used up.
const PURPOSE: &str = "bridge.assertion";
/// `typ` of an assertion.
const TYPE: &str = "chancery-bridge+jwt";
/// How old an assertion may be, in seconds, in either direction.
const AGE: i64 = 60;
/// Longest assertion, and longest name of one, in octets.
const MAX_LEN: usize = 2048;
const MAX_ID: usize = 64;
/// How long nothing is written down about an instance that is there all the time, in milliseconds.
const SEEN: i64 = 60_000;

/// A request that came with an assertion.
#[derive(Clone, Copy, Debug)]
pub struct AttestedRequest<'a> {
    /// The assertion.
    pub assertion: &'a str,
    /// Its method.
    pub method: &'a str,
    /// The host that it names.
    pub host: &'a str,
    /// Its path with the query.
    pub target: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assertion {
    iss: String,
    client_ip: IpAddr,
    iat: i64,
    jti: String,
    request: String,
}

impl Authority {
    /// The instance behind a connection, by the certificate that it showed in the handshake.
    pub async fn bridge_of_certificate(&self, der: &[u8]) -> Result<Bridge> {
        let print = sha256(der);
        let read = self
            .inner()
            .store
            .read(move |reader| store::bridges::find_by_certificate(reader, &print));
        let row = read.await?.filter(|row| row.status == ACTIVE);
        let row = row.ok_or_else(not_registered)?;
        let certificate = Certificate::from_der(der).map_err(|_| not_registered())?;
        let now = self.inner().clock.now();
        if !certificate.is_valid_at(now) || self.is_revoked_here(&certificate) {
            return Err(not_registered());
        }
        let at = now.as_millisecond();
        if row.seen_at.is_none_or(|seen| at.saturating_sub(seen) > SEEN) {
            let id = row.id;
            let write = self
                .inner()
                .store
                .write(move |tx| store::bridges::touch(tx, id, at));
            write.await?;
        }
        Ok(Bridge::from_row(row))
    }

    /// Where a request came from that an instance forwarded. `der` is the certificate of the connection.
    pub async fn attested_client(
        &self,
        bridge: &Bridge,
        der: &[u8],
        request: AttestedRequest<'_>,
    ) -> Result<IpAddr> {
        let assertion =
            read(der, request.assertion).ok_or_else(|| invalid("it is not signed as it should be"))?;
        let now = self.inner().clock.now().as_second();
        if assertion.iss != bridge.id.to_string() {
            return Err(invalid("it is of another instance"));
        }
        if assertion.iat.abs_diff(now) > AGE.unsigned_abs() {
            return Err(invalid("it is not of the present"));
        }
        let wanted = URL_SAFE_NO_PAD.encode(sha256(&request.text()));
        verify_slices_are_equal(wanted.as_bytes(), assertion.request.as_bytes())
            .map_err(|_| invalid("it is for another request"))?;
        if assertion.jti.is_empty() || assertion.jti.len() > MAX_ID {
            return Err(invalid("it has no name"));
        }
        let what = format!("{}\n{}", assertion.iss, assertion.jti);
        let until = now.saturating_add(2 * AGE);
        if !self.use_once(PURPOSE, what.as_bytes(), until).await? {
            return Err(invalid("it was used before"));
        }
        Ok(assertion.client_ip.to_canonical())
    }
}

impl AttestedRequest<'_> {
    /// What is hashed of it: `courier_wire::attested_request` writes the same.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.host.len() + self.target.len() + 64);
        for part in [self.method, self.host, self.target] {
            text.extend_from_slice(part.as_bytes());
            text.push(b'\n');
        }
        text.extend_from_slice(&sha256(self.body));
        text
    }
}

fn read(der: &[u8], text: &str) -> Option<Assertion> {
    if text.len() > MAX_LEN {
        return None;
    }
    let jws = Jws::parse(text).ok()?;
    if jws.header().typ.as_deref() != Some(TYPE) {
        return None;
    }
    let certificate = Certificate::from_der(der).ok()?;
    let key = VerifyKey::from_spki_der(certificate.public_key().spki_der()).ok()?;
    let verified = key.verify(&jws).ok()?;
    serde_json::from_slice(verified.payload()).ok()
}

fn not_registered() -> Error {
    Error::Unauthenticated {
        code: "bridge_not_registered",
        message: "the certificate of the connection is of no registered bridge".to_owned(),
    }
}

fn invalid(why: &str) -> Error {
    Error::Unauthenticated {
        code: "bridge_assertion_invalid",
        message: format!("what the bridge says of the request does not count: {why}"),
    }
}

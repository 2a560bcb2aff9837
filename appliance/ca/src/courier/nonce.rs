//! Challenges: numbers that a courier signs to show that it has its key now. They are made without writing anything down and
//! can be used once, over all servers.
//!
//! A challenge is its end, a random part and a tag over both (HMAC-SHA-256, shortened), whose key all servers share. What is
//! written is only that one was used.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::audit::{hexadecimal, octets};
use crate::authority::Authority;
use crate::error::{Error, Result};

/// How long a challenge is good for.
pub(crate) const LIFETIME_SECONDS: i64 = 60;
/// The setting under which the servers share the key of the tags.
const KEY: &str = "courier.challenge_key";
/// For what it was used, in the table of what is used once.
const PURPOSE: &str = "courier.challenge";
const END_LEN: usize = 8;
const RANDOM_LEN: usize = 8;
const TAG_LEN: usize = 16;

/// A challenge that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What is signed: base64url of 32 octets.
    pub nonce: String,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Authority {
    /// A challenge for whoever asks; nothing is kept of it.
    pub async fn courier_challenge(&self) -> Result<Challenge> {
        let key = self.challenge_key().await?;
        let expires_at = self
            .inner()
            .clock
            .now()
            .as_second()
            .saturating_add(LIFETIME_SECONDS);
        let mut challenge = [0; END_LEN + RANDOM_LEN];
        let (end, random) = challenge.split_at_mut(END_LEN);
        end.copy_from_slice(&expires_at.to_be_bytes());
        aws_lc_rs::rand::fill(random).map_err(|_| Error::internal("the system gives no random octets"))?;
        let tag = hmac::sign(&key, &challenge);
        let mut whole = challenge.to_vec();
        whole.extend(tag.as_ref().iter().take(TAG_LEN));
        Ok(Challenge {
            nonce: URL_SAFE_NO_PAD.encode(whole),
            expires_at: Timestamp::from_second(expires_at).map_err(Error::internal)?,
        })
    }

    /// Whether a nonce was made here, is good still and was not used before; from then on it was.
    pub(crate) async fn use_challenge(&self, nonce: &str) -> Result<bool> {
        let key = self.challenge_key().await?;
        let now = self.inner().clock.now().as_second();
        let Some(expires_at) = expiry_of(&key, nonce).filter(|end| *end > now) else {
            return Ok(false);
        };
        self.use_once(PURPOSE, nonce.as_bytes(), expires_at).await
    }

    /// Whether this is the first use of something, over all servers. Until `until`, in seconds, every other use is refused.
    pub(crate) async fn use_once(&self, purpose: &'static str, what: &[u8], until: i64) -> Result<bool> {
        let digest = sha256(what);
        let until = until.saturating_mul(1000);
        let write = self
            .inner()
            .store
            .write(move |tx| store::once::use_once(tx, purpose, &digest, until));
        Ok(write.await?)
    }

    /// The key of the tags, made by whoever needs it first.
    async fn challenge_key(&self) -> Result<hmac::Key> {
        let known = &self.inner().couriers.challenge_key;
        if let Some(key) = known.get() {
            return Ok(key.clone());
        }
        let mut new = [0; 32];
        aws_lc_rs::rand::fill(&mut new).map_err(|_| Error::internal("the system gives no random octets"))?;
        let new = hexadecimal(&new);
        let write = self.inner().store.write(move |tx| {
            if let Some(there) = store::settings::find(tx, KEY)? {
                return Ok(there);
            }
            store::settings::put(tx, KEY, &new)?;
            Ok(new.clone())
        });
        let text = write.await?;
        let stored = octets(&text)
            .ok_or_else(|| Error::internal("the stored key of the challenges cannot be read"))?;
        Ok(known
            .get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, &stored))
            .clone())
    }
}

/// SHA-256 of some octets.
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets).as_ref());
    digest
}

/// When a challenge of ours ends, in seconds; nothing when it is not ours.
fn expiry_of(key: &hmac::Key, nonce: &str) -> Option<i64> {
    let mut octets = [0; END_LEN + RANDOM_LEN + TAG_LEN];
    let len = URL_SAFE_NO_PAD.decode_slice(nonce, &mut octets).ok()?;
    if len != octets.len() {
        return None;
    }
    let (challenge, tag) = octets.split_at(END_LEN + RANDOM_LEN);
    let made = hmac::sign(key, challenge);
    verify_slices_are_equal(made.as_ref().get(..TAG_LEN)?, tag).ok()?;
    let (end, _) = challenge.split_first_chunk::<END_LEN>()?;
    Some(i64::from_be_bytes(*end))
}

//! Client secrets: made here, shown once, and kept as a hash that is dear to guess (Argon2id, RFC 9106).

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::error::{Error, Result};

/// What the identifier of every secret begins with.
pub(crate) const PREFIX: &str = "cour_";
/// Characters after the prefix, and of the secret: each one of 62.
const ID_LEN: usize = 32;
const SECRET_LEN: usize = 64;
const SALT_LEN: usize = 16;
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// The hash of nothing that was ever given out: guessing at a courier that has no secret takes as long as at one that has.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$L4CFNd3tmjEX2mwSyVwLWOF4mcMvrfDdyIctYDzoGLs";

/// A new identifier.
pub(crate) fn new_client_id() -> Result<String> {
    Ok(format!("{PREFIX}{}", *letters(ID_LEN)?))
}

/// A new secret.
pub(crate) fn new_secret() -> Result<SecretString> {
    Ok(SecretString::from(letters(SECRET_LEN)?.to_string()))
}

impl Authority {
    /// The hash of a secret, as it is kept. It takes tens of milliseconds on purpose, on a thread of its own, and no more than
    /// one at a time for each core.
    pub(crate) async fn hash_secret(&self, secret: &SecretString) -> Result<String> {
        let secret = Zeroizing::new(secret.expose_secret().to_owned());
        self.apart(move || {
            let mut salt = [0; SALT_LEN];
            aws_lc_rs::rand::fill(&mut salt)
                .map_err(|_| Error::internal("the system gives no random octets"))?;
            let hash = Argon2::default().hash_password_with_salt(secret.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(Error::internal)
        })
        .await?
    }

    /// Whether a secret is that of the hash. Takes as long without one, and is wrong then.
    pub(crate) async fn is_secret(&self, secret: &str, hash: Option<String>) -> Result<bool> {
        let secret = Zeroizing::new(secret.to_owned());
        self.apart(move || {
            let against = hash.as_deref().unwrap_or(NOBODYS);
            let is_right = Argon2::default()
                .verify_password(secret.as_bytes(), against)
                .is_ok();
            is_right && hash.is_some()
        })
        .await
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _turn = self
            .inner()
            .couriers
            .hashing
            .acquire()
            .await
            .map_err(Error::internal)?;
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

/// Random letters and digits, each as likely as any other: octets beyond the last whole round of 62 are thrown away.
fn letters(len: usize) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(len));
    let mut octets = Zeroizing::new([0; 64]);
    while text.len() < len {
        aws_lc_rs::rand::fill(&mut *octets)
            .map_err(|_| Error::internal("the system gives no random octets"))?;
        let fit = octets.iter().filter(|octet| **octet < 248);
        let letters = fit.filter_map(|octet| LETTERS.get(usize::from(octet % 62)));
        let missing = len - text.len();
        text.extend(letters.take(missing).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn identifiers_and_secrets_are_long_and_different() {
        let id = new_client_id().unwrap();
        assert!(id.starts_with("cour_") && id.len() == 5 + 32);
        assert!(id.chars().skip(5).all(|c| c.is_ascii_alphanumeric()));
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_eq!(one.expose_secret().len(), 64);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }

    #[test]
    fn the_hash_of_nobody_is_one_that_can_be_computed() {
        let parsed = argon2::password_hash::phc::PasswordHash::new(NOBODYS).unwrap();
        assert_eq!(parsed.algorithm.as_str(), "argon2id");
        assert_eq!(parsed.params.get_decimal("m"), Some(19456));
        assert!(parsed.salt.is_some() && parsed.hash.is_some());
        assert!(Argon2::default().verify_password(b"", NOBODYS).is_err());
    }
}

//! Compact signatures, the claims in them and proofs of requests: whatever is read, nothing counts that no key signed.

#![no_main]

use jose::{Algorithm, Jws, VerifyKey, dpop};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(jws) = Jws::parse(text)
        && let Some(key) = &jws.header().jwk
        && let Ok(verify) = VerifyKey::from_jwk(key)
        && let Ok(verified) = verify.verify(&jws)
    {
        assert!(Algorithm::from_name(verified.header().alg.name()).is_some_and(|algorithm| algorithm.fits(key)));
    }
    let hash = dpop::access_token_hash("t");
    let expected = dpop::Expected {
        method: "GET",
        url: "https://ca.example/",
        access_token_hash: Some(&hash),
        now: 1_000_000,
        max_age: 60,
    };
    let _ = dpop::verify(text, &expected);
});

//! Keys, signatures, claims, envelopes and proofs against the examples of their standards, and against what attackers write.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::jwe::{self, KeyManagement, RecipientKey};
use jose::jwk::{Curve, KeySetFault, KeyUse};
use jose::{
    Algorithm, Claims, ClaimsFault, Header, Jwk, Jws, JwsFault, KeyFault, KeySet, SigningKey, VerifyKey,
    claims, dpop,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// RFC 7515 §A.3.
const A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const A3_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
/// RFC 8037 §A.4.
const ED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
const ED_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// RFC 7638 §3.1.
const RSA_KEY: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}"#;

fn jwk(text: &str) -> Jwk {
    Jwk::parse(text.as_bytes()).unwrap()
}

fn verifier(text: &str) -> VerifyKey {
    VerifyKey::from_jwk(&jwk(text)).unwrap()
}

/// A key of each kind.
fn keys() -> Vec<SigningKey> {
    let random = SystemRandom::new();
    let curves = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ];
    let mut all: Vec<Vec<u8>> = curves
        .iter()
        .map(|curve| {
            EcdsaKeyPair::generate_pkcs8(curve, &random)
                .unwrap()
                .as_ref()
                .to_vec()
        })
        .collect();
    all.push(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec());
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    all.push(der.as_ref().to_vec());
    all.iter()
        .map(|pkcs8| SigningKey::from_pkcs8_der(pkcs8).unwrap())
        .collect()
}

fn signed(key: &SigningKey, payload: &Value) -> String {
    let header = Header::new(key.algorithm());
    key.sign(&header, payload.to_string().as_bytes(), &SystemRandom::new())
        .unwrap()
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn the_examples_of_the_standards_verify() {
    let verified = verifier(A3_KEY).verify(&Jws::parse(A3).unwrap()).unwrap();
    let claims = Claims::from_verified(&verified).unwrap();
    assert_eq!(
        (claims.issuer(), claims.expires()),
        (Some("joe"), Some(1_300_819_380))
    );
    let verified = verifier(ED_KEY).verify(&Jws::parse(ED).unwrap()).unwrap();
    assert_eq!(verified.payload(), b"Example of Ed25519 signing");
    assert_eq!(
        jwk(RSA_KEY).thumbprint().to_string(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert_eq!(
        jwk(ED_KEY).thumbprint().to_string(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    // RFC 9449 §7.1.
    let hash = dpop::access_token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    assert_eq!(hash, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    for text in [A3_KEY, ED_KEY, RSA_KEY] {
        let key = jwk(text);
        assert_eq!(Jwk::from_spki_der(&key.to_spki_der()).unwrap(), key);
        assert_eq!(serde_json::from_str::<Jwk>(&key.to_json()).unwrap(), key);
    }
}

#[test]
fn every_kind_of_key_signs_by_its_algorithms_and_no_others() {
    let random = SystemRandom::new();
    for key in keys() {
        let verify = VerifyKey::from_jwk(key.jwk()).unwrap();
        let mut ways = 0;
        for algorithm in Algorithm::ALL {
            let outcome = key.sign(&Header::new(algorithm), b"words", &random);
            if !algorithm.fits(key.jwk()) {
                assert_eq!(outcome, Err(JwsFault::KeyMismatch));
                continue;
            }
            ways += 1;
            let text = outcome.unwrap();
            assert_eq!(
                verify.verify(&Jws::parse(&text).unwrap()).unwrap().payload(),
                b"words"
            );
            let (head, signature) = (text.split('.').next().unwrap(), text.rsplit('.').next().unwrap());
            let changed = format!("{head}.{}.{signature}", encoded("other words"));
            assert_eq!(
                verify.verify(&Jws::parse(&changed).unwrap()),
                Err(JwsFault::BadSignature)
            );
        }
        assert!(ways > 0);
        assert!(verify.verify(&Jws::parse(ED).unwrap()).is_err());
    }
}

#[test]
fn no_header_chooses_a_weaker_way() {
    let fault =
        |header: &str| Jws::parse(&format!("{}.{}.AAAA", encoded(header), encoded("{}"))).unwrap_err();
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"es256"}"#] {
        assert_eq!(fault(header), JwsFault::Algorithm, "{header}");
    }
    for header in [
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"ES256","b64":false}"#,
    ] {
        assert_eq!(fault(header), JwsFault::Critical, "{header}");
    }
    for header in [
        "{}",
        r#"{"alg":7}"#,
        r#"{"alg":"ES256","alg":"none"}"#,
        r#"{"alg":"ES256"} {}"#,
        r#"["ES256"]"#,
        r#"{"alg":"ES256","x5c":"AAAA"}"#,
        r#"{"alg":"ES256","jwk":7}"#,
    ] {
        assert!(matches!(fault(header), JwsFault::Malformed(_)), "{header}");
    }
    // The public key of an issuer is no shared secret, and one for RSA is none for curves.
    assert_eq!(
        verifier(RSA_KEY).verify(&Jws::parse(A3).unwrap()),
        Err(JwsFault::KeyMismatch)
    );
    let only = A3_KEY.replace("{\"kty\"", "{\"alg\":\"ES384\",\"kty\"");
    assert!(
        VerifyKey::from_jwk(&jwk(&only)).is_err(),
        "a key for another algorithm"
    );
    let encrypts = A3_KEY.replace("{\"kty\"", "{\"use\":\"enc\",\"kty\"");
    assert!(
        VerifyKey::from_jwk(&jwk(&encrypts)).is_err(),
        "a key for encryption"
    );
}

#[test]
fn the_compact_form_is_read_strictly() {
    let parts: Vec<&str> = A3.split('.').collect();
    for wrong in [
        String::new(),
        parts[..2].join("."),
        format!("{A3}.{}", parts[2]),
        format!("{A3}="),
        format!("{A3} "),
        A3.replace('.', ". "),
        format!("{}.{}.{}+", parts[0], parts[1], parts[2]),
        format!("{}.{}.AB", parts[0], parts[1]),
        "a".repeat(64 * 1024 + 1),
    ] {
        assert!(Jws::parse(&wrong).is_err(), "{wrong:.40}");
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let fault = |key: &Value| Jwk::parse(key.to_string().as_bytes()).unwrap_err();
    for key in [
        json!({ "kty": "EC", "crv": "secp256k1", "x": x, "y": x }),
        json!({ "kty": "OKP", "crv": "Ed448", "x": x }),
        json!({ "kty": "oct", "x": x }),
    ] {
        assert_eq!(fault(&key), KeyFault::Unsupported, "{key}");
    }
    let mut private: Value = serde_json::from_str(A3_KEY).unwrap();
    private["d"] = x.into();
    assert!(
        Jwk::parse(private.to_string().as_bytes()).is_err(),
        "it tells its private half"
    );
    for key in [
        json!({ "kty": "EC", "crv": "P-256", "x": x }),
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": "AAAA" }),
        // Not a point of the curve.
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": x }),
        json!({ "kty": "RSA", "n": "AAECAw", "e": "AQAB" }),
        // Too short.
        json!({ "kty": "RSA", "n": encoded(&"\u{7f}".repeat(128)), "e": "AQAB" }),
        json!({ "kty": 1 }),
        json!([]),
    ] {
        let _ = fault(&key);
    }
}

#[test]
fn of_a_set_those_keys_count_that_may_have_signed() {
    let named = |text: &str, more: &str| text.replacen('{', &format!("{{{more},"), 1);
    let ec = named(A3_KEY, r#""kid":"a""#);
    let svid = named(ED_KEY, r#""use":"x509-svid""#);
    let set = format!(r#"{{"keys":[{ec},{RSA_KEY},{svid},{{"kty":"secret"}},7]}}"#);
    let set = KeySet::parse(set.as_bytes()).unwrap();
    assert_eq!(set.keys().len(), 3);
    assert_eq!(set.keys()[2].key_use, Some(KeyUse::X509Svid));
    let count = |kid, algorithm| set.find(kid, algorithm).count();
    assert_eq!(
        (count(None, Algorithm::Es256), count(Some("a"), Algorithm::Es256)),
        (1, 1)
    );
    assert_eq!(count(Some("b"), Algorithm::Es256), 0);
    assert_eq!(
        count(None, Algorithm::EdDsa),
        0,
        "an authority for certificates signs no tokens"
    );
    assert_eq!(count(None, Algorithm::Rs512), 1);
    let fault = |text: &str| KeySet::parse(text.as_bytes()).unwrap_err();
    assert_eq!(fault("[]"), KeySetFault::Malformed);
    assert_eq!(fault(r#"{"keys":{}}"#), KeySetFault::Malformed);
    assert_eq!(
        fault(&format!("{{\"keys\":[{}]}}", vec!["{}"; 101].join(","))),
        KeySetFault::TooLarge
    );
    assert_eq!(fault(&" ".repeat(256 * 1024 + 1)), KeySetFault::TooLarge);
}

/// The claims of a token with this payload.
fn claims_of(payload: &Value) -> Result<Claims, ClaimsFault> {
    let key = &keys()[0];
    let text = signed(key, payload);
    let verified = VerifyKey::from_jwk(key.jwk())
        .unwrap()
        .verify(&Jws::parse(&text).unwrap())
        .unwrap();
    Claims::from_verified(&verified)
}

#[test]
fn claims_say_who_for_whom_and_for_how_long() {
    let expected = claims::Expected {
        issuer: Some("https://idp.example"),
        audiences: &["https://ca.example"],
        now: 1_000_000,
        skew: 600,
        max_lifetime: 86_400,
    };
    let good = json!({ "iss": "https://idp.example", "aud": ["x", "https://ca.example"], "exp": 1_003_600, "iat": 1_000_000 });
    let check = |name: &str, value: Value| {
        let mut payload = good.clone();
        payload[name] = value;
        claims_of(&payload).and_then(|claims| claims.check(&expected))
    };
    assert_eq!(check("sub", json!("a")), Ok(()));
    assert_eq!(check("aud", json!("https://ca.example")), Ok(()));
    assert_eq!(
        check("exp", json!(999_941)),
        Ok(()),
        "clocks may be a minute apart, and no more"
    );
    for (name, value, fault) in [
        ("iss", json!("https://idp.example/"), ClaimsFault::Issuer),
        ("aud", json!([]), ClaimsFault::Missing("aud")),
        ("aud", json!("https://ca.example.evil"), ClaimsFault::Audience),
        ("exp", json!(999_940), ClaimsFault::Expired),
        ("nbf", json!(1_000_061), ClaimsFault::NotYet),
        ("iat", json!(1_000_061), ClaimsFault::NotYet),
        ("exp", json!(1_086_401), ClaimsFault::Lifetime),
    ] {
        assert_eq!(check(name, value.clone()), Err(fault), "{name} {value}");
    }
    for (name, value) in [
        ("iss", json!(7)),
        ("exp", json!("1003600")),
        ("aud", json!([7])),
        ("exp", json!(null)),
    ] {
        assert!(check(name, value.clone()).is_err(), "{name} {value}");
    }
    let claims = claims_of(&json!({ "a/b": { "c": [1, 2] }, "d": 1 })).unwrap();
    assert_eq!(claims.claim("/a~1b/c/1"), Some(&json!(2)));
    assert_eq!(
        (claims.claim("d"), claims.claim("/d"), claims.claim("e")),
        (Some(&json!(1)), Some(&json!(1)), None)
    );
}

#[test]
fn an_envelope_opens_for_its_recipient_its_order_and_its_key_alone() {
    let random = SystemRandom::new();
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::X25519] {
        for way in [KeyManagement::EcdhEs, KeyManagement::EcdhEsA256Kw] {
            let (recipient, other) = (
                RecipientKey::generate(curve, &random).unwrap(),
                RecipientKey::generate(curve, &random).unwrap(),
            );
            let envelope = jwe::Envelope {
                apu: b"appliance",
                apv: b"courier",
                order: "o1",
                spki: &[7; 32],
            };
            let text = jwe::encrypt(recipient.jwk(), way, &envelope, b"secret", &random).unwrap();
            let expected = jwe::Expected {
                order: "o1",
                spki: &[7; 32],
            };
            assert_eq!(recipient.decrypt(&text, &expected).unwrap().as_slice(), b"secret");
            assert!(other.decrypt(&text, &expected).is_err());
            assert!(
                recipient
                    .decrypt(
                        &text,
                        &jwe::Expected {
                            order: "o2",
                            ..expected
                        }
                    )
                    .is_err()
            );
            assert!(
                recipient
                    .decrypt(
                        &text,
                        &jwe::Expected {
                            spki: &[8; 32],
                            ..expected
                        }
                    )
                    .is_err()
            );
            let again = RecipientKey::from_octets(curve, recipient.to_octets()).unwrap();
            assert!(again.decrypt(&text, &expected).is_ok());
            for position in 0..text.len() {
                let mut octets = text.clone().into_bytes();
                octets[position] = if octets[position] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(octets).unwrap();
                assert!(recipient.decrypt(&changed, &expected).is_err(), "{position}");
            }
        }
    }
}

#[test]
fn a_proof_is_about_one_request() {
    let random = SystemRandom::new();
    let hash = dpop::access_token_hash("token");
    for key in keys() {
        let request = dpop::Request {
            method: "POST",
            url: "https://A.b/c?d",
            access_token_hash: Some(&hash),
            now: 100,
            id: "j",
            body: None,
        };
        let proof = dpop::build(&key, &request, &random).unwrap();
        let expected = dpop::Expected {
            method: "POST",
            url: "https://a.b:443/c",
            access_token_hash: Some(&hash),
            now: 110,
            max_age: 10,
        };
        let held = dpop::verify(&proof, &expected).unwrap();
        assert_eq!((held.thumbprint, held.id.as_str()), (key.jwk().thumbprint(), "j"));
        let fault = |expected| dpop::verify(&proof, &expected).unwrap_err();
        assert_eq!(
            fault(dpop::Expected { now: 111, ..expected }),
            dpop::DpopFault::Time
        );
        assert_eq!(
            fault(dpop::Expected { now: 39, ..expected }),
            dpop::DpopFault::Time
        );
        assert_eq!(
            fault(dpop::Expected {
                method: "GET",
                ..expected
            }),
            dpop::DpopFault::Request
        );
        assert_eq!(
            fault(dpop::Expected {
                url: "https://a.b/d",
                ..expected
            }),
            dpop::DpopFault::Request
        );
        let other = dpop::Expected {
            access_token_hash: Some("x"),
            ..expected
        };
        assert_eq!(fault(other), dpop::DpopFault::Token);
    }
    let expected = dpop::Expected {
        method: "GET",
        url: "https://a.b/",
        access_token_hash: None,
        now: 0,
        max_age: 10,
    };
    for text in [A3, ED, "", "a.b.c"] {
        assert!(dpop::verify(text, &expected).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_read_panics(text in ".{0,300}", octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Jws::parse(&text);
        let _ = Jws::parse(&format!("{}.{}.{}", encoded(&text), encoded(&text), encoded(&text)));
        let _ = KeySet::parse(&octets);
        let _ = Jwk::parse(text.as_bytes());
        let recipient = RecipientKey::generate(Curve::X25519, &SystemRandom::new()).unwrap();
        let expected = jwe::Expected { order: "o", spki: &[0; 32] };
        prop_assert!(recipient.decrypt(&text, &expected).is_err());
        let parts = format!("{0}.{0}.{0}.{0}.{0}", encoded(&text));
        prop_assert!(recipient.decrypt(&parts, &expected).is_err());
    }
}

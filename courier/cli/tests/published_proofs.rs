//! The vectors that `docs/courier/byoc.md` publishes are taken as the appliance takes them, and nothing else is; `testdata/proofs/README.md`
//! says how they were made.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::dpop::{self, DpopFault, Expected};
use jose::{Jws, VerifyKey};
use pki::Certificate;
use serde_json::Value;

fn vector() -> Value {
    serde_json::from_str(include_str!("../testdata/proofs/vector.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// What a proof is held against by its own claims.
fn expected<'a>(vector: &'a Value, claims: &'a Value) -> Expected<'a> {
    Expected {
        method: text(claims, "htm"),
        url: text(claims, "htu"),
        access_token_hash: Some(text(vector, "ath")),
        now: vector["now"].as_i64().unwrap(),
        max_age: 60,
    }
}

#[test]
fn the_proofs_are_taken_for_their_request_alone() {
    let vector = vector();
    assert_eq!(
        dpop::access_token_hash(text(&vector, "session_token")),
        vector["ath"]
    );
    let rows = [
        (&vector["get"], "dpop", &vector["session_key"]),
        (&vector["post"], "dpop", &vector["session_key"]),
        (&vector["ed25519"], "dpop", &vector["ed25519"]["key"]),
        (&vector["recipient"], "proof", &vector["recipient"]["key"]),
    ];
    for (row, member, key) in rows {
        let (claims, compact) = (&row["claims"], text(row, member));
        let right = expected(&vector, claims);
        let proof = dpop::verify(compact, &right).unwrap();
        assert_eq!(proof.thumbprint.to_string(), key["thumbprint"]);
        assert_eq!(
            (proof.id.as_str(), proof.issued),
            (text(claims, "jti"), right.now)
        );
        assert_eq!(proof.body_hash.as_deref(), claims["body_sha256"].as_str());

        let method = dpop::verify(
            compact,
            &Expected {
                method: "PUT",
                ..right
            },
        );
        assert_eq!(method, Err(DpopFault::Request));
        let url = "https://ca.example.com/api/v1/courier/other";
        assert_eq!(
            dpop::verify(compact, &Expected { url, ..right }),
            Err(DpopFault::Request)
        );
        let now = right.now + 61;
        assert_eq!(
            dpop::verify(compact, &Expected { now, ..right }),
            Err(DpopFault::Time)
        );
        let other = dpop::access_token_hash("another");
        let access_token_hash = Some(other.as_str());
        let token = dpop::verify(
            compact,
            &Expected {
                access_token_hash,
                ..right
            },
        );
        assert_eq!(token, Err(DpopFault::Token));
    }
}

#[test]
fn a_body_and_a_recipient_are_named_by_their_hashes() {
    let vector = vector();
    let post = &vector["post"];
    let hash = dpop::body_hash(text(post, "body").as_bytes());
    assert_eq!(hash, post["claims"]["body_sha256"]);
    let recipient = &vector["recipient"];
    let uri = format!(
        "urn:ietf:params:oauth:jwk-thumbprint:sha-256:{}",
        text(&recipient["key"], "thumbprint")
    );
    assert_eq!(uri, recipient["claims"]["htu"]);
}

#[test]
fn the_challenge_is_signed_by_its_certificate_and_names_the_session() {
    let vector = vector();
    let challenge = &vector["challenge"];
    let pem = text(challenge, "certificate_pem");
    let leaf = Certificate::parse_all(pem.as_bytes()).unwrap().remove(0);
    let jws = Jws::parse(text(challenge, "challenge_jws")).unwrap();
    assert_eq!(jws.header().x5c, [leaf.der().to_vec()]);
    let key = VerifyKey::from_spki_der(leaf.public_key().spki_der()).unwrap();
    let signed: Value = serde_json::from_slice(key.verify(&jws).unwrap().payload()).unwrap();
    assert_eq!(signed, challenge["claims"]);
    assert_eq!(signed["cnf"]["jkt"], vector["session_key"]["thumbprint"]);
    assert_eq!(signed["uuid"], vector["courier"]);
    assert_eq!(signed["aud"], vector["appliance"]);

    let (rest, signature) = text(challenge, "challenge_jws").rsplit_once('.').unwrap();
    let mut octets = URL_SAFE_NO_PAD.decode(signature).unwrap();
    octets[0] ^= 1;
    let forged = format!("{rest}.{}", URL_SAFE_NO_PAD.encode(octets));
    assert!(key.verify(&Jws::parse(&forged).unwrap()).is_err());
}

#[test]
fn the_guide_shows_the_vector() {
    let vector = vector();
    let guide = include_str!("../../../docs/courier/byoc.md").replace('\n', "");
    assert!(guide.contains(text(&vector["ed25519"], "dpop")));
}

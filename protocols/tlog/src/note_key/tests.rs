use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use proptest::prelude::*;

use super::*;
use crate::note::Note;

const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn ed25519() -> (Ed25519KeyPair, PublicKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let spki = [&ED25519_SPKI, pair.public_key().as_ref()].concat();
    (pair, PublicKey::from_spki_der(&spki).unwrap())
}

fn p256() -> (EcdsaKeyPair, PublicKey) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki = [&P256_SPKI, pair.public_key().as_ref()].concat();
    (pair, PublicKey::from_spki_der(&spki).unwrap())
}

fn name() -> KeyName {
    KeyName::new("audit.example.com/log").unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn verifier_keys_come_back() {
    let texts = [
        include_str!("../../testdata/note/ed25519.vkey"),
        include_str!("../../testdata/note/p256.vkey"),
        include_str!("../../testdata/note/p384.vkey"),
        include_str!("../../testdata/note/p521.vkey"),
        include_str!("../../testdata/note/cosignature.vkey"),
        include_str!("../../testdata/note/cosignature-p256.vkey"),
        include_str!("../../testdata/note/c2sp-example.vkey"),
        include_str!("../../testdata/note/go-sumdb.vkey"),
        include_str!("../../testdata/note/rekor.vkey"),
        include_str!("../../testdata/note/pixel.vkey"),
    ];
    for text in texts.map(str::trim_end) {
        let key: NoteKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
        let again = NoteKey::new(key.name().clone(), key.kind(), key.public_key().clone());
        assert_eq!(again, Ok(key));
    }
}

#[test]
fn other_verifier_keys_are_refused() {
    let good = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert!(good.parse::<NoteKey>().is_ok());
    let cases = [
        (String::new(), "no plus"),
        ("example.com/foo".to_owned(), "no plus"),
        ("example.com/foo+530d903a".to_owned(), "no second plus"),
        (good.replace("530d903a", "530D903A"), "key ID"),
        (good.replace("530d903a", "530d903b"), "key ID"),
        (good.replace("530d903a", "0530d903a"), "key ID"),
        (good.replace("example.com/foo", "example.com/fop"), "key ID"),
        (good.replace("example.com/foo", ""), "name"),
        (good.replace("example.com/foo", "a b"), "name"),
        (format!("{good}\n"), "base64"),
        (format!("{good}="), "base64"),
        (good.replace("+Aeky", "+Beky"), "kind"),
        ("a+530d903a+".to_owned(), "kind"),
        (format!("{good}{}", "A".repeat(MAX_VERIFIER_KEY_LEN)), "too long"),
    ];
    for (text, why) in cases {
        assert_eq!(
            text.parse::<NoteKey>(),
            Err(NoteKeyFault::Malformed(why)),
            "{text}"
        );
    }
    let short = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=";
    assert!(matches!(short.parse::<NoteKey>(), Err(NoteKeyFault::Key(_))));
    // The same key as a witness's has another ID.
    let other_kind = good.replace("+Aeky", "+BOky");
    assert_eq!(
        other_kind.parse::<NoteKey>(),
        Err(NoteKeyFault::Malformed("key ID"))
    );
}

#[test]
fn a_kind_goes_with_its_keys() {
    let keys = [ed25519().1, p256().1];
    for kind in SignatureKind::ALL {
        let fits = keys
            .clone()
            .map(|key| NoteKey::new(name(), kind, key).map(|key| key.algorithm()));
        let (ed25519, p256) = (SignatureAlgorithm::Ed25519, SignatureAlgorithm::EcdsaSha256);
        let expected = match kind {
            SignatureKind::Ed25519 | SignatureKind::Cosignature => {
                [Ok(ed25519), Err(NoteKeyFault::Algorithm(KeyAlgorithm::P256))]
            }
            SignatureKind::Ecdsa | SignatureKind::EcdsaCosignature => {
                [Err(NoteKeyFault::Algorithm(KeyAlgorithm::Ed25519)), Ok(p256)]
            }
        };
        assert_eq!(fits, expected, "{kind:?}");
    }
    let p384: NoteKey = include_str!("../../testdata/note/p384.vkey")
        .trim_end()
        .parse()
        .unwrap();
    assert_eq!(
        NoteKey::new(name(), SignatureKind::EcdsaCosignature, p384.public_key().clone()),
        Err(NoteKeyFault::Algorithm(KeyAlgorithm::P384))
    );
}

#[test]
fn the_same_key_has_an_id_for_each_kind_and_name() {
    let key = p256().1;
    let id = |name: &str, kind| {
        NoteKey::new(KeyName::new(name).unwrap(), kind, key.clone())
            .unwrap()
            .id()
    };
    let (log, witness) = (SignatureKind::Ecdsa, SignatureKind::EcdsaCosignature);
    assert_ne!(id("a", log), id("a", witness));
    assert_ne!(id("a", witness), id("b", witness));
    assert_eq!(id("a", log), id("b", log));
    assert_eq!(id("a", log).0, key.fingerprint().0[..4]);
}

#[test]
fn what_is_signed_is_what_the_specification_says() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let (ed25519, p256) = (ed25519().1, p256().1);
    let key = |kind, key: &PublicKey| NoteKey::new(name(), kind, key.clone()).unwrap();
    let half_past = Timestamp::new(1_679_315_147, 999_999_999).unwrap();
    for log in [
        key(SignatureKind::Ed25519, &ed25519),
        key(SignatureKind::Ecdsa, &p256),
    ] {
        assert_eq!(log.message(text, half_past).unwrap(), text.as_bytes());
    }
    for witness in [
        key(SignatureKind::Cosignature, &ed25519),
        key(SignatureKind::EcdsaCosignature, &p256),
    ] {
        assert_eq!(
            witness.message(text, half_past).unwrap(),
            format!("cosignature/v1\ntime 1679315147\n{text}").as_bytes()
        );
        assert_eq!(witness.message(text, at(-1)), Err(SignatureFault::Time));
    }
}

#[test]
fn takes_back_only_what_verifies() {
    let (pair, public) = p256();
    let random = SystemRandom::new();
    for kind in [SignatureKind::Ecdsa, SignatureKind::EcdsaCosignature] {
        let key = NoteKey::new(name(), kind, public.clone()).unwrap();
        let message = key.message("a\n", at(5)).unwrap();
        let signature = pair.sign(&random, &message).unwrap();
        let line = key.signature("a\n", at(5), signature.as_ref()).unwrap();
        let note = Note::new("a\n", line).unwrap();
        let keys = [key.clone()];
        let time = (kind == SignatureKind::EcdsaCosignature).then(|| at(5));
        assert_eq!(note.verify(&keys).unwrap().signers()[0].at, time);
        let bad = Err(SignatureFault::Bad(BadSignature));
        assert_eq!(key.signature("b\n", at(5), signature.as_ref()), bad);
        assert_eq!(key.signature("a\n", at(5), &signature.as_ref()[1..]), bad);
        assert_eq!(key.signature("a\n", at(5), b""), bad);
        if time.is_some() {
            assert_eq!(key.signature("a\n", at(6), signature.as_ref()), bad);
        }
    }
}

/// A time beyond what a calendar has is refused, not read as another.
#[test]
fn a_time_that_is_none_is_refused() {
    let (pair, public) = ed25519();
    let key = NoteKey::new(name(), SignatureKind::Cosignature, public).unwrap();
    for seconds in [u64::MAX, 1 << 63, (1 << 63) - 1, 253_402_300_800] {
        let signature = pair.sign(format!("cosignature/v1\ntime {seconds}\na\n").as_bytes());
        let octets = [seconds.to_be_bytes().as_slice(), signature.as_ref()].concat();
        assert_eq!(key.verify("a\n", &octets), Err(BadSignature), "{seconds}");
    }
    let signature = pair.sign(b"cosignature/v1\ntime 0\na\n");
    let octets = [&[0; 8], signature.as_ref()].concat();
    assert_eq!(key.verify("a\n", &octets), Ok(Some(Timestamp::UNIX_EPOCH)));
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(text in "[a-z]{1,4}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44}") {
        if let Ok(key) = text.parse::<NoteKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn never_panics(text in "\\PC{0,80}") {
        let _ = text.parse::<NoteKey>();
    }

    #[test]
    fn a_log_key_signs_any_text(text in "([^\\p{Cc}]|\n){0,100}\n", seconds in 0_i64..253_402_207_200) {
        let (pair, public) = ed25519();
        for kind in [SignatureKind::Ed25519, SignatureKind::Cosignature] {
            let key = NoteKey::new(name(), kind, public.clone()).unwrap();
            let signature = pair.sign(&key.message(&text, at(seconds)).unwrap());
            let line = key.signature(&text, at(seconds), signature.as_ref()).unwrap();
            let note = Note::new(&text, line).unwrap();
            let keys = [key];
            prop_assert_eq!(note.verify(&keys).unwrap().text(), text.as_str());
        }
    }
}

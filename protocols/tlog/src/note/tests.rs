use proptest::prelude::*;

use super::*;
use crate::signature_kind::{KeyId, SignatureKind};

macro_rules! vector {
    ($name:literal) => {
        (
            include_bytes!(concat!("../../testdata/note/", $name, ".note")).as_slice(),
            include_str!(concat!("../../testdata/note/", $name, ".vkey"))
                .trim_end()
                .parse::<NoteKey>()
                .unwrap(),
        )
    };
}

fn vectors() -> Vec<(&'static [u8], NoteKey)> {
    vec![
        vector!("ed25519"),
        vector!("p256"),
        vector!("p384"),
        vector!("p521"),
        vector!("cosignature"),
        vector!("cosignature-p256"),
        vector!("c2sp-example"),
        vector!("go-sumdb"),
        vector!("rekor"),
        vector!("pixel"),
    ]
}

#[test]
fn foreign_notes_verify_and_are_written_as_they_were() {
    for (octets, key) in vectors() {
        let note = Note::parse(octets).unwrap();
        assert_eq!(note.to_string().as_bytes(), octets);
        let keys = [key.clone()];
        let verified = note.verify(&keys).unwrap();
        assert_eq!(verified.text(), note.unverified_text());
        assert!(verified.is_signed_by(&key));
        let is_witness = key.name().as_str().starts_with("witness.");
        let at = is_witness.then(|| Timestamp::from_second(1_790_000_000).unwrap());
        let signers: Vec<_> = verified.signers().iter().map(|signer| signer.at).collect();
        assert_eq!(signers, [at], "{key}");
    }
}

#[test]
fn one_note_has_the_signatures_of_many() {
    let keys: Vec<_> = vectors().into_iter().map(|(_, key)| key).collect();
    let octets = include_bytes!("../../testdata/note/all.note");
    let note = Note::parse(octets).unwrap();
    let verified = note.verify(&keys).unwrap();
    let signers: Vec<_> = verified.signers().iter().map(|signer| signer.key).collect();
    assert_eq!(signers, keys[..6].iter().collect::<Vec<_>>());
    assert!(!verified.is_signed_by(&keys[6]));
    // Every key alone, too: the others are then unknown.
    for key in &keys[..6] {
        assert!(note.verify(std::slice::from_ref(key)).unwrap().is_signed_by(key));
    }
    assert_eq!(note.verify(&keys[6..]).unwrap_err(), VerifyFault::Unsigned);
    assert_eq!(note.verify(&[]).unwrap_err(), VerifyFault::Unsigned);
}

/// A signature that names a known key and is not its own spoils the note, whoever else signed.
#[test]
fn a_bad_signature_of_a_known_key_refuses_the_note() {
    let keys: Vec<_> = vectors().into_iter().map(|(_, key)| key).take(6).collect();
    let good = Note::parse(include_bytes!("../../testdata/note/all.note")).unwrap();
    for place in 0..good.signatures.len() {
        let mut note = good.clone();
        *note.signatures[place].signature.last_mut().unwrap() ^= 1;
        let name = note.signatures[place].name.clone();
        assert_eq!(
            note.verify(&keys).unwrap_err(),
            VerifyFault::BadSignature(name.clone())
        );
        // Under another name or key ID it is somebody else's, and ignored.
        note.signatures[place].key_id.0[0] ^= 1;
        assert_eq!(note.verify(&keys).unwrap().signers().len(), keys.len() - 1);
        note.signatures[place].key_id.0[0] ^= 1;
        note.signatures[place].name = KeyName::new("other").unwrap();
        assert_eq!(note.verify(&keys).unwrap().signers().len(), keys.len() - 1);
    }
    let mut note = good.clone();
    note.text = note.text.replace("1000", "1001");
    assert!(matches!(note.verify(&keys), Err(VerifyFault::BadSignature(_))));
}

#[test]
fn who_signs_twice_counts_once() {
    let (octets, key) = vector!("cosignature");
    let mut note = Note::parse(octets).unwrap();
    note.push(note.signatures()[0].clone()).unwrap();
    let keys = [key];
    assert_eq!(note.verify(&keys).unwrap().signers().len(), 1);
    *note.signatures[1].signature.last_mut().unwrap() ^= 1;
    assert!(note.verify(&keys).is_err());
}

/// The time stands before the signature and is signed with it.
#[test]
fn a_cosignature_is_of_one_time() {
    for (octets, key) in [vector!("cosignature"), vector!("cosignature-p256")] {
        let good = Note::parse(octets).unwrap();
        let keys = [key];
        for place in 0..8 {
            let mut note = good.clone();
            note.signatures[0].signature[place] ^= 1;
            assert!(note.verify(&keys).is_err(), "{place}");
        }
        for length in 0..8 {
            let mut note = good.clone();
            note.signatures[0].signature.truncate(length);
            assert!(note.verify(&keys).is_err(), "{length}");
        }
    }
}

fn signature() -> NoteSignature {
    NoteSignature {
        name: KeyName::new("n").unwrap(),
        key_id: KeyId([1, 2, 3, 4]),
        signature: vec![5],
    }
}

#[test]
fn the_last_empty_line_ends_the_text() {
    for text in [
        "\n",
        "\n\n",
        "a\n",
        "a\n\nb\n",
        "a\n\n",
        "\u{2014} n AQIDBAU=\n",
        "\u{7f}\n",
    ] {
        let note = Note::new(text, signature()).unwrap();
        assert_eq!(note.to_string(), format!("{text}\n\u{2014} n AQIDBAU=\n"));
        assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note));
    }
    for text in ["", "a", "a\n\tb\n", "a\r\n", "\0\n"] {
        assert_eq!(Note::new(text, signature()), Err(NoteFault::Malformed("text")));
    }
}

#[test]
fn other_notes_are_refused() {
    let cases: [(&[u8], &str); 22] = [
        (b"", "no empty line"),
        (b"a\n", "no empty line"),
        (b"\n\xe2\x80\x94 n AQIDBAU=\n", "no empty line"),
        (b"a\n\n", "signatures"),
        (b"a\n\n\xe2\x80\x94 n AQIDBAU=", "signatures"),
        (b"a\n\n\n", "signatures"),
        (b"a\n\nb\n", "signature line"),
        (b"a\n\n- n AQIDBAU=\n", "signature line"),
        (b"a\n\n\xe2\x80\x94n AQIDBAU=\n", "signature line"),
        (b"a\n\n\xe2\x80\x94  AQIDBAU=\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n \n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n AQIDBAU= \n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n  AQIDBAU=\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n AQIDBA==\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n AQIDBAU\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n AQIDBAV=\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n+m AQIDBAU=\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n\xc2\xa0m AQIDBAU=\n", "signature line"),
        (b"a\n\n\xe2\x80\x94 n AQIDBAU=\nb\n", "signature line"),
        (b"a\r\n\n\xe2\x80\x94 n AQIDBAU=\n", "control character"),
        (b"\xff\n\n\xe2\x80\x94 n AQIDBAU=\n", "not UTF-8"),
    ];
    for (octets, why) in cases {
        assert_eq!(
            Note::parse(octets),
            Err(NoteFault::Malformed(why)),
            "{}",
            octets.escape_ascii()
        );
    }
}

#[test]
fn length_and_signatures_are_bounded() {
    let mut note = Note::new("a\n", signature()).unwrap();
    for _ in 1..MAX_SIGNATURES {
        note.push(signature()).unwrap();
    }
    let full = note.to_string();
    assert_eq!(Note::parse(full.as_bytes()).as_ref(), Ok(&note));
    assert_eq!(note.push(signature()), Err(NoteFault::TooLong));
    assert_eq!(note.to_string(), full);
    let more = format!("{full}{}", signature());
    assert_eq!(Note::parse(more.as_bytes()), Err(NoteFault::TooLong));
    let long = "x".repeat(MAX_NOTE_LEN) + "\n";
    assert_eq!(Note::new(&long, signature()), Err(NoteFault::TooLong));
    assert_eq!(Note::parse(long.as_bytes()), Err(NoteFault::TooLong));
}

#[test]
fn signature_lines_tell_whose_they_are() {
    let (octets, key) = vector!("pixel");
    let note = Note::parse(octets).unwrap();
    let first = &note.signatures()[0];
    assert_eq!((first.name(), first.key_id()), (key.name(), key.id()));
    assert_eq!(key.kind(), SignatureKind::Ecdsa);
    let ids: Vec<_> = note
        .signatures()
        .iter()
        .map(|line| line.key_id().to_string())
        .collect();
    assert_eq!(ids, ["72c878db", "9d1ab951", "a996f95d"]);
}

fn any_signature() -> impl Strategy<Value = NoteSignature> {
    let signature = prop::collection::vec(any::<u8>(), 1..100);
    ("[^\\s+\\p{Cc}]{1,20}", any::<[u8; 4]>(), signature).prop_map(|(name, id, signature)| NoteSignature {
        name: KeyName::new(&name).unwrap(),
        key_id: KeyId(id),
        signature,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(text in "([^\\p{Cc}]|\n){0,100}\n", lines in prop::collection::vec(any_signature(), 1..=32)) {
        let mut note = Note::new(&text, lines[0].clone()).unwrap();
        for line in &lines[1..] {
            note.push(line.clone()).unwrap();
        }
        prop_assert_eq!(Note::parse(note.to_string().as_bytes()), Ok(note));
    }

    #[test]
    fn what_is_read_is_written_the_same(text in "(\\PC{0,5}\n{1,2}){0,3}\n(\u{2014} [a-z]{1,3} [A-Za-z0-9+/]{8}(AA==|AAA=|AAAA)\n){0,3}") {
        if let Ok(note) = Note::parse(text.as_bytes()) {
            prop_assert_eq!(note.to_string(), text);
        }
    }

    #[test]
    fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Note::parse(&octets);
    }

    #[test]
    fn a_changed_octet_is_never_believed(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (octets, key) = vector!("ed25519");
        let mut octets = octets.to_vec();
        let place = place.index(octets.len());
        octets[place] ^= 1 << bit;
        let keys = [key];
        if let Ok(note) = Note::parse(&octets) {
            prop_assert!(note.verify(&keys).is_err());
        }
    }
}

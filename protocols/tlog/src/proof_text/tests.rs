use proptest::prelude::*;

use super::*;

const NOTE: &str = include_str!("../../testdata/note/p256.note");

fn note() -> Note {
    Note::parse(NOTE.as_bytes()).unwrap()
}

/// The example of c2sp.org/tlog-proof, with a note that is whole.
#[test]
fn a_proof_of_inclusion_is_read_and_written_the_same() {
    let text = format!(
        "c2sp.org/tlog-proof@v1\nextra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6\nindex 73894\n\
         gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\nB95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\n{NOTE}"
    );
    let proof = InclusionText::parse(text.as_bytes()).unwrap();
    assert_eq!(
        proof.extra.as_deref(),
        Some(&b"age-v1.2.1-darwin-arm64.tar.gz"[..])
    );
    assert_eq!((proof.index, proof.proof.len()), (73894, 2));
    assert_eq!(proof.checkpoint, note());
    assert_eq!(proof.to_string(), text);
}

#[test]
fn what_is_no_proof_is_refused() {
    let refused = [
        "c2sp.org/tlog-proof@v1\nindex 01\n\n",
        "c2sp.org/tlog-proof@v1\nindex \n\n",
        "c2sp.org/tlog-proof@v1\nindex +1\n\n",
        "c2sp.org/tlog-proof@v1\nindex 99999999999999999999\n\n",
        "c2sp.org/tlog-proof@v1\nindex 1\nshort\n\n",
        "c2sp.org/tlog-proof@v1\nextra *\nindex 1\n\n",
        "c2sp.org/tlog-proof@v1\n\n",
        "c2sp.org/tlog-proof@v2\nindex 1\n\n",
        "index 1\n\n",
        "old 1\n\n",
    ];
    for head in refused {
        let text = format!("{head}{NOTE}");
        assert!(InclusionText::parse(text.as_bytes()).is_err(), "{head:?}");
    }
    assert!(InclusionText::parse(b"c2sp.org/tlog-proof@v1\nindex 1\n\nno note").is_err());
    assert!(InclusionText::parse(b"\xff\n\n").is_err());
    for head in ["old\n\n", "old -1\n\n", "new 1\n\n", "old 1\n=\n\n"] {
        assert!(
            ConsistencyText::parse(format!("{head}{NOTE}").as_bytes()).is_err(),
            "{head:?}"
        );
    }
    let many = format!(
        "old 1\n{}\n{NOTE}",
        format!("{}\n", Hash::of_nothing().to_base64()).repeat(64)
    );
    assert_eq!(
        ConsistencyText::parse(many.as_bytes()),
        Err(Malformed("too many hashes"))
    );
}

proptest! {
    #[test]
    fn written_and_read_is_the_same(index: u64, old: u64, count in 0..63_usize, extra: Option<Vec<u8>>) {
        let proof: Vec<Hash> = (0..count).map(|one| Hash::of_leaf(&one.to_be_bytes())).collect();
        let inclusion = InclusionText { extra, index, proof: proof.clone(), checkpoint: note() };
        let read = InclusionText::parse(inclusion.to_string().as_bytes());
        prop_assert_eq!(read, Ok(inclusion));
        let consistency = ConsistencyText { old, proof, checkpoint: note() };
        let read = ConsistencyText::parse(consistency.to_string().as_bytes());
        prop_assert_eq!(read, Ok(consistency));
    }

    #[test]
    fn nothing_makes_it_panic(octets: Vec<u8>) {
        let _ = InclusionText::parse(&octets);
        let _ = ConsistencyText::parse(&octets);
    }
}

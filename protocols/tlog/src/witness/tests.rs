use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jiff::Timestamp;
use pki::PublicKey;

use super::*;
use crate::proof::consistency_proof;
use crate::vectors::Tree;
use crate::{Hash, KeyName, SignatureKind};

const ORIGIN: &str = "log.example/audit";

struct Signing {
    pair: Ed25519KeyPair,
    key: NoteKey,
}

impl Signing {
    fn new(name: &str, kind: SignatureKind, seed: u8) -> Self {
        const SPKI: [u8; 12] = [
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let spki = [SPKI.as_slice(), pair.public_key().as_ref()].concat();
        let key = PublicKey::from_spki_der(&spki).unwrap();
        let key = NoteKey::new(KeyName::new(name).unwrap(), kind, key).unwrap();
        Self { pair, key }
    }

    fn sign(&self, text: &str) -> NoteSignature {
        let at = Timestamp::from_second(1_893_499_200).unwrap();
        let signature = self.pair.sign(&self.key.message(text, at).unwrap());
        self.key.signature(text, at, signature.as_ref()).unwrap()
    }
}

fn log() -> Signing {
    Signing::new(ORIGIN, SignatureKind::Ed25519, 1)
}

fn witness() -> Signing {
    Signing::new("witness.example", SignatureKind::Cosignature, 2)
}

fn text(head: TreeHead) -> String {
    Checkpoint::new(ORIGIN, head).unwrap().to_string()
}

/// What the log asks when the witness has seen `old` entries of a tree.
fn request(tree: &Tree, old: u64, new: u64) -> ConsistencyText {
    let head = tree.head(new);
    ConsistencyText {
        old,
        proof: consistency_proof(old, new, |node| tree.node(node)).unwrap(),
        checkpoint: Note::new(&text(head), log().sign(&text(head))).unwrap(),
    }
}

fn judge(request: &ConsistencyText, keys: &[NoteKey], seen: &TreeHead) -> Result<u64, WitnessRefusal> {
    let (head, _) = witnessed(request, keys)?;
    continued(request, &head, seen)?;
    Ok(head.size())
}

#[test]
fn what_continues_is_cosigned() {
    let (tree, keys) = (Tree::of_size(9), [log().key]);
    for new in 0..=9 {
        for old in 0..=new {
            let asked = request(&tree, old, new);
            let read = ConsistencyText::parse(asked.to_string().as_bytes()).unwrap();
            assert_eq!(judge(&read, &keys, &tree.head(old)), Ok(new), "{old} to {new}");
        }
    }
}

#[test]
fn each_refusal_has_the_status_of_the_specification() {
    let (tree, keys) = (Tree::of_size(9), [log().key]);
    let refused = |request: &ConsistencyText, keys: &[NoteKey], seen: &TreeHead| {
        let refusal = judge(request, keys, seen).unwrap_err();
        (refusal.status(), refusal)
    };
    let good = request(&tree, 4, 9);
    assert_eq!(
        refused(&good, &[], &tree.head(4)),
        (404, WitnessRefusal::UnknownLog)
    );
    let another = [Signing::new(ORIGIN, SignatureKind::Ed25519, 3).key];
    assert_eq!(
        refused(&good, &another, &tree.head(4)),
        (403, WitnessRefusal::Unsigned)
    );
    let mut forged = good.clone();
    forged.checkpoint = Note::new(&text(tree.head(8)), log().sign(&text(tree.head(9)))).unwrap();
    assert_eq!(refused(&forged, &keys, &tree.head(4)).0, 403);
    let mut shrinks = good.clone();
    shrinks.old = 10;
    assert_eq!(
        refused(&shrinks, &keys, &tree.head(4)),
        (400, WitnessRefusal::Shrinks)
    );
    let odd = "log.example/audit\nnine\n";
    let mut no_checkpoint = good.clone();
    no_checkpoint.checkpoint = Note::new(odd, log().sign(odd)).unwrap();
    assert_eq!(refused(&no_checkpoint, &keys, &tree.head(4)).0, 400);
    // It has seen less, more, or nothing.
    for seen in [3, 5, 0] {
        let conflict = (409, WitnessRefusal::Conflict(seen));
        assert_eq!(refused(&good, &keys, &tree.head(seen)), conflict);
    }
    // Another tree of the same size.
    let other = Tree::of((0..9).map(|index| format!("other {index}")));
    let same = request(&tree, 9, 9);
    assert_eq!(
        refused(&same, &keys, &other.head(9)),
        (409, WitnessRefusal::Fork(9))
    );
    let unproved = (422, WitnessRefusal::BadProof);
    assert_eq!(refused(&good, &keys, &other.head(4)), unproved);
    let mut long = good.clone();
    long.proof.push(Hash::of_nothing());
    assert_eq!(refused(&long, &keys, &tree.head(4)), unproved);
    // Nothing was seen before, and so there is nothing to prove.
    let mut first = request(&tree, 0, 9);
    first.proof.push(Hash::of_nothing());
    assert_eq!(refused(&first, &keys, &TreeHead::empty()), unproved);
    let malformed = ConsistencyText::parse(b"old 1\n").unwrap_err();
    assert_eq!(WitnessRefusal::from(malformed).status(), 400);
}

#[test]
fn the_signatures_of_others_are_left_away() {
    let (tree, stranger) = (
        Tree::of_size(3),
        Signing::new("stranger", SignatureKind::Ed25519, 4),
    );
    let mut asked = request(&tree, 0, 3);
    let own = asked.checkpoint.clone();
    let line = stranger.sign(own.unverified_text());
    asked.checkpoint.push(line).unwrap();
    asked.checkpoint.push(own.signatures()[0].clone()).unwrap();
    let (_, left) = witnessed(&asked, &[log().key]).unwrap();
    assert_eq!(left, own);
    assert_eq!(unverified_origin(&left), ORIGIN);
}

#[test]
fn an_answer_is_taken_when_the_witness_has_signed_it() {
    let (tree, witness) = (Tree::of_size(3), witness());
    let mut note = request(&tree, 0, 3).checkpoint;
    let line = witness.sign(note.unverified_text());
    let stranger = Signing::new("stranger", SignatureKind::Cosignature, 4).sign(note.unverified_text());
    let answer = format!("{stranger}{line}");
    assert_eq!(
        cosignature(&note, answer.as_bytes(), &witness.key),
        Ok(line.clone())
    );
    let of_another = witness.sign(&text(tree.head(2))).to_string();
    let spliced = format!("\n{}\n{of_another}", text(tree.head(2)));
    for answer in [
        "",
        "\n",
        "no line\n",
        &stranger.to_string(),
        &of_another,
        &spliced,
        line.to_string().trim_end(),
    ] {
        let taken = cosignature(&note, answer.as_bytes(), &witness.key);
        assert_eq!(taken, Err(NotCosigned), "{answer:?}");
    }
    // Whoever knows the log alone verifies the note as before.
    note.push(line).unwrap();
    let (log, both) = ([log().key], [log().key, witness.key]);
    assert_eq!(note.verify(&log).unwrap().signers().len(), 1);
    assert_eq!(note.verify(&both).unwrap().signers().len(), 2);
}

#[test]
fn a_size_is_a_number_and_a_line_end() {
    for (octets, size) in [
        (&b"0\n"[..], Some(0)),
        (b"20852163\n", Some(20_852_163)),
        (b"18446744073709551615\n", Some(u64::MAX)),
        (b"18446744073709551616\n", None),
        (b"", None),
        (b"\n", None),
        (b"7", None),
        (b"07\n", None),
        (b"+7\n", None),
        (b"7 \n", None),
        (b"7\n\n", None),
    ] {
        assert_eq!(read_size(octets), size, "{octets:?}");
    }
}

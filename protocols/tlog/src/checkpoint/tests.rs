use proptest::prelude::*;

use super::*;
use crate::Note;
use crate::head::MAX_TREE_SIZE;

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

#[test]
fn reads_and_writes_the_example_of_the_specification() {
    let text = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.head().size(), 20_852_163);
    assert_eq!(checkpoint.head().root().to_base64(), ROOT);
    assert!(checkpoint.extensions().is_empty());
    assert_eq!(checkpoint.to_string(), text);
    assert_eq!(
        Checkpoint::new(checkpoint.origin(), checkpoint.head()),
        Ok(checkpoint)
    );
}

#[test]
fn extension_lines_come_back() {
    let note = Note::parse(include_bytes!("../../testdata/note/rekor.note")).unwrap();
    let checkpoint = Checkpoint::parse(note.unverified_text()).unwrap();
    assert_eq!(checkpoint.origin(), "rekor.sigstore.dev - 2605736670972794746");
    assert_eq!(checkpoint.extensions(), ["Timestamp: 1688058656037355364"]);
    assert_eq!(checkpoint.to_string(), note.unverified_text());
}

#[test]
fn a_log_without_entries_has_one_root() {
    let empty = Checkpoint::new("o", TreeHead::empty()).unwrap();
    let text = "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    assert_eq!(empty.to_string(), text);
    assert_eq!(Checkpoint::parse(text), Ok(empty));
    assert_eq!(
        Checkpoint::parse(&format!("o\n0\n{ROOT}\n")),
        Err(CheckpointFault::Head(HeadFault::EmptyRoot))
    );
}

#[test]
fn no_log_is_larger_than_a_tree() {
    let of_size = |size: &str| Checkpoint::parse(&format!("o\n{size}\n{ROOT}\n"));
    assert!(of_size(&MAX_TREE_SIZE.to_string()).is_ok());
    for size in [
        (MAX_TREE_SIZE + 1).to_string(),
        u64::MAX.to_string(),
        "9".repeat(40),
    ] {
        assert_eq!(of_size(&size), Err(CheckpointFault::Head(HeadFault::TooLarge)));
    }
}

#[test]
fn other_texts_are_refused() {
    let cases = [
        (String::new(), "last line"),
        ("\n".to_owned(), "origin"),
        (format!("o\n1\n{ROOT}"), "last line"),
        (format!("\n1\n{ROOT}\n"), "origin"),
        (format!("o\r\n1\n{ROOT}\n"), "origin"),
        ("o\n".to_owned(), "size"),
        (format!("o\n\n{ROOT}\n"), "size"),
        (format!("o\n01\n{ROOT}\n"), "size"),
        (format!("o\n00\n{ROOT}\n"), "size"),
        (format!("o\n+1\n{ROOT}\n"), "size"),
        (format!("o\n-1\n{ROOT}\n"), "size"),
        (format!("o\n 1\n{ROOT}\n"), "size"),
        (format!("o\n1 \n{ROOT}\n"), "size"),
        (format!("o\n0x1\n{ROOT}\n"), "size"),
        (format!("o\n١\n{ROOT}\n"), "size"),
        ("o\n1\n".to_owned(), "root"),
        ("o\n1\n\n".to_owned(), "root"),
        (format!("o\n1\n{ROOT} \n"), "root"),
        (format!("o\n1\n{}\n", &ROOT[..43]), "root"),
        (format!("o\n1\n{}\n", &ROOT[4..]), "root"),
        (format!("o\n1\nAAAA{ROOT}\n"), "root"),
        (format!("o\n1\n{}\n", ROOT.replace("2I=", "2J=")), "root"),
        (format!("o\n1\n{ROOT}\n\n"), "extension"),
        (format!("o\n1\n{ROOT}\n\next\n"), "extension"),
        (format!("o\n1\n{ROOT}\na\tb\n"), "extension"),
        (format!("o\n1\n{ROOT}\n{}\n", "x".repeat(MAX_NOTE_LEN)), "length"),
    ];
    for (text, why) in cases {
        assert_eq!(
            Checkpoint::parse(&text),
            Err(CheckpointFault::Malformed(why)),
            "{text:?}"
        );
    }
    for origin in ["", "a\nb", "a\u{1}", &"x".repeat(MAX_ORIGIN_LEN + 1)] {
        assert_eq!(
            Checkpoint::new(origin, TreeHead::empty()),
            Err(CheckpointFault::Malformed("origin"))
        );
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        origin in "[^\\p{Cc}]{1,60}",
        size in 1..=MAX_TREE_SIZE,
        root in any::<[u8; 32]>(),
        extensions in prop::collection::vec("[^\\p{Cc}]{1,30}", 0..4),
    ) {
        let mut checkpoint = Checkpoint::new(&origin, TreeHead::new(size, Hash(root)).unwrap()).unwrap();
        checkpoint.extensions = extensions;
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
    }

    #[test]
    fn what_is_read_is_written_the_same(text in "(\\PC{0,5}\n){0,2}[0-9]{0,5}\n([A-Za-z0-9+/]{43}=)?\n(\\PC{0,5}\n){0,2}") {
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_string(), text);
        }
    }
}

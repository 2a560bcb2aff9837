//! Signed notes, the checkpoints in them, and verifier keys: what is read is written the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog::{Checkpoint, Note, NoteKey};

fuzz_target!(|input: &[u8]| {
    if let Ok(note) = Note::parse(input) {
        assert!((1..=tlog::MAX_SIGNATURES).contains(&note.signatures().len()));
        assert_eq!(note.to_string().as_bytes(), input);
        checkpoint(note.unverified_text());
    }
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    checkpoint(text);
    if let Ok(key) = text.parse::<NoteKey>() {
        assert_eq!(key.to_string(), text);
    }
});

fn checkpoint(text: &str) {
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_string(), text);
    }
}

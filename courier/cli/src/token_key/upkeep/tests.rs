//! Which keys are needed, without a token: whoever asks for one gets a failure.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use pki::KeyFingerprint;

use super::*;
use crate::config::{self, Origin};
use crate::state::PendingOrder;

struct Bed {
    dir: tempfile::TempDir,
    settings: CertificateSettings,
    memory: Memory,
}

impl Bed {
    fn new(place: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lib.so"), "").unwrap();
        let text = format!(
            "certificate: {{ name: web, sans: {{ dns: [a.example] }}, state_dir: state, output: {{ dir: live }}, key: {{ {place} }} }}"
        );
        let origin = Origin {
            path: &dir.path().join("web.yaml"),
            base: dir.path(),
            is_readable_by_others: false,
        };
        let mut all = config::parse(&text, origin, &BTreeMap::new(), false).unwrap();
        let settings = all.certificates.remove(0);
        let memory = Memory::open(&settings.state_dir, "web").unwrap();
        Self {
            dir,
            settings,
            memory,
        }
    }

    fn in_token() -> Self {
        Self::new("provider: pkcs11, module: lib.so, token_label: host, pin: '123456'")
    }

    fn set(&self) -> std::path::PathBuf {
        self.settings.output.set_path()
    }

    fn generation(&self, number: u64, text: &str) {
        let folder = self.set().join("generations").join(number.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("privkey.pem"), text).unwrap();
        std::fs::write(folder.join("cert.pem"), "no reference").unwrap();
    }

    fn state(&self, labels: &[&str]) -> State {
        let note = |label: &&str| TokenKeyNote {
            label: (*label).to_owned(),
            place: "token host".to_owned(),
            set: self.set(),
        };
        State {
            token_keys: labels.iter().map(note).collect(),
            ..State::default()
        }
    }

    /// Whether the token was asked for, and what came of it.
    fn sweep(&self, state: &mut State) -> (bool, Result<Vec<String>, Failure>) {
        let is_asked = Cell::new(false);
        let open = || {
            is_asked.set(true);
            Err(Failure::Usage("no token".to_owned()))
        };
        let done = sweep(&self.settings, (&self.memory, state), open, &mut ());
        (is_asked.get(), done)
    }
}

fn reference(label: &str) -> KeyReference {
    KeyReference {
        token: "host".to_owned(),
        object: label.to_owned(),
        id: KeyFingerprint([1; 32]),
    }
}

fn pending(path: &Path) -> PendingOrder {
    PendingOrder {
        order: None,
        idempotency_key: "k".to_owned(),
        key_file: path.to_owned(),
        names: Vec::new(),
        created_at: Timestamp::UNIX_EPOCH,
        request: serde_json::Value::Null,
        installed: None,
        previous: None,
        configured: String::new(),
    }
}

#[test]
fn what_something_refers_to_is_kept_and_the_token_left_alone() {
    let bed = Bed::in_token();
    bed.generation(1, &format!("{}\n", reference("web-1")));
    bed.generation(2, &format!("{}\n", reference("web-2")));
    let kept = |label: &str| KeptKey::Token(reference(label));
    let path = bed.memory.keep_key(&kept("web-3"), None).unwrap();
    bed.memory.keep_prepared_key(&kept("web-4"), None).unwrap();
    let mut state = bed.state(&["web-1", "web-2", "web-3", "web-4"]);
    state.pending = Some(pending(&path));
    let (is_asked, done) = bed.sweep(&mut state);
    assert_eq!((is_asked, done.unwrap().len()), (false, 0));
    assert_eq!(state.token_keys.len(), 4);
    assert!(!bed.sweep(&mut State::default()).0);

    // The order is over: its key is of no use, and stays noted until it is destroyed.
    state.pending = None;
    let (is_asked, done) = bed.sweep(&mut state);
    assert!(is_asked && done.is_err());
    assert_eq!(state.token_keys.len(), 4);
}

#[test]
fn what_cannot_be_read_may_refer_to_a_key() {
    let bed = Bed::in_token();
    bed.generation(1, "pkcs11:token=host;object=web-1\n");
    let mut state = bed.state(&["web-1", "web-2"]);
    let (is_asked, done) = bed.sweep(&mut state);
    assert!(!is_asked && done.is_err());
    assert_eq!(state.token_keys.len(), 2);
}

#[test]
fn files_at_an_earlier_place_refer_to_their_keys_too() {
    let bed = Bed::in_token();
    let elsewhere = bed.dir.path().join("before/.courier/web");
    let generation = elsewhere.join("generations/4");
    std::fs::create_dir_all(&generation).unwrap();
    std::fs::write(generation.join("key"), reference("web-1").to_string()).unwrap();
    let mut state = bed.state(&["web-1"]);
    state.token_keys[0].set = elsewhere;
    let (is_asked, done) = bed.sweep(&mut state);
    assert_eq!((is_asked, done.unwrap().len()), (false, 0));
    assert_eq!(state.token_keys.len(), 1);
}

#[test]
fn a_key_in_a_token_that_the_file_names_no_more_is_told_once() {
    for place in [
        "provider: file",
        "provider: pkcs11, module: lib.so, slot: 1, pin: '123456'",
    ] {
        let bed = Bed::new(place);
        let mut state = bed.state(&["web-1"]);
        let (is_asked, done) = bed.sweep(&mut state);
        let told = done.unwrap();
        assert!(!is_asked && told.len() == 1);
        assert!(
            told[0].starts_with("the key web-1 in the token host is not needed any more"),
            "{told:?}"
        );
        assert_eq!(state.token_keys, Vec::new());
        assert_eq!(bed.memory.load().unwrap().state.token_keys, Vec::new());
    }
}

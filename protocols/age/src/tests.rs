//! Files made by others, files made here, and files that were tampered with.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::io::{Read as _, Write as _};

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;

const IDENTITY: &str = include_str!("../testdata/identity.txt");

fn identity() -> Identity {
    let line = IDENTITY.lines().find(|line| !line.starts_with('#'));
    line.unwrap().parse().unwrap()
}

/// Octets that are never the same twice, for tests.
fn counting() -> impl FnMut(&mut [u8]) -> bool {
    let mut next = 0_u8;
    move |octets| {
        for octet in octets {
            next = next.wrapping_mul(13).wrapping_add(7);
            *octet = next;
        }
        true
    }
}

fn sealed(contents: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut file = seal(Vec::new(), recipients, &mut counting()).unwrap();
    file.write_all(contents).unwrap();
    file.finish().unwrap()
}

fn opened(file: &[u8], identities: &[Identity]) -> Result<Vec<u8>, Error> {
    let mut contents = Vec::new();
    let mut opened = open(file, identities)?;
    opened.read_to_end(&mut contents).map_err(Error::of)?;
    Ok(contents)
}

#[test]
fn files_that_another_program_made_are_read() {
    let said = IDENTITY
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .unwrap();
    assert_eq!(identity().recipient().unwrap().to_string(), said);
    assert_eq!(
        said.parse::<Recipient>().unwrap(),
        identity().recipient().unwrap()
    );
    let small = include_bytes!("../testdata/small.age");
    assert_eq!(opened(small, &[identity()]).unwrap(), b"what was said");
    let empty = include_bytes!("../testdata/empty.age");
    assert_eq!(opened(empty, &[identity()]).unwrap(), b"");
    let stranger = Identity::from_random([9; 32]);
    assert!(matches!(opened(small, &[stranger]), Err(Error::OtherRecipients)));
}

#[test]
fn keys_are_written_as_they_are_read_and_a_private_one_is_no_recipient() {
    let own = identity();
    let text = own.to_secret_text();
    assert!(IDENTITY.contains(text.as_str()));
    assert_eq!(text.parse::<Recipient>(), Err(KeyFault::SecretAsRecipient));
    assert_eq!("age1qqqq".parse::<Recipient>(), Err(KeyFault::Recipient));
    let recipient = own.recipient().unwrap().to_string();
    assert!(matches!(recipient.parse::<Identity>(), Err(KeyFault::Identity)));
    assert!(!format!("{own:?}").contains(text.as_str()));
}

#[test]
fn contents_of_any_length_come_back_to_every_recipient() {
    let (own, other) = (identity(), Identity::from_random([5; 32]));
    let recipients = [other.recipient().unwrap(), own.recipient().unwrap()];
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let contents: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
        let file = sealed(&contents, &recipients);
        for identity in [&own, &other] {
            let back = opened(&file, std::slice::from_ref(identity)).unwrap();
            assert!(back == contents, "{length}");
        }
    }
    assert!(matches!(
        seal(Vec::new(), &[], &mut counting()),
        Err(Error::Recipients)
    ));
    assert!(matches!(
        seal(Vec::new(), &recipients, &mut |_| false),
        Err(Error::Random)
    ));
}

#[test]
fn whatever_is_cut_off_swapped_or_changed_is_found() {
    let recipients = [identity().recipient().unwrap()];
    let file = sealed(&vec![7; 150_000], &recipients);
    let keys = [identity()];
    for length in (0..file.len()).step_by(997).chain([file.len() - 1]) {
        assert!(opened(&file[..length], &keys).is_err(), "{length}");
    }
    for place in (0..file.len()).step_by(991) {
        let mut changed = file.clone();
        changed[place] ^= 4;
        assert!(opened(&changed, &keys).is_err(), "{place}");
    }
    let chunk = 64 * 1024 + 16;
    let head = file.len() - (150_000 + 3 * 16);
    let cut = opened(&file[..head + chunk], &keys).unwrap_err();
    assert!(matches!(cut, Error::CutOff { at: 65_536 }), "{cut:?}");
    let (first, rest) = file[head..].split_at(chunk);
    let (second, third) = rest.split_at(chunk);
    let swapped = [&file[..head], second, first, third].concat();
    let swapped = opened(&swapped, &keys).unwrap_err();
    assert!(matches!(swapped, Error::Damaged { at: 0 }), "{swapped:?}");
    let longer = [&file[..], b"x"].concat();
    assert!(matches!(
        opened(&longer, &keys),
        Err(Error::Damaged { at: 131_072 })
    ));
    assert!(matches!(opened(b"PK\x03\x04", &keys), Err(Error::NotAge)));
}

#[test]
fn a_passphrase_opens_its_file_and_another_does_not() {
    let phrase = |text: &str| Passphrase::new(Zeroizing::new(text.to_owned())).with_work(4);
    let mut file = seal_with_passphrase(Vec::new(), &phrase("correct"), &mut counting()).unwrap();
    file.write_all(b"secret").unwrap();
    let file = file.finish().unwrap();
    let mut contents = Vec::new();
    let opened = open_with_passphrase(file.as_slice(), &phrase("correct"));
    opened.unwrap().read_to_end(&mut contents).unwrap();
    assert_eq!(contents, b"secret");
    let wrong = open_with_passphrase(file.as_slice(), &phrase("wrong"));
    assert!(matches!(wrong, Err(Error::WrongPassphrase)));
    let key = open(file.as_slice(), &[identity()]);
    assert!(matches!(key, Err(Error::OtherRecipients)));
}

proptest! {
    #[test]
    fn nothing_panics(input in proptest::collection::vec(any::<u8>(), 0..400), header in ".{0,200}") {
        let _ = opened(&input, &[identity()]);
        let text = format!("age-encryption.org/v1\n{header}\n");
        let _ = opened(text.as_bytes(), &[identity()]);
    }
}

use proptest::prelude::*;

use super::*;

fn written(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    for entry in entries {
        write_entry(&mut octets, entry).unwrap();
    }
    octets
}

#[test]
fn entries_have_their_length_before_them() {
    let entries = [b"abc".to_vec(), vec![], vec![7; 300]];
    let octets = written(&entries);
    assert_eq!(&octets[..9], b"\x00\x03abc\x00\x00\x01\x2c");
    let bundle = Bundle::new(0, 3).unwrap();
    assert_eq!(bundle.read(&octets).unwrap(), entries);
}

#[test]
fn an_entry_has_at_most_65535_octets() {
    let mut octets = Vec::new();
    assert_eq!(
        write_entry(&mut octets, &vec![0; MAX_ENTRY_LEN + 1]),
        Err(EntryTooLong)
    );
    assert!(octets.is_empty());
    for _ in 0..TILE_WIDTH {
        write_entry(&mut octets, &vec![1; MAX_ENTRY_LEN]).unwrap();
    }
    assert_eq!(octets.len(), MAX_BUNDLE_LEN);
    assert_eq!(Bundle::new(9, 256).unwrap().read(&octets).unwrap().len(), 256);
}

#[test]
fn bundles_are_found_by_entry() {
    let bundle = Bundle::containing(300, 301).unwrap();
    assert_eq!((bundle.first(), bundle.tile().width()), (256, 45));
    assert_eq!(Bundle::containing(300, 300), None);
    assert_eq!(Bundle::containing(u64::MAX, u64::MAX), None);
    assert!(Bundle::containing(300, 9000).unwrap().tile().is_full());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..=256),
        cut in any::<prop::sample::Index>(),
    ) {
        let octets = written(&entries);
        let width = u16::try_from(entries.len()).unwrap();
        let bundle = Bundle::new(5, width).unwrap();
        prop_assert_eq!(bundle.read(&octets).unwrap(), entries);
        prop_assert_eq!(bundle.read(&octets[..cut.index(octets.len())]), Err(BundleFault));
        let longer = [octets.as_slice(), &[0, 0]].concat();
        prop_assert_eq!(bundle.read(&longer), Err(BundleFault));
    }

    #[test]
    fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..600), width in 1_u16..=256) {
        if let Ok(entries) = Bundle::new(0, width).unwrap().read(&octets) {
            let entries: Vec<_> = entries.into_iter().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(written(&entries), octets);
        }
    }
}

//! Bech32 (BIP 173) without its limit of 90 characters: how keys are written.

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
const CHECKSUM: usize = 6;

/// The lower-case text of octets behind a prefix.
pub(crate) fn encode(prefix: &str, octets: &[u8]) -> String {
    let mut fives = regroup(octets, 8, 5, true).unwrap_or_default();
    let mut checked = expanded(prefix);
    checked.extend_from_slice(&fives);
    checked.extend_from_slice(&[0; CHECKSUM]);
    let sum = polymod(&checked) ^ 1;
    fives.extend((0..CHECKSUM).map(|place| u8::try_from((sum >> (5 * (5 - place))) & 31).unwrap_or(0)));
    let letters = fives.iter().filter_map(|five| LETTERS.get(usize::from(*five)));
    let text: String = letters.map(|letter| char::from(*letter)).collect();
    format!("{prefix}1{text}")
}

/// The octets of a text, which must have this prefix and be all of one case.
pub(crate) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let has_lower = text.bytes().any(|octet| octet.is_ascii_lowercase());
    let has_upper = text.bytes().any(|octet| octet.is_ascii_uppercase());
    if (has_lower && has_upper) || text.len() > 256 {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let (found, letters) = text.rsplit_once('1')?;
    if found != prefix {
        return None;
    }
    let five = |letter: u8| {
        let place = LETTERS.iter().position(|known| *known == letter);
        place.and_then(|place| u8::try_from(place).ok())
    };
    let fives: Vec<u8> = letters.bytes().map(five).collect::<Option<_>>()?;
    let mut checked = expanded(prefix);
    checked.extend_from_slice(&fives);
    if polymod(&checked) != 1 {
        return None;
    }
    let (fives, _) = fives.split_at_checked(fives.len().checked_sub(CHECKSUM)?)?;
    regroup(fives, 5, 8, false)
}

fn expanded(prefix: &str) -> Vec<u8> {
    let high = prefix.bytes().map(|octet| octet >> 5);
    let low = prefix.bytes().map(|octet| octet & 31);
    high.chain([0]).chain(low).collect()
}

fn polymod(values: &[u8]) -> u32 {
    values.iter().fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let moved = ((sum & 0x01ff_ffff) << 5) ^ u32::from(*value);
        let set = GENERATORS
            .iter()
            .enumerate()
            .filter(|(bit, _)| (top >> bit) & 1 == 1);
        set.fold(moved, |sum, (_, generator)| sum ^ generator)
    })
}

/// Bits in groups of another size; padded, or refused when what is left over is not padding.
fn regroup(values: &[u8], from: u32, to: u32, pads: bool) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut out) = (0_u32, 0_u32, Vec::with_capacity(values.len() * 2));
    let mask = (1_u32 << to) - 1;
    for value in values {
        held = ((held << from) | u32::from(*value)) & 0xffff;
        bits += from;
        while bits >= to {
            bits -= to;
            out.push(u8::try_from((held >> bits) & mask).ok()?);
        }
    }
    let rest = (held << (to - bits)) & mask;
    if pads {
        if bits > 0 {
            out.push(u8::try_from(rest).ok()?);
        }
    } else if bits >= from || rest != 0 {
        return None;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of BIP 173.
    #[test]
    fn the_vectors_of_the_specification() {
        for text in ["A12UEL5L", "a12uel5l"] {
            assert_eq!(decode("a", text), Some(vec![]));
        }
        assert!(decode("a", "a12uEl5l").is_none());
        assert!(decode("b", "a12uel5l").is_none());
        assert!(decode("x", "x1b4n0q5v").is_none());
        assert!(decode("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw").is_some());
        assert!(decode("abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxq").is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text = encode("age", &octets);
            prop_assert_eq!(decode("age", &text), Some(octets.clone()));
            prop_assert_eq!(decode("age", &text.to_ascii_uppercase()), Some(octets));
        }

        #[test]
        fn nothing_panics(text in ".{0,80}") {
            let _ = decode("age", &text);
        }
    }
}

//! The few DER writers that builders here share (X.690 §8, §10).
//!
//! Objects whose parts exist as octets already are put together by hand: nothing is decoded to be encoded again.

/// `SEQUENCE`.
pub const SEQUENCE: u8 = 0x30;
/// `SET`.
pub const SET: u8 = 0x31;

/// Appends one element: tag, definite length, contents.
pub fn element(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    length(out, contents.len());
    out.extend_from_slice(contents);
}

/// One element made of parts.
pub fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let size = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(size + 6);
    out.push(tag);
    length(&mut out, size);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Appends a definite length in its shortest form (X.690 §10.1).
pub fn length(out: &mut Vec<u8>, length: usize) {
    if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
        out.push(short);
        return;
    }
    let octets = length.to_be_bytes();
    let significant = octets.iter().skip_while(|octet| **octet == 0);
    let count = octets.len() - octets.iter().take_while(|octet| **octet == 0).count();
    out.push(0x80 | u8::try_from(count).unwrap_or(8));
    out.extend(significant);
}

/// A non-negative `INTEGER` from big-endian octets.
pub fn unsigned(octets: &[u8]) -> Vec<u8> {
    let start = octets.iter().take_while(|octet| **octet == 0).count();
    let minimal = octets.get(start..).unwrap_or_default();
    match minimal.first() {
        None => vec![0x02, 0x01, 0x00],
        Some(0x80..) => wrap(0x02, &[&[0], minimal]),
        Some(_) => wrap(0x02, &[minimal]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        for (value, expected) in [
            (0, vec![0]),
            (127, vec![127]),
            (128, vec![0x81, 128]),
            (256, vec![0x82, 1, 0]),
            (65_536, vec![0x83, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            length(&mut out, value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(unsigned(&[]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
    }
}

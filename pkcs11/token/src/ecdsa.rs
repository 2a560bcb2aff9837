//! ECDSA signatures: PKCS#11 gives `r || s`, certificates want DER (RFC 3279 §2.2.3 `Ecdsa-Sig-Value`).

/// The DER form of a signature of two halves of equal length; `None` when it cannot be one.
pub(crate) fn to_der(raw: &[u8]) -> Option<Vec<u8>> {
    // P-521 has the longest halves, of 66 octets.
    if raw.is_empty() || !raw.len().is_multiple_of(2) || raw.len() > 132 {
        return None;
    }
    let (r, s) = raw.split_at_checked(raw.len() / 2)?;
    let (r, s) = (integer(r), integer(s));
    let body = r.octets() + s.octets();
    let mut der = Vec::with_capacity(body + 3);
    der.push(0x30);
    if body >= 128 {
        der.push(0x81);
    }
    der.push(u8::try_from(body).ok()?);
    r.write(&mut der)?;
    s.write(&mut der)?;
    Some(der)
}

/// A positive INTEGER: its magnitude without leading zeros, and whether its first bit asks for a zero before it.
struct Integer<'a> {
    magnitude: &'a [u8],
    padded: bool,
}

fn integer(octets: &[u8]) -> Integer<'_> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let magnitude = octets.get(zeros..).unwrap_or_default();
    let padded = magnitude.first().is_none_or(|octet| *octet >= 0x80);
    Integer { magnitude, padded }
}

impl Integer<'_> {
    fn content(&self) -> usize {
        self.magnitude.len() + usize::from(self.padded)
    }

    fn octets(&self) -> usize {
        self.content() + 2
    }

    fn write(&self, der: &mut Vec<u8>) -> Option<()> {
        der.push(0x02);
        der.push(u8::try_from(self.content()).ok()?);
        if self.padded {
            der.push(0);
        }
        der.extend_from_slice(self.magnitude);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_integers() {
        assert_eq!(to_der(&[1, 2]), Some(vec![0x30, 6, 2, 1, 1, 2, 1, 2]));
        assert_eq!(
            to_der(&[0, 1, 0x80, 0]),
            Some(vec![0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 0])
        );
        assert_eq!(to_der(&[0, 0]), Some(vec![0x30, 6, 2, 1, 0, 2, 1, 0]));
        assert_eq!(to_der(&[1, 2, 3]), None);
        assert_eq!(to_der(&[]), None);
    }

    #[test]
    fn the_longest_signature_has_a_long_length() {
        let der = to_der(&[0xff; 132]).unwrap_or_default();
        assert_eq!(der.get(..5), Some(&[0x30, 0x81, 138, 2, 67][..]));
        assert_eq!(der.len(), 141);
    }
}

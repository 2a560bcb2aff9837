//! Certificate serial numbers.

use std::fmt;
use std::str::FromStr;

/// A serial number: an unsigned integer other than zero whose DER contents fit 20 octets (RFC 5280 §4.1.2.2), kept in its
/// canonical minimal octets. Every text form is parsed into it and printed from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial {
    length: u8,
    octets: [u8; 20],
}

/// Why something is no serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SerialFault {
    /// Zero, or no octets at all.
    #[error("a serial number is a positive integer")]
    Zero,
    /// The DER contents would be longer than 20 octets.
    #[error("the serial number is longer than 20 octets")]
    TooLong,
    /// The text holds something that is not a hexadecimal digit.
    #[error("a serial number is written in hexadecimal")]
    NotHexadecimal,
}

impl Serial {
    /// From big-endian octets; leading zeros are dropped.
    pub fn from_unsigned(octets: &[u8]) -> Result<Self, SerialFault> {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let minimal = octets.get(zeros..).unwrap_or_default();
        let first = *minimal.first().ok_or(SerialFault::Zero)?;
        // A set top bit costs one more octet in DER.
        if minimal.len() + usize::from(first >= 0x80) > 20 {
            return Err(SerialFault::TooLong);
        }
        let mut all = [0; 20];
        for (slot, octet) in all.iter_mut().zip(minimal) {
            *slot = *octet;
        }
        Ok(Self {
            length: u8::try_from(minimal.len()).map_err(|_| SerialFault::TooLong)?,
            octets: all,
        })
    }

    /// A new serial from 16 random octets: 126 random bits, positive and always 16 octets long.
    pub fn from_random(mut random: [u8; 16]) -> Self {
        if let Some(first) = random.first_mut() {
            *first = (*first & 0x3f) | 0x40;
        }
        let mut octets = [0; 20];
        for (slot, octet) in octets.iter_mut().zip(random) {
            *slot = octet;
        }
        Self { length: 16, octets }
    }

    /// The canonical big-endian octets, 1 to 20 of them, without a leading zero.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl FromStr for Serial {
    type Err = SerialFault;

    /// Hexadecimal in either case, with or without `0x` and colons.
    fn from_str(text: &str) -> Result<Self, SerialFault> {
        let digits = text
            .strip_prefix("0x")
            .or_else(|| text.strip_prefix("0X"))
            .unwrap_or(text);
        if digits.len() > 128 {
            return Err(SerialFault::TooLong);
        }
        let nibbles: Vec<u8> = digits
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| {
                char::from(byte)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()
            .ok_or(SerialFault::NotHexadecimal)?;
        if nibbles.is_empty() {
            return Err(SerialFault::NotHexadecimal);
        }
        let octets: Vec<u8> = nibbles
            .rchunks(2)
            .rev()
            .map(|pair| pair.iter().fold(0, |octet, nibble| (octet << 4) | nibble))
            .collect();
        Self::from_unsigned(&octets)
    }
}

impl serde::Serialize for Serial {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Serial {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_forms_meet_in_one_value() {
        let serial: Serial = "0A:0b:0C".parse().unwrap();
        for text in ["a0b0c", "0x0a0b0c", "00000a0b0c", "0A0B0C"] {
            assert_eq!(text.parse::<Serial>().unwrap(), serial);
        }
        assert_eq!(serial.to_string(), "0a0b0c");
        assert_eq!(serial.as_bytes(), [10, 11, 12]);
    }

    #[test]
    fn zero_and_too_long_are_refused() {
        assert_eq!("0".parse::<Serial>(), Err(SerialFault::Zero));
        assert_eq!(Serial::from_unsigned(&[1; 21]), Err(SerialFault::TooLong));
        assert_eq!(Serial::from_unsigned(&[0x80; 20]), Err(SerialFault::TooLong));
        assert!(Serial::from_unsigned(&[0x7f; 20]).is_ok());
        assert_eq!("12g4".parse::<Serial>(), Err(SerialFault::NotHexadecimal));
        assert_eq!("".parse::<Serial>(), Err(SerialFault::NotHexadecimal));
    }

    proptest! {
        #[test]
        fn random_serials_are_sixteen_positive_octets(random in any::<[u8; 16]>()) {
            let serial = Serial::from_random(random);
            prop_assert_eq!(serial.as_bytes().len(), 16);
            prop_assert!((0x40..0x80).contains(serial.as_bytes().first().unwrap()));
            prop_assert_eq!(serial.to_string().parse::<Serial>().unwrap(), serial);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            if let Ok(serial) = text.parse::<Serial>() {
                prop_assert_eq!(serial.to_string().parse::<Serial>().unwrap(), serial);
            }
        }
    }
}

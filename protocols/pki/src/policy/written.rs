//! How values of rules are written: numbers as numbers or as text, lists also as their only member.

use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// A number of at most 32 bits: `365` or `"365"`.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from 0 to {}, as a number or as text", u32::MAX)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
            let is_wrong = |_| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self);
            u32::try_from(number).map_err(is_wrong)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u32, E> {
            let digits = text.trim();
            let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
            let number = digits.parse().ok().filter(|_| is_plain);
            number.ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                E::invalid_value(serde::de::Unexpected::Str(&shown), &self)
            })
        }
    }

    deserializer.deserialize_any(Number)
}

/// At least one: `["rsa", "ecdsa"]` or `"rsa"`.
pub(super) fn one_or_several<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Several<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Several<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of at least one text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            let one = T::deserialize(serde::de::value::StrDeserializer::<E>::new(text))?;
            Ok(vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            let several: Vec<T> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
            if several.is_empty() {
                return Err(A::Error::invalid_length(0, &self));
            }
            Ok(several)
        }
    }

    deserializer.deserialize_any(Several(std::marker::PhantomData))
}

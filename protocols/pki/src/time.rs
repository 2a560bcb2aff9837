//! X.509 times: whole seconds, UTCTime through 2049 and GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5).

use der::{Decode, Encode};
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::encode;

/// `Time` as certificates and CRLs write it.
pub(crate) fn to_der(at: Timestamp) -> Vec<u8> {
    let text = digits(at);
    let (century, rest) = text.split_at(2);
    match century {
        b"19" if rest >= b"5".as_slice() => encode::wrap(0x17, &[rest]),
        b"20" if rest < b"5".as_slice() => encode::wrap(0x17, &[rest]),
        _ => encode::wrap(0x18, &[&text]),
    }
}

/// `GeneralizedTime`, without fractions of seconds.
pub fn generalized(at: Timestamp) -> Vec<u8> {
    encode::wrap(0x18, &[&digits(at)])
}

/// `YYYYMMDDHHMMSSZ`. Written by hand: a CRL has one for each of its entries.
fn digits(at: Timestamp) -> [u8; 15] {
    let civil = Offset::UTC.to_datetime(at);
    let two = |number: i16| {
        let number = u8::try_from(number.rem_euclid(100)).unwrap_or(0);
        [b'0' + number / 10, b'0' + number % 10]
    };
    let pairs = [
        civil.year() / 100,
        civil.year(),
        civil.month().into(),
        civil.day().into(),
        civil.hour().into(),
        civil.minute().into(),
        civil.second().into(),
    ];
    let mut text = [b'Z'; 15];
    for (slot, number) in text.chunks_exact_mut(2).zip(pairs) {
        slot.copy_from_slice(&two(number));
    }
    text
}

/// Reads a `Time`.
pub(crate) fn from_der(der: &[u8]) -> der::Result<Timestamp> {
    let time = x509_cert::time::Time::from_der(der)?;
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| der::ErrorKind::DateTime)?;
    // 99991231235959Z, "no end" (RFC 5280 §4.1.2.5), lies hours beyond what a timestamp can say, whatever the zone.
    Timestamp::from_second(seconds.min(Timestamp::MAX.as_second()))
        .map_err(|_| der::ErrorKind::DateTime.into())
}

/// Reads a `GeneralizedTime`.
pub(crate) fn from_generalized(der: &[u8]) -> der::Result<Timestamp> {
    let time = der::asn1::GeneralizedTime::from_der(der)?;
    let read = from_der(&time.to_der()?)?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in [
            "1950-01-01T00:00:00Z",
            "1999-12-31T23:59:59Z",
            "2049-12-31T23:59:59Z",
            "2050-01-01T00:00:00Z",
        ] {
            let at: Timestamp = text.parse().unwrap();
            let pattern = if text < "2050" {
                "%y%m%d%H%M%SZ"
            } else {
                "%Y%m%d%H%M%SZ"
            };
            let der = to_der(at);
            assert_eq!(der.get(2..).unwrap(), at.strftime(pattern).to_string().as_bytes());
            if text > "1970" {
                assert_eq!(from_der(&der).unwrap(), at);
            }
        }
    }
}

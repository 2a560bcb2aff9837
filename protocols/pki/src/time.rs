//! X.509 times: whole seconds, UTCTime through 2049 and GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5).

use der::{Decode, Encode};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::encode;

/// `Time` as certificates and CRLs write it.
pub(crate) fn to_der(at: Timestamp) -> Vec<u8> {
    let zoned = at.to_zoned(TimeZone::UTC);
    if (1950..2050).contains(&zoned.year()) {
        encode::wrap(0x17, &[zoned.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()])
    } else {
        generalized(at)
    }
}

/// `GeneralizedTime`, without fractions of seconds.
pub(crate) fn generalized(at: Timestamp) -> Vec<u8> {
    let text = at.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%SZ").to_string();
    encode::wrap(0x18, &[text.as_bytes()])
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

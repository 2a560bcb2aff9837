//! The entries of a CRL, read one at a time (RFC 5280 §5.3).

use der::asn1::UintRef;
use der::{Decode, Reader, SliceReader};

use super::{CrlFault, INVALIDITY_DATE, REASON_CODE, RevocationReason, RevokedEntry};
use crate::extensions::Extensions;
use crate::serial::Serial;
use crate::time;

/// Walks the contents of revokedCertificates; ends after the first entry that cannot be read.
pub(super) struct Entries<'a> {
    pub(super) rest: &'a [u8],
}

impl Iterator for Entries<'_> {
    type Item = Result<RevokedEntry, CrlFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut reader = SliceReader::new(self.rest).ok()?;
        let entry = reader.sequence(read_entry);
        match (entry, usize::try_from(reader.remaining_len()).ok()) {
            (Ok(entry), Some(left)) => {
                self.rest = self
                    .rest
                    .get(self.rest.len().saturating_sub(left)..)
                    .unwrap_or_default();
                Some(Ok(entry))
            }
            (Err(fault), _) => {
                self.rest = &[];
                Some(Err(fault))
            }
            (Ok(_), None) => None,
        }
    }
}

fn read_entry<'a>(reader: &mut impl Reader<'a>) -> Result<RevokedEntry, CrlFault> {
    let malformed = |why: &str| CrlFault::Malformed(why.to_owned());
    let serial = Serial::from_unsigned(UintRef::decode(reader)?.as_bytes());
    let serial = serial.map_err(|fault| malformed(&fault.to_string()))?;
    let revoked_at = time::from_der(reader.tlv_bytes()?)?;
    let mut entry = RevokedEntry {
        serial,
        revoked_at,
        reason: None,
        invalidity_date: None,
    };
    if reader.is_finished() {
        return Ok(entry);
    }
    for extension in Extensions::from_der(reader.tlv_bytes()?)?.iter() {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            REASON_CODE => {
                let [0x0a, 0x01, code] = value else {
                    return Err(malformed("a reason code cannot be read"));
                };
                let reason = RevocationReason::from_code(*code);
                entry.reason = Some(reason.ok_or_else(|| malformed("a reason code is not one of RFC 5280"))?);
            }
            INVALIDITY_DATE => entry.invalidity_date = Some(time::from_generalized(value)?),
            other if extension.critical => {
                return Err(CrlFault::Malformed(format!(
                    "the critical entry extension {other} is not understood"
                )));
            }
            _ => {}
        }
    }
    Ok(entry)
}

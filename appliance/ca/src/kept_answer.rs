//! An OCSP answer as the cache on disk keeps it: what is needed to know whether it still holds, and the answer.
//!
//! `version(1) kind(1) reason(1) revoked_at(8) this_update(8) next_update(8) responder(1+n) etag(34) DER`, numbers big-endian,
//! times in seconds but `revoked_at` in milliseconds; `reason` is 255 for good. What cannot be read is not there.
//!
//! The responder's certificate, with which every answer ends, is half of it, and always the same: it is cut off, and put
//! back from memory. In version 1 it was kept.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use pki::{RevocationReason, Serial};

use crate::answer_ocsp::{Freshness, OcspAnswer, OcspAnswerKind};
use crate::ocsp_cache::{CacheKey, CachedAnswer, Standing, refresh_at};
use crate::status_index::State;

const WITH_CERTIFICATE: u8 = 1;
const VERSION: u8 = 2;
const GOOD: u8 = 255;
/// Octets of an entity tag with its quotes.
const ETAG: usize = 34;

/// The key under which the answer for a CertID is kept.
pub(crate) fn key(of: &CacheKey) -> Vec<u8> {
    let (issuer, spelling, serial) = of.parts();
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(issuer.as_bytes());
    key.push(spelling);
    key.extend_from_slice(serial.as_bytes());
    key
}

/// The value that keeps an answer; nothing for one that is not for everybody, or that does not end with this certificate.
// stored: as a value of the cache of OCSP answers
pub(crate) fn encode(answer: &CachedAnswer, certificate: &[u8]) -> Option<Vec<u8>> {
    let fresh = answer.answer.cacheable.as_ref()?;
    let der = answer.answer.der.strip_suffix(certificate)?;
    let (reason, at) = match answer.standing.state {
        State::Good => (GOOD, 0),
        State::Revoked { at, reason } => (reason.code(), at),
    };
    let responder = answer.responder.as_bytes();
    let mut value = Vec::with_capacity(96 + der.len());
    value.extend_from_slice(&[VERSION, answer.answer.kind.number(), reason]);
    for time in [at, fresh.this_update.as_second(), fresh.next_update.as_second()] {
        value.extend_from_slice(&time.to_be_bytes());
    }
    value.push(u8::try_from(responder.len()).ok()?);
    value.extend_from_slice(responder);
    value.extend_from_slice(fresh.etag.get(..ETAG)?);
    value.extend_from_slice(der);
    Some(value)
}

/// When the answer in a value ends, in seconds.
pub(crate) fn end_of(value: &[u8]) -> Option<i64> {
    let mut reader = Reader(value);
    let [WITH_CERTIFICATE | VERSION, _, _] = reader.take()? else {
        return None;
    };
    let (_at, _this_update) = (reader.number()?, reader.number()?);
    reader.number()
}

/// The answer of a value, with the certificate that `whole` puts at its end. How many responders were revoked is not known
/// of it: `responder` says by whom it is signed.
pub(crate) fn decode(
    value: &[u8],
    whole: impl FnOnce(&Serial, &[u8]) -> Option<Bytes>,
) -> Option<CachedAnswer> {
    let mut reader = Reader(value);
    let [version, kind, reason] = reader.take()?;
    let (at, this_update, next_update) = (reader.number()?, reader.number()?, reader.number()?);
    let [length] = reader.take()?;
    let responder = Serial::from_unsigned(reader.octets(usize::from(length))?).ok()?;
    let etag = Bytes::copy_from_slice(reader.octets(ETAG)?);
    let state = match reason {
        GOOD => State::Good,
        reason => State::Revoked {
            at,
            reason: RevocationReason::from_code(reason)?,
        },
    };
    let this_update = Timestamp::from_second(this_update).ok()?;
    let next_update = Timestamp::from_second(next_update).ok()?;
    Some(CachedAnswer {
        answer: OcspAnswer {
            der: match version {
                WITH_CERTIFICATE => Bytes::copy_from_slice(reader.0),
                VERSION => whole(&responder, reader.0)?,
                _ => return None,
            },
            kind: OcspAnswerKind::from_number(kind)?,
            cacheable: Some(Arc::new(Freshness::of(this_update, next_update, etag))),
        },
        standing: Standing {
            state,
            responders_revoked: 0,
        },
        responder,
        refresh_at: refresh_at(this_update, next_update),
        next_update,
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn octets(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    fn answer(state: State, kind: OcspAnswerKind) -> CachedAnswer {
        let (this_update, next_update) = (
            Timestamp::from_second(1_700_000_000).unwrap(),
            Timestamp::from_second(1_700_086_400).unwrap(),
        );
        CachedAnswer {
            answer: OcspAnswer {
                der: Bytes::from_static(b"DERcertificate"),
                kind,
                cacheable: Some(Arc::new(Freshness::of(
                    this_update,
                    next_update,
                    Bytes::from_static(b"\"0123456789abcdef0123456789abcdef\""),
                ))),
            },
            standing: Standing {
                state,
                responders_revoked: 0,
            },
            responder: Serial::from_random([7; 16]),
            refresh_at: refresh_at(this_update, next_update),
            next_update,
        }
    }

    fn whole(responder: &Serial, der: &[u8]) -> Option<Bytes> {
        let is_known = *responder == Serial::from_random([7; 16]);
        is_known.then(|| [der, b"certificate"].concat().into())
    }

    #[test]
    fn what_is_kept_comes_back_and_what_is_cut_off_does_not() {
        let revoked = State::Revoked {
            at: 1_699_999_999_123,
            reason: RevocationReason::KeyCompromise,
        };
        for (state, kind) in [
            (State::Good, OcspAnswerKind::Good),
            (revoked, OcspAnswerKind::Revoked),
        ] {
            let kept = answer(state, kind);
            assert!(encode(&kept, b"another").is_none());
            let value = encode(&kept, b"certificate").unwrap();
            assert!(value.ends_with(b"DER"));
            assert!(decode(&value, |_, _| None).is_none());
            let back = decode(&value, whole).unwrap();
            assert_eq!(back.standing, kept.standing);
            assert_eq!(back.responder, kept.responder);
            assert_eq!(
                (back.refresh_at, back.next_update),
                (kept.refresh_at, kept.next_update)
            );
            assert_eq!((back.answer.kind, &back.answer.der), (kind, &kept.answer.der));
            assert_eq!(
                back.answer.cacheable.unwrap().etag,
                kept.answer.cacheable.unwrap().etag
            );
            assert_eq!(end_of(&value), Some(1_700_086_400));
            for length in 0..value.len() - 3 {
                assert!(decode(value.get(..length).unwrap(), whole).is_none(), "{length}");
            }
        }
    }

    #[test]
    fn the_oldest_form_is_read() {
        let mut value = vec![1, 0, 255];
        for number in [0_i64, 1_700_000_000, 1_700_086_400] {
            value.extend_from_slice(&number.to_be_bytes());
        }
        value.extend_from_slice(&[2, 0x5a, 0x01]);
        value.extend_from_slice(b"\"0123456789abcdef0123456789abcdef\"DER");
        let read = decode(&value, |_, _| None).unwrap();
        assert_eq!(read.standing.state, State::Good);
        assert_eq!(read.answer.kind, OcspAnswerKind::Good);
        assert_eq!(read.answer.der, "DER");
        assert_eq!(decode(&[9; 80], |_, _| None).map(drop), None);
    }
}

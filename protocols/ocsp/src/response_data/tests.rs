use jiff::SignedDuration;
use pki::Serial;
use pki::crl::RevocationReason;
use proptest::prelude::*;

use super::*;
use crate::cert_id::{CertId, IssuerHash};
use crate::status::CertStatus;

fn any_time() -> impl Strategy<Value = Timestamp> {
    // 1970 to 9999, the range of GeneralizedTime in DER.
    (0_i64..253_402_300_800).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn any_status() -> impl Strategy<Value = SingleStatus> {
    let reason = prop::sample::select(vec![
        None,
        Some(RevocationReason::Unspecified),
        Some(RevocationReason::KeyCompromise),
        Some(RevocationReason::CertificateHold),
        Some(RevocationReason::RemoveFromCrl),
        Some(RevocationReason::AaCompromise),
    ]);
    let status = prop_oneof![
        Just(CertStatus::Good),
        Just(CertStatus::Unknown),
        (any_time(), reason).prop_map(|(at, reason)| CertStatus::Revoked { at, reason }),
    ];
    (
        1_u64..,
        any::<[u8; 32]>(),
        status,
        any_time(),
        prop::option::of(any_time()),
    )
        .prop_map(|(serial, hash, status, this_update, next_update)| SingleStatus {
            cert_id: CertId::new(
                IssuerHash::Sha256 {
                    name: hash,
                    key: hash,
                },
                Serial::from_unsigned(&serial.to_be_bytes()).unwrap(),
            ),
            status,
            this_update,
            next_update,
        })
}

proptest! {
    #[test]
    fn round_trips(
        key in any::<[u8; 20]>(),
        produced_at in any_time(),
        statuses in prop::collection::vec(any_status(), 0..5),
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 1..=128)),
        is_extended_revoke in any::<bool>(),
    ) {
        let nonce = nonce.map(|octets| Nonce::new(&octets).unwrap());
        let mut extensions: Vec<_> = nonce.iter().map(|nonce| Extension::nonce(nonce).unwrap()).collect();
        extensions.extend(is_extended_revoke.then(Extension::extended_revoke));
        let data =
            ResponseData { responder_id: ResponderId::ByKey(key), produced_at, statuses, extensions };
        let read = ResponseData::parse(&data.to_der().unwrap()).unwrap();
        prop_assert_eq!(read.nonce(), nonce);
        prop_assert_eq!(read, data);
    }

    #[test]
    fn never_panics(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ResponseData::parse(&octets);
    }
}

fn empty_at(produced_at: Timestamp) -> ResponseData {
    ResponseData {
        responder_id: ResponderId::ByKey([0; 20]),
        produced_at,
        statuses: Vec::new(),
        extensions: Vec::new(),
    }
}

#[test]
fn cuts_times_to_whole_seconds() {
    let time: Timestamp = "2026-11-21T05:06:07.9Z".parse().unwrap();
    let read = ResponseData::parse(&empty_at(time).to_der().unwrap()).unwrap();
    assert_eq!(read.produced_at, "2026-11-21T05:06:07Z".parse().unwrap());
}

#[test]
fn refuses_times_that_cannot_be_written() {
    let before = Timestamp::UNIX_EPOCH - SignedDuration::from_secs(1);
    assert_eq!(
        empty_at(before).to_der(),
        Err(WriteFault::Time(TimeFault(before)))
    );
}

#[test]
fn refuses_another_version_and_other_key_hashes() {
    let der = empty_at(Timestamp::UNIX_EPOCH).to_der().unwrap();
    let mut v2 = vec![0x30, der[1] + 5, 0xa0, 0x03, 0x02, 0x01, 0x01];
    v2.extend(&der[2..]);
    assert!(ResponseData::parse(&v2).is_err());
    // A key hash of 19 octets: the lengths of sequence, tag and string go down by one.
    let mut short = der.clone();
    short.remove(6);
    for length in [1, 3, 5] {
        short[length] -= 1;
    }
    assert!(ResponseData::parse(&der).is_ok());
    assert!(ResponseData::parse(&short).is_err());
}

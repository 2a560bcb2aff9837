//! A response that passes every rule, for the rules' tests to break.

use jiff::{SignedDuration, Timestamp};
use pki::Serial;
use pki::crl::RevocationReason;

use crate::cert_id::{CertId, IssuerHash};
use crate::lint::{Responder, View};
use crate::response_data::{ResponderId, ResponseData};
use crate::status::{CertStatus, SingleStatus};

pub(super) fn view() -> View {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let issuer = IssuerHash::Sha1 {
        name: [1; 20],
        key: [2; 20],
    };
    let single = |serial: u8, status| SingleStatus {
        cert_id: CertId::new(issuer, Serial::from_unsigned(&[serial]).unwrap()),
        status,
        this_update: after(now, -60),
        next_update: Some(after(now, 3600)),
    };
    let revoked = CertStatus::Revoked {
        at: after(now, -600),
        reason: Some(RevocationReason::KeyCompromise),
    };
    View {
        data: ResponseData {
            responder_id: ResponderId::ByKey([3; 20]),
            produced_at: now,
            statuses: vec![
                single(1, CertStatus::Good),
                single(2, revoked),
                single(3, CertStatus::Unknown),
            ],
            extensions: Vec::new(),
        },
        responder: Responder {
            key_id: [3; 20],
            not_before: after(now, -86400),
            not_after: after(now, 86400),
            is_authorised: true,
        },
    }
}

pub(super) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

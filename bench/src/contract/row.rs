//! The rows of the contract. A line of the contract with two conditions is two rows.

use serde::Serialize;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Lower,
    Higher,
}

impl Better {
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Lower => "≤",
            Self::Higher => "≥",
        }
    }
}

/// One promise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) id: RowId,
    pub(crate) name: &'static str,
    pub(crate) must: f64,
    pub(crate) better: Better,
}

impl Row {
    /// A value with as many digits as say something.
    #[expect(clippy::unused_self, reason = "how a value is shown is the row's matter")]
    pub(crate) fn shown(&self, value: f64) -> String {
        if value.abs() >= 20.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.2}")
        }
    }

    pub(crate) fn verdict(&self, value: f64) -> &'static str {
        let is_kept = match self.better {
            Better::Lower => value <= self.must,
            Better::Higher => value >= self.must,
        };
        if is_kept { "kept" } else { "missed" }
    }
}

/// Names a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowId {
    OcspGetToHyper,
    OcspGetToNginx,
    OcspPostToHyper,
    OcspPostToCfssl,
    OcspLowerTier,
    OcspUnderLoad,
    NonceRsa,
    NonceP256,
    PresignRsa,
    PresignP256,
    SignerdCpu,
    SignerdRate,
    SimulatedHsm,
    IssueTlsRsa,
    IssueTlsP256,
    IssueToOpenbao,
    IssueToCfssl,
    CrlToFloor,
    CrlToOpenssl,
    CrlMemory,
    CrlOneMore,
    RevokeGrowth,
    IndexOctets,
    StartSeconds,
    OcspGrowth,
    OverloadLatency,
    OverloadMemory,
}

const fn at_most(id: RowId, must: f64, name: &'static str) -> Row {
    Row {
        id,
        name,
        must,
        better: Better::Lower,
    }
}

const fn at_least(id: RowId, must: f64, name: &'static str) -> Row {
    Row {
        id,
        name,
        must,
        better: Better::Higher,
    }
}

/// All of them, in the order of the contract.
pub(crate) const ROWS: &[Row] = &[
    at_most(
        RowId::OcspGetToHyper,
        1.2,
        "OCSP GET hit, 64 connections: server CPU per request / bare hyper returning the same bytes",
    ),
    at_most(
        RowId::OcspGetToNginx,
        0.9,
        "OCSP GET hit, 64 connections: server CPU per request / nginx serving the same bytes as a static file",
    ),
    at_most(
        RowId::OcspPostToHyper,
        1.25,
        "OCSP POST hit: server CPU per request / bare hyper reading the same body",
    ),
    at_least(
        RowId::OcspPostToCfssl,
        3.0,
        "OCSP POST hit: CPU per request of Debian's cfssl ocspserve / server CPU per request",
    ),
    at_most(
        RowId::OcspLowerTier,
        1.5,
        "OCSP hit from sled, not memory: CPU per request / bare hyper",
    ),
    at_most(
        RowId::OcspUnderLoad,
        3.0,
        "OCSP p99 while a 1 M CRL builds and issuance runs at half capacity / idle p99",
    ),
    at_least(
        RowId::NonceRsa,
        0.85,
        "OCSP nonce, RSA-2048: answers per second / raw C_Sign",
    ),
    at_least(
        RowId::NonceP256,
        0.5,
        "OCSP nonce, P-256: answers per second / raw C_Sign",
    ),
    at_least(
        RowId::PresignRsa,
        0.93,
        "bulk pre-signing into sled, RSA-2048: answers per second / raw C_Sign",
    ),
    at_least(
        RowId::PresignP256,
        0.75,
        "bulk pre-signing into sled, P-256: answers per second / raw C_Sign",
    ),
    at_most(
        RowId::SignerdCpu,
        12.0,
        "signerd at 64 in flight: CPU µs per signature over in-process",
    ),
    at_least(
        RowId::SignerdRate,
        0.75,
        "signerd at 64 in flight, P-256: signatures per second / in-process",
    ),
    at_least(
        RowId::SimulatedHsm,
        0.98,
        "signerd with a simulated 2 ms HSM of 32 sessions: signatures per second / what it makes in process",
    ),
    at_least(
        RowId::IssueTlsRsa,
        0.75,
        "stored issuance over TLS keep-alive, RSA-2048 CA: certificates per second / raw C_Sign",
    ),
    at_least(
        RowId::IssueTlsP256,
        0.2,
        "stored issuance over TLS keep-alive, P-256 CA: certificates per second / raw C_Sign",
    ),
    at_least(
        RowId::IssueToOpenbao,
        2.5,
        "stored issuance, P-256 software key, plain HTTP: certificates per CPU-second / OpenBao's stored pki/sign",
    ),
    at_least(
        RowId::IssueToCfssl,
        1.0,
        "stored issuance, P-256 software key, plain HTTP: certificates per CPU-second / Debian's cfssl serve, which stores nothing",
    ),
    at_most(
        RowId::CrlToFloor,
        3.0,
        "full CRL, 1 M entries: time / (SHA-256 over its bytes + write + fsync)",
    ),
    at_least(
        RowId::CrlToOpenssl,
        30.0,
        "full CRL, 1 M entries: time of openssl ca -gencrl / time",
    ),
    at_most(
        RowId::CrlMemory,
        64.0,
        "full CRL, 1 M entries: MiB above the resting state",
    ),
    at_most(
        RowId::CrlOneMore,
        1.3,
        "one more revocation with 1 M in the shard, to signed CRL: time / (SHA-256 over the bytes + one signature + write + fsync)",
    ),
    at_most(
        RowId::RevokeGrowth,
        1.2,
        "cost of revoke with 10 M revoked / with 1 k",
    ),
    at_most(RowId::IndexOctets, 40.0, "status index: bytes per certificate"),
    at_most(
        RowId::StartSeconds,
        15.0,
        "ready after start with 10 M certificates: seconds",
    ),
    at_most(
        RowId::OcspGrowth,
        1.3,
        "growth: OCSP hit CPU at 10 M certificates / at 10 k",
    ),
    at_most(
        RowId::OverloadLatency,
        5.0,
        "good requests at full load among 10,000 idle connections, slow, pipelined, oversized and malformed requests: p99 / without these",
    ),
    at_most(
        RowId::OverloadMemory,
        384.0,
        "10,000 idle connections and the clients beside them: MiB above the resting state",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_once() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(row.id as usize, place, "{}", row.name);
        }
    }

    #[test]
    fn verdicts_go_both_ways() {
        let (lower, higher) = (
            at_most(RowId::CrlMemory, 64.0, ""),
            at_least(RowId::NonceRsa, 0.85, ""),
        );
        assert_eq!((lower.verdict(64.0), lower.verdict(65.0)), ("kept", "missed"));
        assert_eq!((higher.verdict(0.9), higher.verdict(0.8)), ("kept", "missed"));
    }
}

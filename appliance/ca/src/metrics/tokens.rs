//! Metrics of the tokens, as the signing process told them last.

use prometheus::{IntCounterVec, IntGaugeVec};
use signer_wire::LaneStatus;

use super::Maker;

/// The metrics of the tokens.
#[derive(Clone, Debug)]
pub(crate) struct TokenMetrics {
    available: IntGaugeVec,
    circuit_open: IntGaugeVec,
    circuit_openings: IntCounterVec,
    signatures: IntCounterVec,
    tests: IntCounterVec,
    keys_changed: IntGaugeVec,
}

impl TokenMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        let (token, by_outcome) = (["token"], ["token", "outcome"]);
        Ok(Self {
            available: make.gauges("token_available", "Whether the token can sign", &token)?,
            circuit_open: make.gauges(
                "token_circuit_open",
                "Whether the token failed and others that have the key are preferred",
                &token,
            )?,
            circuit_openings: make.counters(
                "token_circuit_openings_total",
                "How often the token failed so that others were preferred",
                &token,
            )?,
            signatures: make.counters(
                "token_signatures_total",
                "Signatures asked of the token, by what became of them",
                &by_outcome,
            )?,
            tests: make.counters(
                "token_test_signatures_total",
                "Test signatures of the token, by what they were",
                &by_outcome,
            )?,
            keys_changed: make.gauges(
                "token_keys_changed",
                "Keys of which the token says something else than when they were first seen",
                &token,
            )?,
        })
    }

    /// Takes over what the signing process says of its tokens.
    pub(crate) fn update(&self, lanes: &[LaneStatus]) {
        for lane in lanes {
            let name = lane.name.as_str();
            let of_token = [name];
            self.available
                .with_label_values(&of_token)
                .set(i64::from(lane.available));
            self.circuit_open
                .with_label_values(&of_token)
                .set(i64::from(!lane.circuit.is_closed()));
            self.keys_changed
                .with_label_values(&of_token)
                .set(i64::from(lane.keys_changed));
            follow(&self.circuit_openings, &of_token, lane.circuit_openings);
            for (outcome, total) in [
                ("made", lane.signed),
                ("failed", lane.failed),
                ("shed", lane.shed),
                ("handed_over", lane.handed_over),
            ] {
                follow(&self.signatures, &[name, outcome], total);
            }
            for (outcome, total) in [("right", lane.tests_passed), ("bad", lane.tests_failed)] {
                follow(&self.tests, &[name, outcome], total);
            }
        }
    }

    /// The signing process does not answer: none of its tokens is of use.
    pub(crate) fn lost(&self) {
        self.available.reset();
    }
}

/// Sets a counter to a total that is counted in another process, which begins anew with each start of it.
fn follow(counters: &IntCounterVec, labels: &[&str], total: u64) {
    let counter = counters.with_label_values(labels);
    if total < counter.get() {
        counter.reset();
    }
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use prometheus::{Registry, TextEncoder};
    use signer_wire::Circuit;

    use super::*;

    fn told(registry: &Registry, line: &str) -> bool {
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        text.lines().any(|told| told == line)
    }

    #[test]
    fn each_follows_what_the_signing_process_says() {
        let registry = Registry::new();
        let metrics = TokenMetrics::new(&Maker(&registry)).unwrap();
        let mut lane = LaneStatus {
            name: "left".to_owned(),
            available: true,
            signed: 11,
            failed: 2,
            shed: 3,
            handed_over: 4,
            tests_passed: 5,
            tests_failed: 6,
            circuit: Circuit::Open,
            circuit_openings: 7,
            keys_changed: 8,
            ..LaneStatus::default()
        };
        metrics.update(std::slice::from_ref(&lane));
        for line in [
            r#"chancery_token_available{token="left"} 1"#,
            r#"chancery_token_circuit_open{token="left"} 1"#,
            r#"chancery_token_circuit_openings_total{token="left"} 7"#,
            r#"chancery_token_signatures_total{outcome="made",token="left"} 11"#,
            r#"chancery_token_signatures_total{outcome="failed",token="left"} 2"#,
            r#"chancery_token_signatures_total{outcome="shed",token="left"} 3"#,
            r#"chancery_token_signatures_total{outcome="handed_over",token="left"} 4"#,
            r#"chancery_token_test_signatures_total{outcome="right",token="left"} 5"#,
            r#"chancery_token_test_signatures_total{outcome="bad",token="left"} 6"#,
            r#"chancery_token_keys_changed{token="left"} 8"#,
        ] {
            assert!(told(&registry, line), "{line}");
        }
        // The signing process was started anew, and the token is well.
        (lane.signed, lane.circuit) = (1, Circuit::Closed);
        metrics.update(&[lane]);
        metrics.lost();
        assert!(!told(&registry, r#"chancery_token_available{token="left"} 1"#));
        assert!(told(
            &registry,
            r#"chancery_token_signatures_total{outcome="made",token="left"} 1"#
        ));
        assert!(told(&registry, r#"chancery_token_circuit_open{token="left"} 0"#));
    }
}

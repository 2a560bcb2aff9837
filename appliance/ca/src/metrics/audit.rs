//! Metrics of the audit log: its checkpoints, its alarm, its exports, its witnesses.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec};

use super::{Maker, raise};
use crate::audit_log::AuditState;
use crate::clock::from_millis;

/// They are brought up to date when somebody looks.
#[derive(Clone, Debug)]
pub(super) struct AuditMetrics {
    checkpoint: IntGauge,
    checkpoint_age: Gauge,
    alarm: IntGauge,
    export_lag: IntGaugeVec,
    export_failures: IntCounterVec,
    witness_lag: IntGaugeVec,
    witness_failures: IntCounterVec,
    witness_alarm: IntGaugeVec,
}

impl AuditMetrics {
    pub(super) fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            checkpoint: make.gauge(
                "audit_checkpoint_entries",
                "Entries of the audit log under the last checkpoint",
            )?,
            checkpoint_age: make.float_gauge(
                "audit_checkpoint_age_seconds",
                "Age of the last checkpoint of the audit log",
            )?,
            alarm: make.gauge(
                "audit_alarm",
                "1 when the audit log was found to be tampered with",
            )?,
            export_lag: make.gauges(
                "audit_export_lag",
                "Entries of the audit log that are still to be exported",
                &["export"],
            )?,
            export_failures: make.counters(
                "audit_export_failures_total",
                "Attempts to export entries of the audit log that failed",
                &["export"],
            )?,
            witness_lag: make.gauges(
                "audit_witness_lag",
                "Entries of the audit log that are signed and not cosigned by the witness",
                &["witness"],
            )?,
            witness_failures: make.counters(
                "audit_witness_failures_total",
                "Attempts to have a checkpoint cosigned that failed",
                &["witness"],
            )?,
            witness_alarm: make.gauges(
                "audit_witness_alarm",
                "1 when what the witness says contradicts the audit log",
                &["witness"],
            )?,
        })
    }

    pub(super) fn update(&self, state: &AuditState, now: Timestamp) {
        self.checkpoint.set(state.size.load(Ordering::Relaxed));
        let signed_at = state.signed_at.load(Ordering::Relaxed);
        if signed_at > 0 {
            let age = now.duration_since(from_millis(signed_at));
            self.checkpoint_age.set(age.as_secs_f64());
        }
        self.alarm.set(i64::from(state.alarm.lock().is_some()));
        for (name, lag) in state.exports.lags() {
            self.export_lag.with_label_values(&[&name]).set(lag);
        }
        for (name, failures) in state.exports.failures() {
            raise(&self.export_failures.with_label_values(&[&name]), failures);
        }
        for (name, lag) in state.witnesses.lags() {
            self.witness_lag.with_label_values(&[&name]).set(lag);
        }
        for (name, failures) in state.witnesses.failures() {
            raise(&self.witness_failures.with_label_values(&[&name]), failures);
        }
        for (name, alarm) in state.witnesses.alarms() {
            let is_on = i64::from(alarm.is_some());
            self.witness_alarm.with_label_values(&[&name]).set(is_on);
        }
    }
}

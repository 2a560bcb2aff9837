//! What Prometheus is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    connections: IntCounterVec,
    open: IntGauge,
    requests: IntCounterVec,
    tunnels: IntCounterVec,
    octets: IntCounterVec,
    renewals: IntCounterVec,
    heartbeats: IntCounterVec,
    certificate_ends: IntGauge,
    work: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    requests: AtomicU64,
    failures: AtomicU64,
}

/// What was done since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Connections at present.
    pub(crate) connections_open: u64,
    /// Requests and tunnels.
    pub(crate) requests: u64,
    /// Those that did not get through.
    pub(crate) failures: u64,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |name, help, label| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let gauge = |name, help| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        Ok(Self {
            connections: counters(
                "courier_bridge_connections_total",
                "Connections, by what became of them",
                "outcome",
            )?,
            open: gauge("courier_bridge_connections_open", "Connections at present")?,
            requests: counters(
                "courier_bridge_requests_total",
                "Requests in mode terminate, by what became of them",
                "outcome",
            )?,
            tunnels: counters(
                "courier_bridge_tunnels_total",
                "Tunnels that were asked for, by what became of them",
                "outcome",
            )?,
            octets: counters(
                "courier_bridge_tunnel_octets_total",
                "Octets that went through tunnels",
                "direction",
            )?,
            renewals: counters(
                "courier_bridge_renewals_total",
                "Renewals of the certificate of the instance",
                "outcome",
            )?,
            heartbeats: counters(
                "courier_bridge_heartbeats_total",
                "How often the appliance was told that the instance is at work",
                "outcome",
            )?,
            work: Arc::default(),
            certificate_ends: gauge(
                "courier_bridge_certificate_end_seconds",
                "When the certificate of the instance ends, in seconds since 1970; 0 without one",
            )?,
            registry,
        })
    }

    /// A connection came.
    pub(crate) fn connection(&self, outcome: &str) {
        self.connections.with_label_values(&[outcome]).inc();
    }

    /// A connection is open until this is dropped.
    pub(crate) fn open(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    /// A request was answered.
    pub(crate) fn request(&self, outcome: &str) {
        self.requests.with_label_values(&[outcome]).inc();
        self.work.add(outcome == "forwarded");
    }

    /// A tunnel was asked for.
    pub(crate) fn tunnel(&self, outcome: &str) {
        self.tunnels.with_label_values(&[outcome]).inc();
        self.work.add(outcome == "opened");
    }

    /// A tunnel came to its end.
    pub(crate) fn passed(&self, up: u64, down: u64) {
        self.octets.with_label_values(&["up"]).inc_by(up);
        self.octets.with_label_values(&["down"]).inc_by(down);
    }

    /// A renewal was tried.
    pub(crate) fn renewal(&self, outcome: &str) {
        self.renewals.with_label_values(&[outcome]).inc();
    }

    /// The appliance was told that this instance is at work.
    pub(crate) fn heartbeat(&self, outcome: &str) {
        self.heartbeats.with_label_values(&[outcome]).inc();
    }

    /// What was done since the start.
    pub(crate) fn work(&self) -> Work {
        Work {
            connections_open: u64::try_from(self.open.get()).unwrap_or(0),
            requests: self.work.requests.load(Ordering::Relaxed),
            failures: self.work.failures.load(Ordering::Relaxed),
        }
    }

    /// There is a certificate.
    pub(crate) fn certificate(&self, ends: jiff::Timestamp) {
        self.certificate_ends.set(ends.as_second());
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

impl Tally {
    fn add(&self, is_through: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(!is_through), Ordering::Relaxed);
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Open(IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.connection("accepted");
        metrics.request("forwarded");
        metrics.tunnel("opened");
        metrics.passed(7, 9);
        metrics.renewal("ok");
        metrics.tunnel("too_slow");
        let open = metrics.open();
        let text = metrics.text();
        for line in [
            "courier_bridge_connections_total{outcome=\"accepted\"} 1",
            "courier_bridge_requests_total{outcome=\"forwarded\"} 1",
            "courier_bridge_tunnels_total{outcome=\"opened\"} 1",
            "courier_bridge_tunnel_octets_total{direction=\"down\"} 9",
            "courier_bridge_renewals_total{outcome=\"ok\"} 1",
            "courier_bridge_connections_open 1",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let work = metrics.work();
        assert_eq!((work.connections_open, work.requests, work.failures), (1, 3, 1));
        drop(open);
        assert!(metrics.text().contains("courier_bridge_connections_open 0"));
    }
}

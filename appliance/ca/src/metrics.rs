//! Metrics of the authority.

use prometheus::Registry;

/// The metrics and the registry they are in.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// The registry; edges add their own metrics to it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl crate::Authority {
    /// Everything in the registry as text (Prometheus exposition format 0.0.4), with the gauges brought up to date.
    pub fn metrics_text(&self) -> String {
        todo!()
    }
}

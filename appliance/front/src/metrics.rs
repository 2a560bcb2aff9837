//! What is counted about HTTP, beside the metrics of the CA in one registry.

use std::time::{Duration, Instant};

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

/// The metrics of the listeners.
#[derive(Clone, Debug)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGaugeVec,
    pub(crate) tls_failures: IntCounter,
}

impl HttpMetrics {
    /// Registered and at zero. A registry that has them already keeps them: the listeners were started again.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let labels = ["listener", "route", "method", "status"];
        let metrics = Self {
            requests: IntCounterVec::new(Opts::new("chancery_http_requests_total", "HTTP requests answered"), &labels)?,
            seconds: HistogramVec::new(
                HistogramOpts::new("chancery_http_request_seconds", "Time from the head of a request to its answer"),
                &["listener", "route"],
            )?,
            in_flight: IntGaugeVec::new(
                Opts::new("chancery_http_requests_in_flight", "HTTP requests being answered"),
                &["listener"],
            )?,
            tls_failures: IntCounter::new("chancery_tls_handshake_failures_total", "TLS handshakes that failed")?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.tls_failures.clone()))?;
        Ok(metrics)
    }

    /// Counts a request from now to its answer.
    pub(crate) fn begin(&self, listener: &'static str) -> Timed<'_> {
        self.in_flight.with_label_values(&[listener]).inc();
        Timed { metrics: self, listener, since: started() }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures a span, tells no time")]
fn started() -> Instant {
    Instant::now()
}

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Timed<'a> {
    metrics: &'a HttpMetrics,
    listener: &'static str,
    since: Instant,
}

impl Timed<'_> {
    /// The request was answered.
    pub(crate) fn end(self, route: &str, method: &str, status: u16) -> Duration {
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        let took = self.since.elapsed();
        self.metrics.requests.with_label_values(&[self.listener, route, method, class]).inc();
        self.metrics.seconds.with_label_values(&[self.listener, route]).observe(took.as_secs_f64());
        took
    }
}

impl Drop for Timed<'_> {
    /// Also for requests whose client went away.
    fn drop(&mut self) {
        self.metrics.in_flight.with_label_values(&[self.listener]).dec();
    }
}

//! What is counted about HTTP, beside the metrics of the CA in one registry.
//!
//! Looking a counter up by its labels costs more than an OCSP answer from the cache; the public listener, whose labels
//! are few and known, keeps the ones it has met.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// The metrics of the listeners.
#[derive(Clone, Debug)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGaugeVec,
    refused: IntCounterVec,
    displaced: IntCounterVec,
    pub(crate) tls_failures: IntCounter,
}

/// From 50 µs, an answer from memory, to 10 s, a token that takes its time.
const BUCKETS: [f64; 14] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0,
];

impl HttpMetrics {
    /// Registered and at zero. Fails when the registry has them already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "chancery_http_requests_total",
                    "HTTP requests answered, by class of status",
                ),
                &["listener", "route", "method", "status"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new(
                    "chancery_http_request_seconds",
                    "Time from the head of a request to its answer",
                )
                .buckets(BUCKETS.to_vec()),
                &["listener", "route"],
            )?,
            in_flight: IntGaugeVec::new(
                Opts::new("chancery_http_requests_in_flight", "HTTP requests being answered"),
                &["listener"],
            )?,
            refused: IntCounterVec::new(
                Opts::new(
                    "chancery_http_connections_refused_total",
                    "Connections closed because their address had its share of them",
                ),
                &["listener"],
            )?,
            displaced: IntCounterVec::new(
                Opts::new(
                    "chancery_http_connections_displaced_total",
                    "Connections on which nothing went on, closed to make room for others",
                ),
                &["listener"],
            )?,
            tls_failures: IntCounter::new(
                "chancery_tls_handshake_failures_total",
                "TLS handshakes that failed",
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.displaced.clone()))?;
        registry.register(Box::new(metrics.tls_failures.clone()))?;
        Ok(metrics)
    }

    /// The gauge of a listener.
    pub(crate) fn in_flight(&self, listener: &str) -> IntGauge {
        self.in_flight.with_label_values(&[listener])
    }

    /// The refused connections of a listener.
    pub(crate) fn refused(&self, listener: &str) -> IntCounter {
        self.refused.with_label_values(&[listener])
    }

    /// The connections of a listener that made room for others.
    pub(crate) fn displaced(&self, listener: &str) -> IntCounter {
        self.displaced.with_label_values(&[listener])
    }

    /// Counts an answered request.
    pub(crate) fn count(
        &self,
        listener: &str,
        route: &str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let (_, method) = method_label(method);
        let (_, class) = class_label(status);
        self.requests
            .with_label_values(&[listener, route, method, class])
            .inc();
        self.seconds
            .with_label_values(&[listener, route])
            .observe(took.as_secs_f64());
    }
}

/// A method as a label value, and its place among them; anybody may invent others.
fn method_label(method: &Method) -> (usize, &'static str) {
    match *method {
        Method::GET => (0, "GET"),
        Method::HEAD => (1, "HEAD"),
        Method::POST => (2, "POST"),
        Method::PUT => (3, "PUT"),
        Method::DELETE => (4, "DELETE"),
        _ => (5, "other"),
    }
}

fn class_label(status: StatusCode) -> (usize, &'static str) {
    match status.as_u16() {
        0..=199 => (0, "1xx"),
        200..=299 => (1, "2xx"),
        300..=399 => (2, "3xx"),
        400..=499 => (3, "4xx"),
        _ => (4, "5xx"),
    }
}

/// What the public listener answers about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// Certificates of issuers.
    Ca,
    /// CRLs.
    Crl,
    /// OCSP.
    Ocsp,
    /// Whether the process lives.
    Healthz,
    /// An address that there is not.
    Nowhere,
}

/// The label values of [`Route`], in its order.
const ROUTES: [&str; 5] = ["ca", "crl", "ocsp", "healthz", "none"];
const LISTENER: &str = "public";

/// The metrics of the public listener, found without looking labels up.
#[derive(Debug)]
pub(crate) struct PublicMetrics {
    all: HttpMetrics,
    in_flight: IntGauge,
    routes: [RouteMetrics; ROUTES.len()],
}

#[derive(Debug)]
struct RouteMetrics {
    name: &'static str,
    seconds: Histogram,
    /// By method and class; one that was never met is not made, so that it is not scraped.
    requests: [[OnceLock<IntCounter>; 5]; 6],
}

impl PublicMetrics {
    pub(crate) fn new(all: HttpMetrics) -> Self {
        let routes = ROUTES.map(|name| RouteMetrics {
            name,
            seconds: all.seconds.with_label_values(&[LISTENER, name]),
            requests: Default::default(),
        });
        Self {
            in_flight: all.in_flight(LISTENER),
            routes,
            all,
        }
    }

    /// A request begins that is not answered at once.
    pub(crate) fn begin(&self) -> Timed {
        Timed::begin(self.in_flight.clone())
    }

    /// A request was answered.
    pub(crate) fn count(&self, took: Duration, route: Route, method: &Method, status: StatusCode) {
        let ((place, method), (class, status)) = (method_label(method), class_label(status));
        let Some(route) = self.routes.get(route as usize) else {
            return;
        };
        route.seconds.observe(took.as_secs_f64());
        if let Some(counter) = route.requests.get(place).and_then(|classes| classes.get(class)) {
            let labels = [LISTENER, route.name, method, status];
            counter
                .get_or_init(|| self.all.requests.with_label_values(&labels))
                .inc();
        }
    }
}

/// One request on its way; counted as in flight until it is dropped, also when its client went away.
#[derive(Debug)]
pub(crate) struct Timed {
    in_flight: IntGauge,
    since: Instant,
}

impl Timed {
    pub(crate) fn begin(in_flight: IntGauge) -> Self {
        in_flight.inc();
        Self {
            in_flight,
            since: Instant::now(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn routes_are_in_the_order_of_their_names() {
        let names = [Route::Ca, Route::Crl, Route::Ocsp, Route::Healthz, Route::Nowhere]
            .map(|route| ROUTES.get(route as usize).copied().unwrap());
        assert_eq!(names, ROUTES);
    }

    #[test]
    fn a_request_in_flight_is_seen_until_it_is_dropped() {
        let registry = Registry::new();
        let metrics = PublicMetrics::new(HttpMetrics::new(&registry).unwrap());
        let timed = metrics.begin();
        assert_eq!(metrics.in_flight.get(), 1);
        let took = timed.elapsed();
        metrics.count(took, Route::Crl, &Method::PATCH, StatusCode::METHOD_NOT_ALLOWED);
        drop(timed);
        assert_eq!(metrics.in_flight.get(), 0);
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        let line = "chancery_http_requests_total{listener=\"public\",method=\"other\",route=\"crl\",status=\"4xx\"} 1";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("route=\"ocsp\",status"), "{text}");
    }
}

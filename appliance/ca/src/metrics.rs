//! Metrics of the authority, in one Prometheus registry that edges add theirs to.
//!
//! Counters count where things happen; gauges are brought up to date when somebody looks.

mod audit;
mod store;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use audit::AuditMetrics;

use crate::answer_ocsp::OcspAnswerKind;
use crate::authority::Authority;
use crate::presign_ocsp::Presigned;
use crate::seal::Purpose;
use crate::signer::SignFault;
use store::StoreMetrics;
use tokens::TokenMetrics;

/// The bounds of the signer's histogram, in seconds: from a software key to a slow token.
const SECONDS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0,
];

/// The metrics and the registry they are in. Clones are one.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    issued: IntCounterVec,
    refused: IntCounterVec,
    courier_authentications: IntCounterVec,
    alarms: IntGaugeVec,
    revoked: IntCounterVec,
    orphans: IntCounter,
    changes: ChangesMetrics,
    /// In the order of [`OcspAnswerKind::ALL`]: looked up once, because answers come by the ten thousand a second.
    ocsp_answers: Vec<IntCounter>,
    ocsp_hits: IntCounter,
    ocsp_misses: IntCounter,
    ocsp_cache_entries: IntGauge,
    ocsp_presigned: IntCounterVec,
    ocsp_lost: IntCounter,
    status_index: IntGauge,
    crl_number: IntGaugeVec,
    crl_age: GaugeVec,
    crl_octets: IntGaugeVec,
    crl_entries: IntGaugeVec,
    signer_seconds: HistogramVec,
    signer_errors: IntCounterVec,
    signer_waiting: IntGauge,
    tokens: TokenMetrics,
    store: StoreMetrics,
    store_commits: IntCounter,
    store_jobs: IntCounter,
    store_failures: IntCounter,
    store_waiting: IntGauge,
    audit_entries: IntGauge,
    audit_seq: Arc<AtomicI64>,
    audit: AuditMetrics,
    clock_behind: IntGauge,
}

/// How this server gets on with the changes of others.
#[derive(Clone, Debug)]
struct ChangesMetrics {
    followed: IntCounter,
    lag: Gauge,
    stuck: IntGauge,
    unknown: IntCounter,
}

impl ChangesMetrics {
    fn new(make: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            followed: make.counter(
                "changes_followed_total",
                "Changes of other servers that were taken over",
            )?,
            lag: make.float_gauge(
                "changes_lag_seconds",
                "For how long something may have been changed by another server that is not known here",
            )?,
            stuck: make.gauge(
                "changes_stuck",
                "Changes of other servers that could not be taken over and are tried again",
            )?,
            unknown: make.counter(
                "changes_unknown_total",
                "Changes of other servers that this program does not know",
            )?,
        })
    }
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let make = Maker(&registry);
        let crl = ["issuer", "generation"];
        let ocsp_answers =
            make.counters("ocsp_answers_total", "OCSP answers, by what they say", &["kind"])?;
        let ocsp_cache = make.counters(
            "ocsp_cache_total",
            "OCSP answers looked for in memory",
            &["outcome"],
        )?;
        Ok(Self {
            issued: make.counters(
                "certificates_issued_total",
                "Certificates issued",
                &["issuer", "profile"],
            )?,
            refused: make.counters("certificates_refused_total", "Orders refused, by code", &["code"])?,
            courier_authentications: courier_authentications(&make)?,
            alarms: alarms(&make)?,
            revoked: make.counters(
                "certificates_revoked_total",
                "Certificates revoked or put on hold",
                &["issuer", "reason"],
            )?,
            orphans: make.counter(
                "orphans_total",
                "Serials revoked because something may have been signed unrecorded",
            )?,
            changes: ChangesMetrics::new(&make)?,
            ocsp_answers: OcspAnswerKind::ALL
                .iter()
                .map(|kind| ocsp_answers.get_metric_with_label_values(&[kind.name()]))
                .collect::<prometheus::Result<_>>()?,
            ocsp_hits: ocsp_cache.get_metric_with_label_values(&["hit"])?,
            ocsp_misses: ocsp_cache.get_metric_with_label_values(&["miss"])?,
            ocsp_cache_entries: make.gauge("ocsp_cache_entries", "OCSP answers in memory")?,
            ocsp_presigned: make.counters(
                "ocsp_presigned_total",
                "OCSP answers to be signed ahead of time, by what became of it",
                &["outcome"],
            )?,
            ocsp_lost: make.counter(
                "ocsp_answers_lost_total",
                "OCSP answers that the cache on disk did not take",
            )?,
            status_index: make.gauge(
                "status_index_bytes",
                "Memory of the index that knows the status of every serial",
            )?,
            crl_number: make.gauges("crl_number", "Number of the published CRL", &crl)?,
            crl_age: make.float_gauges("crl_age_seconds", "Age of the published CRL", &crl)?,
            crl_octets: make.gauges("crl_size_bytes", "Size of the published CRL", &crl)?,
            crl_entries: make.gauges("crl_entries", "Entries of the published CRL", &crl)?,
            signer_seconds: make.histogram(
                "signer_seconds",
                "Time from asking the signer to a verified signature",
                &["purpose"],
            )?,
            signer_errors: make.counters(
                "signer_errors_total",
                "Signatures that failed, by code",
                &["code"],
            )?,
            signer_waiting: make.gauge("signer_waiting", "Signatures waited for now")?,
            tokens: TokenMetrics::new(&make)?,
            store: StoreMetrics::new(&make)?,
            store_commits: make.counter("store_commits_total", "Transactions committed")?,
            store_jobs: make.counter("store_jobs_total", "Jobs in committed transactions")?,
            store_failures: make.counter("store_failures_total", "Commits that failed")?,
            store_waiting: make.gauge("store_waiting", "Jobs waiting for the store's writer")?,
            audit_entries: make.gauge("audit_entries", "Entries of the audit log")?,
            audit_seq: Arc::default(),
            audit: AuditMetrics::new(&make)?,
            clock_behind: make.gauge(
                "clock_behind_seconds",
                "How far the clock stands behind the latest time seen",
            )?,
            registry,
        })
    }

    /// The registry; edges add their own metrics to it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn issued(&self, issuer: &str, profile: &str) {
        self.issued.with_label_values(&[issuer, profile]).inc();
    }

    /// How many alarms of a kind last.
    pub(crate) fn alarms_open(&self, kind: &str, count: i64) {
        self.alarms.with_label_values(&[kind]).set(count);
    }

    pub(crate) fn courier_authenticated(&self, method: &str, outcome: &str) {
        let labels = [method, outcome];
        self.courier_authentications.with_label_values(&labels).inc();
    }

    pub(crate) fn refused(&self, code: &str) {
        self.refused.with_label_values(&[code]).inc();
    }

    pub(crate) fn revoked(&self, issuer: &str, reason: &str) {
        self.revoked.with_label_values(&[issuer, reason]).inc();
    }

    pub(crate) fn orphaned(&self) {
        self.orphans.inc();
    }

    pub(crate) fn followed(&self, changes: usize) {
        self.changes.followed.inc_by(changes as u64);
    }

    pub(crate) fn ocsp_answered(&self, kind: OcspAnswerKind) {
        let place = OcspAnswerKind::ALL.iter().position(|known| *known == kind);
        if let Some(counter) = place.and_then(|place| self.ocsp_answers.get(place)) {
            counter.inc();
        }
    }

    pub(crate) fn presigned(&self, done: Presigned) {
        for (outcome, count) in [
            ("signed", done.signed),
            ("fresh", done.fresh),
            ("failed", done.failed),
        ] {
            self.ocsp_presigned
                .with_label_values(&[outcome])
                .inc_by(u64::try_from(count).unwrap_or(0));
        }
    }

    pub(crate) fn ocsp_looked_up(&self, is_hit: bool) {
        if is_hit {
            self.ocsp_hits.inc();
        } else {
            self.ocsp_misses.inc();
        }
    }

    pub(crate) fn signed(&self, purpose: Purpose, took: Duration, fault: Option<&SignFault>) {
        match fault {
            None => self
                .signer_seconds
                .with_label_values(&[purpose.name()])
                .observe(took.as_secs_f64()),
            Some(fault) => self.signer_errors.with_label_values(&[fault.code()]).inc(),
        }
    }

    pub(crate) fn tokens(&self) -> &TokenMetrics {
        &self.tokens
    }

    pub(crate) fn audited(&self, seq: i64) {
        self.audit_seq.fetch_max(seq, Ordering::Relaxed);
    }

    pub(crate) fn audit_entries(&self) -> i64 {
        self.audit_seq.load(Ordering::Relaxed)
    }
}

/// Registers under one prefix.
fn courier_authentications(make: &Maker<'_>) -> prometheus::Result<IntCounterVec> {
    make.counters(
        "courier_authentications_total",
        "Attempts of couriers to authenticate, by method and outcome",
        &["method", "outcome"],
    )
}

fn alarms(make: &Maker<'_>) -> prometheus::Result<IntGaugeVec> {
    make.gauges("alarms_open", "Alarms that last, by kind", &["kind"])
}

struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn keep<M: prometheus::core::Collector + Clone + 'static>(&self, metric: M) -> prometheus::Result<M> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.keep(IntCounter::with_opts(opts(name, help))?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.keep(IntCounterVec::new(opts(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.keep(IntGauge::with_opts(opts(name, help))?)
    }

    fn float_gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.keep(Gauge::with_opts(opts(name, help))?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.keep(IntGaugeVec::new(opts(name, help), labels)?)
    }

    fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.keep(GaugeVec::new(opts(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts {
            common_opts: opts(name, help),
            buckets: SECONDS.to_vec(),
        };
        self.keep(HistogramVec::new(opts, labels)?)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("chancery_{name}"), help)
}

/// Brings a counter up to a total that is counted elsewhere.
fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

impl Authority {
    /// Everything in the registry as text (Prometheus exposition format 0.0.4), with the gauges brought up to date; those of the
    /// tokens by [`Authority::look_at_tokens`].
    pub fn metrics_text(&self) -> String {
        self.update_gauges();
        let families = self.inner().metrics.registry.gather();
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }

    fn update_gauges(&self) {
        let inner = self.inner();
        let metrics = &inner.metrics;
        let now = inner.clock.now();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for issuer in inner.registry.all() {
            let crls: Vec<_> = issuer
                .shards
                .iter()
                .filter_map(|shard| shard.crl.load_full())
                .collect();
            let Some(oldest) = crls.iter().map(|crl| crl.this_update).min() else {
                continue;
            };
            let entry = issuer.entry();
            let labels = [entry.name.as_str(), &entry.generation.to_string()];
            metrics
                .crl_number
                .with_label_values(&labels)
                .set(gauge(crls.iter().map(|crl| crl.number).max().unwrap_or(0)));
            metrics
                .crl_age
                .with_label_values(&labels)
                .set(now.duration_since(oldest).as_secs_f64());
            metrics
                .crl_octets
                .with_label_values(&labels)
                .set(gauge(crls.iter().map(|crl| crl.body.octets()).sum()));
            metrics
                .crl_entries
                .with_label_values(&labels)
                .set(gauge(crls.iter().map(|crl| crl.entries as u64).sum()));
        }
        let counters = inner.store.counters();
        raise(&metrics.store_commits, counters.commits);
        raise(&metrics.store_jobs, counters.jobs);
        raise(&metrics.store_failures, counters.failures);
        metrics.store_waiting.set(gauge(counters.waiting));
        metrics.signer_waiting.set(gauge(inner.signer.waiting()));
        metrics
            .ocsp_cache_entries
            .set(i64::try_from(inner.ocsp_cache.len()).unwrap_or(i64::MAX));
        let octets: usize = inner
            .registry
            .all()
            .iter()
            .map(|issuer| issuer.statuses.octets())
            .sum();
        metrics
            .status_index
            .set(i64::try_from(octets).unwrap_or(i64::MAX));
        if let Some(answers) = &inner.answers {
            raise(&metrics.ocsp_lost, answers.lost());
        }
        metrics.audit_entries.set(metrics.audit_entries());
        let (stuck, unknown) = inner.following.troubles();
        metrics.changes.lag.set(inner.following.lag().as_secs_f64());
        metrics.changes.stuck.set(gauge(stuck as u64));
        raise(&metrics.changes.unknown, unknown);
        metrics.audit.update(&inner.audit, now);
        metrics.clock_behind.set(gauge(inner.guard.behind(now).as_secs()));
    }
}

//! What is wrong with a configuration: all of it, each problem with the path of its key.

use std::net::IpAddr;

use pki::SubjectAltName;
use tracing_subscriber::filter::Targets;

use super::{Api, Config, Lifetimes, Limits, Ocsp, Public};

/// The longest lifetimes that can be set: ten years.
const MOST_HOURS: u32 = 10 * 366 * 24;
const MOST_DAYS: u32 = 10 * 366;
/// The longest that a client or the end of the server may be waited for: an hour.
const MOST_SECONDS: u32 = 3600;
/// The most OCSP answers that can be waited for.
const MOST_ON_DEMAND: usize = 1_000_000;

impl Config {
    /// Everything that is wrong, each with the path of its key.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut problems = Problems(Vec::new());
        problems.when(self.version != 1, "version", "this program reads version 1");
        self.public.check(&mut problems);
        self.api.check(&mut problems);
        for (key, what) in self.store.problems() {
            problems.when(true, key, what);
        }
        problems.when(
            self.log.level.parse::<Targets>().is_err(),
            "log.level",
            "a filter such as `info` or `info,front=debug`",
        );
        for (key, what) in self.audit.problems() {
            problems.when(true, &key, &what);
        }
        for (key, what) in self.couriers.problems() {
            problems.when(true, key, &what);
        }
        self.ocsp.check(&mut problems);
        self.lifetimes.check(&mut problems);
        self.limits.check(&mut problems);
        let listeners = [self.public.listen, self.api.listen, self.metrics.listen];
        let is_same = |one: usize, other: usize| {
            listeners.get(one) == listeners.get(other) && listeners.get(one).is_some_and(|at| at.port() != 0)
        };
        problems.when(is_same(0, 1), "api.listen", "the same as public.listen");
        problems.when(
            is_same(0, 2) || is_same(1, 2),
            "metrics.listen",
            "the same as another listener",
        );
        problems.0
    }
}

/// What was found so far.
struct Problems(Vec<String>);

impl Problems {
    fn when(&mut self, is_wrong: bool, key: &str, text: &str) {
        if is_wrong {
            self.0.push(format!("{key}: {text}"));
        }
    }

    fn unless_within(&mut self, key: &str, value: u32, most: u32) {
        self.when(value == 0 || value > most, key, &format!("1 to {most}"));
    }
}

impl Public {
    fn check(&self, problems: &mut Problems) {
        let rest = self.base_url.strip_prefix("http://");
        problems.when(
            rest.is_none(),
            "public.base_url",
            "begins with http:// (what it serves is signed; https would need itself to be checked)",
        );
        let is_odd = |rest: &str| {
            rest.trim_end_matches('/').is_empty()
                || rest.contains(['?', '#', '@'])
                || !rest.bytes().all(|b| b.is_ascii_graphic())
        };
        problems.when(
            rest.is_some_and(is_odd),
            "public.base_url",
            "http:// and a host, perhaps a port and a path",
        );
    }
}

impl Api {
    fn check(&self, problems: &mut Problems) {
        problems.when(
            self.plain && !self.listen.ip().is_loopback(),
            "api.plain",
            "wants api.listen on a loopback address: tokens would cross the network in the clear",
        );
        problems.when(self.names.is_empty(), "api.names", "at least one name or address");
        for name in &self.names {
            let is_name = name.parse::<IpAddr>().is_ok() || SubjectAltName::dns(name).is_ok();
            problems.when(
                !is_name,
                "api.names",
                &format!("{name:?} is neither a host name nor an address"),
            );
        }
    }
}

impl Lifetimes {
    fn check(&self, problems: &mut Problems) {
        problems.unless_within("lifetimes.crl_hours", self.crl_hours, MOST_HOURS);
        let interval = self.crl_interval_hours;
        problems.when(
            interval == 0 || interval >= self.crl_hours,
            "lifetimes.crl_interval_hours",
            "at least 1 and less than crl_hours, so that a CRL never ends before the next",
        );
        problems.unless_within("lifetimes.ocsp_hours", self.ocsp_hours, MOST_HOURS);
        problems.unless_within("lifetimes.responder_days", self.responder_days, MOST_DAYS);
    }
}

impl Ocsp {
    fn check(&self, problems: &mut Problems) {
        let is_odd = self.on_demand == 0 || self.on_demand > MOST_ON_DEMAND;
        problems.when(is_odd, "ocsp.on_demand", &format!("1 to {MOST_ON_DEMAND}"));
    }
}

impl Limits {
    fn check(&self, problems: &mut Problems) {
        problems.when(self.connections == 0, "limits.connections", "at least 1");
        problems.when(
            self.connections_per_address == 0,
            "limits.connections_per_address",
            "at least 1",
        );
        problems.when(self.api_body < 1024, "limits.api_body", "at least 1024");
        problems.unless_within("limits.header_seconds", self.header_seconds, MOST_SECONDS);
        problems.unless_within("limits.body_seconds", self.body_seconds, MOST_SECONDS);
        problems.when(
            self.drain_seconds > MOST_SECONDS,
            "limits.drain_seconds",
            &format!("at most {MOST_SECONDS}"),
        );
    }
}

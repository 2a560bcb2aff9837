//! A day of a CA in a few seconds: everything that is asked of an appliance at the same time, in the proportions of a day.
//!
//! The day is that of a million server certificates of 90 days that are renewed after 60. Every server fetches an OCSP answer twice
//! a day to staple it: two million by GET. A tenth as many are asked for by POST by clients that do not get a stapled one,
//! one in a hundred with a nonce. 40,000 times a CRL is fetched, half of them by somebody who has it already. 17,000
//! certificates are renewed, 3,500 are new, and 1,000 are revoked. Nothing of it is paced: each worker does the next thing when
//! the last one is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cpu::Meter;
use crate::csr;
use crate::http::{Answer, Connection, Door};
use crate::load::{Check, Shape, Tally};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::ocsp::is_signed;
use crate::scenario::succeeded;
use crate::target::Target;

/// Certificates that are asked about and renewed.
const KNOWN: usize = 256;
/// Certificates that can be revoked, each once; more than a run comes to.
const REVOCABLE: usize = 500;
/// A worker that fails so often gives up.
const ENOUGH: u64 = 100;

/// One thing that is done.
struct Kind {
    what: &'static str,
    /// How often in ten thousand.
    share: usize,
    door: Door,
    requests: Requests,
    check: Check,
}

enum Requests {
    /// In turn, round and round.
    Again(Vec<Vec<u8>>),
    /// Each once.
    Once(Mutex<Vec<Vec<u8>>>),
}

/// Everything that is done, and in which order.
struct Day {
    kinds: Vec<Kind>,
    /// Places in `kinds`.
    order: Vec<usize>,
}

/// Measures it: a figure for each kind, and one of all with the CPU, which cannot be told apart.
pub(crate) async fn run(target: &Target, run: &mut Run) -> Result<()> {
    let day = Arc::new(Day::of(target).await?);
    day.spend(Shape::new(run.shape.workers, run.length() / 5)).await?;
    let rounds = u32::try_from(run.rounds)?;
    let (meter, begun) = (Meter::start(&target.groups)?, Instant::now());
    let tallies = day
        .spend(Shape::new(run.shape.workers, run.length() * rounds))
        .await?;
    let took = begun.elapsed();
    let mut all = Tally::new()?;
    for tally in &tallies {
        all.merge(tally)?;
    }
    run.report
        .add(Figure::of("day", "everything", &all, took, meter)?);
    for (kind, tally) in day.kinds.iter().zip(&tallies) {
        run.report
            .add(Figure::of("day", kind.what, tally, took, Meter::start(&[])?)?);
    }
    Ok(())
}

impl Day {
    async fn of(target: &Target) -> Result<Self> {
        let kinds = kinds(target).await?;
        let mut order: Vec<usize> = kinds
            .iter()
            .enumerate()
            .flat_map(|(place, kind)| vec![place; kind.share])
            .collect();
        scatter(&mut order);
        Ok(Self { kinds, order })
    }

    /// What was counted of each kind.
    async fn spend(self: &Arc<Self>, shape: Shape) -> Result<Vec<Tally>> {
        let mut workers = JoinSet::new();
        for number in 0..shape.workers {
            let first = number * self.order.len() / shape.workers.max(1);
            workers.spawn(Arc::clone(self).work(first, shape.duration));
        }
        let mut total = self.empty()?;
        while let Some(tallies) = workers.join_next().await {
            for (total, tally) in total.iter_mut().zip(&tallies??) {
                total.merge(tally)?;
            }
        }
        Ok(total)
    }

    fn empty(&self) -> Result<Vec<Tally>> {
        self.kinds.iter().map(|_| Tally::new()).collect()
    }

    async fn work(self: Arc<Self>, first: usize, duration: Duration) -> Result<Vec<Tally>> {
        let (mut tallies, mut failures) = (self.empty()?, 0);
        let mut connections: Vec<(String, Connection)> = Vec::new();
        let begun = Instant::now();
        for (count, place) in self.order.iter().cycle().skip(first).enumerate() {
            if begun.elapsed() >= duration || failures >= ENOUGH {
                break;
            }
            let (kind, tally) = (self.kinds.get(*place), tallies.get_mut(*place));
            let (kind, tally) = kind.zip(tally).context("a kind")?;
            let Some(request) = kind.requests.next(first + count) else {
                continue;
            };
            let asked = Instant::now();
            let outcome = exchange(&mut connections, kind, &request).await;
            failures += u64::from(outcome.is_err());
            tally.count(asked, outcome);
        }
        Ok(tallies)
    }
}

/// Asks over the worker's connection to this door; one that failed is opened anew.
async fn exchange(connections: &mut Vec<(String, Connection)>, kind: &Kind, request: &[u8]) -> Result<()> {
    let at = connections
        .iter()
        .position(|(address, _)| *address == kind.door.address);
    let (address, mut connection) = match at {
        Some(at) => connections.swap_remove(at),
        None => (kind.door.address.clone(), kind.door.open().await?),
    };
    (kind.check)(&connection.exchange(request).await?)?;
    connections.push((address, connection));
    Ok(())
}

impl Requests {
    fn next(&self, number: usize) -> Option<Vec<u8>> {
        match self {
            Self::Again(requests) => requests.get(number % requests.len().max(1)).cloned(),
            Self::Once(requests) => requests.lock().pop(),
        }
    }
}

async fn kinds(target: &Target) -> Result<Vec<Kind>> {
    let known = target.issue(KNOWN).await?;
    let serials: Vec<_> = known.iter().map(|(_, serial)| *serial).collect();
    let responder = target.ocsp().await?;
    let public = |what, share, requests: Vec<Vec<u8>>, check| Kind {
        what,
        share,
        door: target.public.clone(),
        requests: Requests::Again(requests),
        check,
    };
    let api = |what, share, requests| Kind {
        what,
        share,
        door: target.api.clone(),
        requests,
        check: succeeded,
    };
    let post =
        |id: &str, verb: &str, body: &Value| target.post(&format!("/api/v1/certificates/{id}/{verb}"), body);
    let nothing = json!({});
    let renewals = known.iter().map(|(id, _)| post(id, "renew", &nothing));
    let doomed = target.issue(REVOCABLE).await?;
    let reason = json!({ "reason": "superseded" });
    let revocations = doomed.iter().map(|(id, _)| post(id, "revoke", &reason));
    let order = target.post("/api/v1/certificates", &target.order(&csr::request()?));
    Ok(vec![
        public("OCSP by GET", 8767, responder.gets(&serials)?.to_vec(), is_signed),
        public(
            "OCSP by POST",
            868,
            responder.posts(&serials, false)?.to_vec(),
            is_signed,
        ),
        public(
            "OCSP by POST with nonce",
            87,
            responder.posts(&serials, true)?.to_vec(),
            is_signed,
        ),
        public("CRL", 176, crls(target, &responder.id).await?, is_list),
        api("renewal", 77, Requests::Again(renewals.collect())),
        api("issuance", 20, Requests::Again(vec![order])),
        api("revocation", 5, Requests::Once(Mutex::new(revocations.collect()))),
    ])
}

/// A question for the CRL, and one by somebody who has it.
async fn crls(target: &Target, issuer: &str) -> Result<Vec<Vec<u8>>> {
    let path = format!("/.well-known/pki/crl/{issuer}");
    let plain = target.public.get(&path);
    let mut connection = target.public.open().await?;
    let answer = connection.exchange(&plain).await?;
    is_list(&answer)?;
    let head = std::str::from_utf8(answer.head)?;
    let tag = crate::http::field(head, "etag").context("an entity tag")?;
    let known = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nIf-None-Match: {tag}\r\n\r\n",
        target.public.address
    );
    Ok(vec![plain, known.into_bytes()])
}

fn is_list(answer: &Answer<'_>) -> Result<()> {
    ensure!(
        answer.status == 304 || (answer.status == 200 && answer.body.first() == Some(&0x30)),
        "status {}, {} octets",
        answer.status,
        answer.body.len()
    );
    Ok(())
}

/// The same order every time, with nothing of a kind standing together.
fn scatter(order: &mut [usize]) {
    let mut keyed: Vec<(u64, usize)> = (1_u64..)
        .zip(order.iter())
        .map(|(number, place)| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15), *place))
        .collect();
    keyed.sort_unstable();
    for (place, (_, kind)) in order.iter_mut().zip(keyed) {
        *place = kind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rare_is_spread_over_the_day() {
        let mut order = [vec![0; 9000], vec![1; 900], vec![2; 100]].concat();
        scatter(&mut order);
        for (kind, share) in [(0, 900), (1, 90), (2, 10)] {
            for part in order.chunks(1000) {
                let count = part.iter().filter(|place| **place == kind).count();
                assert!(count.abs_diff(share) <= 3, "{count} of {kind}");
            }
        }
    }
}

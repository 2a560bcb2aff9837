//! Signing OCSP answers before anybody waits for them: what is asked for often, what is revoked, or everything.
//!
//! All of it has the lowest priority at the signer, and a share of the processor that leaves the others room. An answer in
//! memory is signed anew somewhere in the last quarter before its half-life, at a moment of its own, so that what
//! was signed together is not signed anew together.

use std::ops::AddAssign;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use ocsp::{CertId, HashAlgorithm};
use pki::Serial;
use store::statuses::Page;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer_ocsp::{Asker, standing};
use crate::authority::Authority;
use crate::background;
use crate::error::{Error, Result};
use crate::issuer::Issuer;
use crate::kept_answer;
use crate::ocsp_cache::CacheKey;
use crate::permit;
use crate::principal::Principal;
use crate::seal::Purpose;

/// What became of signing ahead.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Presigned {
    /// Answers that were signed.
    pub signed: usize,
    /// Answers that were good for long enough still.
    pub fresh: usize,
    /// Answers that could not be signed.
    pub failed: usize,
}

/// Answers that go together: they ask the signer at the same moment and have its reply at the same moment, so that nobody is
/// woken for one of them.
const GROUP: usize = 16;
/// Groups under way at the same time.
const AT_ONCE: usize = 16;
/// After so many the disk is waited for, until it has those before them: it lets four times as many wait.
const SETTLE: usize = 2048;
/// Serials read from the store at a time.
const PAGE: u32 = 8192;

/// How a page of serials is read.
type ReadPage = fn(&store::Reader<'_>, &Page) -> store::Result<Vec<Vec<u8>>>;

impl AddAssign for Presigned {
    fn add_assign(&mut self, more: Self) {
        self.signed += more.signed;
        self.fresh += more.fresh;
        self.failed += more.failed;
    }
}

/// What came of one answer.
enum Outcome {
    Signed,
    Fresh,
    Failed,
}

impl Authority {
    /// Signs anew what is asked for often and will soon be due.
    pub async fn refresh_ocsp(&self) -> Result<Presigned> {
        let now = self.inner().clock.now();
        let due = self
            .inner()
            .ocsp_cache
            .young(|key, answer| now >= moment(key.last_octet(), answer.refresh_at, answer.next_update));
        let mut work = Work::new(self);
        for key in due {
            if let Some(issuer) = self.inner().registry.find(key.issuer_id()) {
                work.add(issuer, key, true).await;
            }
        }
        Ok(work.finish().await)
    }

    /// Signs an answer for everything that is revoked and has not ended, where none is kept that holds for long enough;
    /// nothing where the settings say so.
    pub async fn presign_revoked(&self) -> Result<Presigned> {
        if !self.inner().settings.ocsp_sign_ahead {
            return Ok(Presigned::default());
        }
        let mut work = Work::new(self);
        for issuer in self.inner().registry.all() {
            if issuer.responder.load().is_some() {
                self.presign_pages(&mut work, &issuer, store::statuses::revoked)
                    .await?;
            }
        }
        Ok(work.finish().await)
    }

    /// Signs an answer for every certificate of an issuer (by identifier or name) that has not ended, where none is kept
    /// that holds for long enough.
    pub async fn presign_ocsp(&self, principal: &Principal, issuer: &str) -> Result<Presigned> {
        let issuer = self.inner().registry.resolve(issuer)?;
        permit::check_publishes(principal, &issuer.entry())?;
        if issuer.responder.load().is_none() {
            let message = format!("the issuer {} has no OCSP responder", issuer.entry().name);
            return Err(Error::conflict("no_responder", message));
        }
        let mut work = Work::new(self);
        self.presign_pages(&mut work, &issuer, store::statuses::issued)
            .await?;
        Ok(work.finish().await)
    }

    async fn presign_pages(&self, work: &mut Work<'_>, issuer: &Arc<Issuer>, read: ReadPage) -> Result<()> {
        let mut page = Page {
            issuer_id: issuer.id,
            not_after: self.inner().clock.now().as_millisecond(),
            after: Vec::new(),
            limit: PAGE,
        };
        loop {
            let asked = page.clone();
            let mut serials = self
                .inner()
                .store
                .read(move |reader| read(reader, &asked))
                .await?;
            for serial in &serials {
                work.add_usual(issuer, serial).await?;
            }
            match serials.pop() {
                Some(last) => page.after = last,
                None => return Ok(()),
            }
        }
    }

    /// Removes answers from disk that have ended; gives how many.
    pub async fn trim_ocsp(&self) -> usize {
        let Some(answers) = self.inner().answers.clone() else {
            return 0;
        };
        let now = self.inner().clock.now().as_second();
        let trim = move || answers.trim(|value| kept_answer::end_of(value).is_some_and(|end| end > now));
        background::run(trim).await.unwrap_or(0)
    }

    /// Waits until the disk has what was signed: what is told to be signed ahead is there, and nothing is lost because too
    /// much waits.
    fn settled_answers(&self) -> impl Future<Output = ()> + Send + 'static {
        let answers = self.inner().answers.clone();
        async move {
            if let Some(answers) = answers {
                // A cache that is closed has nothing to wait for.
                let _ = tokio::task::spawn_blocking(move || answers.settle()).await;
            }
        }
    }

    async fn presign_group(&self, group: &[Wanted]) -> Presigned {
        let each = group
            .iter()
            .map(|(issuer, key, is_due)| self.presign(issuer, *key, *is_due));
        let mut done = Presigned::default();
        for outcome in join_all(each).await {
            match outcome {
                Outcome::Signed => done.signed += 1,
                Outcome::Fresh => done.fresh += 1,
                Outcome::Failed => done.failed += 1,
            }
        }
        done
    }

    /// Signs the answer of a key anew, unless it is fresh; always, when it `is_due`.
    async fn presign(&self, issuer: &Issuer, key: CacheKey, is_due: bool) -> Outcome {
        let Some(cert_id) = issuer.hash(key.algorithm()).map(|hash| key.cert_id(hash)) else {
            return Outcome::Failed;
        };
        let Some((key, standing)) = standing(issuer, &cert_id) else {
            return Outcome::Failed;
        };
        let now = self.inner().clock.now();
        let is_fresh = !is_due
            && self
                .known_answer(issuer, key, standing, Asker::Itself)
                .is_some_and(|known| now < moment(key.last_octet(), known.refresh_at, known.next_update));
        if is_fresh {
            return Outcome::Fresh;
        }
        let asked = [(cert_id, Some(standing.state))];
        match self.sign_ocsp(issuer, &asked, None, Purpose::OcspAhead).await {
            Ok(signed) => {
                self.keep_ahead(issuer, key, &Arc::new(signed));
                Outcome::Signed
            }
            Err(_) => Outcome::Failed,
        }
    }
}

/// An answer to be signed ahead, and whether it is due however fresh it is.
type Wanted = (Arc<Issuer>, CacheKey, bool);

/// Signatures under way, a bounded number of them.
struct Work<'a> {
    authority: &'a Authority,
    group: Vec<Wanted>,
    under_way: JoinSet<Presigned>,
    /// The disk, catching up.
    settling: Option<JoinHandle<()>>,
    settled: usize,
    done: Presigned,
}

impl<'a> Work<'a> {
    fn new(authority: &'a Authority) -> Self {
        Self {
            authority,
            group: Vec::with_capacity(GROUP),
            under_way: JoinSet::new(),
            settling: None,
            settled: 0,
            done: Presigned::default(),
        }
    }

    /// The answer that most clients ask for: hashed by SHA-1, its parameters NULL.
    async fn add_usual(&mut self, issuer: &Arc<Issuer>, serial: &[u8]) -> Result<()> {
        let serial = Serial::from_unsigned(serial).map_err(Error::internal)?;
        if let Some(hash) = issuer.hash(HashAlgorithm::Sha1) {
            let key = CacheKey::of(issuer.id, &CertId::new(hash, serial));
            self.add(Arc::clone(issuer), key, false).await;
        }
        Ok(())
    }

    async fn add(&mut self, issuer: Arc<Issuer>, key: CacheKey, is_due: bool) {
        self.group.push((issuer, key, is_due));
        if self.group.len() == GROUP {
            self.begin_group().await;
        }
    }

    async fn begin_group(&mut self) {
        while self.under_way.len() >= AT_ONCE {
            self.take_one().await;
        }
        let group = std::mem::replace(&mut self.group, Vec::with_capacity(GROUP));
        let authority = self.authority.clone();
        self.under_way
            .spawn(async move { authority.presign_group(&group).await });
    }

    async fn take_one(&mut self) {
        match self.under_way.join_next().await {
            Some(Ok(group)) => self.done += group,
            // A panic was told of already; how many were in the group is not known any more.
            Some(Err(_)) => self.done.failed += GROUP,
            None => {}
        }
        if self.done.signed >= self.settled + SETTLE {
            self.settled = self.done.signed;
            let next = tokio::spawn(self.authority.settled_answers());
            if let Some(before) = self.settling.replace(next) {
                let _ = before.await;
            }
        }
    }

    async fn finish(mut self) -> Presigned {
        if !self.group.is_empty() {
            self.begin_group().await;
        }
        while !self.under_way.is_empty() {
            self.take_one().await;
        }
        self.authority.settled_answers().await;
        self.authority.inner().metrics.presigned(self.done);
        self.done
    }
}

/// When an answer is signed anew ahead of time: in the last quarter before it is due, at a moment that the last octet of its
/// serial decides.
fn moment(octet: u8, refresh_at: Timestamp, next_update: Timestamp) -> Timestamp {
    let quarter = next_update.duration_since(refresh_at).as_secs() / 4;
    let early = quarter * i64::from(octet) / 255;
    refresh_at
        .saturating_sub(SignedDuration::from_secs(early))
        .unwrap_or(refresh_at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn moments_are_spread_over_the_last_quarter_before_half_life() {
        let at = |hours: i64| Timestamp::from_second(1_700_000_000 + 3600 * hours).unwrap();
        let (half_life, end) = (at(12), at(24));
        let of = |octet| moment(octet, half_life, end);
        assert_eq!((of(0), of(255)), (half_life, at(9)));
        assert!((0..255).all(|octet| of(octet + 1) < of(octet)));
    }
}

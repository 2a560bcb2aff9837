//! Full CRLs of an issuer with many revocations, asked for over REST, beside what no builder can do without: the SHA-256 of
//! the bytes, writing them and having them on the disk.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use serde_json::{Value, json};

use crate::appliance::{Appliance, Plan};
use crate::cpu::{self, Meter};
use crate::load::Tally;
use crate::race::Rounds;
use crate::report::Figure;
use crate::run::Run;
use crate::seed::{self, Seed};
use crate::target::Target;

/// Measures CRLs of 10,000 entries, of the size that is asked for, and of ten times that.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    let asked = run.sizes.entries;
    for entries in [10_000.min(asked), asked, asked.saturating_mul(10)] {
        let house = House::start(run, entries).await?;
        let (mut builds, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..run.rounds {
            let build = house.build().await?;
            floors.push(figure(
                &format!("floor: SHA-256, write, fsync of {entries} entries"),
                house.floor().await?,
            )?);
            builds.push(build.figure);
        }
        Rounds::of(vec![builds, floors]).tell(&mut run.report);
    }
    Ok(())
}

/// An appliance whose issuer has many revocations.
pub(crate) struct House {
    pub(crate) appliance: Appliance,
    pub(crate) target: Target,
    entries: u64,
    issuer: String,
}

/// A CRL that was built.
pub(crate) struct Build {
    pub(crate) figure: Figure,
    pub(crate) took: Duration,
    /// Octets of memory that the server had in use besides what it had before.
    pub(crate) memory: u64,
}

impl House {
    /// Seeds and starts it, and has its first CRL made: from then on it is warm.
    pub(crate) async fn start(run: &Run, entries: u64) -> Result<Self> {
        let plan = Plan {
            // Millions of answers would be signed while lists and revocations are measured.
            signs_ahead: false,
            ..Plan::default()
        };
        let mut appliance = Appliance::init(plan)?;
        let seed = Seed {
            revoked: entries,
            ..Seed::default()
        };
        seed::write(&appliance.state().join("chancery.db"), "issuing", seed, run.begun).await?;
        appliance.serve().await?;
        let target = Target::own(&appliance)?;
        let issuer = target.ocsp().await?.id;
        let house = Self {
            appliance,
            target,
            entries,
            issuer,
        };
        house.build().await?;
        Ok(house)
    }

    /// Has a CRL made.
    pub(crate) async fn build(&self) -> Result<Build> {
        let server = self.appliance.pid()?;
        cpu::forget_peak(server)?;
        let (resting, meter) = (cpu::memory(server)?, Meter::start(&self.target.groups)?);
        let begun = Instant::now();
        let answer = self
            .target
            .ask(
                Method::POST,
                &format!("/api/v1/issuers/{}/crl", self.target.issuer),
                None,
            )
            .await?;
        let took = begun.elapsed();
        let listed = answer
            .get("entries")
            .and_then(Value::as_u64)
            .context("the number of entries")?;
        ensure!(
            listed >= self.entries,
            "the CRL has {listed} entries and not {}",
            self.entries
        );
        let mut tally = Tally::new()?;
        tally.count(begun, Ok(()));
        let what = format!("POST /api/v1/issuers/{{id}}/crl, {} entries", self.entries);
        Ok(Build {
            figure: Figure::of("crl", &what, &tally, took, meter)?,
            took,
            memory: cpu::peak_memory(server)?.saturating_sub(resting),
        })
    }

    /// One more revocation, to the CRL that lists it.
    pub(crate) async fn one_more(&self) -> Result<Duration> {
        let (id, _) = self.target.issue(1).await?.pop().context("a certificate")?;
        let begun = Instant::now();
        let path = format!("/api/v1/certificates/{id}/revoke");
        self.target
            .ask(Method::POST, &path, Some(json!({ "reason": "superseded" })))
            .await?;
        self.build().await?;
        Ok(begun.elapsed())
    }

    /// SHA-256 over the bytes of the CRL as it is published, writing them beside the store, fsync.
    pub(crate) async fn floor(&self) -> Result<Duration> {
        let crl = self
            .target
            .fetch(&format!("/.well-known/pki/crl/{}", self.issuer))
            .await?;
        floor(&crl, &self.appliance.folder().join("floor"))
    }
}

/// Has what was written or removed before on the disk, so that no fsync pays for it that is measured.
pub(crate) fn settle() {
    rustix::fs::sync();
}

fn floor(crl: &[u8], path: &Path) -> Result<Duration> {
    // Once before, so that the machine has the memory for it at hand, as it has for the appliance; and into a new file, because
    // nobody publishes over a list that is being read.
    std::fs::write(path, crl)?;
    std::fs::remove_file(path)?;
    settle();
    let begun = Instant::now();
    std::hint::black_box(digest(&SHA256, crl));
    let mut file = std::fs::File::create(path)?;
    file.write_all(crl)?;
    file.sync_all()?;
    Ok(begun.elapsed())
}

fn figure(what: &str, took: Duration) -> Result<Figure> {
    Figure::counted("crl", what, 1, took, Meter::start(&[])?)
}

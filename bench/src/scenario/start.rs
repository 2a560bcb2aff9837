//! Start-up with many certificates in the store: how long until the appliance answers, and how much memory it rests at.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pki::Serial;

use crate::appliance::{Appliance, Plan};
use crate::cpu::{self, Meter};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::ocsp::is_signed;
use crate::seed::{self, Seed};
use crate::target::Target;

/// How long memory that was only needed for starting may take to be given back.
const SETTLING: Duration = Duration::from_secs(3);

/// Measures a start with as many certificates as are asked for, and one with ten thousand.
pub(crate) async fn run(run: &mut Run) -> Result<()> {
    for certificates in [10_000.min(run.sizes.certificates), run.sizes.certificates] {
        let mut house = House::seeded(run, certificates).await?;
        let started = house.serve().await?;
        let what = format!(
            "ready with {certificates} certificates; {} MiB at rest",
            started.memory >> 20
        );
        let meter = Meter::start(&[])?;
        run.report
            .add(Figure::counted("start", &what, 1, started.ready, meter)?);
    }
    Ok(())
}

/// An appliance with many certificates.
pub(crate) struct House {
    pub(crate) appliance: Appliance,
    certificates: u64,
}

/// How it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    /// From the start of the process to a signed answer about the last certificate.
    pub(crate) ready: Duration,
    /// Octets of memory at rest.
    pub(crate) memory: u64,
}

impl House {
    /// Seeds it; nothing runs yet.
    pub(crate) async fn seeded(run: &Run, certificates: u64) -> Result<Self> {
        Self::seeded_on(run, certificates, None).await
    }

    /// The same in a database of PostgreSQL, which must be empty.
    pub(crate) async fn seeded_on(run: &Run, certificates: u64, url: Option<&str>) -> Result<Self> {
        let appliance = Appliance::init_on(Plan::default(), url)?;
        let seed = Seed {
            certificates,
            ..Seed::default()
        };
        seed::write_into(&appliance.store_config(url)?, "issuing", seed, run.begun).await?;
        Ok(Self {
            appliance,
            certificates,
        })
    }

    /// Starts it.
    pub(crate) async fn serve(&mut self) -> Result<Started> {
        let ready = self.serve_until_it_answers().await?;
        tokio::time::sleep(SETTLING).await;
        let memory = cpu::memory(self.appliance.pid()?)?;
        Ok(Started { ready, memory })
    }

    /// Starts it; how long that took, until a signed answer about the last certificate.
    pub(crate) async fn serve_until_it_answers(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.appliance.serve().await?;
        let target = Target::own(&self.appliance)?;
        let requests = target.ocsp().await?.gets(&self.serials(1))?;
        let request = requests.first().context("a request")?;
        loop {
            let mut connection = target.public.open().await?;
            let answer = connection.exchange(request).await?;
            if is_signed(&answer).is_ok() {
                break;
            }
            ensure!(
                begun.elapsed() < Duration::from_mins(10),
                "no answer: status {}",
                answer.status
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(begun.elapsed())
    }

    /// Serials of so many of its certificates, spread over all of them.
    pub(crate) fn serials(&self, count: u64) -> Vec<Serial> {
        let count = count.min(self.certificates);
        let step = self.certificates / count.max(1);
        (1..=count)
            .map(|number| seed::serial(self.certificates, number * step - 1, false))
            .collect()
    }
}

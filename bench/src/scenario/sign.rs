//! The token itself, and the same signatures through the signing process.

mod simulated;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use signer_wire::{
    Digest, FRAME_HEADER, Input, KeyRef, Priority, Reply, Request, Scheme, Sign, SignBatch, body_length,
};

use crate::appliance::Appliance;
use crate::cpu::{Group, Meter};
use crate::load::Tally;
use crate::race::Rounds;
use crate::report::Figure;
use crate::run::Run;
use crate::target::Target;

pub(crate) use simulated::{SimulatedHsm, capacity};

/// Signatures in one frame, and connections: 64 in flight.
const IN_FLIGHT: (usize, usize) = (32, 2);

/// Measures both with the key of the issuing CA.
pub(crate) async fn run(appliance: &Appliance, run: &mut Run) -> Result<()> {
    let rounds = in_turn(appliance, run).await?;
    rounds.tell(&mut run.report);
    if run.simulated_hsm.is_some() {
        for latency_us in [500, 2000, 5000] {
            simulated::tell(appliance, run, latency_us).await?;
        }
    }
    Ok(())
}

/// `C_Sign` in process, then through the signing process, in every round.
pub(crate) async fn in_turn(appliance: &Appliance, run: &Run) -> Result<Rounds> {
    let key = Target::own(appliance)?.ocsp().await?.key;
    let through = Through::of(appliance, &key)?;
    let (mut raws, mut throughs) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        raws.push(raw(appliance, &key, WithKey::AsConfigured, run.length()).await?);
        throughs.push(through.measure(run.length()).await?);
    }
    Ok(Rounds::of(vec![raws, throughs]))
}

/// What the token itself is measured with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WithKey {
    /// What the signing process signs with: session copies, where the configuration says so.
    AsConfigured,
    /// The key of the token, as a program signs that knows nothing of session copies.
    Own,
}

/// The word for [`WithKey::Own`] on the command line.
const OWN: &str = "own";

/// The rate of the token with this key, measured in a process of its own.
pub(crate) async fn raw(appliance: &Appliance, key: &str, with: WithKey, length: Duration) -> Result<Figure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let command = appliance.program("chancery-bench")?;
    let config = appliance.state().join("signerd.toml");
    raw_by(command, &config, key, with, threads, length).await
}

/// The same with a configuration and a number of sessions.
async fn raw_by(
    mut command: Command,
    config: &Path,
    key: &str,
    with: WithKey,
    threads: usize,
    length: Duration,
) -> Result<Figure> {
    command.arg("--milliseconds").arg(length.as_millis().to_string());
    command.arg("--raw").arg(config).arg(key).arg(threads.to_string());
    command.arg(match with {
        WithKey::AsConfigured => "as-configured",
        WithKey::Own => OWN,
    });
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "the raw rate: {said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// In that process, whose environment names the token: prints the figure as JSON.
pub(crate) fn raw_here(words: &[String], length: Duration) -> Result<()> {
    let [config, key, threads, with] = words else {
        bail!("--raw takes a file, a key, a number of sessions, and what is signed with")
    };
    let mut config = token::Config::load(Path::new(config))?;
    let token = config
        .tokens
        .first_mut()
        .context("a token in the configuration")?;
    token.session_copies &= with != OWN;
    let copies = if token.session_copies {
        ", session copies"
    } else {
        ""
    };
    let meter = Meter::start(&[Group::here("in process")])?;
    let rate = token::raw::rate(token, &key.parse()?, threads.parse()?, length)?;
    let what = format!("C_Sign itself, {threads} sessions{copies}");
    let figure = Figure::counted("sign", &what, rate.signatures, rate.elapsed, meter)?;
    println!("{}", serde_json::to_string(&figure)?);
    Ok(())
}

/// Load for a signing process.
#[derive(Clone, Debug)]
pub(crate) struct Through {
    socket: PathBuf,
    key: KeyRef,
    /// The signing process, and the client's side in this one.
    groups: Vec<Group>,
    batch: usize,
    connections: usize,
}

impl Through {
    /// For the signing process of an appliance, at 64 signatures in flight.
    pub(crate) fn of(appliance: &Appliance, key: &str) -> Result<Self> {
        let signerd = appliance
            .groups()?
            .into_iter()
            .find(|group| group.name == "signerd");
        let (batch, connections) = IN_FLIGHT;
        Ok(Self {
            socket: appliance.state().join("signerd.sock"),
            key: key.parse()?,
            groups: vec![signerd.context("the signing process")?, Group::here("client")],
            batch,
            connections,
        })
    }

    /// Closed loop over the connections, one frame in flight on each.
    pub(crate) async fn measure(&self, length: Duration) -> Result<Figure> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.measure_here(length)).await?
    }

    fn measure_here(&self, length: Duration) -> Result<Figure> {
        let meter = Meter::start(&self.groups)?;
        let start = Instant::now();
        let tallies: Vec<Result<Tally>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections)
                .map(|_| scope.spawn(|| self.one(start, length)))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Tally>>| {
                thread.join().unwrap_or_else(|_| bail!("a thread panicked"))
            };
            threads.into_iter().map(join).collect()
        });
        let mut total = Tally::new()?;
        for tally in tallies {
            total.merge(&tally?)?;
        }
        let what = format!(
            "through signerd, {} connections of {}",
            self.connections, self.batch
        );
        Figure::of("sign", &what, &total, start.elapsed(), meter)
    }

    fn one(&self, start: Instant, length: Duration) -> Result<Tally> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let item = Sign {
            key: self.key,
            scheme: Scheme::EcdsaSha256,
            input: Input::Digest(Digest::new(&[0x5a; 32]).context("a digest")?),
        };
        let request = Request::Sign(SignBatch {
            priority: Priority::Issuance,
            deadline_ms: 10_000,
            items: vec![item; self.batch],
        });
        let (mut tally, mut out, mut body) = (Tally::new()?, Vec::new(), Vec::new());
        let mut id = 0;
        while start.elapsed() < length {
            id += 1;
            out.clear();
            request.encode(id, &mut out)?;
            let begun = Instant::now();
            stream.write_all(&out)?;
            let mut header = [0; FRAME_HEADER];
            stream.read_exact(&mut header)?;
            body.resize(body_length(header)?, 0);
            stream.read_exact(&mut body)?;
            let Reply::Signatures(outcomes) = Reply::decode(&body)?.1 else {
                bail!("an answer to another question")
            };
            for outcome in outcomes {
                tally.count(
                    begun,
                    outcome.map(|_| ()).map_err(|fault| anyhow::anyhow!("{fault}")),
                );
            }
        }
        Ok(tally)
    }
}

//! The token itself, and the same signatures through the signing process.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use signer_wire::{
    Digest, FRAME_HEADER, Input, KeyRef, Priority, Reply, Request, Scheme, Sign, SignBatch, body_length,
};

use crate::appliance::Appliance;
use crate::cpu::Meter;
use crate::load::Tally;
use crate::report::Report;

/// Signatures in one frame.
const BATCH: usize = 32;
/// Connections to the signing process.
const CONNECTIONS: usize = 4;

/// Measures both with the key of the issuing CA (P-256).
pub(crate) async fn run(appliance: &Appliance, length: Duration, report: &mut Report) -> Result<()> {
    let key = appliance.ca("issuing")?;
    let key = key
        .pointer("/key_fingerprint")
        .and_then(Value::as_str)
        .context("the key's fingerprint")?
        .to_owned();
    let mut again = appliance.again()?;
    again
        .arg("--seconds")
        .arg(length.as_secs().to_string())
        .arg("--raw")
        .arg(appliance.state().join("signerd.toml"))
        .arg(&key);
    let output = tokio::task::spawn_blocking(move || again.output()).await??;
    ensure!(
        output.status.success(),
        "the raw rate: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    report.add(serde_json::from_slice(&output.stdout)?);
    let socket = appliance.state().join("signerd.sock");
    let [_, signerd] = appliance.processes()?;
    let figure =
        tokio::task::spawn_blocking(move || through(&socket, key.parse()?, signerd, length)).await??;
    report.add(figure);
    Ok(())
}

/// In a process of its own, whose environment names the token: prints the figure as JSON.
pub(crate) fn raw(words: &[String], length: Duration) -> Result<()> {
    let [config, key] = words else {
        bail!("--raw takes a file and a key")
    };
    let config = token::Config::load(Path::new(config))?;
    let token = config.tokens.first().context("a token in the configuration")?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let meter = Meter::start(&[("in process", std::process::id())])?;
    let rate = token::raw::rate(token, &key.parse()?, threads, length)?;
    let what = format!("C_Sign itself, P-256, {threads} sessions");
    let figure = crate::report::Figure::counted("sign", &what, rate.signatures, rate.elapsed, meter)?;
    println!("{}", serde_json::to_string(&figure)?);
    Ok(())
}

/// Closed loop over a few connections, `BATCH` signatures a frame.
fn through(
    socket: &Path,
    key: KeyRef,
    signerd: (&str, u32),
    length: Duration,
) -> Result<crate::report::Figure> {
    let meter = Meter::start(&[signerd])?;
    let start = Instant::now();
    let mut total = Tally::new()?;
    let tallies: Vec<Result<Tally>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| scope.spawn(|| one(socket, key, start, length)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
            .collect()
    });
    for tally in tallies {
        total.merge(&tally?)?;
    }
    let what = format!("through signerd, P-256, {CONNECTIONS} connections of {BATCH}");
    total.figure("sign", &what, start.elapsed(), meter)
}

fn one(socket: &Path, key: KeyRef, start: Instant, length: Duration) -> Result<Tally> {
    let mut stream = UnixStream::connect(socket)?;
    let digest = Digest::new(&[0x5a; 32]).context("a digest")?;
    let item = Sign {
        key,
        scheme: Scheme::EcdsaSha256,
        input: Input::Digest(digest),
    };
    let batch = SignBatch {
        priority: Priority::Issuance,
        deadline_ms: 10_000,
        items: vec![item; BATCH],
    };
    let request = Request::Sign(batch);
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
        match Reply::decode(&body)?.1 {
            Reply::Signatures(outcomes) => {
                for outcome in outcomes {
                    tally.count(
                        begun,
                        outcome.map(|_| ()).map_err(|fault| anyhow::anyhow!("{fault}")),
                    );
                }
            }
            other => bail!("an answer to another question: {other:?}"),
        }
    }
    Ok(tally)
}

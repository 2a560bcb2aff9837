//! The program `courier` with nothing to do, as it is started every twelve hours on each host: what that costs the host.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cpu::{self, Meter};
use crate::report::{Cpu, Figure};
use crate::run::Run;
use crate::target::Target;

/// Its record, and the name that it has.
const COURIER: &str = "idle";
/// Runs that are measured.
const RUNS: u32 = 200;

/// Has a courier fetch its certificate, and starts it again and again.
pub(crate) async fn run(target: &Target, run: &mut Run) -> Result<()> {
    let host = tempfile::tempdir()?;
    let config = configure(target, host.path()).await?;
    let first = visit(&config)?;
    ensure!(
        said(&first, "action") != "nothing",
        "the first run fetched no certificate: {first}"
    );
    let (before, begun) = (cpu::used_by_children()?, Instant::now());
    for _ in 0..RUNS {
        let idle = visit(&config)?;
        ensure!(
            said(&idle, "action") == "nothing" && said(&idle, "outcome") == "current",
            "a run with nothing to do: {idle}"
        );
    }
    let took = begun.elapsed();
    let spent = cpu::used_by_children()?.saturating_sub(before);
    let what = "`courier run` with nothing to do, a process each, nobody asked";
    let mut figure = Figure::counted("courier", what, u64::from(RUNS), took, Meter::start(&[])?)?;
    figure.cpu_us.push(Cpu {
        process: "courier".to_owned(),
        us_per_operation: spent.as_secs_f64() * 1e6 / f64::from(RUNS),
    });
    run.report.add(figure);
    Ok(())
}

/// A record with a client secret, and the configuration of the host.
async fn configure(target: &Target, host: &Path) -> Result<PathBuf> {
    let name = format!("{COURIER}.chancery.test");
    let record = json!({ "allowed_names": [name], "profiles": [target.profile], "issuer": target.issuer });
    let made = json!({ "name": COURIER, "record": record });
    let made = target.ask(Method::POST, "/api/v1/couriers", Some(made)).await?;
    let path = format!("/api/v1/couriers/{COURIER}/client-secrets");
    let secret = target.ask(Method::POST, &path, Some(json!({}))).await?;
    let member = |of: &Value, member: &str| {
        let text = of.get(member).and_then(Value::as_str);
        text.map(str::to_owned)
            .with_context(|| format!("{member} in an answer"))
    };
    write_private(&host.join("secret"), &member(&secret, "client_secret")?)?;
    std::fs::copy(&target.ca_bundle, host.join("appliance.pem"))?;
    let config = host.join("config.yaml");
    let text = format!(
        "api: {{ base_url: '{url}', ca_file: appliance.pem }}
auth: {{ method: client_secret, uuid: {uuid}, client_id: {client_id}, client_secret_file: secret }}
certificate: {{ subject: {{ common_name: {name} }}, output: {{ dir: live }}, state_dir: state }}
",
        url = target.api_url,
        uuid = member(&made, "id")?,
        client_id = member(&secret, "client_id")?,
    );
    std::fs::write(&config, text)?;
    Ok(config)
}

fn said<'a>(told: &'a Value, member: &str) -> &'a str {
    told.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Secrets are not read from files that others may read.
fn write_private(file: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Runs the program; what it says.
fn visit(config: &Path) -> Result<Value> {
    let program = std::env::current_exe()?.with_file_name("courier");
    let mut courier = Command::new(&program);
    courier
        .args(["--output", "json", "--config"])
        .arg(config)
        .arg("run");
    let ended = courier
        .output()
        .with_context(|| format!("{}: run this by `cargo xtask bench`", program.display()))?;
    ensure!(
        ended.status.success(),
        "courier run: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(serde_json::from_slice(&ended.stdout)?)
}

//! A signing process of its own on the simulated HSM: SoftHSM2 behind a set latency and a set number of sessions.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Through, WithKey, raw_by};
use crate::appliance::Appliance;
use crate::cpu::Group;
use crate::race::Rounds;
use crate::report::Figure;
use crate::run::Run;
use crate::target::Target;

/// Sessions and signatures at a time, as many as a network HSM is best at.
const SESSIONS: usize = 32;

/// Signatures a second that a simulated HSM of this latency can make at most.
pub(crate) fn capacity(latency_us: u32) -> f64 {
    let sessions = u32::try_from(SESSIONS).unwrap_or(u32::MAX);
    f64::from(sessions) * 1e6 / f64::from(latency_us)
}

/// A signing process on the keys of an appliance.
pub(crate) struct SimulatedHsm {
    signerd: Child,
    config: PathBuf,
    through: Through,
    environment: Vec<(&'static str, String)>,
    key: String,
}

impl SimulatedHsm {
    /// Starts it.
    pub(crate) async fn start(appliance: &Appliance, run: &Run, latency_us: u32) -> Result<Self> {
        let module = run.simulated_hsm.as_deref();
        let module = module.context("the simulated HSM: name its module with --simulated-hsm")?;
        let folder = appliance.folder().join(format!("simulated-{latency_us}"));
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("signerd.toml");
        std::fs::write(
            &config,
            configuration(&appliance.state().join("signerd.toml"), module)?,
        )?;
        let environment = vec![
            ("SIMULATED_HSM_LATENCY_US", latency_us.to_string()),
            ("SIMULATED_HSM_CONCURRENCY", SESSIONS.to_string()),
        ];
        let socket = folder.join("signerd.sock");
        let mut command = appliance.program("chancery-signerd")?;
        command
            .envs(environment.iter().cloned())
            .arg("--config")
            .arg(&config);
        command.arg("--socket").arg(&socket);
        let log = std::fs::File::create(folder.join("log"))?;
        let signerd = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let key = Target::own(appliance)?.ocsp().await?.key;
        let through = Through {
            groups: vec![Group::new("signerd", vec![signerd.id()]), Group::here("client")],
            socket,
            batch: SESSIONS,
            connections: 4,
            ..Through::of(appliance, &key)?
        };
        let hsm = Self {
            signerd,
            config,
            through,
            environment,
            key,
        };
        hsm.wait().await?;
        Ok(hsm)
    }

    async fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&self.through.socket).is_err() {
            ensure!(
                begun.elapsed() < Duration::from_secs(20),
                "the signing process does not listen"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// `C_Sign` in process on as many sessions, then through the signing process, in every round.
    pub(crate) async fn in_turn(&self, appliance: &Appliance, run: &Run) -> Result<Rounds> {
        let (mut raws, mut throughs) = (Vec::new(), Vec::new());
        for _ in 0..run.rounds {
            let mut command: Command = appliance.program("chancery-bench")?;
            command.envs(self.environment.iter().cloned());
            let with = WithKey::AsConfigured;
            raws.push(raw_by(command, &self.config, &self.key, with, SESSIONS, run.length()).await?);
            throughs.push(self.through.measure(run.length()).await?);
        }
        Ok(Rounds::of(vec![raws, throughs]))
    }
}

impl Drop for SimulatedHsm {
    fn drop(&mut self) {
        if self.signerd.kill().is_ok() {
            let _ = self.signerd.wait();
        }
    }
}

/// The appliance's own configuration with the simulated module in the place of its own.
fn configuration(file: &Path, module: &Path) -> Result<String> {
    let mut config = token::Config::load(file)?;
    for token in &mut config.tokens {
        token.module = std::path::absolute(module)?;
        token.sessions = Some(SESSIONS);
    }
    config.audit_file = None;
    config.socket = None;
    Ok(toml::to_string(&config)?)
}

/// Measures one and tells it.
pub(super) async fn tell(appliance: &Appliance, run: &mut Run, latency_us: u32) -> Result<()> {
    let hsm = SimulatedHsm::start(appliance, run, latency_us).await?;
    let named = |figure: Figure| Figure {
        what: format!("simulated HSM, {latency_us} us: {}", figure.what),
        ..figure
    };
    hsm.in_turn(appliance, run)
        .await?
        .map(named)
        .tell(&mut run.report);
    Ok(())
}

//! An appliance of its own for a run: keys, CAs, server, all in a temporary folder and stopped at the end.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use store::{Credentials, PostgresConfig, StoreConfig};
use tempfile::TempDir;

use crate::cpu::{self, Group};
use crate::http::Door;
use crate::peer::free_port;

/// How it is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The kind of the CA keys, for example `ec-p256`.
    pub(crate) algorithm: &'static str,
    /// Keys in files in place of a SoftHSM2 token.
    pub(crate) is_software: bool,
    /// Plain HTTP for the REST API.
    pub(crate) is_api_plain: bool,
    /// OCSP answers about what is revoked are signed before anybody asks.
    pub(crate) signs_ahead: bool,
    /// Connections that each listener may have, when it is not the usual number.
    pub(crate) connections: Option<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            algorithm: "ec-p256",
            is_software: false,
            is_api_plain: false,
            signs_ahead: true,
            connections: None,
        }
    }
}

/// The appliance.
#[derive(Debug)]
pub(crate) struct Appliance {
    dir: TempDir,
    plan: Plan,
    ports: [u16; 3],
    server: Option<Child>,
}

impl Appliance {
    /// Initialises one; nothing runs yet.
    pub(crate) fn init(plan: Plan) -> Result<Self> {
        Self::init_on(plan, None)
    }

    /// Where it keeps its certificates: in its own file, or in this database of PostgreSQL.
    pub(crate) fn store_config(&self, url: Option<&str>) -> Result<StoreConfig> {
        let Some(url) = url else {
            return Ok(StoreConfig::new(self.state().join("chancery.db")));
        };
        let server = PostgresConfig::new(url, &Credentials::default())?;
        Ok(StoreConfig::on_server(server, self.state()))
    }

    /// The same on a database of PostgreSQL.
    pub(crate) fn init_on(plan: Plan, store_url: Option<&str>) -> Result<Self> {
        let dir = TempDir::new()?;
        let tokens = dir.path().join("tokens");
        std::fs::create_dir(&tokens)?;
        let config = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(dir.path().join("softhsm2.conf"), config)?;
        let ports = [free_port()?, free_port()?, free_port()?];
        let appliance = Self {
            dir,
            plan,
            ports,
            server: None,
        };
        let mut init = appliance.program("chancery")?;
        init.args([
            "init",
            if plan.is_software {
                "--software"
            } else {
                "--init-token"
            },
        ]);
        init.args([
            "--root-algorithm",
            plan.algorithm,
            "--issuing-algorithm",
            plan.algorithm,
        ]);
        for (option, port) in ["--api", "--public", "--metrics"].into_iter().zip(ports) {
            init.arg(option).arg(format!("127.0.0.1:{port}"));
        }
        if let Some(url) = store_url {
            init.args(["--store-url", url]);
        }
        let made = init
            .arg("--dir")
            .arg(appliance.state())
            .output()
            .context("starting chancery init")?;
        ensure!(
            made.status.success(),
            "chancery init: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // A line for each request is what none of the peers writes either.
        appliance.configure("level = \"info\"", "level = \"warn\"")?;
        if plan.is_api_plain {
            appliance.configure("plain = false", "plain = true")?;
        }
        if !plan.signs_ahead {
            appliance.configure("sign_ahead = true", "sign_ahead = false")?;
        }
        if let Some(connections) = plan.connections {
            appliance.configure("connections = 4096", &format!("connections = {connections}"))?;
        }
        Ok(appliance)
    }

    /// Changes a line of the configuration.
    fn configure(&self, from: &str, to: &str) -> Result<()> {
        let file = self.state().join("chancery.toml");
        let text = std::fs::read_to_string(&file)?;
        let (from, to) = (format!("\n{from}\n"), format!("\n{to}\n"));
        ensure!(text.contains(&from), "{from:?} is not in {}", file.display());
        std::fs::write(&file, text.replace(&from, &to))?;
        Ok(())
    }

    /// Initialises and starts one.
    pub(crate) async fn start(plan: Plan) -> Result<Self> {
        let mut appliance = Self::init(plan)?;
        appliance.serve().await?;
        Ok(appliance)
    }

    /// Starts the server and gives how long it took until it listened.
    pub(crate) async fn serve(&mut self) -> Result<Duration> {
        let mut serve = self.program("chancery")?;
        serve
            .arg("--config")
            .arg(self.state().join("chancery.toml"))
            .arg("serve");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))?;
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let begun = Instant::now();
        let mut server = serve.spawn().context("starting chancery serve")?;
        let listens = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
        while !self.ports.iter().all(listens) {
            if let Some(status) = server.try_wait()? {
                bail!("the server ended with {status}: {}", self.log()?);
            }
            ensure!(
                begun.elapsed() < Duration::from_mins(10),
                "the server does not listen: {}",
                self.log()?
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.server = Some(server);
        Ok(begun.elapsed())
    }

    /// Kills the server, as a crash would end it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server runs")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }

    /// Tells the server to stop and waits for its end.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        Command::new("kill")
            .args(["-TERM", &server.id().to_string()])
            .status()?;
        let begun = Instant::now();
        while server.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_mins(2) {
                server.kill()?;
                server.wait()?;
                bail!("the server did not stop within two minutes");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// A program that lies beside this one, with the token of this appliance.
    pub(crate) fn program(&self, name: &str) -> Result<Command> {
        let program = std::env::current_exe()?.with_file_name(name);
        ensure!(
            program.exists(),
            "{} is not there: run this by `cargo xtask bench`",
            program.display()
        );
        let mut command = Command::new(program);
        command
            .env("SOFTHSM2_CONF", self.dir.path().join("softhsm2.conf"))
            .env_remove("CHANCERY_CONFIG");
        Ok(command)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A folder for what a scenario needs besides.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn api_url(&self) -> String {
        let (scheme, host) = if self.plan.is_api_plain {
            ("http", "127.0.0.1")
        } else {
            ("https", "localhost")
        };
        format!("{scheme}://{host}:{}", self.ports[0])
    }

    pub(crate) fn public_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    /// Where it tells Prometheus how it is.
    pub(crate) fn metrics(&self) -> Door {
        Door::plain(format!("127.0.0.1:{}", self.ports[2]))
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.server.as_ref().context("the server runs")?.id())
    }

    /// The processes to measure: the server and the signing process, its only child.
    pub(crate) fn groups(&self) -> Result<Vec<Group>> {
        let server = self.pid()?;
        let signer = cpu::family(server)?
            .into_iter()
            .filter(|pid| *pid != server)
            .collect::<Vec<_>>();
        ensure!(!signer.is_empty(), "the server has no signing process");
        Ok(vec![
            Group::new("chancery", vec![server]),
            Group::new("signerd", signer),
        ])
    }

    fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.dir.path().join("log"))?)
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // The signing process ends with its parent.
        if let Some(server) = &mut self.server
            && server.kill().is_ok()
        {
            let _ = server.wait();
        }
    }
}

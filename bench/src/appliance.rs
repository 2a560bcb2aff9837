//! An appliance of its own for a run: SoftHSM2 token, CAs, server, all in a temporary folder and stopped at the end.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// The appliance.
#[derive(Debug)]
pub(crate) struct Appliance {
    dir: TempDir,
    ports: [u16; 3],
    server: Child,
}

impl Appliance {
    /// Initialises and starts one.
    pub(crate) async fn start() -> Result<Self> {
        let dir = TempDir::new()?;
        let tokens = dir.path().join("tokens");
        std::fs::create_dir(&tokens)?;
        let config = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(dir.path().join("softhsm2.conf"), config)?;
        let ports = free_ports()?;
        let [api, public, metrics] = ports.map(|port| format!("127.0.0.1:{port}"));
        let state = dir.path().join("state");
        let mut init = chancery(dir.path())?;
        init.args([
            "init",
            "--init-token",
            "--api",
            &api,
            "--public",
            &public,
            "--metrics",
            &metrics,
            "--dir",
        ])
        .arg(&state);
        let made = init.output().context("starting chancery init")?;
        ensure!(
            made.status.success(),
            "chancery init: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut serve = chancery(dir.path())?;
        serve
            .arg("--config")
            .arg(state.join("chancery.toml"))
            .arg("serve");
        let log = std::fs::File::create(dir.path().join("log"))?;
        let server = serve
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting chancery serve")?;
        let appliance = Self { dir, ports, server };
        for _ in 0..600 {
            if ports
                .iter()
                .all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok())
            {
                return Ok(appliance);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "the server does not listen: {}",
            std::fs::read_to_string(appliance.dir.path().join("log"))?
        )
    }

    /// A command of this program again, with the token of this appliance.
    pub(crate) fn again(&self) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env("SOFTHSM2_CONF", self.dir.path().join("softhsm2.conf"));
        Ok(command)
    }

    /// A CA as the command line shows it.
    pub(crate) fn ca(&self, name: &str) -> Result<Value> {
        let mut show = chancery(self.dir.path())?;
        show.arg("--config")
            .arg(self.state().join("chancery.toml"))
            .args(["--output", "json", "ca", "show", name]);
        let shown = show.output()?;
        ensure!(
            shown.status.success(),
            "chancery ca show: {}",
            String::from_utf8_lossy(&shown.stderr)
        );
        Ok(serde_json::from_slice(&shown.stdout)?)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn api_url(&self) -> String {
        format!("https://localhost:{}", self.ports[0])
    }

    pub(crate) fn public_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[1])
    }

    /// The processes to measure: the server and the signing process, its only child.
    pub(crate) fn processes(&self) -> Result<[(&'static str, u32); 2]> {
        let server = self.server.id();
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
        let signer = children.split_whitespace().next().map(str::parse).transpose()?;
        let signer = match signer {
            Some(signer) => signer,
            None => child_of(server)?,
        };
        Ok([("chancery", server), ("signerd", signer)])
    }
}

/// The child of a process that was started by one of its threads.
fn child_of(parent: u32) -> Result<u32> {
    for task in std::fs::read_dir(format!("/proc/{parent}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children"))?;
        if let Some(child) = children.split_whitespace().next() {
            return Ok(child.parse()?);
        }
    }
    bail!("the server has no signing process")
}

fn chancery(dir: &Path) -> Result<Command> {
    let program = std::env::current_exe()?.with_file_name("chancery");
    ensure!(
        program.exists(),
        "{} is not there: run this by `cargo xtask bench`",
        program.display()
    );
    let mut command = Command::new(program);
    command
        .env("SOFTHSM2_CONF", dir.join("softhsm2.conf"))
        .env_remove("CHANCERY_CONFIG");
    Ok(command)
}

fn free_ports() -> Result<[u16; 3]> {
    let open = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, two, three) = (open()?, open()?, open()?);
    Ok([
        one.local_addr()?.port(),
        two.local_addr()?.port(),
        three.local_addr()?.port(),
    ])
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // The signing process ends with its parent.
        if self.server.kill().is_ok() {
            let _ = self.server.wait();
        }
    }
}

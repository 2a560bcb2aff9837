//! `cargo xtask demo`: a CA on a soft HSM from one command, on loopback, with a tour.
//!
//! It builds and runs the shipped programs, as an operator would: `chancery init`, `chancery serve`, `chancery tour`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{install, shell};

/// How to run the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where all state is; `target/demo` of this repository when left out.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The first of three ports: API, public, metrics.
    #[arg(long, default_value_t = 8440)]
    port_base: u16,
    /// Forget the state of an earlier run.
    #[arg(long)]
    reset: bool,
    /// Stop after the tour; the exit status is its verdict.
    #[arg(long)]
    once: bool,
}

/// Where things are.
struct Demo {
    dir: PathBuf,
    program: PathBuf,
    ports: [u16; 3],
}

/// Runs the demo.
pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = match &args.dir {
        Some(dir) => std::path::absolute(dir)?,
        None => shell::root()?.join("target/demo"),
    };
    let last = args
        .port_base
        .checked_add(2)
        .context("--port-base is too high: three ports are needed")?;
    let demo = Demo {
        ports: [args.port_base, args.port_base + 1, last],
        program: target()?.join("release/chancery"),
        dir,
    };
    demo.check_ports()?;
    if args.reset && demo.dir.exists() {
        demo.forget()?;
    }
    println!("== 1/5 soft HSM");
    install::softhsm()?;
    println!("== 2/5 build (the first time takes minutes)");
    shell::run(shell::command(
        "cargo",
        &[
            "build",
            "--release",
            "--locked",
            "-p",
            "chancery",
            "-p",
            "chancery-signerd",
        ],
    )?)?;
    println!("== 3/5 set up in {}", demo.dir.display());
    demo.set_up()?;
    println!("== 4/5 start the server");
    let mut server = demo.start()?;
    let verdict = demo.tour();
    match verdict {
        Ok(endpoints) if !args.once => {
            demo.next_steps(&endpoints);
            server.wait()
        }
        verdict => {
            server.stop()?;
            println!("== stopped");
            verdict.map(drop)
        }
    }
}

impl Demo {
    /// A port that is taken is told before anything is built.
    fn check_ports(&self) -> Result<()> {
        for port in self.ports {
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
                bail!(
                    "port {port} on 127.0.0.1 is taken: stop what uses it (perhaps another demo), or move the demo with \
                     --port-base, for example --port-base {}",
                    self.ports[0].saturating_add(100).min(65_000)
                );
            }
        }
        Ok(())
    }

    fn forget(&self) -> Result<()> {
        let is_ours = self.dir.join("chancery.toml").exists() || self.dir.join("softhsm2.conf").exists();
        ensure!(
            is_ours,
            "{} was not made by the demo and is left alone: name another folder",
            self.dir.display()
        );
        if let Some(process) = self.running() {
            bail!(
                "the demo in {} is running: stop it first (process {process})",
                self.dir.display()
            );
        }
        std::fs::remove_dir_all(&self.dir).with_context(|| format!("removing {}", self.dir.display()))
    }

    /// A command of the product, with the soft HSM's own state below the demo's folder.
    fn chancery(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .env("SOFTHSM2_CONF", self.dir.join("softhsm2.conf"))
            .env_remove("CHANCERY_CONFIG")
            .env_remove("CHANCERY_SERVER")
            .env_remove("CHANCERY_TOKEN_FILE")
            .env_remove("CHANCERY_CA_BUNDLE");
        command
    }

    fn set_up(&self) -> Result<()> {
        let tokens = self.dir.join("tokens");
        std::fs::create_dir_all(&tokens)?;
        let config = self.dir.join("softhsm2.conf");
        if !config.exists() {
            let lines = format!(
                "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
                tokens.display()
            );
            std::fs::write(&config, lines)?;
        }
        let at = |port: u16| format!("127.0.0.1:{port}");
        let file = self.dir.join("chancery.toml");
        if file.exists() {
            self.move_ports(&file)?;
        }
        let dir = text(&self.dir);
        let [api, public, metrics] = self.ports.map(at);
        let words = [
            "init",
            "--dir",
            &dir,
            "--init-token",
            "--api",
            &api,
            "--public",
            &public,
            "--metrics",
            &metrics,
        ];
        shell::run(self.chancery(&words))
    }

    /// Another `--port-base` than before: the listeners move; the addresses in certificates issued before stay as they are.
    fn move_ports(&self, file: &Path) -> Result<()> {
        let mut config: toml::Table = std::fs::read_to_string(file)?.parse()?;
        let old = config.clone();
        for (section, port) in ["api", "public", "metrics"].into_iter().zip(self.ports) {
            let section = config
                .get_mut(section)
                .and_then(toml::Value::as_table_mut)
                .context("a section of chancery.toml")?;
            section.insert("listen".to_owned(), format!("127.0.0.1:{port}").into());
            if section.contains_key("base_url") {
                section.insert("base_url".to_owned(), format!("http://127.0.0.1:{port}").into());
            }
        }
        if config != old {
            println!("  the ports have moved: certificates issued before still name the old ones");
            std::fs::write(file, config.to_string())?;
        }
        Ok(())
    }

    /// The process that serves this folder, if there is one.
    fn running(&self) -> Option<String> {
        let process = std::fs::read_to_string(self.dir.join("chancery.pid")).ok()?;
        let words = std::fs::read(format!("/proc/{process}/cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).into_owned();
        words.contains(&text(&self.dir)).then_some(process)
    }

    fn start(&self) -> Result<Server> {
        let log = std::fs::File::create(self.dir.join("chancery.log"))?;
        let config = text(&self.dir.join("chancery.toml"));
        let mut command = self.chancery(&["--config", &config, "serve", "--with-parent"]);
        // A group of its own: at Ctrl-C this program ends, the pipe closes, and the server drains and ends by itself.
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        let mut server = Server(command.spawn().context("starting the server")?);
        std::fs::write(self.dir.join("chancery.pid"), server.0.id().to_string())?;
        let since = Instant::now();
        while !self.ports.iter().all(|port| listens(*port)) {
            if let Some(status) = server.0.try_wait()? {
                let log = std::fs::read_to_string(self.dir.join("chancery.log")).unwrap_or_default();
                bail!("the server ended with {status}:\n{log}");
            }
            if since.elapsed() > Duration::from_mins(1) {
                bail!(
                    "the server does not listen after a minute; see {}",
                    self.dir.join("chancery.log").display()
                );
            }
            pause(Duration::from_millis(50));
        }
        println!(
            "  listening after {:.1} s, process {}",
            since.elapsed().as_secs_f64(),
            server.0.id()
        );
        Ok(server)
    }

    /// Writes where things are, and tries everything from outside.
    fn tour(&self) -> Result<Value> {
        let endpoints = self.endpoints()?;
        println!("== 5/5 tour");
        let file = text(&self.dir.join("endpoints.json"));
        shell::run(self.chancery(&["tour", "--endpoints", &file]))?;
        Ok(endpoints)
    }

    /// Where things are, for scripts.
    fn endpoints(&self) -> Result<Value> {
        let ask = |words: &[&str]| -> Result<Value> {
            let config = text(&self.dir.join("chancery.toml"));
            let mut all = vec!["--config", &config, "--output", "json"];
            all.extend(words);
            Ok(serde_json::from_str(&shell::output(self.chancery(&all))?)?)
        };
        let id = |issuer: Value| issuer.get("id").cloned().context("an issuer's identifier");
        let profiles = ask(&["profile", "list"])?;
        let profiles: Vec<Value> = profiles
            .as_array()
            .context("a list of profiles")?
            .iter()
            .filter_map(|entry| entry.pointer("/profile/name").cloned())
            .collect();
        let [api, public, metrics] = self.ports;
        let endpoints = json!({
            "api_url": format!("https://localhost:{api}"),
            "public_url": format!("http://127.0.0.1:{public}"),
            "metrics_url": format!("http://127.0.0.1:{metrics}/metrics"),
            "ca_bundle": self.dir.join("ca-bundle.pem"),
            "admin_token_file": self.dir.join("admin.token"),
            "issuer_id": id(ask(&["ca", "show", "issuing"])?)?,
            "root_id": id(ask(&["ca", "show", "root"])?)?,
            "profiles": profiles,
        });
        std::fs::write(
            self.dir.join("endpoints.json"),
            serde_json::to_string_pretty(&endpoints)? + "\n",
        )?;
        Ok(endpoints)
    }

    fn next_steps(&self, endpoints: &Value) {
        let field = |name: &str| {
            endpoints
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api, public, bundle) = (field("api_url"), field("public_url"), field("ca_bundle"));
        let (issuer, dir) = (field("issuer_id"), self.dir.display());
        let program = self.program.display();
        println!(
            "\nThe server is running. Ctrl-C stops it.\n\n  \
             API       {api}/api/v1/openapi.json\n  \
             CRL       {public}/.well-known/pki/crl/{issuer}\n  \
             OCSP      {public}/.well-known/pki/ocsp/{issuer}\n  \
             CA        {public}/.well-known/pki/ca/{issuer}\n  \
             metrics   {}\n  \
             log       {dir}/chancery.log\n  \
             addresses {dir}/endpoints.json\n\nNext steps, in another terminal:\n\n  \
             curl --cacert {bundle} -H \"Authorization: Bearer $(cat {dir}/admin.token)\" {api}/api/v1/status\n  \
             openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout host.key -subj /CN=host.test \\\n    \
             -addext subjectAltName=DNS:host.test -out host.csr\n  \
             {program} --config {dir}/chancery.toml cert issue --profile tls-server host.csr --out host.pem\n  \
             {program} --config {dir}/chancery.toml cert list\n  \
             {program} --config {dir}/chancery.toml audit tail\n",
            field("metrics_url"),
        );
    }
}

fn target() -> Result<PathBuf> {
    Ok(match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => shell::root()?.join("target"),
    })
}

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(
        &SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        Duration::from_millis(200),
    )
    .is_ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program without a runtime waits for another process"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The server as a child of this program. It does not outlive it: it ends when its standard input closes.
struct Server(Child);

impl Server {
    /// Tells it to stop, by its process id, and waits for its end.
    fn stop(&mut self) -> Result<()> {
        shell::output(shell::command("kill", &["-TERM", &self.0.id().to_string()])?)?;
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(40) {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            pause(Duration::from_millis(50));
        }
        self.0.kill()?;
        self.0.wait()?;
        bail!("the server did not stop within 40 s and was killed")
    }

    /// Until Ctrl-C, or until it ends by itself.
    fn wait(&mut self) -> Result<()> {
        // Waiting for a child closes its standard input, and that would be its end.
        let _pipe = self.0.stdin.take();
        let status = self.0.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // Nobody is left to be told.
            let _ = self.stop();
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

//! An initialised appliance on free loopback ports in a temporary folder, stopped by its process id when it is dropped.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Where the CA keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// In a SoftHSM2 token.
    SoftHsm,
    /// In files.
    Software,
}

/// The appliance.
#[derive(Debug)]
pub(crate) struct Appliance {
    pub(crate) dir: TempDir,
    ports: [u16; 3],
    config: PathBuf,
    server: Option<Child>,
    /// Whether its ports are lent.
    gives_back: bool,
}

impl Appliance {
    /// A folder with a configuration for SoftHSM2; nothing is initialised.
    pub(crate) fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let tokens = dir.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let config = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(dir.path().join("softhsm2.conf"), config).unwrap();
        let storage = dir.path().join("kryoptic.sql");
        let config = format!(
            "[[slots]]\nslot = 0\ndbtype = \"sqlite\"\ndbargs = \"{}\"\n",
            storage.display()
        );
        std::fs::write(dir.path().join("kryoptic.toml"), config).unwrap();
        Self {
            config: dir.path().join("state/chancery.toml"),
            dir,
            ports: free_ports(),
            server: None,
            gives_back: false,
        }
    }

    /// A copy of a folder that was made by another one which does not run, with ports of its own.
    pub(crate) fn copy_of(folder: &Path) -> Self {
        // In memory, where there is a place for it: a process that is killed has handed its writes to the kernel.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let dir = TempDir::new_in(place).unwrap();
        let from = format!("{}/.", folder.display());
        judge("cp", &["-a", &from, dir.path().to_str().unwrap()]);
        let config = dir.path().join("state/chancery.toml");
        let (text, ports) = (std::fs::read_to_string(&config).unwrap(), lent_ports());
        let mut text: toml::Table = text.parse().unwrap();
        for (section, port) in ["api", "public", "metrics"].into_iter().zip(ports) {
            text[section]["listen"] = format!("127.0.0.1:{port}").into();
        }
        std::fs::write(&config, text.to_string()).unwrap();
        let tokens = dir.path().join("softhsm2.conf");
        let text = std::fs::read_to_string(&tokens).unwrap();
        let own = text.replace(folder.to_str().unwrap(), dir.path().to_str().unwrap());
        std::fs::write(&tokens, own).unwrap();
        Self {
            config,
            dir,
            ports,
            server: None,
            gives_back: true,
        }
    }

    /// Initialised, not started.
    pub(crate) fn init(keys: Keys) -> Self {
        let appliance = Self::empty();
        let kind = if keys == Keys::Software {
            "--software"
        } else {
            "--init-token"
        };
        let made = appliance.init_command(&[kind]).output().unwrap();
        assert!(made.status.success(), "init: {}", text(&made));
        appliance
    }

    /// `chancery init` for this folder and these ports, with further words.
    pub(crate) fn init_command(&self, words: &[&str]) -> Command {
        self.init_on(store_bed::url(&self.file("chancery.db")).as_deref(), words)
    }

    /// The same on a database.
    pub(crate) fn init_on(&self, database: Option<&str>, words: &[&str]) -> Command {
        let mut command = self.command(&["init", "--dir"]);
        command.arg(self.state()).args(words);
        if let Some(url) = database {
            command.args(["--store-url", url]);
        }
        for (option, port) in ["--api", "--public", "--metrics"].into_iter().zip(self.ports) {
            command.arg(option).arg(format!("127.0.0.1:{port}"));
        }
        // Each server is asked at its own address, also where several share a store.
        let is_told = words.contains(&"--config-dir") || self.config().exists();
        if !is_told {
            command.args(["--base-url", &self.public_url()]);
        }
        command
    }

    /// Initialised and listening.
    pub(crate) fn start(keys: Keys) -> Self {
        let mut appliance = Self::init(keys);
        appliance.serve();
        appliance
    }

    /// Starts the server and waits until it listens.
    pub(crate) fn serve(&mut self) {
        self.serve_with(&[], Stdio::null());
    }

    /// Starts the server with further words and a standard input, and waits until it listens.
    pub(crate) fn serve_with(&mut self, words: &[&str], input: Stdio) {
        let config = self.config();
        let mut command = self.command(&["--config", config.to_str().unwrap(), "serve"]);
        command.args(words).stdin(input);
        self.start_server(command);
    }

    /// Starts the server under a program that ends by executing its further words, and waits until it listens.
    pub(crate) fn serve_under(&mut self, words: &[&str]) {
        let config = self.config();
        let server = self.command(&["--config", config.to_str().unwrap(), "serve"]);
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .arg(server.get_program())
            .args(server.get_args());
        command
            .env("SOFTHSM2_CONF", self.file("softhsm2.conf"))
            .stdin(Stdio::null());
        self.start_server(command);
    }

    /// Starts the server with these variables in its environment, and waits until it listens or has ended; whether it listens.
    pub(crate) fn try_serve(&mut self, environment: &[(&str, &str)]) -> bool {
        let config = self.config();
        let mut command = self.command(&["--config", config.to_str().unwrap(), "serve"]);
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        self.spawn_server(command);
        self.wait_until_it_listens().is_ok()
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.server
            .as_mut()
            .is_none_or(|server| server.try_wait().unwrap().is_some())
    }

    fn start_server(&mut self, command: Command) {
        self.spawn_server(command);
        if let Err(ended) = self.wait_until_it_listens() {
            panic!("the server ended: {ended}\n{}", self.log_text());
        }
    }

    fn spawn_server(&mut self, mut command: Command) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        command.stdout(Stdio::null()).stderr(log);
        self.server = Some(command.spawn().unwrap());
    }

    /// Waits until it listens; how it ended when it did that before.
    fn wait_until_it_listens(&mut self) -> Result<(), ExitStatus> {
        let since = Instant::now();
        while !self
            .ports
            .iter()
            .all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok())
        {
            if let Some(ended) = self.server.as_mut().unwrap().try_wait().unwrap() {
                return Err(ended);
            }
            assert!(
                since.elapsed() < Duration::from_mins(1),
                "the server does not listen:\n{}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A command of `chancery` with the soft HSM of this appliance.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let signerd = Path::new(env!("CARGO_BIN_EXE_chancery")).with_file_name("chancery-signerd");
        assert!(
            signerd.exists(),
            "chancery-signerd is not built: run the tests by `cargo xtask test`"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        command
            .args(words)
            .env("SOFTHSM2_CONF", self.dir.path().join("softhsm2.conf"))
            .env("KRYOPTIC_CONF", self.dir.path().join("kryoptic.toml"))
            .env("FAULTY_PKCS11_CONTROL", self.dir.path().join("faults"))
            .env_remove("CHANCERY_CONFIG");
        command
    }

    /// Runs a management command; its output whether it succeeded or not.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let config = self.config();
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(words);
        self.command(&all).output().unwrap()
    }

    /// Runs a management command that must succeed; its standard output.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(
            output.status.success(),
            "{words:?}: {}\n{}",
            text(&output),
            self.log_text()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a management command that must succeed; its JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let mut all = vec!["--output", "json"];
        all.extend(words);
        serde_json::from_str(&self.ok(&all)).unwrap()
    }

    /// A CSR that openssl makes, with a P-256 key of its own.
    pub(crate) fn csr(&self, name: &str, subject: &str, san: Option<&str>) -> PathBuf {
        let san = san.map(|san| format!("subjectAltName={san}"));
        let mut words = vec!["-subj", subject];
        words.extend(san.iter().flat_map(|san| ["-addext", san]));
        self.csr_with(name, "ec -pkeyopt ec_paramgen_curve:P-256", &words)
    }

    /// A CSR that openssl makes, with a key of its own of this kind and further words.
    pub(crate) fn csr_with(&self, name: &str, key: &str, words: &[&str]) -> PathBuf {
        let (csr, file) = (
            self.file(&format!("{name}.csr")),
            self.file(&format!("{name}.key")),
        );
        let mut all = vec!["req", "-new", "-nodes", "-newkey"];
        all.extend(key.split(' '));
        all.extend(["-keyout", file.to_str().unwrap(), "-out", csr.to_str().unwrap()]);
        all.extend(words);
        judge("openssl", &all);
        csr
    }

    /// A certificate for a CSR that openssl makes: its PEM file, alone.
    pub(crate) fn issue(&self, name: &str, profile: &str, subject: &str, san: Option<&str>) -> PathBuf {
        let csr = self.csr(name, subject, san);
        let words = [
            "cert",
            "issue",
            "--ca",
            "issuing",
            "--profile",
            profile,
            csr.to_str().unwrap(),
        ];
        let issued = self.json(&words);
        self.write(
            &format!("{name}.pem"),
            issued["certificate_pem"].as_str().unwrap(),
        )
    }

    /// The certificate of a CA as a PEM file.
    pub(crate) fn ca(&self, name: &str) -> PathBuf {
        let issuer = self.json(&["ca", "show", name]);
        self.write(
            &format!("{name}-ca.pem"),
            issuer["certificate_pem"].as_str().unwrap(),
        )
    }

    /// A file in the appliance's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: &str) -> PathBuf {
        let file = self.file(name);
        std::fs::write(&file, contents).unwrap();
        file
    }

    /// Where the store is.
    pub(crate) fn store_config(&self) -> ::store::StoreConfig {
        let Some(url) = self.database() else {
            return ::store::StoreConfig::new(self.state().join("chancery.db"));
        };
        let server = ::store::PostgresConfig::new(&url, &::store::Credentials::default()).unwrap();
        ::store::StoreConfig::on_server(server, self.state())
    }

    /// The database, by its configuration; nothing when the store is a file.
    pub(crate) fn database(&self) -> Option<String> {
        let config: toml::Table = std::fs::read_to_string(self.config()).unwrap().parse().unwrap();
        let url = config.get("store").and_then(|store| store.get("url"))?.as_str()?;
        url.starts_with("postgres").then(|| url.to_owned())
    }

    /// Changes the store past the server, as somebody does who may change its file or its database.
    pub(crate) fn change_store(&self, sql: &str) {
        if let Some(url) = self.database() {
            judge("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, &url]);
            return;
        }
        let script =
            "import sqlite3, sys; one = sqlite3.connect(sys.argv[1]); one.execute(sys.argv[2]); one.commit()";
        let file = self.state().join("chancery.db");
        judge("python3", &["-c", script, file.to_str().unwrap(), sql]);
    }

    /// Whether `chancery store check` finds nothing, or what it finds. The databases of tests do not wait for the disk, which does not
    /// count.
    pub(crate) fn check_store(&self) -> Result<(), String> {
        let checked = self.run(&["--output", "json", "store", "check"]);
        let Ok(Value::Array(rows)) = serde_json::from_slice(&checked.stdout) else {
            return Err(text(&checked));
        };
        let is_wrong =
            |row: &&Value| row["is_whole"] == false && !row["outcome"].to_string().contains("fsync");
        rows.iter()
            .find(is_wrong)
            .map_or(Ok(()), |row| Err(row.to_string()))
    }

    /// Opens the store for reading.
    pub(crate) fn store(&self) -> ::store::Store {
        ::store::Store::open_read_only(&self.store_config()).unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.file("state")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.config.clone()
    }

    /// The configuration is somewhere else from now on.
    pub(crate) fn config_is(&mut self, config: PathBuf) {
        self.config = config;
    }

    pub(crate) fn public_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    pub(crate) fn api_url(&self) -> String {
        format!("https://localhost:{}", self.ports[0])
    }

    /// What it tells Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[2])).unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until a metric is at least this.
    pub(crate) fn wait_for_metric(&self, name: &str, least: usize) {
        let since = Instant::now();
        let is_there = |line: &str| {
            let value = line
                .strip_prefix(name)
                .and_then(|rest| rest.trim().parse::<usize>().ok());
            value.is_some_and(|value| value >= least)
        };
        while !self.metrics().lines().any(is_there) {
            let told = self.metrics();
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "{name} is not {least}:\n{told}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Changes the configuration: a line that is there becomes another.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        std::fs::write(self.config(), text.replace(from, to)).unwrap();
    }

    /// Closes the standard input that `serve_with` opened.
    pub(crate) fn close_input(&mut self) {
        drop(self.server.as_mut().unwrap().stdin.take());
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.file("chancery.log")
    }

    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Waits until the log says something.
    pub(crate) fn wait_for_log(&self, what: &str) {
        let since = Instant::now();
        while !self.log_text().contains(what) {
            assert!(
                since.elapsed() < Duration::from_secs(30),
                "the log does not say `{what}`:\n{}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// The process of the signing program: the server's only child.
    pub(crate) fn signerd_pid(&self) -> u32 {
        self.find_signerd().expect("one signing process")
    }

    /// The same, when there is one.
    pub(crate) fn find_signerd(&self) -> Option<u32> {
        let output = Command::new("pgrep")
            .args(["-P", &self.pid().to_string(), "-f", "chancery-signerd"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().ok()
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Gives the server to somebody else, who ends it; its end is waited for in a thread.
    pub(crate) fn hand_over(&mut self) -> std::thread::JoinHandle<()> {
        let mut server = self.server.take().unwrap();
        std::thread::spawn(move || drop(server.wait()))
    }

    /// Waits for the server's end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.server.take().unwrap().wait().unwrap()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            signal(server.id(), "TERM");
            let since = Instant::now();
            while server.try_wait().ok().flatten().is_none() {
                if since.elapsed() > Duration::from_secs(20) {
                    let _ = server.kill();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        if self.gives_back {
            LENT.lock().unwrap().push(self.ports);
        }
    }
}

/// The module of SoftHSM2.
pub(crate) fn softhsm() -> String {
    let known = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    known
        .iter()
        .find(|path| Path::new(path).exists())
        .expect("softhsm2 is needed")
        .to_string()
}

/// Ports that appliances have given back.
static LENT: Mutex<Vec<[u16; 3]>> = Mutex::new(Vec::new());

/// Ports for one of hundreds of appliances, which gives them back: those below the others, in a place of this process.
fn lent_ports() -> [u16; 3] {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    if let Some(ports) = LENT.lock().unwrap().pop() {
        return ports;
    }
    let first = 10_000 + u16::try_from(std::process::id() % 40).unwrap() * 48;
    let free = || loop {
        let place = TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(place < 48, "too many appliances at the same time");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, first + place)).is_ok() {
            return first + place;
        }
    };
    [free(), free(), free()]
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Runs a judge that must succeed; what it said on both channels.
pub(crate) fn judge(program: &str, words: &[&str]) -> String {
    let output = run(program, words, b"");
    assert!(output.status.success(), "{program} {words:?}: {}", text(&output));
    text(&output)
}

/// Runs a program with something on its standard input.
pub(crate) fn run(program: &str, words: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed (cargo xtask test installs it): {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// What a program said on both channels.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Ports that are free now. They lie below those that the system hands out to clients, and each test process looks in a
/// place of its own, with room for three servers, so that none is taken before its listener opens.
pub(crate) fn free_ports() -> [u16; 3] {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 2_000).unwrap() * 10;
    let free = || loop {
        let port = first + TAKEN.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    };
    [free(), free(), free()]
}

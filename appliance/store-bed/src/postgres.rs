//! Debian's PostgreSQL: a server in a temporary folder, on a Unix socket, ended with the test that started it.
//!
//! A data folder is made once (`target/postgres-template`) and copied, because making one takes longer than most tests.
//! PostgreSQL refuses to run as root, so root lends the server to the user `postgres`, whom Debian's package makes.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Who owns the databases.
const USER: &str = "chancery";
/// How long a server may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, and an empty database `chancery` in it.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    settings: Vec<String>,
    port: Option<u16>,
    server: Option<Child>,
    keeper: Child,
}

/// Waits until whoever holds its input is gone, however that came, then ends the server and clears up.
const KEEPER: &str = r#"cat
    if pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null); then
        kill -INT "$pid" 2>/dev/null
        for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    fi
    rm -rf "$0""#;

impl Postgres {
    /// Starts one that is reached by its Unix socket alone.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further settings, such as `max_connections=5`.
    pub fn start_with(settings: &[&str]) -> Self {
        let mut server = Self::prepare();
        server.settings = settings.iter().map(|&one| one.to_owned()).collect();
        server.start_again();
        server
    }

    /// A data folder without a server, for changes to it before the first start.
    pub fn prepare() -> Self {
        let programs = programs();
        let template = template(&programs);
        let folder = folder();
        let data = folder.path().join("data");
        // A link to a template elsewhere is followed: its files are copied, and nobody works on them.
        run(Command::new("cp").args(["-a", "-H"]).arg(&template).arg(&data));
        if is_root() {
            run(Command::new("chown")
                .arg("-R")
                .arg("postgres:")
                .arg(folder.path()));
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            keeper: keeper.unwrap(),
            folder,
            programs,
            settings: Vec::new(),
            port: None,
            server: None,
        }
    }

    /// Lets it be reached by TCP on loopback too, from the next start on.
    pub fn listen(&mut self) {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        self.port = Some(free);
    }

    /// Adds a setting, from the next start on.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// A program of the server's version.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Puts a file into the folder of the data, before a start.
    pub fn put(&self, name: &str, contents: &str) {
        let file = self.data().join(name);
        fs::write(&file, contents).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&file));
        }
    }

    /// The folder of the data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port.expect("the server was not told to listen")
    }

    /// The address of a database, by the Unix socket.
    pub fn url_of(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "postgres://{USER}@/{database}?host={folder}&port={}",
            self.port.unwrap_or(5432)
        )
    }

    /// The address of the database that every server has.
    pub fn url(&self) -> String {
        self.url_of("chancery")
    }

    /// Makes another empty database and gives its address.
    pub fn make(&self, database: &str) -> String {
        self.run(&format!("CREATE DATABASE {database}"));
        self.url_of(database)
    }

    /// Runs SQL in the database as its owner, and gives what psql prints: rows as lines, columns divided by `|`.
    pub fn run(&self, sql: &str) -> String {
        let output = self.psql("chancery", sql);
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What it has written to its log since it was made.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn psql(&self, database: &str, sql: &str) -> std::process::Output {
        Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url_of(database))
            .args(["-c", sql])
            .output()
            .unwrap()
    }

    /// Starts the server, after [`Postgres::kill`] or [`Postgres::stop`] on the same port.
    pub fn start_again(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let mut command = as_owner(&self.programs.join("postgres"));
        command.arg("-D").arg(self.data());
        let sockets = format!("unix_socket_directories={}", self.folder.path().display());
        let listen = if self.port.is_some() { "127.0.0.1" } else { "" };
        let listen = format!("listen_addresses={listen}");
        let port = format!("port={}", self.port.unwrap_or(5432));
        // The machine does not fail in a test, and a process that is killed has handed its writes to the kernel.
        let usual = ["shared_buffers=32MB", "max_connections=60", "fsync=off"];
        let own = [sockets.as_str(), listen.as_str(), port.as_str()];
        for setting in usual
            .into_iter()
            .chain(own)
            .chain(self.settings.iter().map(String::as_str))
        {
            command.args(["-c", setting]);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let (before, until) = (self.log().len(), Instant::now() + PATIENCE);
        self.server = Some(command.spawn().unwrap());
        while !self.psql("chancery", "SELECT 1").status.success() {
            let ended = self.server.as_mut().and_then(|server| server.try_wait().unwrap());
            let log = self.log();
            assert!(
                Instant::now() < until,
                "the database server does not start:\n{log}"
            );
            if ended.is_some() {
                // A process that a killed server had just started has not noticed its end yet.
                let is_held = log[before..].contains("shared memory block");
                assert!(is_held, "the database server does not start:\n{log}");
                self.server = Some(command.spawn().unwrap());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the server and all it started (SIGKILL): none of them closes or writes anything any more.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let mut children = children(server.id());
        send(server.id(), Signal::KILL);
        server.wait().unwrap();
        for child in &children {
            send(*child, Signal::KILL);
        }
        // Nobody inherits their locks and their shared memory before they are gone.
        let until = Instant::now() + PATIENCE;
        loop {
            children.retain(|child| is_postgres_process(*child));
            if children.is_empty() {
                break;
            }
            assert!(
                Instant::now() < until,
                "processes of the killed server stay: {children:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as an administrator would who does not wait for clients.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Stops the process of the server and all it started, as a machine does that hangs.
    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets them go on.
    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, signal: Signal) {
        let server = self.server.as_ref().expect("the server does not run").id();
        for process in [vec![server], children(server)].concat() {
            send(process, signal);
        }
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        send(server.id(), signal);
        server.wait().unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

/// What a process has started and not waited for.
fn children(process: u32) -> Vec<u32> {
    let found = Command::new("pgrep")
        .args(["-P", &process.to_string()])
        .output()
        .unwrap()
        .stdout;
    let found = String::from_utf8(found).unwrap();
    found
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}

/// Sends a signal to a process, which may have ended by itself.
fn send(process: u32, signal: Signal) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).unwrap();
    let _ = kill_process(pid, signal);
}

/// Whether a process of PostgreSQL lives; one that has ended and is not waited for has nothing any more.
fn is_postgres_process(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
            .trim()
    };
    line("Name:").starts_with("postgres") && !line("State:").starts_with('Z')
}

/// The folder of the newest PostgreSQL that is installed.
fn programs() -> PathBuf {
    let installed = fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten()
        .flatten();
    let newest = installed
        .filter_map(|folder| {
            let version: u32 = folder.file_name().to_str()?.parse().ok()?;
            let programs = folder.path().join("bin");
            programs.join("initdb").exists().then_some((version, programs))
        })
        .max();
    let missing = "PostgreSQL is not installed: `cargo xtask test --install-only` installs it";
    newest.expect(missing).1
}

/// The data folder that servers begin with, made by whoever needs it first.
fn template(programs: &Path) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    fs::create_dir_all(&target).unwrap();
    let template = target.join("postgres-template");
    let lock = File::create(target.join("postgres-template.lock")).unwrap();
    lock.lock().unwrap();
    let version = programs.display().to_string();
    let stamp = target.join("postgres-template.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|made_by| made_by == version) && template.exists() {
        return template;
    }
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let data = folder.path().join("data");
    let mut make = as_owner(&programs.join("initdb"));
    make.args([
        "--no-sync",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--wal-segsize=1",
    ]);
    run(make.args(["-U", USER, "-D"]).arg(&data));
    // Without a server: the one process reads statements from its input.
    let mut single = as_owner(&programs.join("postgres"));
    single.args(["--single", "-F", "-D"]).arg(&data).arg("template1");
    let mut single = single
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let input = single.stdin.take().unwrap();
    // As little as a server can do with, because all of it is copied.
    let fewer = "ALTER DATABASE postgres RENAME TO chancery\n\
        UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'\n\
        DROP DATABASE template0\n";
    std::io::Write::write_all(&mut { input }, fewer.as_bytes()).unwrap();
    assert!(single.wait().unwrap().success(), "the template could not be made");
    if template.exists() {
        fs::remove_dir_all(&template).unwrap();
    }
    run(Command::new("cp").arg("-a").arg(&data).arg(&template));
    fs::write(stamp, version).unwrap();
    template
}

/// A folder in memory, where there is one: a data folder is 20 MiB.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("chancery-postgres-")
        .tempdir_in(place)
        .unwrap()
}

/// A program as the user that the data belongs to.
fn as_owner(program: &Path) -> Command {
    let mut command;
    if is_root() {
        command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
        command.arg(program);
    } else {
        command = Command::new(program);
    }
    // The folder of the tests may be closed to that user.
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

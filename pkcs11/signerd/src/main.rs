//! `chancery-signerd`, the signing service: the one process that has the vendor's PKCS#11 library in it.
//!
//! It signs for named keys within limits, for clients on a Unix socket, and writes a line of audit for everything it
//! signs. It links no HTTP and no database, and does not look into what it signs. Keys that the appliance
//! makes for couriers are made and encrypted here, too, and leave only as ciphertext. A hang or a crash of the vendor's
//! library costs one restart of this process and nothing else.

mod audit;
mod batch;
mod clock;
mod connection;
mod desk;
mod frames;
mod guard;
mod keeper;
mod lane;
mod probe;
mod serve;
mod service;
mod subject_key;
mod upkeep;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use token::{Config, ConfigError, KeyRing};

/// Exit status when a token rejected its PIN (EX_NOPERM): a supervisor must not start the service again.
const EXIT_PIN_REJECTED: u8 = 77;
/// Exit status when the configuration is not usable (EX_CONFIG): likewise.
const EXIT_CONFIG: u8 = 78;

/// Signs with keys in PKCS#11 tokens and in software, for clients on a Unix socket.
#[derive(Debug, Parser)]
#[command(name = "chancery-signerd", version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/chancery/signerd.toml")]
    config: PathBuf,
    /// The socket to listen on, in place of the configured one.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// End when standard input is closed, for a parent that holds its other end.
    #[arg(long)]
    with_parent: bool,
    /// Write log lines as JSON.
    #[arg(long)]
    log_json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.log_json);
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            exit_code(&error)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut config = Config::load(&arguments.config)?;
    if let Some(socket) = &arguments.socket {
        config.socket = Some(socket.clone());
    }
    if !config.allow_core_dumps {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
            .context("this process cannot be closed to debuggers")?;
    }
    let ring = KeyRing::open(&config)?;
    serve::serve(ring, &config, arguments.with_parent)
}

fn start_log(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,cryptoki=off"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    if json { log.json().init() } else { log.init() }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if matches!(error.downcast_ref(), Some(token::Error::PinRejected { .. })) {
        ExitCode::from(EXIT_PIN_REJECTED)
    } else if error.is::<ConfigError>() {
        ExitCode::from(EXIT_CONFIG)
    } else {
        ExitCode::FAILURE
    }
}

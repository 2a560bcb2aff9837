//! The command line: one file a subcommand. Management subcommands are clients of the running server's API.

mod alarm;
mod api_token;
mod audit;
mod backup;
mod bridge;
mod ca;
mod ceremony;
mod cert;
mod client;
mod completions;
mod config;
mod courier;
mod discovery;
mod domain;
pub(crate) mod failure;
mod hint;
mod init;
mod man;
mod policy;
mod profile;
mod progress;
mod restore;
mod say;
mod serve;
mod store;
mod table;
mod token;
mod tour;
mod upgrade;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use init::store::StoreArgs;

/// A certification authority whose keys live in an HSM.
///
/// Exit status: 0 done; 1 failed, or what was checked is not sound; 2 wrong usage; 3 refused by the server (see the code it tells); 4 the
/// server cannot be reached or is not ready, the same command may succeed later; 77 a token rejected its PIN; 78 a configuration cannot be
/// used. With `--output json` an error is one JSON object on standard error.
#[derive(Debug, Parser)]
#[command(name = "chancery", version, max_term_width = 110)]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "CHANCERY_CONFIG",
        default_value = "/etc/chancery/chancery.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    /// The server's API; from the configuration when left out.
    #[arg(long, global = true, env = "CHANCERY_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The file with the API token; `admin.token` in the state folder when left out.
    #[arg(long, global = true, env = "CHANCERY_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The file with the roots the server's certificate is checked with; `ca-bundle.pem` in the state folder when left out.
    #[arg(long, global = true, env = "CHANCERY_CA_BUNDLE", value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For machines.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a new server: keys, CAs, certificates, configuration.
    Init(Box<init::Args>),
    /// Run the server.
    Serve(serve::Args),
    /// Certification authorities.
    #[command(subcommand)]
    Ca(ca::Command),
    /// Certificate profiles.
    #[command(subcommand)]
    Profile(profile::Command),
    /// Couriers: who they are, what they may have, how they get in, what they ordered.
    #[command(subcommand)]
    Courier(Box<courier::Command>),
    /// Domains under which certificates are given to couriers.
    #[command(subcommand)]
    Domain(domain::Command),
    /// Policies that orders of couriers are held against.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Bridges, through which couriers come from other network segments.
    #[command(subcommand)]
    Bridge(bridge::Command),
    /// Alarms: certificates that are in use nowhere, couriers that are not heard of.
    #[command(subcommand)]
    Alarm(alarm::Command),
    /// Certificates that couriers found on their hosts.
    #[command(subcommand)]
    Discovery(discovery::Command),
    /// Key ceremonies: plans, approvals, transcripts. Works without the server, on a machine of its own.
    #[command(subcommand)]
    Ceremony(Box<ceremony::Command>),
    /// Certificates.
    #[command(subcommand)]
    Cert(cert::Command),
    /// PKCS#11 tokens: look at them, initialise them, test them. Works without the server.
    #[command(subcommand)]
    Token(token::Command),
    /// API tokens.
    #[command(subcommand)]
    ApiToken(api_token::Command),
    /// The store: migrate its schema, check that it is whole, copy it into another database. Works without the server.
    #[command(subcommand)]
    Store(store::Command),
    /// Make a backup of everything, encrypted for its recipients; look at backups, and verify them. Works beside the server and
    /// without it.
    Backup(Box<backup::Args>),
    /// Restore a backup. Works without the server.
    Restore(Box<restore::Args>),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// The configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Issue, check, revoke and check again: a smoke test of a running server.
    Tour(tour::Args),
    /// Upgrades: what this program would meet.
    #[command(subcommand)]
    Upgrade(upgrade::Command),
    /// Print shell completions.
    Completions(completions::Args),
    /// Write the manual pages into a folder.
    Man(man::Args),
}

/// Reads the command line, runs the command, and tells why when it failed.
pub(crate) fn start() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return failure::tell_usage(&words, &error),
    };
    let output = cli.output;
    run(cli).unwrap_or_else(|error| failure::tell(output, &error))
}

/// Runs the command.
fn run(cli: Cli) -> Result<ExitCode> {
    let place = Place {
        config: cli.config,
        server: cli.server,
        token_file: cli.token_file,
        ca_bundle: cli.ca_bundle,
        output: cli.output,
    };
    match cli.command {
        Command::Init(args) => done(runtime("work")?.block_on(init::run(place.output, &args))),
        Command::Serve(args) => done(serve::run(&place.config, &args)),
        Command::Ca(command) => done(runtime("work")?.block_on(ca::run(&place, command))),
        Command::Profile(command) => done(runtime("work")?.block_on(profile::run(&place, command))),
        Command::Courier(command) => done(runtime("work")?.block_on(courier::run(&place, *command))),
        Command::Domain(command) => done(runtime("work")?.block_on(domain::run(&place, command))),
        Command::Policy(command) => done(runtime("work")?.block_on(policy::run(&place, command))),
        Command::Alarm(command) => done(runtime("work")?.block_on(alarm::run(&place, command))),
        Command::Discovery(command) => done(runtime("work")?.block_on(discovery::run(&place, command))),
        Command::Bridge(command) => done(runtime("work")?.block_on(bridge::run(&place, command))),
        Command::Ceremony(command) => runtime("work")?.block_on(ceremony::run(&place, *command)),
        Command::Cert(command) => done(runtime("work")?.block_on(cert::run(&place, command))),
        Command::Token(command) => token::run(&place, command),
        Command::ApiToken(command) => done(runtime("work")?.block_on(api_token::run(&place, command))),
        Command::Audit(command) => runtime("work")?.block_on(audit::run(&place, command)),
        Command::Backup(args) => runtime("work")?.block_on(backup::run(&place, *args)),
        Command::Restore(args) => done(runtime("work")?.block_on(restore::run(&place, *args))),
        Command::Store(command) => runtime("work")?.block_on(store::run(&place, command)),
        Command::Config(command) => done(config::run(&place, &command)),
        Command::Upgrade(command) => upgrade::run(&place, &command),
        Command::Tour(args) => done(runtime("work")?.block_on(tour::run(&place, &args))),
        Command::Completions(args) => {
            completions::run(&args);
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(args) => done(man::run(&args)),
    }
}

fn done(outcome: Result<()>) -> Result<ExitCode> {
    outcome.map(|()| ExitCode::SUCCESS)
}

/// A thread for each core, with this name.
fn runtime(name: &str) -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.thread_name(name).enable_all().build()?)
}

/// A text file that a command names.
fn read(file: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| {
        format!(
            "{} cannot be read: is the path right, and may this user read it?",
            file.display()
        )
    })
}

/// Where the server is and how to talk to it.
#[derive(Debug)]
pub(crate) struct Place {
    config: PathBuf,
    server: Option<String>,
    token_file: Option<PathBuf>,
    ca_bundle: Option<PathBuf>,
    output: Output,
}

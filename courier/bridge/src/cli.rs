//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use crate::config::{ConfigFault, Settings};
use crate::identity::IdentityFault;
use crate::{register, run};

/// A configuration that cannot be used (`EX_CONFIG`): systemd does not start it again.
const CONFIG: u8 = 78;

/// Brings couriers of one network segment to the appliance in another.
#[derive(Debug, Parser)]
#[command(name = "courier-bridge", version)]
struct Arguments {
    /// The configuration.
    #[arg(
        long,
        short,
        global = true,
        env = "COURIER_BRIDGE_CONFIG",
        default_value = "/etc/courier-bridge/config.yaml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM; SIGHUP reads the certificate of the listener again.
    Run,
    /// Check the configuration and the files that it names, and tell all that is wrong.
    Check,
    /// Register this instance at the appliance with a token that is good for one registration.
    Register {
        /// The file with the token.
        #[arg(long)]
        token: PathBuf,
        /// Register although there is an identity already; it is replaced.
        #[arg(long)]
        replace: bool,
    },
}

/// Reads the arguments and does what they say.
pub(crate) fn start() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("courier-bridge: {error:#}");
            let is_config = error.is::<ConfigFault>() || error.is::<IdentityFault>();
            ExitCode::from(if is_config { CONFIG } else { 1 })
        }
    }
}

fn carry_out(arguments: &Arguments) -> Result<()> {
    let settings = Settings::load(&arguments.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    match &arguments.command {
        Command::Run => runtime.block_on(run::serve(settings)),
        Command::Check => {
            run::check(&settings)?;
            println!("{}: nothing is wrong", arguments.config.display());
            Ok(())
        }
        Command::Register { token, replace } => {
            let identity = runtime.block_on(register::register(&settings, token, *replace))?;
            println!(
                "registered as {}; its certificate ends {}",
                identity.instance(),
                identity.not_after()
            );
            Ok(())
        }
    }
}

//! The command line.

pub mod refusal;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use uuid::Uuid;

use crate::init;

/// Fetches certificates from a Chancery appliance, installs them and renews them in time.
///
/// Without a command it does what `api.action` of the file says, and `run` when the file says nothing.
#[derive(Debug, Parser)]
#[command(name = "courier", version, max_term_width = 100)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// The configuration file
    #[arg(
        short,
        long,
        global = true,
        value_name = "PATH",
        default_value = "config.yaml"
    )]
    pub config: PathBuf,
    /// Do it for every *.yaml of a directory; the worst exit code wins
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "config")]
    pub config_dir: Option<PathBuf>,
    /// Only the certificate of this name
    #[arg(long, global = true, value_name = "NAME")]
    pub name: Option<String>,
    /// Log how things are done (-v), or everything (-vv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Log only what is not as it should be
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// The form of the result on standard output
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// The form of the log on standard error, instead of what the file says
    #[arg(long, global = true, value_enum)]
    pub log_format: Option<Output>,
    /// Everything up to the order, and not further; a command that has no dry run is refused
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// How long a pending order is waited for, as 90s or 10m, instead of what the file says
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
    /// How long another instance is waited for
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub lock_timeout: Duration,
    /// `simple` ends with 0 or 1 and nothing finer
    #[arg(long, global = true, value_enum, default_value_t = ExitCodes::Detailed)]
    pub exit_codes: ExitCodes,
}

/// The form of something that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs: one object in a line.
    Json,
}

/// How fine exit codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExitCodes {
    /// 0 and 1.
    Simple,
    /// All of them.
    Detailed,
}

/// What is done.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Issue what is missing, renew what is due, and do nothing otherwise
    #[command(visible_alias = "ensure")]
    Run,
    /// Issue a new certificate; refused while there is a current one
    Generate {
        /// Issue another one all the same
        #[arg(long)]
        force: bool,
    },
    /// Renew the certificate when it is due
    Renew {
        /// Renew it whether it is due or not
        #[arg(long)]
        force: bool,
        /// Keep the key of the certificate that is renewed
        #[arg(long)]
        reuse_key: bool,
    },
    /// Say how the certificate stands
    Status {
        /// End with 20 (renewal due), 21 (missing), 22 (expired), 23 (revoked), 24 (key mismatch) or 25 (configuration drift)
        #[arg(long)]
        check: bool,
        /// Ask the appliance nothing
        #[arg(long)]
        offline: bool,
        /// Print metrics for the text file collector of Prometheus
        #[arg(long)]
        prometheus: bool,
    },
    /// Make a key pair for the next certificate; no network
    GenerateKeys,
    /// Read and check the configuration, and say what it comes to
    ValidateConfig {
        /// Warn of unknown keys instead of refusing them
        #[arg(long)]
        allow_unknown: bool,
    },
    /// Ask the appliance whether it is there
    #[command(visible_alias = "check-health")]
    CheckApiHealth,
    /// Sign in and out again
    CheckApiAuth,
    /// Revoke the certificate on disk
    Revoke {
        /// Why
        #[arg(long, value_parser = PossibleValuesParser::new(REASONS))]
        reason: String,
        /// Another certificate of this courier, by its SHA-256 in hexadecimal digits
        #[arg(long, value_name = "SHA256")]
        fingerprint: Option<String>,
    },
    /// Find out what keeps a certificate from being fetched
    Doctor,
    /// Hand the files on disk to the servers that the file names
    Deploy {
        /// Only to this kind of server
        #[arg(value_name = "KIND")]
        kind: Option<String>,
    },
    /// Look for certificates on this host, whoever put them there, and tell the appliance of them
    Discover {
        /// A folder to look in, in place of those of the file; may be repeated
        #[arg(long, value_name = "DIR")]
        dir: Vec<PathBuf>,
    },
    /// Write the files on disk in another form
    Export {
        /// The form; `jks` is a PKCS#12 file that Java reads as its key store
        #[arg(long, value_enum)]
        format: Format,
        /// Where to; the folder must exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A file with the password, for p12 and jks
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// The old algorithms, for old Java and Windows
        #[arg(long)]
        legacy: bool,
    },
    /// Look at orders of this courier
    #[command(subcommand)]
    Order(OrderCommand),
    /// Fetch the trust anchors of the appliance
    Trust {
        /// A file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write a commented starter configuration
    Init {
        /// How the courier will prove who it is
        #[arg(long, value_parser = PossibleValuesParser::new(init::METHODS))]
        method: String,
        /// The appliance, or the bridge to it
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// The courier's UUID, as the appliance shows it
        #[arg(long, value_name = "UUID")]
        uuid: Option<String>,
        /// The first name of the certificate
        #[arg(long, value_name = "NAME")]
        common_name: Option<String>,
        /// A file, which must not exist yet, instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Start the courier by a timer
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    Man {
        /// A folder for all pages
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// What is done with the timer.
#[derive(Clone, Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Print what would be installed
    Print(Schedule),
    /// Install it
    Install(Schedule),
    /// Remove it
    Remove(Schedule),
}

/// Which timer.
#[derive(Args, Clone, Debug)]
pub struct Schedule {
    /// Whose timer
    #[arg(long, value_enum, default_value_t = ScheduleFormat::Systemd)]
    pub format: ScheduleFormat,
    /// The account that the courier runs as
    #[arg(long, default_value = "courier")]
    pub user: String,
    /// A secret of the configuration that the service manager hands over, as name=file; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pub credential: Vec<String>,
    /// Another root than /
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
}

/// Whose timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleFormat {
    /// A service and a timer of systemd.
    Systemd,
    /// A line for cron.
    Cron,
    /// A task of Windows; it is printed only.
    WindowsTask,
}

/// Reasons of a revocation (RFC 5280 §5.3.1) that a holder may give.
pub const REASONS: [&str; 6] = [
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
];

/// A form of key and certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// PKCS#12.
    P12,
    /// PKCS#12 as Java reads it.
    Jks,
    /// Certificate, chain and key in one PEM file.
    Haproxy,
    /// The certificate alone.
    Der,
}

/// What is done with an order.
#[derive(Clone, Debug, Subcommand)]
pub enum OrderCommand {
    /// List the latest orders
    List,
    /// Say how an order stands
    Show {
        /// Which one
        uuid: Uuid,
    },
    /// Wait until an order is signed or over
    Wait {
        /// Which one
        uuid: Uuid,
    },
    /// Give an order up that is not signed yet
    Cancel {
        /// Which one
        uuid: Uuid,
    },
}

/// A length of time as `90s`, `10m` or `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("`{text}` is no length of time: write it as 90s, 10m or 1h30m"))?;
    Duration::try_from(parsed).map_err(|_| "a length of time is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_what_the_contract_says() {
        Arguments::command().debug_assert();
        let contract = [
            "check-api-health",
            "check-health",
            "check-api-auth",
            "status",
            "generate",
            "generate-keys",
            "validate-config",
            "renew",
        ];
        for word in contract {
            let parsed = Arguments::try_parse_from(["courier", "-v", "-c", "a.yaml", word]).unwrap();
            assert!(parsed.command.is_some(), "{word}");
            assert_eq!(
                (parsed.global.verbose, parsed.global.config),
                (1, PathBuf::from("a.yaml"))
            );
        }
        let plain = Arguments::try_parse_from(["courier"]).unwrap();
        assert!(plain.command.is_none());
        assert_eq!(plain.global.config, PathBuf::from("config.yaml"));
        assert_eq!(
            Arguments::try_parse_from(["courier", "-V"])
                .unwrap_err()
                .exit_code(),
            0
        );
        assert_eq!(
            Arguments::try_parse_from(["courier", "--unheard-of"])
                .unwrap_err()
                .exit_code(),
            2
        );
    }

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(duration("1h30m").unwrap(), Duration::from_mins(90));
        assert_eq!(duration("0s").unwrap(), Duration::ZERO);
        assert!(duration("-5s").is_err() && duration("soon").is_err());
    }
}

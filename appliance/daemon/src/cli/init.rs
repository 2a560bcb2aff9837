//! `chancery init`: a new server in a folder. Every step looks first whether it is done, so a second run finishes what a
//! first one left.

mod authorities;
mod draft;
mod existing;
mod given;
mod layout;
mod plan;
pub(crate) mod store;
mod subject;
mod token;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::token::KeyRing;
use anyhow::{Context as _, Result, bail};
use ca::{Authority, Principal, Signer};
use pki::KeyAlgorithm;

use crate::cli::Output;
use crate::cli::say::say;
use crate::compose;
use crate::config::{Config, SignerMode};
use crate::files;
use authorities::ISSUING;
use draft::Draft;
use given::There;
use layout::Layout;
use store::Known;

/// What to set up.
#[expect(clippy::struct_excessive_bools, reason = "the switches of a command line")]
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A second run does what is missing and changes nothing else; it wants the server stopped. An option that says something else \
    than the configuration that is there is refused; what cannot be opened leaves no configuration behind.\n\nExamples:\n  \
    chancery init --dir ./trial --software\n  \
    chancery init --dir /var/lib/chancery --init-token\n  \
    chancery init --dir /media/ca --offline --init-token\n  \
    chancery init --dir /var/lib/chancery --module /opt/vendor/lib/pkcs11.so --token-label ca --pin-file /etc/chancery/pin\n  \
    chancery init --dir /var/lib/chancery --config-dir /etc/chancery --signer-socket /run/chancery-signerd/signerd.sock\n  \
    chancery init --dir /var/lib/chancery --store-url postgres://chancery@db.example/chancery \
    --store-password-file /etc/chancery/store-password --store-tls-roots /etc/chancery/db-roots.pem"
)]
pub(crate) struct Args {
    /// The folder for the state, and for the configuration unless --config-dir says otherwise; made when it is not there.
    #[arg(long)]
    dir: PathBuf,
    /// The folder for the configuration files.
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// The vendor's PKCS#11 module; SoftHSM2 where Debian puts it when left out.
    #[arg(long, value_name = "FILE", conflicts_with = "software")]
    module: Option<PathBuf>,
    /// The label of the token for the CA keys; `chancery` when left out.
    #[arg(long, value_name = "LABEL", conflicts_with = "software")]
    token_label: Option<String>,
    /// The file with the token's PIN; `pin` in the folder of the configuration when left out.
    #[arg(long, value_name = "FILE", conflicts_with = "software")]
    pin_file: Option<PathBuf>,
    /// Initialise the token when there is none of this label; PINs that are not there are made.
    #[arg(long, conflicts_with = "software")]
    init_token: bool,
    /// No HSM: keys in files. For trials.
    #[arg(long)]
    software: bool,
    /// Use the signing process that listens on this socket already, for example under systemd; its configuration is its own.
    #[arg(
        long,
        value_name = "SOCKET",
        conflicts_with_all = ["software", "module", "pin_file", "init_token"]
    )]
    signer_socket: Option<PathBuf>,
    /// The name of the token in the configuration of the signing process; `software` for its software backend.
    #[arg(long, value_name = "NAME", default_value = "hsm", requires = "signer_socket")]
    token: String,
    #[command(flatten)]
    store: store::StoreArgs,
    /// What the addresses in certificates begin with, the same for all servers of one store. When left out, what is in the certificates of the
    /// store's CAs, and for the first server its public address.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Address and port for OCSP, CRLs and CA certificates; 127.0.0.1:8441 when left out.
    #[arg(long, value_name = "ADDRESS")]
    public: Option<SocketAddr>,
    /// Address and port of the REST API; 127.0.0.1:8440 when left out.
    #[arg(long, value_name = "ADDRESS")]
    api: Option<SocketAddr>,
    /// Address and port for Prometheus; 127.0.0.1:8442 when left out.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// A further name or address of the server, for its certificate; may be given several times.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The subject of the root; `CN=Chancery Root CA` when left out.
    #[arg(long, value_name = "DN", value_parser = subject::parse)]
    root_subject: Option<String>,
    /// The subject of the issuing CA; `CN=Chancery Issuing CA` when left out.
    #[arg(long, value_name = "DN", value_parser = subject::parse)]
    issuing_subject: Option<String>,
    /// The kind of the root's key: ec-p256, ec-p384, ec-p521, rsa-2048 to rsa-4096, ed25519, ml-dsa-44, ml-dsa-65, ml-dsa-87; `ec-p256` when
    /// left out.
    #[arg(long, value_name = "ALGORITHM")]
    root_algorithm: Option<KeyAlgorithm>,
    /// The kind of the issuing CA's key, likewise.
    #[arg(long, value_name = "ALGORITHM")]
    issuing_algorithm: Option<KeyAlgorithm>,
    /// Print the admin token as well; it is in `admin.token` in any case.
    #[arg(long)]
    print_token: bool,
    /// A machine for key ceremonies: the token, the configuration and an empty store, and no CA and no server's files.
    /// `chancery ceremony run` makes the CAs.
    #[arg(long, conflicts_with = "print_token")]
    offline: bool,
    /// Only tell what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Sets it up, or tells what that would be.
pub(crate) async fn run(output: Output, args: &Args) -> Result<()> {
    let mut layout = Layout::new(args)?;
    let steps = Steps(output);
    let there = There::read(args, &mut layout)?;
    given::refuse_a_server(args, &layout, &there)?;
    given::refuse_lost_signing(args, &layout, &there)?;
    if args.dry_run {
        return plan::plan(args, steps, &layout, &there);
    }
    layout.make_folders()?;
    let token = token::name(args, &there);
    let (config, authority) = open(args, steps, &layout, &there).await?;
    if args.offline {
        authority.drain().await;
        let next = format!("chancery --config {} ceremony run PLAN", layout.config.display());
        steps.tell("ready", &next, &format!("\nready: {next}"));
        return Ok(());
    }
    let by = Principal::local("init");
    // A ceremony may take longer than the other servers wait for one that is not heard of.
    let set_up = Box::pin(async {
        authorities::set_up(args, &token, steps, &authority, &by).await?;
        authorities::audit_key(&token, steps, &authority).await?;
        authorities::server_certificate(steps, &config, &authority).await?;
        authorities::bundle(steps, &config, &authority)?;
        authorities::admin_token(steps, &config, &authority, &by).await
    });
    let done = authority.while_present(set_up).await;
    if there.is_connected(args) && args.signer_socket.is_none() {
        done.context("where the signing process is somebody else's, give the options of the first run again (--signer-socket, --token)")?;
    } else {
        done?;
    }
    authority.drain().await;
    if args.print_token {
        let token = files::first_line(&config.path("admin.token".as_ref()))?;
        steps.tell("admin token printed", &token, &format!("\nadmin token: {token}"));
    }
    let next = format!("chancery --config {} serve", layout.config.display());
    steps.tell("ready", &next, &format!("\nready: {next}"));
    Ok(())
}

/// Opens store and keys. New files of configuration get their names when both have opened.
async fn open(args: &Args, steps: Steps, layout: &Layout, there: &There) -> Result<(Config, Authority)> {
    let (server, mut written) = server_draft(args, layout, there)?;
    let signing = if there.is_connected(args) {
        None
    } else {
        Some(token::draft(args, steps, layout, there)?)
    };
    let mut config = Config::load(server.path())?;
    let opened = compose::new_store(&config).await.map_err(tell_in_use)?;
    let known = Known::of_open(&opened).await?;
    existing::hold(args, &known)?;
    if let Some(url) = known.base_url.filter(|_| server.is_new()) {
        settle_base_url(args, steps, &mut written, url);
        config.public.base_url.clone_from(&written.public.base_url);
    }
    let signer = match &signing {
        None => compose::signer(&config)?,
        Some((draft, _)) => {
            let ring = KeyRing::open(&::token::Config::load(draft.path())?)?;
            Signer::in_process(Arc::new(ring))
        }
    };
    let authority = compose::authority(compose::settings(&config)?, opened, signer).await?;
    match existing::issuer_at_hand(&authority, layout).await {
        Ok(Some(name)) if server.is_new() => {
            written.api.issuer = Some(name.clone());
            config.api.issuer = Some(name);
        }
        Ok(_) => {}
        Err(error) => {
            authority.drain().await;
            return Err(error);
        }
    }
    if let Some((draft, contents)) = signing {
        let is_new = draft.is_new();
        draft.keep(&contents)?;
        steps.configured("signing process", is_new, &layout.signing);
    }
    let is_new = server.is_new();
    server.keep(&written)?;
    steps.configured("server", is_new, &layout.config);
    Ok((config, authority))
}

/// `chancery.toml`, to be tried, and what it says.
fn server_draft(args: &Args, layout: &Layout, there: &There) -> Result<(Draft, Config)> {
    if let Some(config) = &there.server {
        return Ok((Draft::there(&layout.config), config.clone()));
    }
    let config = server_config(args, layout)?;
    let draft = Draft::new(&layout.config, &config)?;
    Ok((draft, config))
}

/// All servers of one store put the same addresses into certificates.
fn settle_base_url(args: &Args, steps: Steps, config: &mut Config, known: String) {
    if args.base_url.is_none() {
        steps.done(
            "base URL",
            &format!("{known}, as in the certificates of the store's CAs"),
        );
        config.public.base_url = known;
    } else if config.public.base_url.trim_end_matches('/') != known {
        let words = format!(
            "{}, but the certificates of the store's CAs say {known}: all servers of a store must have the same",
            config.public.base_url
        );
        steps.done("base URL", &words);
    }
}

/// Only where somebody is at work with the folder is he to be stopped.
fn tell_in_use(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(::store::Error::InUse { .. } | ::store::Error::Busy) => {
            error.context("is `chancery serve` running with this folder? stop it first")
        }
        _ => error,
    }
}

/// What the options say, or why that cannot be.
fn server_config(args: &Args, layout: &Layout) -> Result<Config> {
    let mut config = Config::new();
    args.store.put(&mut config)?;
    config.state_dir.clone_from(&layout.written_state_dir);
    config.signer.config.clone_from(&layout.written_signing);
    if let Some(socket) = &args.signer_socket {
        config.signer.mode = SignerMode::Connect;
        config.signer.socket.clone_from(socket);
    }
    let [public, api, metrics] = args.listeners();
    config.public.listen = public;
    config.public.base_url = args
        .base_url
        .clone()
        .unwrap_or_else(|| format!("http://{public}"));
    config.api.listen = api;
    config.api.names.extend(args.names.iter().cloned());
    config.api.issuer = Some(ISSUING.to_owned());
    config.metrics.listen = metrics;
    let problems = config.check();
    match problems.as_slice() {
        [] => Ok(config),
        [problem] => bail!("an option cannot be used: {problem}"),
        problems => bail!("options cannot be used:\n  {}", problems.join("\n  ")),
    }
}

impl Args {
    /// Subject and kind of key of a root that is made.
    fn root(&self) -> (&str, KeyAlgorithm) {
        let subject = self.root_subject.as_deref().unwrap_or("CN=Chancery Root CA");
        (subject, self.root_algorithm.unwrap_or(KeyAlgorithm::P256))
    }

    /// The same of an issuing CA.
    fn issuing(&self) -> (&str, KeyAlgorithm) {
        let subject = self.issuing_subject.as_deref();
        let algorithm = self.issuing_algorithm.unwrap_or(KeyAlgorithm::P256);
        (subject.unwrap_or("CN=Chancery Issuing CA"), algorithm)
    }

    /// The addresses of the listeners: public, API, metrics.
    fn listeners(&self) -> [SocketAddr; 3] {
        let here = |given: Option<SocketAddr>, port| {
            given.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        };
        [
            here(self.public, 8441),
            here(self.api, 8440),
            here(self.metrics, 8442),
        ]
    }
}

/// Tells what was done: a line for people, an object a line for machines.
#[derive(Clone, Copy, Debug)]
struct Steps(Output);

impl Steps {
    fn done(self, what: &str, how: &str) {
        self.tell(what, how, &format!("  {what:<18} {how}"));
    }

    /// A file of configuration has its place.
    fn configured(self, what: &str, is_new: bool, file: &Path) {
        let already = if is_new { "" } else { " already," };
        self.done(what, &format!("configured{already} in {}", file.display()));
    }

    fn tell(self, what: &str, how: &str, for_people: &str) {
        match self.0 {
            Output::Table => say!("{for_people}"),
            Output::Json => say!("{}", serde_json::json!({ "step": what, "outcome": how })),
        }
    }
}

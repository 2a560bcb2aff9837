//! `chancery init`: a new server in a folder. Every step looks first whether it is done, so a second run finishes what a
//! first one left.

mod authorities;
mod layout;
pub(crate) mod store;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use ca::Principal;
use pki::KeyAlgorithm;

use crate::cli::Output;
use crate::cli::say::say;
use crate::compose;
use crate::config::{Config, SignerMode};
use crate::files::{self, Readers};
use authorities::{ISSUING, ROOT};
use layout::Layout;

/// What to set up.
#[expect(clippy::struct_excessive_bools, reason = "the switches of a command line")]
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A second run does what is missing and changes nothing else; it wants the server stopped.\n\nExamples:\n  \
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
    /// The label of the token for the CA keys.
    #[arg(
        long,
        value_name = "LABEL",
        default_value = "chancery",
        conflicts_with = "software"
    )]
    token_label: String,
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
    /// What the addresses in certificates begin with; from the public address when left out.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Address and port for OCSP, CRLs and CA certificates.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8441")]
    public: SocketAddr,
    /// Address and port of the REST API.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8440")]
    api: SocketAddr,
    /// Address and port for Prometheus.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8442")]
    metrics: SocketAddr,
    /// A further name or address of the server, for its certificate; may be given several times.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The subject of the root.
    #[arg(long, value_name = "DN", default_value = "CN=Chancery Root CA")]
    root_subject: String,
    /// The subject of the issuing CA.
    #[arg(long, value_name = "DN", default_value = "CN=Chancery Issuing CA")]
    issuing_subject: String,
    /// The kind of the root's key: ec-p256, ec-p384, ec-p521, rsa-2048 to rsa-4096, ed25519, ml-dsa-44, ml-dsa-65, ml-dsa-87.
    #[arg(long, value_name = "ALGORITHM", default_value = "ec-p256")]
    root_algorithm: KeyAlgorithm,
    /// The kind of the issuing CA's key, likewise.
    #[arg(long, value_name = "ALGORITHM", default_value = "ec-p256")]
    issuing_algorithm: KeyAlgorithm,
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
    let layout = Layout::new(args)?;
    let steps = Steps(output);
    if args.dry_run {
        return plan(args, steps, &layout);
    }
    layout.make_folders()?;
    if args.signer_socket.is_none() {
        token::set_up(args, steps, &layout)?;
    }
    let config = set_up_config(args, steps, &layout)?;
    let opened = compose::new_store(&config)
        .await
        .context("is `chancery serve` running with this folder? stop it first")?;
    let signer = match config.signer.mode {
        SignerMode::Connect => compose::signer(&config)?,
        SignerMode::Spawn | SignerMode::InProcess => compose::signer_here(&config)?,
    };
    let authority = compose::authority(compose::settings(&config)?, opened, signer).await?;
    if args.offline {
        authority.drain().await;
        let next = format!("chancery --config {} ceremony run PLAN", layout.config.display());
        steps.tell("ready", &next, &format!("\nready: {next}"));
        return Ok(());
    }
    let by = Principal::local("init");
    // A ceremony may take longer than the other servers wait for one that is not heard of.
    let set_up = Box::pin(async {
        authorities::set_up(args, steps, &authority, &by).await?;
        authorities::audit_key(args, steps, &authority).await?;
        authorities::server_certificate(steps, &config, &authority).await?;
        authorities::bundle(steps, &config, &authority)?;
        authorities::admin_token(steps, &config, &authority, &by).await
    });
    authority.while_present(set_up).await?;
    authority.drain().await;
    if args.print_token {
        let token = files::first_line(&config.path("admin.token".as_ref()))?;
        steps.tell("admin token printed", &token, &format!("\nadmin token: {token}"));
    }
    let next = format!("chancery --config {} serve", layout.config.display());
    steps.tell("ready", &next, &format!("\nready: {next}"));
    Ok(())
}

/// Writes `chancery.toml` unless it is there, and reads it.
fn set_up_config(args: &Args, steps: Steps, layout: &Layout) -> Result<Config> {
    if layout.config.exists() {
        steps.done(
            "server",
            &format!("configured already, in {}", layout.config.display()),
        );
    } else {
        let config = server_config(args, layout)?;
        let problems = config.check();
        if !problems.is_empty() {
            bail!("these options do not go together:\n  {}", problems.join("\n  "));
        }
        files::write(
            &layout.config,
            toml::to_string(&config)?.as_bytes(),
            Readers::Owner,
        )?;
        steps.done("server", &format!("configured in {}", layout.config.display()));
    }
    Ok(Config::load(&layout.config)?)
}

fn is_there(store: &::store::StoreConfig) -> bool {
    match &store.location {
        ::store::Location::File(file) => file.exists(),
        ::store::Location::Server(_) => false,
    }
}

fn server_config(args: &Args, layout: &Layout) -> Result<Config> {
    let mut config = Config::new();
    args.store.put(&mut config)?;
    config.state_dir.clone_from(&layout.written_state_dir);
    config.signer.config.clone_from(&layout.written_signing);
    if let Some(socket) = &args.signer_socket {
        config.signer.mode = SignerMode::Connect;
        config.signer.socket.clone_from(socket);
    }
    config.public.listen = args.public;
    config.public.base_url = args
        .base_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", args.public));
    config.api.listen = args.api;
    config.api.names.extend(args.names.iter().cloned());
    config.api.issuer = Some(ISSUING.to_owned());
    config.metrics.listen = args.metrics;
    Ok(config)
}

/// What a run would do, without doing any of it.
fn plan(args: &Args, steps: Steps, layout: &Layout) -> Result<()> {
    let folder = layout.state.display();
    let words = format!("would set up a server in {folder}; nothing is changed now");
    steps.tell("dry run", &folder.to_string(), &words);
    if let Some(socket) = &args.signer_socket {
        steps.done(
            "signing process",
            &format!("the one at {}, its token `{}`", socket.display(), args.token),
        );
    } else {
        token::plan(args, steps, layout)?;
    }
    let known = |is_there: bool, what: String| if is_there { "is there".to_owned() } else { what };
    steps.done(
        "server",
        &known(
            layout.config.exists(),
            format!("configure in {}", layout.config.display()),
        ),
    );
    let config = if layout.config.exists() {
        Config::load(&layout.config)?
    } else {
        let mut config = server_config(args, layout)?;
        config.state_dir.clone_from(&layout.state);
        config
    };
    if args.offline {
        let store = known(
            config.store_config().is_ok_and(|store| is_there(&store)),
            "make".to_owned(),
        );
        steps.done("store", &store);
        return Ok(());
    }
    let names = store::known_authorities(&config)?;
    let make = |name: &str, subject: &str, algorithm| {
        known(
            names.iter().any(|known| known == name),
            format!("make `{name}`: {subject}, {algorithm}, with a CRL and an OCSP responder"),
        )
    };
    steps.done("root", &make(ROOT, &args.root_subject, args.root_algorithm));
    steps.done(
        "issuing CA",
        &make(ISSUING, &args.issuing_subject, args.issuing_algorithm),
    );
    steps.done(
        "audit log",
        &known(
            config.path(&config.audit.folder).exists(),
            "make its key and sign it".to_owned(),
        ),
    );
    let certificate = layout.state.join("tls/server.pem");
    steps.done(
        "server's own TLS",
        &known(certificate.exists(), "issue by the issuing CA".to_owned()),
    );
    let token = layout.state.join("admin.token");
    steps.done(
        "admin token",
        &known(token.exists(), "make, and write to admin.token".to_owned()),
    );
    steps.done(
        "listeners",
        &format!(
            "public {}, API {}, metrics {}",
            args.public, args.api, args.metrics
        ),
    );
    Ok(())
}

/// Tells what was done: a line for people, an object a line for machines.
#[derive(Clone, Copy, Debug)]
struct Steps(Output);

impl Steps {
    fn done(self, what: &str, how: &str) {
        self.tell(what, how, &format!("  {what:<18} {how}"));
    }

    fn tell(self, what: &str, how: &str, for_people: &str) {
        match self.0 {
            Output::Table => say!("{for_people}"),
            Output::Json => say!("{}", serde_json::json!({ "step": what, "outcome": how })),
        }
    }
}

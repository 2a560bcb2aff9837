//! `chancery init`: a new server in a folder. Every step looks first whether it is done, so a second run finishes what a
//! first one left.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ca::{Authority, CreateIssuing, CreateRoot, NewApiToken, Principal, Role, Scope};
use pki::KeyAlgorithm;
use secrecy::{ExposeSecret as _, SecretString};
use token::{SoftwareConfig, TokenConfig, inspect};

use crate::compose;
use crate::config::Config;
use crate::files::{self, Readers};
use crate::tls_files::TlsFiles;

/// Where Debian and others put SoftHSM2.
const SOFTHSM: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];
/// The configured name of the token.
const TOKEN: &str = "hsm";

/// What to set up.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    chancery init --dir /var/lib/chancery --module /usr/lib/softhsm/libsofthsm2.so --token-label chancery --init-token\n  \
    chancery init --dir ./trial --software")]
pub(crate) struct Args {
    /// The folder for configuration and state; made when it is not there.
    #[arg(long)]
    dir: PathBuf,
    /// The vendor's PKCS#11 module; SoftHSM2 where Debian puts it when left out.
    #[arg(long, conflicts_with = "software")]
    module: Option<PathBuf>,
    /// The label of the token for the CA keys.
    #[arg(long, default_value = "chancery", conflicts_with = "software")]
    token_label: String,
    /// The file with the token's PIN; `pin` in the folder when left out.
    #[arg(long, conflicts_with = "software")]
    pin_file: Option<PathBuf>,
    /// Initialise the token when there is none of this label; PINs that are not there are made.
    #[arg(long, conflicts_with = "software")]
    init_token: bool,
    /// No HSM: keys in files. For trials.
    #[arg(long)]
    software: bool,
    /// What the addresses in certificates begin with; from the public address when left out.
    #[arg(long)]
    base_url: Option<String>,
    /// Address and port for OCSP, CRLs and CA certificates.
    #[arg(long, default_value = "127.0.0.1:8441")]
    public: SocketAddr,
    /// Address and port of the REST API.
    #[arg(long, default_value = "127.0.0.1:8440")]
    api: SocketAddr,
    /// Address and port for Prometheus.
    #[arg(long, default_value = "127.0.0.1:8442")]
    metrics: SocketAddr,
    /// Further names and addresses of the server, for its certificate.
    #[arg(long = "name")]
    names: Vec<String>,
    /// The subject of the root.
    #[arg(long, default_value = "CN=Chancery Root CA")]
    root_subject: String,
    /// The subject of the issuing CA.
    #[arg(long, default_value = "CN=Chancery Issuing CA")]
    issuing_subject: String,
    /// The kind of the root's key.
    #[arg(long, default_value = "ec-p256")]
    root_algorithm: KeyAlgorithm,
    /// The kind of the issuing CA's key.
    #[arg(long, default_value = "ec-p256")]
    issuing_algorithm: KeyAlgorithm,
    /// Only tell what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Sets it up.
pub(crate) async fn run(args: &Args) -> Result<()> {
    if args.dry_run {
        plan(args);
        return Ok(());
    }
    files::private_folder(&args.dir)?;
    let dir = std::path::absolute(&args.dir)?;
    let signing = dir.join("signerd.toml");
    if signing.exists() {
        done("signing process", "configured already");
    } else {
        let config = signing_config(args, &dir)?;
        files::write(&signing, toml::to_string(&config)?.as_bytes(), Readers::Owner)?;
        done("signing process", "configured in signerd.toml");
    }
    let path = dir.join("chancery.toml");
    if path.exists() {
        done("server", "configured already");
    } else {
        files::write(
            &path,
            toml::to_string(&server_config(args))?.as_bytes(),
            Readers::Owner,
        )?;
        done("server", "configured in chancery.toml");
    }
    let config = Config::load(&path)?;
    let authority =
        compose::authority(&config, compose::store(&config)?, compose::signer_here(&config)?).await?;
    let by = Principal::local("init");
    authorities(args, &authority, &by).await?;
    server_certificate(&config, &authority).await?;
    bundle(&config, &authority)?;
    admin_token(&config, &authority, &by).await?;
    println!("\nready: chancery serve --config {}", path.display());
    Ok(())
}

fn plan(args: &Args) {
    let keys = if args.software {
        "files (no HSM)".to_owned()
    } else {
        format!("the token `{}`", args.token_label)
    };
    println!("would set up a server in {}:", args.dir.display());
    println!(
        "  keys in {keys}{}",
        if args.init_token {
            ", initialised when it is not there"
        } else {
            ""
        }
    );
    println!("  root `root`: {}, {}", args.root_subject, args.root_algorithm);
    println!(
        "  issuing CA `issuing`: {}, {}",
        args.issuing_subject, args.issuing_algorithm
    );
    println!("  an OCSP responder and a CRL for each, the server's own certificate, an admin token");
    println!(
        "  public {}, API {}, metrics {}",
        args.public, args.api, args.metrics
    );
    println!("nothing was changed");
}

fn done(what: &str, how: &str) {
    println!("  {what:<18} {how}");
}

fn signing_config(args: &Args, dir: &Path) -> Result<token::Config> {
    let audit_file = Some(PathBuf::from("signerd-audit.log"));
    if args.software {
        let software = SoftwareConfig {
            directory: Some("keys".into()),
            passphrase_file: None,
        };
        files::private_folder(&dir.join("keys"))?;
        return Ok(token::Config {
            software: Some(software),
            audit_file,
            ..token::Config::default()
        });
    }
    let module = match &args.module {
        Some(module) => module.clone(),
        None => SOFTHSM.iter().map(PathBuf::from).find(|path| path.exists()).context(
            "no PKCS#11 module: name it with --module, install softhsm2, or try without an HSM (--software)",
        )?,
    };
    let pin_file = args.pin_file.clone().unwrap_or_else(|| dir.join("pin"));
    let pin_file = std::path::absolute(pin_file)?;
    let is_soft = module.to_string_lossy().contains("softhsm");
    ensure_token(args, &module, &pin_file, &dir.join("so-pin"))?;
    let token = TokenConfig {
        name: TOKEN.to_owned(),
        module,
        label: Some(args.token_label.clone()),
        pin_file: Some(pin_file),
        // A soft token reads its files for every signature made with a token key.
        session_copies: is_soft,
        ..TokenConfig::default()
    };
    Ok(token::Config {
        tokens: vec![token],
        audit_file,
        ..token::Config::default()
    })
}

/// Finds the token, or makes it when asked to.
fn ensure_token(args: &Args, module: &Path, pin_file: &Path, so_pin_file: &Path) -> Result<()> {
    let slots = inspect::slots(module)?;
    let has_label = |slot: &inspect::SlotReport| {
        slot.token
            .as_ref()
            .is_some_and(|token| token.initialized && token.label == args.token_label)
    };
    if slots.iter().any(has_label) {
        done("token", "is there");
        return Ok(());
    }
    if !args.init_token {
        bail!(
            "there is no token labelled `{}`: name another with --token-label, or add --init-token",
            args.token_label
        );
    }
    let new = inspect::NewToken {
        slot: None,
        label: args.token_label.clone(),
        so_pin: pin(so_pin_file)?,
        user_pin: pin(pin_file)?,
    };
    inspect::init_token(module, &new)?;
    done("token", "initialised");
    Ok(())
}

/// The PIN in a file; a new one of 16 digits when there is no file.
fn pin(file: &Path) -> Result<SecretString> {
    if !file.exists() {
        let mut random = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow::anyhow!("the random generator failed"))?;
        let digits: String = random.iter().map(|octet| char::from(b'0' + octet % 10)).collect();
        files::write(file, format!("{digits}\n").as_bytes(), Readers::Owner)?;
    }
    Ok(SecretString::from(files::first_line(file)?))
}

fn server_config(args: &Args) -> Config {
    let mut config = Config::new();
    config.public.listen = args.public;
    config.public.base_url = args
        .base_url
        .clone()
        .unwrap_or_else(|| format!("http://{}", args.public));
    config.api.listen = args.api;
    config.api.names.extend(args.names.iter().cloned());
    config.api.issuer = Some("issuing".to_owned());
    config.metrics.listen = args.metrics;
    config
}

async fn authorities(args: &Args, authority: &Authority, by: &Principal) -> Result<()> {
    let token = if args.software { "software" } else { TOKEN }.to_owned();
    if authority.issuer("root").is_ok() {
        done("root", "is there");
    } else {
        let root = CreateRoot {
            name: "root".to_owned(),
            subject: args.root_subject.clone(),
            key_algorithm: args.root_algorithm,
            signature_algorithm: None,
            token: token.clone(),
            validity: None,
            profile: None,
        };
        let root = authority.create_root(by, root).await.context("making the root")?;
        done(
            "root",
            &format!(
                "made: {}, {}, key in {}",
                root.subject, root.key_algorithm, root.token
            ),
        );
    }
    if authority.issuer("issuing").is_ok() {
        done("issuing CA", "is there");
        return Ok(());
    }
    let issuing = CreateIssuing {
        name: "issuing".to_owned(),
        parent: "root".to_owned(),
        subject: args.issuing_subject.clone(),
        key_algorithm: args.issuing_algorithm,
        signature_algorithm: None,
        token,
        validity: None,
        profile: None,
    };
    let issuing = authority
        .create_issuing(by, issuing)
        .await
        .context("making the issuing CA")?;
    done(
        "issuing CA",
        &format!(
            "made: {}, {}, key in {}",
            issuing.subject, issuing.key_algorithm, issuing.token
        ),
    );
    Ok(())
}

async fn server_certificate(config: &Config, authority: &Authority) -> Result<()> {
    let renewed = TlsFiles::new(config)
        .renew(&config.api, authority)
        .await
        .context("the server's own certificate")?;
    done(
        "server's own TLS",
        if renewed {
            "issued by the issuing CA"
        } else {
            "is there"
        },
    );
    Ok(())
}

/// The roots, for clients of the API.
fn bundle(config: &Config, authority: &Authority) -> Result<()> {
    let roots: String = authority
        .issuers()
        .iter()
        .filter(|issuer| issuer.parent.is_none())
        .filter_map(|issuer| issuer.certificate.as_ref().map(pki::Certificate::pem))
        .collect();
    files::write(
        &config.path(Path::new("ca-bundle.pem")),
        roots.as_bytes(),
        Readers::All,
    )?;
    done("roots", "written to ca-bundle.pem");
    Ok(())
}

async fn admin_token(config: &Config, authority: &Authority, by: &Principal) -> Result<()> {
    let file = config.path(Path::new("admin.token"));
    if file.exists() {
        done("admin token", "is there");
        return Ok(());
    }
    let new = NewApiToken {
        name: "admin".to_owned(),
        role: Role::Admin,
        issuers: Scope::All,
        profiles: Scope::All,
        expires_at: None,
    };
    let made = authority.create_api_token(by, new).await?;
    files::write(
        &file,
        format!("{}\n", made.secret.expose_secret()).as_bytes(),
        Readers::Owner,
    )?;
    done("admin token", "written to admin.token (only you may read it)");
    Ok(())
}

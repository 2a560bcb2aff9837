//! `chancery ca`: make, import, roll over, publish.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Api, fields};
use super::{Output, Place, table};
use crate::cli::say::{say, say_part};

/// What every new CA needs.
#[derive(Debug, clap::Args)]
pub(crate) struct NewCa {
    /// Its name: lower-case letters, digits and hyphens.
    name: String,
    /// Its subject, for example "CN=Example Issuing CA,O=Example,C=CH".
    #[arg(long)]
    subject: String,
    /// The token that makes the key; `software` for the software backend.
    #[arg(long)]
    token: String,
    /// ec-p256, ec-p384, ec-p521, rsa-2048, rsa-3072, rsa-4096, ed25519, ml-dsa-44, ml-dsa-65, ml-dsa-87.
    #[arg(long, default_value = "ec-p256")]
    key_algorithm: String,
    /// rsa-pss-sha256 and so on; what goes with the key when left out.
    #[arg(long)]
    signature_algorithm: Option<String>,
    /// Among how many CRLs its certificates are spread, 1 to 1024; 1 when left out. It cannot be changed later.
    #[arg(long)]
    crl_shards: Option<u32>,
    /// Make delta CRLs beside the full ones.
    #[arg(long)]
    delta_crls: bool,
}

/// A CA whose key is on another machine.
#[derive(Debug, clap::Args)]
pub(crate) struct OfflineCa {
    /// Its name here.
    name: String,
    /// PEM: its certificate first, and those above it.
    file: PathBuf,
    /// Its identifier, which stands in its addresses, as the ceremony that made it told; a new one when left out.
    #[arg(long, value_name = "UUID")]
    id: Option<uuid::Uuid>,
    /// Where its certificate is published, when that is not here.
    #[arg(long, value_name = "URL")]
    ca_url: Option<String>,
    /// Where its CRL is published, when that is not here.
    #[arg(long, value_name = "URL")]
    crl_url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the CAs and their generations.
    #[command(after_help = "Example: chancery ca list")]
    List,
    /// Show one.
    #[command(after_help = "Example: chancery ca show issuing")]
    Show {
        /// Name or identifier.
        ca: String,
    },
    /// Make a self-signed root.
    #[command(
        after_help = "Example: chancery ca create-root root-2 --subject 'CN=Example Root 2' --token hsm --key-algorithm ec-p384"
    )]
    CreateRoot {
        #[command(flatten)]
        new: NewCa,
        /// Days it lives.
        #[arg(long)]
        validity_days: Option<u32>,
    },
    /// Make a CA under a local one.
    #[command(
        after_help = "Example: chancery ca create-issuing devices --parent root --subject 'CN=Example Devices CA' --token hsm"
    )]
    CreateIssuing {
        #[command(flatten)]
        new: NewCa,
        /// The CA above it, by name or identifier.
        #[arg(long)]
        parent: String,
        /// Days it lives.
        #[arg(long)]
        validity_days: Option<u32>,
    },
    /// Make a key and a request for a CA that another authority (AD CS, an offline root) will certify.
    #[command(
        after_help = "Example: chancery ca subordinate ad --subject 'CN=Example AD Sub CA' --token hsm; chancery ca csr ad > ad.csr"
    )]
    Subordinate {
        #[command(flatten)]
        new: NewCa,
    },
    /// Print the request of a pending CA.
    #[command(after_help = "Example: chancery ca csr ad > ad.csr")]
    Csr {
        /// Name or identifier.
        ca: String,
    },
    /// Import the certificate that another authority made for a pending CA, with those above it.
    #[command(after_help = "Example: chancery ca import ad ad-chain.pem")]
    Import {
        /// Name or identifier.
        ca: String,
        /// PEM: certificates, or one PKCS7 block.
        file: PathBuf,
    },
    /// Take over a CA that exists as certificate and key; the key goes into the software backend.
    #[command(
        after_help = "Example: chancery ca import-from-disk old --certificate ca.pem --key ca.key --chain root.pem"
    )]
    ImportFromDisk {
        /// Its name here.
        name: String,
        /// Its certificate in PEM.
        #[arg(long)]
        certificate: PathBuf,
        /// Its key in PEM.
        #[arg(long)]
        key: PathBuf,
        /// The file with the passphrase of an encrypted key.
        #[arg(long)]
        passphrase_file: Option<PathBuf>,
        /// The certificates above it in PEM.
        #[arg(long)]
        chain: Option<PathBuf>,
        /// Among how many CRLs its certificates are spread, 1 to 1024; 1 when left out.
        #[arg(long)]
        crl_shards: Option<u32>,
    },
    /// Take note of a CA whose key is on another machine, such as an offline root: its certificate is published here, and so are the
    /// CRLs that are imported for it.
    #[command(
        after_help = "Example: chancery ca import-offline offline-root 01-offline-root.pem --id 0198c5a2-7b1e-7c3d-9a54-3f0d6f1e2a10"
    )]
    ImportOffline(OfflineCa),
    /// Publish a CRL that an offline CA signed.
    #[command(after_help = "Example: chancery ca import-crl offline-root 02-offline-root.crl.pem")]
    ImportCrl {
        /// Name or identifier.
        ca: String,
        /// PEM.
        file: PathBuf,
    },
    /// Give a CA a new key and certificate.
    #[command(after_help = "Example: chancery ca rollover issuing")]
    Rollover {
        /// Name or identifier.
        ca: String,
        /// The kind of the new key; as before when left out.
        #[arg(long)]
        key_algorithm: Option<String>,
    },
    /// Note that the key of a CA is lost for good, as when its HSM is: it issues no more, nothing is signed for it, and backups do not want
    /// its key. Refused while the key signs, or while a token is away that may have it.
    #[command(
        after_help = "Example: chancery ca key-lost issuing --reason 'the HSM burnt, and there was no backup of it'"
    )]
    KeyLost {
        /// Name or identifier.
        ca: String,
        /// How it was lost; goes into the audit log.
        #[arg(long)]
        reason: String,
    },
    /// Take up the key of a CA that was noted as lost and is there again: it signs CRLs and OCSP answers, and issues no more.
    #[command(after_help = "Example: chancery ca key-found issuing")]
    KeyFound {
        /// Name or identifier.
        ca: String,
    },
    /// Publish a new CRL now.
    #[command(after_help = "Example: chancery ca publish-crl issuing")]
    PublishCrl {
        /// Name or identifier.
        ca: String,
    },
    /// Sign OCSP answers ahead of time for every certificate of a CA that has not ended.
    #[command(after_help = "Example: chancery ca presign-ocsp issuing")]
    PresignOcsp {
        /// Name or identifier.
        ca: String,
    },
    /// Accept the clock as it is, after it was set back.
    #[command(after_help = "Example: chancery ca accept-clock")]
    AcceptClock,
}

pub(crate) async fn run(place: &Place, command: Command) -> Result<()> {
    let api = Api::new(place)?;
    let issuer = match command {
        Command::List => return list(place, &api).await,
        Command::Show { ca } => api.get(&format!("/api/v1/issuers/{ca}")).await?,
        Command::CreateRoot { new, validity_days } => create(&api, "root", &new, None, validity_days).await?,
        Command::CreateIssuing {
            new,
            parent,
            validity_days,
        } => create(&api, "issuing", &new, Some(parent), validity_days).await?,
        Command::Subordinate { new } => create(&api, "subordinate", &new, None, None).await?,
        Command::Csr { ca } => {
            let pem = api
                .octets(Method::GET, &format!("/api/v1/issuers/{ca}/csr"), None)
                .await?;
            let pem = String::from_utf8_lossy(&pem);
            match place.output {
                Output::Table => say_part!("{pem}"),
                Output::Json => table::json(&json!({ "csr_pem": pem })),
            }
            return Ok(());
        }
        Command::Import { ca, file } => {
            let body = json!({ "certificates_pem": super::read(&file)? });
            api.post(&format!("/api/v1/issuers/{ca}/certificate"), &body)
                .await?
        }
        Command::ImportFromDisk {
            name,
            certificate,
            key,
            passphrase_file,
            chain,
            crl_shards,
        } => {
            let files = [&certificate, &key];
            import_from_disk(&api, name, files, passphrase_file, chain, crl_shards).await?
        }
        Command::ImportOffline(offline) => import_offline(&api, offline).await?,
        Command::ImportCrl { ca, file } => {
            show_crl(place, &import_crl(&api, &ca, &file).await?);
            return Ok(());
        }
        Command::Rollover { ca, key_algorithm } => {
            let body = fields(&[("key_algorithm", key_algorithm.map(Into::into))]);
            api.post(&format!("/api/v1/issuers/{ca}/rollover"), &body).await?
        }
        Command::KeyLost { ca, reason } => return key_lost(place, &api, &ca, reason).await,
        Command::KeyFound { ca } => {
            api.ask(Method::DELETE, &format!("/api/v1/issuers/{ca}/key-lost"), None)
                .await?
        }
        Command::PresignOcsp { ca } => {
            let done = api
                .ask(Method::POST, &format!("/api/v1/issuers/{ca}/ocsp"), None)
                .await?;
            let rows = [("Signed", "/signed"), ("Fresh", "/fresh"), ("Failed", "/failed")];
            table::one(place.output, &done, &rows);
            return Ok(());
        }
        Command::PublishCrl { ca } => return publish(place, &api, &ca).await,
        Command::AcceptClock => {
            api.ask(Method::POST, "/api/v1/clock/accept", None).await?;
            say!("the clock is accepted as it is");
            return Ok(());
        }
    };
    show(place, &issuer);
    Ok(())
}

async fn list(place: &Place, api: &Api) -> Result<()> {
    let list = api.get("/api/v1/issuers").await?;
    let columns = [
        ("NAME", "/name"),
        ("GEN", "/generation"),
        ("STATE", "/state"),
        ("KEY", "/key_algorithm"),
        ("TOKEN", "/token"),
        ("ENDS", "/not_after"),
        ("ID", "/id"),
    ];
    table::list(
        place.output,
        list.pointer("/items").unwrap_or(&Value::Null),
        &columns,
    );
    Ok(())
}

async fn publish(place: &Place, api: &Api, ca: &str) -> Result<()> {
    let crl = api
        .ask(Method::POST, &format!("/api/v1/issuers/{ca}/crl"), None)
        .await?;
    show_crl(place, &crl);
    Ok(())
}

async fn key_lost(place: &Place, api: &Api, ca: &str, reason: String) -> Result<()> {
    let body = json!({ "reason": reason });
    let path = format!("/api/v1/issuers/{ca}/key-lost");
    let issuer = api.ask(Method::PUT, &path, Some(&body)).await?;
    show(place, &issuer);
    if place.output == Output::Table {
        say!(
            "No CRL and no OCSP responder is made for it any more; those that there are run out by themselves, and relying parties that \
             check refuse its certificates from then on. Have them replaced: chancery cert list --ca {ca} --status valid"
        );
    }
    Ok(())
}

fn show_crl(place: &Place, crl: &Value) {
    let rows = [
        ("Number", "/number"),
        ("Entries", "/entries"),
        ("This update", "/this_update"),
        ("Next update", "/next_update"),
    ];
    table::one(place.output, crl, &rows);
}

async fn import_from_disk(
    api: &Api,
    name: String,
    [certificate, key]: [&PathBuf; 2],
    passphrase_file: Option<PathBuf>,
    chain: Option<PathBuf>,
    crl_shards: Option<u32>,
) -> Result<Value> {
    let passphrase = passphrase_file
        .map(|file| crate::files::first_line(&file))
        .transpose()?;
    let chain = chain.map(|file| super::read(&file)).transpose()?;
    let body = fields(&[
        ("kind", Some("from_disk".into())),
        ("name", Some(name.into())),
        ("certificate_pem", Some(super::read(certificate)?.into())),
        ("key_pem", Some(super::read(key)?.into())),
        ("key_passphrase", passphrase.map(Into::into)),
        ("chain_pem", chain.map(Into::into)),
        ("crl_shards", crl_shards.map(Into::into)),
    ]);
    api.post("/api/v1/issuers", &body).await
}

async fn import_offline(api: &Api, offline: OfflineCa) -> Result<Value> {
    let body = fields(&[
        ("kind", Some("offline".into())),
        ("name", Some(offline.name.into())),
        ("certificates_pem", Some(super::read(&offline.file)?.into())),
        ("id", offline.id.map(|id| id.to_string().into())),
        ("ca_url", offline.ca_url.map(Into::into)),
        ("crl_url", offline.crl_url.map(Into::into)),
    ]);
    api.post("/api/v1/issuers", &body).await
}

async fn import_crl(api: &Api, ca: &str, file: &Path) -> Result<Value> {
    let body = json!({ "crl_pem": super::read(file)? });
    let path = format!("/api/v1/issuers/{ca}/crl");
    api.ask(Method::PUT, &path, Some(&body)).await
}

async fn create(
    api: &Api,
    kind: &str,
    new: &NewCa,
    parent: Option<String>,
    days: Option<u32>,
) -> Result<Value> {
    let body = fields(&[
        ("kind", Some(kind.into())),
        ("name", Some(new.name.clone().into())),
        ("subject", Some(new.subject.clone().into())),
        ("token", Some(new.token.clone().into())),
        ("key_algorithm", Some(new.key_algorithm.clone().into())),
        (
            "signature_algorithm",
            new.signature_algorithm.clone().map(Into::into),
        ),
        ("crl_shards", new.crl_shards.map(Into::into)),
        ("delta_crls", new.delta_crls.then_some(true.into())),
        ("parent", parent.map(Into::into)),
        ("validity_days", days.map(Into::into)),
    ]);
    api.post("/api/v1/issuers", &body).await
}

fn show(place: &Place, issuer: &Value) {
    let rows = [
        ("Name", "/name"),
        ("Identifier", "/id"),
        ("Generation", "/generation"),
        ("State", "/state"),
        ("Key lost at", "/key_lost_at"),
        ("How", "/key_lost_reason"),
        ("Revoked at", "/revoked_at"),
        ("Reason", "/revocation_reason"),
        ("Subject", "/subject"),
        ("Key", "/key_algorithm"),
        ("Signs with", "/signature_algorithm"),
        ("Token", "/token"),
        ("Begins", "/not_before"),
        ("Ends", "/not_after"),
        ("Certificate at", "/ca_url"),
        ("OCSP at", "/ocsp_url"),
        ("CRL at", "/crl_url"),
        ("CRL shards", "/crl_shards"),
        ("Delta CRLs", "/delta_crls"),
        ("", "/certificate_pem"),
        ("Request", "/csr_pem"),
    ];
    table::one(place.output, issuer, &rows);
}

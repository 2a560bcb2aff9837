//! `chancery tour`: a certificate's life against a running server, seen from outside: issued, good by OCSP, absent from the
//! CRL, revoked, revoked by OCSP, present in the CRL.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use ocsp::{CertId, CertStatus, Expectation, HashAlgorithm, Nonce, Request, Response, der_to_get_path};
use pki::{Certificate, Crl, DistinguishedName, Serial, SignatureAlgorithm, SubjectAltName, csr, key_file};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Api, escape};
use super::{Output, Place, table};
use crate::cli::say::{say, say_part};
use crate::config::Config;

/// How long another server may take to say what this one did: twice what is promised.
const OCSP_PATIENCE: Duration = Duration::from_secs(2);

/// What to try.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: chancery --config /etc/chancery/chancery.toml tour")]
pub(crate) struct Args {
    /// A file that says where the server is, as the demo writes it; from the configuration when left out.
    #[arg(long)]
    endpoints: Option<PathBuf>,
    /// The CA that issues, by name; the one that issued the server's own certificate when left out.
    #[arg(long, conflicts_with = "endpoints")]
    ca: Option<String>,
}

/// `endpoints.json`.
#[derive(Debug, Deserialize)]
struct Endpoints {
    api_url: String,
    ca_bundle: PathBuf,
    admin_token_file: PathBuf,
    issuer_id: String,
}

/// Everything the steps share.
struct Tour {
    api: Api,
    http: reqwest::Client,
    issuer: Certificate,
    issuer_id: String,
    output: Output,
}

/// What the tour saw.
#[derive(Debug, Serialize)]
struct Seen {
    serial: String,
    ocsp_url: String,
    crl_url: String,
    /// Of the list that does not have the certificate, and of the one that does.
    crl_number_before: u64,
    crl_number_after: u64,
}

/// Runs the tour; an error is the verdict.
pub(crate) async fn run(place: &Place, args: &Args) -> Result<()> {
    let (api, issuer) = match &args.endpoints {
        Some(file) => named_by(file)?,
        None => (Api::new(place)?, configured(place, args)?),
    };
    let issuer = api.get(&format!("/api/v1/issuers/{}", escape(&issuer))).await?;
    let issuer_id = issuer.get("id").and_then(Value::as_str);
    let issuer_id = issuer_id.context("the issuer's identifier")?.to_owned();
    let pem = issuer
        .pointer("/certificate_pem")
        .and_then(Value::as_str)
        .context("the issuer's certificate")?;
    let issuer = Certificate::parse(pem.as_bytes())?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()?;
    let tour = Tour {
        api,
        http,
        issuer,
        issuer_id,
        output: place.output,
    };
    let seen = tour.walk().await?;
    if place.output == Output::Json {
        table::json(&serde_json::to_value(&seen)?);
    }
    Ok(())
}

/// The server and the issuer that a file names.
fn named_by(file: &Path) -> Result<(Api, String)> {
    let text = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let endpoints: Endpoints = serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    let api = Api::to(
        &endpoints.api_url,
        &endpoints.ca_bundle,
        &endpoints.admin_token_file,
    )?;
    Ok((api, endpoints.issuer_id))
}

/// The issuer that the command line or the configuration names.
fn configured(place: &Place, args: &Args) -> Result<String> {
    if let Some(name) = &args.ca {
        return Ok(name.clone());
    }
    let issuer = Config::load(&place.config)?.api.issuer;
    issuer.context("the configuration names no issuer: say which CA with --ca")
}

impl Tour {
    async fn walk(&self) -> Result<Seen> {
        let certificate = self.enrol().await?;
        let serial = certificate.serial();
        self.step(&format!("a certificate was issued: serial {serial}"));
        if self.output == Output::Table {
            say_part!("{}", certificate.summary());
        }
        ensure!(
            certificate.verify_signed_by(self.issuer.public_key()).is_ok(),
            "the certificate's signature is wrong"
        );
        let ocsp_url = first(certificate.ocsp_urls(), "OCSP responder")?;
        let status = self.ocsp_get(&ocsp_url, serial).await?;
        ensure!(
            status == CertStatus::Good,
            "OCSP says {status:?} of a new certificate"
        );
        self.step(&format!("OCSP says good ({ocsp_url})"));
        let crl_url = first(certificate.crl_urls(), "CRL")?;
        let before = self.crl(&crl_url).await?;
        ensure!(
            before.find(serial).is_none(),
            "the CRL has a certificate that was not revoked"
        );
        let crl_number_before = before.number().unwrap_or(0);
        self.step(&format!(
            "CRL number {crl_number_before} does not have it ({crl_url})"
        ));
        let body = json!({ "reason": "superseded" });
        self.api
            .post(&format!("/api/v1/certificates/{serial}/revoke"), &body)
            .await?;
        self.step("it was revoked: superseded");
        self.ocsp_revoked(&ocsp_url, serial).await?;
        self.step("OCSP says revoked");
        let after = self.crl_with(&crl_url, serial).await?;
        let crl_number_after = after.number().unwrap_or(0);
        self.step(&format!("CRL number {crl_number_after} has it"));
        Ok(Seen {
            serial: serial.to_string(),
            ocsp_url,
            crl_url,
            crl_number_before,
            crl_number_after,
        })
    }

    /// People see each step when it is done; machines get what was seen at the end.
    fn step(&self, text: &str) {
        if self.output == Output::Table {
            say!("  \u{2713} {text}");
        }
    }

    /// A new key and request, made here, and the certificate for it.
    async fn enrol(&self) -> Result<Certificate> {
        let random = SystemRandom::new();
        let failed = |what: &'static str| move |_| anyhow::anyhow!("{what} failed");
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(failed("making a key"))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref())
            .map_err(|_| anyhow::anyhow!("the new key cannot be used"))?;
        let key = key_file::parse(pkcs8.as_ref(), None)?.public_key;
        let subject = DistinguishedName::parse("CN=tour.chancery.test")?;
        let info = csr::request_info(
            &subject,
            &key,
            false,
            &[SubjectAltName::dns("tour.chancery.test")?],
        );
        let signature = pair.sign(&random, &info).map_err(failed("signing the request"))?;
        let csr = csr::assemble(&info, SignatureAlgorithm::EcdsaSha256, signature.as_ref());
        let csr_pem = pki::pem::encode("CERTIFICATE REQUEST", &csr);
        let body = json!({ "csr_pem": csr_pem, "profile": "tls-server", "issuer_id": self.issuer_id, "validity_days": 7 });
        let issued = self.api.post("/api/v1/certificates", &body).await?;
        let pem = issued
            .pointer("/certificate_pem")
            .and_then(Value::as_str)
            .context("the new certificate")?;
        Ok(Certificate::parse(pem.as_bytes())?)
    }

    /// By GET, without a nonce, SHA-1 CertID: what most clients send.
    async fn ocsp_get(&self, url: &str, serial: Serial) -> Result<CertStatus> {
        let id = CertId::for_issuer(
            HashAlgorithm::Sha1,
            self.issuer.subject().der(),
            self.issuer.public_key(),
            serial,
        );
        let request = Request::new(id).to_der()?;
        let response = self
            .http
            .get(format!("{url}/{}", der_to_get_path(&request)))
            .send()
            .await?;
        ensure!(
            response.headers().contains_key("etag"),
            "the OCSP answer has no validator"
        );
        self.judge(&response.error_for_status()?.bytes().await?, id, None)
    }

    /// By POST, with a nonce, SHA-256 CertID: what strict clients send.
    async fn ocsp_post(&self, url: &str, serial: Serial) -> Result<CertStatus> {
        let id = CertId::for_issuer(
            HashAlgorithm::Sha256,
            self.issuer.subject().der(),
            self.issuer.public_key(),
            serial,
        );
        let mut octets = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut octets).map_err(|_| anyhow::anyhow!("the random generator failed"))?;
        let nonce = Nonce::new(&octets)?;
        let request = Request::new(id).with_nonce(nonce.clone()).to_der()?;
        let request = self
            .http
            .post(url)
            .header("content-type", "application/ocsp-request")
            .body(request);
        let octets = request.send().await?.error_for_status()?.bytes().await?;
        self.judge(&octets, id, Some(&nonce))
    }

    /// Behind the address may be another server than the one that revoked, which hears of it within a second.
    async fn ocsp_revoked(&self, url: &str, serial: Serial) -> Result<()> {
        let since = Instant::now();
        loop {
            let status = self.ocsp_post(url, serial).await?;
            if matches!(status, CertStatus::Revoked { .. }) {
                return Ok(());
            }
            ensure!(
                since.elapsed() < OCSP_PATIENCE,
                "OCSP says {status:?} of a certificate that was revoked {} seconds ago",
                OCSP_PATIENCE.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn judge(&self, octets: &[u8], id: CertId, nonce: Option<&Nonce>) -> Result<CertStatus> {
        let signed = match Response::parse(octets)? {
            Response::Signed(signed) => signed,
            Response::Declined(status) => bail!("the OCSP responder declined: {}", status.name()),
        };
        let expected = Expectation {
            issuer: &self.issuer,
            cert_ids: &[id],
            nonce,
            at: ca::Clock::system().now(),
            skew: Duration::from_mins(1),
        };
        let statuses = signed.verify(&expected)?;
        Ok(statuses.first().context("a status")?.status)
    }

    async fn crl(&self, url: &str) -> Result<Crl> {
        let octets = self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        let crl = Crl::parse(&octets)?;
        ensure!(
            crl.verify_signed_by(self.issuer.public_key()).is_ok(),
            "the CRL's signature is wrong"
        );
        Ok(crl)
    }

    /// The CRL follows a revocation within seconds.
    async fn crl_with(&self, url: &str, serial: Serial) -> Result<Crl> {
        for _ in 0..100 {
            let crl = self.crl(url).await?;
            if crl.find(serial).is_some() {
                return Ok(crl);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("ten seconds after the revocation the CRL still does not have it")
    }
}

fn first(urls: Vec<String>, what: &str) -> Result<String> {
    urls.into_iter()
        .next()
        .with_context(|| format!("the certificate does not say where its {what} is"))
}

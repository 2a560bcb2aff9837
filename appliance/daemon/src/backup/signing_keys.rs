//! The keys that the CAs, their responders and the audit log sign with, as a manifest names them: by these they are found again after a
//! restore, in whatever token they are. Keys that nothing signs with any more are left out.

use pki::Certificate;
use store::Reader;
use store::issuers::IssuerRow;

use super::manifest::Key;
use super::write::hexadecimal;

/// The keys that something signs with.
pub(crate) fn signing_keys(
    reader: &Reader<'_>,
    is_included: impl Fn(&str) -> bool,
) -> store::Result<Vec<Key>> {
    // The key of an offline CA is on another machine, that of a CA that was noted as lost is nowhere, and its responder's is of no use
    // without it.
    let mut issuers = store::issuers::all(reader)?;
    issuers.retain(ca::has_key_here);
    let responders = store::responders::all(reader)?;
    let audit_log = ca::audit_log_key(reader)?;
    let mut found = Vec::new();
    for key in store::keys::all(reader)? {
        let own = issuers
            .iter()
            .filter(|one| one.key_fingerprint == key.fingerprint && one.state != "disabled");
        let asked = responders
            .iter()
            .filter(|one| one.key_fingerprint == key.fingerprint);
        let mut used_by: Vec<String> = own
            .clone()
            .map(|one| format!("ca {} {}", one.name, one.generation))
            .collect();
        let mut of: Vec<&IssuerRow> = own.collect();
        for responder in asked {
            for one in issuers.iter().filter(|one| one.id == responder.issuer_id) {
                used_by.push(format!("responder of {} {}", one.name, one.generation));
                of.push(one);
            }
        }
        if audit_log.is_some_and(|own| own.0.as_slice() == key.fingerprint) {
            used_by.push("audit log".to_owned());
        }
        if used_by.is_empty() {
            continue;
        }
        found.push(Key {
            fingerprint: hexadecimal(&key.fingerprint),
            algorithm: key.algorithm.clone(),
            spki: hexadecimal(&key.spki),
            is_included: is_included(&key.backend),
            token: key.backend,
            label: key.label,
            used_by,
            chain: of.first().map(|issuer| chain(issuer)).unwrap_or_default(),
        });
    }
    Ok(found)
}

fn chain(issuer: &IssuerRow) -> Vec<String> {
    let chain = Certificate::parse_all(&issuer.chain).unwrap_or_default();
    let above = chain.iter().map(|one| one.subject().to_string());
    std::iter::once(issuer.subject.clone()).chain(above).collect()
}

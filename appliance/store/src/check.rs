//! Whether a store is whole: what the database says of itself, and what must hold between the tables.

use crate::audit::{self, Verdict};
use crate::copy;
use crate::db::Reader;
use crate::error::Result;
use crate::restore;

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// What is wrong with it, and what helps; nothing when it is as it should be.
    pub problem: Option<String>,
}

/// Statements that count what must not be, with what it means.
const RULES: &[(&str, &str, &str)] = &[
    (
        "revocations are marked in their certificates",
        "SELECT count(*) FROM revocations AS r WHERE is_orphan = 0 AND NOT EXISTS (SELECT 1 FROM certificates AS c
            WHERE c.issuer_id = r.issuer_id AND c.serial = r.serial AND c.revoked_at = r.revoked_at
            AND c.revocation_reason = r.reason)",
        "revocations without their mark: restore the store from a backup",
    ),
    (
        "certificates that are marked have a revocation",
        "SELECT count(*) FROM certificates AS c WHERE revoked_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM revocations AS r
            WHERE r.issuer_id = c.issuer_id AND r.serial = c.serial)",
        "certificates marked without a revocation: restore the store from a backup",
    ),
    (
        "what was signed has no intent any more",
        "SELECT count(*) FROM intents AS i WHERE EXISTS (SELECT 1 FROM certificates AS c
            WHERE c.issuer_id = i.issuer_id AND c.serial = i.serial)",
        "intents beside their certificates: restore the store from a backup",
    ),
    (
        "names belong to a certificate",
        "SELECT count(*) FROM certificate_names AS n WHERE NOT EXISTS (SELECT 1 FROM certificates AS c
            WHERE c.id = n.certificate_id)",
        "names without their certificate: restore the store from a backup",
    ),
    (
        "issued orders have their certificate",
        "SELECT count(*) FROM orders AS o WHERE state = 'issued' AND NOT EXISTS (SELECT 1 FROM certificates AS c
            WHERE c.id = o.certificate_id)",
        "orders without the certificate that they name: restore the store from a backup",
    ),
    (
        "issuers have their key and, when they are at work, their certificate",
        "SELECT count(*) FROM issuers AS i WHERE NOT EXISTS (SELECT 1 FROM keys AS k WHERE k.fingerprint = i.key_fingerprint)
            OR (state IN ('active', 'retired') AND certificate IS NULL)",
        "issuers without key or certificate: restore the store from a backup",
    ),
    // But for CAs whose key is elsewhere: the numbers of their lists are taken there.
    (
        "published CRLs have numbers that were taken",
        "SELECT count(*) FROM published_crls AS p WHERE NOT EXISTS (SELECT 1 FROM crl_shards AS s
            WHERE s.issuer_id = p.issuer_id AND s.shard = p.shard AND s.last_number >= p.number)
            AND NOT EXISTS (SELECT 1 FROM issuers AS i WHERE i.id = p.issuer_id AND instr(i.settings, '\"is_elsewhere\":true') > 0)",
        "CRLs with a number that was not taken: restore the store from a backup",
    ),
];

/// Looks at everything, also where something was found before.
pub fn check(reader: &Reader<'_>) -> Result<Vec<Finding>> {
    let mut found: Vec<Finding> = Vec::new();
    for (what, problem) in reader.database_says()? {
        found.push(Finding { what, problem });
    }
    found.push(Finding {
        what: "no copy into it is unfinished",
        problem: copy::is_unfinished(reader)?
            .then(|| "a copy into it broke off: run `chancery store copy` again, or empty it".to_owned()),
    });
    found.push(Finding {
        what: "no restore into it is unfinished",
        problem: restore::unfinished(reader)?,
    });
    for (what, sql, problem) in RULES {
        let count = reader.first(sql, &[], |row| row.int(0))?.unwrap_or(0);
        found.push(Finding {
            what,
            problem: (count > 0).then(|| format!("{count} {problem}")),
        });
    }
    found.push(Finding {
        what: "the audit log is whole",
        problem: match audit::verify(reader)? {
            Verdict::Sound { .. } => None,
            Verdict::Broken { seq, what } => Some(format!(
                "entry {seq}: {what}; compare with what was exported, and restore the store from a backup"
            )),
        },
    });
    Ok(found)
}

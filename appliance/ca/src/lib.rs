//! The deeds of the authority: every use case, a verb each, behind [`Authority`].
//!
//! This is the one place where permission, policy, the signer and the store meet. It knows no HTTP and no SQL: edges turn
//! their requests into the request types here and render what comes back, the store offers rows. Every certificate, CRL
//! and OCSP answer is linted before the signer sees it, and verified with the public key before anybody else does. Checkpoints of the audit log
//! have a key of their own.

mod answer_ocsp;
mod api_tokens;
mod audit;
mod audit_log;
mod authority;
mod background;
mod begin_epoch;
pub mod ceremony;
mod certificates;
mod certify;
mod certify_foreign;
mod clock;
mod companion;
mod compress_crl;
pub mod courier;
mod create;
mod crl_duty;
mod crl_plan;
mod crl_shard;
mod duty;
mod error;
mod explain;
mod follow;
mod generation;
mod health;
mod import_from_disk;
mod issue;
mod issuer;
mod kept_answer;
mod key_lost;
mod keys;
mod load_crls;
mod meanwhile;
#[cfg(feature = "measured")]
pub mod measured;
mod metrics;
mod never_recorded;
mod ocsp_cache;
mod offline;
mod permit;
mod presence;
mod presign_ocsp;
mod principal;
mod profiles;
mod prove_key;
mod publish_crl;
mod published_crl;
mod recover;
mod registry;
mod renew;
mod responder;
mod retention;
mod revoke;
mod revoked_above;
mod rollover;
mod seal;
mod settings;
mod sign_backup;
mod sign_ocsp;
pub mod signer;
mod status_index;
mod subordinate;
mod templates;
mod tls_certificate;
mod turns;
mod verified_requests;
mod witness;

pub use answer_ocsp::{Freshness, OcspAnswer, OcspAnswerKind};
pub use api_tokens::{ApiToken, NewApiToken, NewSecret};
pub use audit::{AuditRecord, AuditSelection, AuditVerdict};
pub use audit_log::{
    AuditAlarm, AuditExportPage, AuditLine, AuditProof, AuditTree, AuditTreeVerdict, AuditWitnessRequest,
    Expected, FilesVerdict, OfflineFault, audit_log_key, check_audit_tree, examine_audit_tree,
    verify_audit_files, verify_audit_proof,
};
pub use authority::Authority;
pub use begin_epoch::{ExportFault, ExportedLog, NewEpoch, Restored, begin_epoch, check_export};
pub use certificates::{CertRef, CertificateEntry, CertificatePage, CertificateStatus, Filter};
pub use certify_foreign::{CertifyForeign, Possession};
pub use clock::Clock;
pub use create::{CreateIssuing, CreateRoot};
pub use crl_plan::CrlPlan;
pub use error::{Error, Fault, Refusal, Result};
pub use explain::Explanation;
pub use health::{Health, HealthProblem, Status};
pub use import_from_disk::ImportFromDisk;
pub use issue::{IssueRequest, Issued};
pub use issuer::{Chain, IssuerEntry, IssuerOrigin, IssuerState};
pub use key_lost::{KeyLost, has_key_here};
pub use keys::KeyEntry;
pub use metrics::Metrics;
pub use never_recorded::NeverRecorded;
pub use offline::{CrlInFile, ImportOffline, Offline, crls_in_files};
pub use presign_ocsp::Presigned;
pub use principal::{Principal, Role, Scope};
pub use profiles::ProfileEntry;
pub use prove_key::prove_key;
pub use published_crl::{Compressed, CrlBody, PublishedCrl};
pub use recover::{Orphan, Recovery};
pub use renew::RenewRequest;
pub use responder::ResponderEntry;
pub use retention::{Retained, Retention};
pub use revoke::{RevokeRequest, Revoked};
pub use rollover::Rollover;
pub use settings::Settings;
pub use sign_backup::{BackupKey, backup_text};
pub use signer::{SignFault, Signer};
pub use subordinate::{ImportChain, Subordinate};
pub use tls_certificate::TlsCertificate;
pub use witness::{
    AddCheckpointFault, CosignFault, HeldSeenFile, SeenFault, SeenFile, TLOG_SIZE, WatchedLog, WitnessFault,
    WitnessKey, WitnessKeyFault, WitnessRefusal, WitnessSettings,
};

//! The one door: how every certificate is made, whoever asked for it.
//!
//! order → TBS → lint → intent recorded durably → signature, verified → certificate and audit entry recorded in one
//! transaction → handed out. From the intent on, the work runs to its end although the caller may be gone. An intent
//! whose signature may exist without being recorded becomes an orphan: its serial is revoked.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use pki::lint::Context;
use pki::profile::{IssuerView, Order, Profile, Template};
use pki::{Certificate, CertificateTbs, DigestAlgorithm, Linted, PublicKey, Serial, Tbs};
use serde::Serialize;
use serde_json::json;
use store::AtWork;
use store::certificates::CertificateRow;
use store::intents::{End, IntentRow};
use uuid::Uuid;

use crate::audit;
use crate::authority::Authority;
use crate::clock;
use crate::companion::Companion;
use crate::error::{Error, Refusal, Result};
use crate::issue::Issued;
use crate::issuer::Issuer;
use crate::permit::{Permit, action};
use crate::seal::{Purpose, Signing};
use crate::status_index::State;

/// A certificate to be made.
#[derive(Debug)]
pub(crate) struct Certification {
    /// Who signs.
    pub(crate) issuer: Arc<Issuer>,
    /// The signer as the certificate will see it; for a self-signed root not the issuer's stored view, which is not there
    /// yet.
    pub(crate) view: Arc<IssuerView>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) order: Order,
    pub(crate) order_id: Uuid,
    /// Whose it will be.
    pub(crate) requester: String,
    /// The certificate it renews.
    pub(crate) replaces: Option<Uuid>,
    /// What the audit log calls it.
    pub(crate) action: &'static str,
    /// What else becomes true with it.
    pub(crate) companion: Companion,
}

impl Certification {
    /// What the certificate with this serial has in common with others; its issuer is seen with the CRL of its shard.
    fn template_for(&self, serial: &Serial) -> Arc<Template> {
        let shard = self.issuer.shards.of(serial).index;
        self.issuer.templates.of(&self.profile, &self.view, shard, || {
            let entry = self.issuer.entry();
            // A root points at no CRL.
            if entry.crl.shards == 1 || self.view.urls.crl.is_empty() {
                return Arc::clone(&self.view);
            }
            let mut view = IssuerView::clone(&self.view);
            view.urls.crl = vec![entry.crl_url_of(shard)];
            Arc::new(view)
        })
    }
}

/// A certification that passed the lint.
#[derive(Debug)]
pub(crate) struct Prepared {
    certification: Certification,
    serial: Serial,
    linted: Linted<Tbs<CertificateTbs>>,
    at: Timestamp,
    actor: String,
    /// The subject that was asked for, in words.
    subject: String,
}

/// Serials that this process is working on; their intents are no orphans.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<HashSet<(Uuid, Serial)>>);

impl InFlight {
    pub(crate) fn contains(&self, issuer_id: Uuid, serial: Serial) -> bool {
        self.0.lock().contains(&(issuer_id, serial))
    }
}

impl Authority {
    /// Builds and lints. Nothing is recorded yet.
    pub(crate) fn prepare(
        &self,
        permit: &Permit<action::Issue>,
        certification: Certification,
    ) -> Result<Prepared> {
        let at = self.inner().clock.now();
        self.inner().guard.admit(at)?;
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| Error::internal("the system gives no random octets"))?;
        let serial = Serial::from_random(random);
        let order = &certification.order;
        self.check_key(&order.public_key)?;
        let template = certification.template_for(&serial);
        let tbs = template.build(order, &serial, at)?;
        let linted = pki::lint::certificate(
            tbs,
            &Context {
                issuer: template.issuer(),
                now: at,
            },
        )?;
        Ok(Prepared {
            subject: certification.order.subject.to_string(),
            certification,
            serial,
            linted,
            at,
            actor: permit.actor().to_owned(),
        })
    }

    /// Refuses a key of which the operator says that others have it, too.
    pub(crate) fn check_key(&self, key: &PublicKey) -> Result<()> {
        let lists = &self.inner().settings.blocklists;
        if lists.iter().any(|list| list.contains(key)) {
            let message = "the key is on a list of keys whose private half is known: make a new one";
            return Err(Refusal::of_requester("key_too_weak", message).into());
        }
        Ok(())
    }

    /// Records the intent, signs, records the certificate.
    pub(crate) async fn carry_out(&self, prepared: Prepared) -> Result<Issued> {
        self.to_the_end(|authority| async move { authority.certify(prepared).await })
            .await
    }

    async fn certify(&self, prepared: Prepared) -> Result<Issued> {
        let issuer_id = prepared.certification.issuer.entry().id;
        let at_work = self.inner().store.at_work()?;
        let key = (issuer_id, prepared.serial);
        self.inner().in_flight.0.lock().insert(key);
        let outcome = self.intend_sign_record(&at_work, issuer_id, prepared).await;
        self.inner().in_flight.0.lock().remove(&key);
        outcome
    }

    async fn intend_sign_record(
        &self,
        at_work: &AtWork,
        issuer_id: Uuid,
        prepared: Prepared,
    ) -> Result<Issued> {
        let certification = &prepared.certification;
        // An orphan stays on the CRL until then.
        let not_after = prepared.linted.not_after().map_err(Error::internal)?;
        let names = certification.order.names.iter().map(ToString::to_string);
        let intent = IntentRow {
            issuer_id,
            serial: prepared.serial.as_bytes().to_vec(),
            order_id: certification.order_id,
            tbs_hash: DigestAlgorithm::Sha256.digest(prepared.linted.der()),
            not_after: not_after.as_millisecond(),
            at: prepared.at.as_millisecond(),
            requester: certification.requester.clone(),
            profile: certification.profile.name.clone(),
            subject: prepared.subject.clone(),
            names: names.collect::<Vec<_>>().join(" "),
            node: self.inner().store.node(),
        };
        let recorded = intent.clone();
        let high_water = intent.at;
        let write = self.inner().store.write_at_work(at_work, move |tx| {
            store::settings::raise(tx, clock::HIGH_WATER, high_water)?;
            store::intents::insert(tx, &recorded)
        });
        write.await?;
        // What is signed is the issuer's own certificate while it has none, and a link when it gets a new key.
        let (signer, issuer) = (&certification.view, certification.issuer.entry());
        let signing = if issuer.key == signer.public_key.fingerprint() {
            issuer.signing()
        } else {
            Signing::new(signer.public_key.clone(), signer.algorithm)
        };
        match self.seal(&signing, &prepared.linted, Purpose::Certificate).await {
            Ok(signature) => self.record(at_work, &intent, prepared, &signature).await,
            Err(fault) => {
                let error = Error::from(fault.clone());
                self.settle_failure(&prepared, intent, &error, fault.may_have_signed())
                    .await;
                Err(error)
            }
        }
    }

    /// Records the certificate. When that fails, the intent stays and becomes an orphan.
    async fn record(
        &self,
        at_work: &AtWork,
        intent: &IntentRow,
        prepared: Prepared,
        signature: &[u8],
    ) -> Result<Issued> {
        let issuer_id = intent.issuer_id;
        let Prepared {
            certification,
            serial,
            linted,
            at,
            actor,
            subject,
        } = prepared;
        let findings = linted.findings().to_vec();
        let certificate =
            Certificate::from_der_for(&linted.assemble(signature), &certification.order.public_key);
        let certificate = Arc::new(certificate.map_err(Error::internal)?);
        let names = certificate.subject_alt_names().map_err(Error::internal)?;
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        // The profile may have changed it.
        let subject = if *certificate.subject() == certification.order.subject {
            subject
        } else {
            certificate.subject().to_string()
        };
        let row = certificate_row(issuer_id, &certification, &certificate, subject.clone(), at);
        let id = row.id;
        let details = Details {
            certificate_id: id,
            serial,
            issuer_id,
            subject: &row.subject,
            names: &names,
            profile: &row.profile,
            not_after: certificate.not_after(),
            requester: &row.requester,
            order_id: row.order_id,
            replaces: row.replaces,
        };
        let entry = audit::entry(at, &actor, certification.action, id, audit::OK, &details);
        let order = intent.order(End::Issued(id));
        let companion = certification.companion.clone();
        let (recorded, text) = (Arc::clone(&certificate), names.clone());
        let ((), seq) = self
            .change_at_work(at_work, entry, move |tx| {
                store::intents::fulfil(tx, issuer_id, &row.serial)?;
                store::certificates::insert(tx, &row, &names)?;
                store::orders::insert(tx, &order)?;
                companion.record(tx, &row, &recorded)
            })
            .await?;
        certification.issuer.statuses.apply(serial, State::Good, seq);
        let issuer = certification.issuer.entry();
        self.inner()
            .metrics
            .issued(&issuer.name, &certification.profile.name);
        // The audit log has it; thousands of these lines a second would crowd out the others.
        tracing::debug!(%id, %serial, issuer = issuer.name, profile = certification.profile.name, actor, "certificate issued");
        Ok(Issued {
            id,
            order_id: certification.order_id,
            serial,
            issuer_id,
            profile: certification.profile.name.clone(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            subject,
            names: text,
            certificate,
            chain: issuer.chain_for_leaf(),
            findings,
        })
    }

    /// After a failed signature: the intent goes when nothing can have been signed, and becomes an orphan otherwise.
    async fn settle_failure(
        &self,
        prepared: &Prepared,
        intent: IntentRow,
        error: &Error,
        may_have_signed: bool,
    ) {
        let (code, message) = (error.code(), error.to_string());
        if may_have_signed {
            if let Err(error) = self.revoke_orphan(intent, code, &message).await {
                tracing::error!(%error, serial = %prepared.serial, "an orphan could not be revoked yet; it will be");
            }
            return;
        }
        let details =
            json!({ "order_id": intent.order_id, "issuer_id": intent.issuer_id, "message": message });
        let action = prepared.certification.action;
        let entry = audit::entry(
            prepared.at,
            &prepared.actor,
            action,
            intent.order_id,
            code,
            &details,
        );
        let order = intent.order(End::Failed {
            code,
            message: &message,
        });
        let settled = self.change(entry, move |tx| {
            store::orders::insert(tx, &order)?;
            store::intents::remove(tx, intent.issuer_id, &intent.serial)
        });
        if let Err(error) = settled.await {
            tracing::error!(%error, serial = %prepared.serial, "a failed order could not be closed; it becomes an orphan");
        }
    }
}

/// What the audit log says of a certificate that was issued.
// stored: in the audit log
#[derive(Serialize)]
struct Details<'a> {
    certificate_id: Uuid,
    serial: Serial,
    issuer_id: Uuid,
    subject: &'a str,
    names: &'a [String],
    profile: &'a str,
    not_after: Timestamp,
    requester: &'a str,
    order_id: Uuid,
    replaces: Option<Uuid>,
}

fn certificate_row(
    issuer_id: Uuid,
    certification: &Certification,
    certificate: &Certificate,
    subject: String,
    at: Timestamp,
) -> CertificateRow {
    CertificateRow {
        id: clock::new_id(),
        issuer_id,
        serial: certificate.serial().as_bytes().to_vec(),
        profile: certification.profile.name.clone(),
        subject,
        der: certificate.der().to_vec(),
        not_before: certificate.not_before().as_millisecond(),
        not_after: certificate.not_after().as_millisecond(),
        requester: certification.requester.clone(),
        order_id: certification.order_id,
        replaces: certification.replaces,
        created_at: at.as_millisecond(),
        revoked_at: None,
        revocation_reason: None,
    }
}

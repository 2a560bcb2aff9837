//! Fetching what was issued, writing it, and handing it to whom it is for.

use courier_wire::KeyAnswer;
use pki::Certificate;
use uuid::Uuid;

use super::{Run, disk};
use crate::client;
use crate::client::endpoints::CaBundle;
use crate::failure::Failure;
use crate::hook::HookOutcome;
use crate::key::KeptKey;
use crate::platform_key::Recipient;
use crate::write::{self, Bundle, Wanted};

impl Run<'_> {
    /// Fetches the certificate and installs it with the key that waits for it.
    pub(super) async fn fetch_and_install(&mut self, order: Uuid) -> Result<(), Failure> {
        let settings = self.task.settings;
        self.watch.step("fetch the certificate");
        let courier = self.task.site.courier().await?;
        let chain = Certificate::parse_all(courier.certificate(order).await?.as_bytes())?;
        let authorities = match self.task.site.client()?.ca_bundle(None).await? {
            CaBundle::New { pem, .. } => anchors(Certificate::parse_all(pem.as_bytes())?),
            CaBundle::Same => Vec::new(),
        };
        let key = match self.memory.pending_key(settings.key.passphrase.as_ref())? {
            None => self.fetch_key(order, &chain).await?,
            Some(key) if self.is_at_hand(&key)? => Some(key),
            Some(_) => None,
        };
        let Some(key) = key else {
            // Without its key the certificate is of no use; the next run makes both anew.
            self.forget_order()?;
            return Err(Failure::KeyLost(order));
        };
        // Nothing but an order anew helps. Only one for this very key is believed: somebody between here and the appliance may answer
        // with an old one.
        if chain
            .first()
            .is_some_and(|leaf| leaf.not_after() < self.now() && key.is_of(leaf.public_key()))
        {
            self.forget_order()?;
            return Err(Failure::TooLate(order));
        }
        self.before_writing().await?;
        let bundle = Bundle {
            chain: &chain,
            key: &key,
            authorities: &authorities,
        };
        let wanted = Wanted {
            names: &settings.names,
            now: self.now(),
        };
        let leaf = chain.first().cloned();
        if !self.is_on_disk(&chain) {
            write::install(&settings.output, &bundle, &wanted, &mut self.watch)?;
        }
        self.found = disk::read(settings)?;
        match leaf {
            Some(leaf) => self.remember_installed(&leaf),
            None => Ok(()),
        }
    }

    /// The key that the appliance made, where this order is for one. It is handed out once: it is kept before anything else is done.
    async fn fetch_key(&mut self, order: Uuid, chain: &[Certificate]) -> Result<Option<KeptKey>, Failure> {
        let (Some(stored), Some(leaf)) = (self.memory.recipient()?, chain.first()) else {
            return Ok(None);
        };
        self.watch.step("fetch the key");
        let told: Result<KeyAnswer, _> = self.task.site.courier().await?.key(order).await;
        let told = match told {
            // It was handed out to a run that did not live to keep it, or its time is over.
            Err(client::Fault::Refused(refusal)) if matches!(refusal.status, 409 | 410) => return Ok(None),
            told => told?,
        };
        let key = KeptKey::File(Recipient::from_stored(&stored)?.open(&told.jwe, order, leaf)?);
        self.watch.step("keep the key of an order");
        let passphrase = self.task.settings.key.passphrase.as_ref();
        self.memory.keep_key(&key, passphrase)?;
        Ok(Some(key))
    }

    /// `hooks.pre`. Under `hooks.strict` its failure keeps everything as it is.
    async fn before_writing(&mut self) -> Result<(), Failure> {
        let Some(hook) = self.task.settings.hooks.pre.clone() else {
            return Ok(());
        };
        let facts = self.facts();
        self.hook(&hook, "pre", &facts).await.map(|_| ())
    }

    /// Whether a run that was killed had written exactly this already.
    fn is_on_disk(&self, chain: &[Certificate]) -> bool {
        let (Some(new), Some(own)) = (chain.first(), self.found.leaf()) else {
            return false;
        };
        let is_own_key = |key: &KeptKey| key.is_of(own.public_key());
        new.der() == own.der() && self.found.key.as_ref().is_some_and(is_own_key)
    }

    /// Hands the files over: to the servers of the file, then the hook of success. Under `hooks.strict` with `hooks.rollback` the files of before come back when it fails.
    pub(super) async fn hand_over(&mut self) -> Result<Option<HookOutcome>, Failure> {
        let hooks = &self.task.settings.hooks;
        let pending = self.state.pending.as_ref();
        let is_first = pending.is_none_or(|pending| pending.previous.is_none());
        if let Err(failure) = self.deploy().await {
            if hooks.rollback && !is_first {
                self.roll_back().await?;
            }
            return Err(failure);
        }
        let Some(hook) = hooks.on_success.clone() else {
            return Ok(None);
        };
        let event = if is_first { "issued" } else { "renewed" };
        let facts = self.facts();
        match self.hook(&hook, event, &facts).await {
            Err(failure) if hooks.rollback && !is_first => {
                self.roll_back().await?;
                Err(failure)
            }
            done => done,
        }
    }

    /// Back to the files of before, with the hook once more so that the server takes them back too.
    async fn roll_back(&mut self) -> Result<(), Failure> {
        let settings = self.task.settings;
        write::rollback(&settings.output, &mut self.watch)?;
        self.warn("the files of before are back");
        self.found = disk::read(settings)?;
        if let Err(failure) = self.deploy().await {
            self.warn(&format!("after going back: {}", failure.told()));
        }
        if let Some(hook) = settings.hooks.on_success.clone() {
            let facts = self.facts();
            if let Err(failure) = self.hook(&hook, "renewed", &facts).await {
                self.warn(&format!("after going back: {}", failure.told()));
            }
        }
        // The certificate stays ordered and is not asked for again; the next run makes another.
        self.forget_order()
    }
}

/// The roots of a bundle; all of it when the roots are elsewhere.
fn anchors(bundle: Vec<Certificate>) -> Vec<Certificate> {
    if bundle.iter().any(Certificate::is_self_signed) {
        return bundle.into_iter().filter(Certificate::is_self_signed).collect();
    }
    bundle
}

//! Making an order: the key first, durably; then the request, word for word; then the appliance.

use std::collections::BTreeMap;

use courier_wire::{OrderRequest, OwnRecord, Preflight, Replaced};
use uuid::Uuid;

use super::next::Next;
use super::{Run, configured, wanted};
use crate::client::{self, Courier};
use crate::decide::Standing;
use crate::failure::Failure;
use crate::key::{KeptKey, LocalKey};
use crate::platform_key::Recipient;
use crate::report::{Done, hexadecimal, one_line};
use crate::state::PendingOrder;

/// The kinds of order, as the appliance spells them.
pub(super) const ISSUE: &str = "issue";
pub(super) const RENEW: &str = "renew";

impl Run<'_> {
    /// Prepares an order and remembers it; nothing is sent but what tells whether it makes sense.
    pub(super) async fn order(&mut self, next: Next, reuses_key: bool) -> Result<(), Failure> {
        check_version(self.task.site.courier().await?).await?;
        let replaces = self.replaced(next).await?;
        let settings = self.task.settings;
        let (key_file, request) = if settings.generate_keys_locally {
            let key = self.key_for_order(reuses_key && replaces.is_some())?;
            self.watch.step("keep the key of an order");
            let file = self.memory.keep_key(&key, settings.key.passphrase.as_ref())?;
            (file, self.request(&key, replaces)?)
        } else {
            let recipient = Recipient::generate()?;
            self.watch.step("keep the recipient of a key");
            // A key of an earlier order would be taken for this one's.
            self.memory.forget_key()?;
            let file = self.memory.keep_recipient(&recipient.to_stored()?)?;
            (file, wanted::request(settings, &recipient, replaces))
        };
        let previous = self.found.leaf();
        self.state.pending = Some(PendingOrder {
            order: None,
            idempotency_key: Uuid::new_v4().to_string(),
            key_file,
            names: settings.names.iter().map(ToString::to_string).collect(),
            created_at: self.now(),
            request: to_json(&request)?,
            installed: None,
            previous: previous.map(|leaf| hexadecimal(&leaf.fingerprint_sha256())),
            configured: configured(settings),
        });
        self.save()?;
        self.watch.step("forget the prepared key");
        Ok(self.memory.forget_prepared_key()?)
    }

    /// Everything up to the order: the appliance says what it would say.
    pub(super) async fn rehearse(&mut self, next: Next) -> Result<(), Failure> {
        let done = match next {
            Next::Nothing | Next::Ask => return Ok(()),
            Next::Resume => Done::WouldResume,
            Next::Issue => Done::WouldIssue,
            Next::Renew => Done::WouldRenew,
        };
        if next != Next::Resume {
            let courier = self.task.site.courier().await?;
            check_version(courier).await?;
            let replaces = self.replaced(next).await?;
            let settings = self.task.settings;
            // A key of this moment: what a dry run asks for is never signed.
            let request = if settings.generate_keys_locally {
                self.request(&KeptKey::File(LocalKey::generate(settings.key.kind)?), replaces)?
            } else {
                let recipient = Recipient::generate()?;
                let mut request = wanted::request(settings, &recipient, replaces);
                request.recipient_proof = Some(courier.vouch_for(&recipient).await?);
                request
            };
            let told: Preflight = self.task.site.courier().await?.preflight(&request).await?;
            for warning in told.warnings {
                let text = format!("{} ({}): {}", warning.policy, warning.rule, warning.message);
                self.report.warnings.push(one_line(&text));
            }
        }
        self.report.action = done;
        Ok(())
    }

    /// Gives up an order for something else than the file asks for now, unless it is installed already.
    pub(super) async fn drop_other_order(&mut self) -> Result<(), Failure> {
        let now = configured(self.task.settings);
        let Some(pending) = &self.state.pending else {
            return Ok(());
        };
        if pending.installed.is_some() || pending.configured == now {
            return Ok(());
        }
        if self.task.options.is_dry {
            return Ok(());
        }
        let order = pending.order;
        self.warn("the pending order is for something else than the file asks for: it is given up");
        if let Some(order) = order {
            match self.task.site.courier().await?.cancel(order).await {
                // It may be signed already, or gone.
                Ok(()) | Err(client::Fault::Refused(_)) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        self.forget_order()
    }

    /// Forgets the pending order and its key.
    pub(super) fn forget_order(&mut self) -> Result<(), Failure> {
        self.state.pending = None;
        self.save()?;
        self.watch.step("forget the key of an order");
        Ok(self.memory.forget_key()?)
    }

    /// The fingerprint of the certificate that is renewed; none where the appliance would not let it be, so that a new one is asked for.
    async fn replaced(&mut self, next: Next) -> Result<Option<String>, Failure> {
        let Some(leaf) = self.found.leaf().filter(|_| next == Next::Renew) else {
            return Ok(None);
        };
        let fingerprint = hexadecimal(&leaf.fingerprint_sha256());
        self.ask().await?;
        let may = matches!(self.state.standing, Standing::Good | Standing::Superseded);
        Ok(may.then_some(fingerprint))
    }

    /// The key that `generate-keys` made, the key of before, or a new one.
    fn key_for_order(&mut self, reuses_key: bool) -> Result<KeptKey, Failure> {
        if let Some(wanted) = self.wanted_token().cloned() {
            return self.token_key(&wanted, reuses_key);
        }
        let key = &self.task.settings.key;
        if let Some(KeptKey::File(prepared)) = self.memory.prepared_key(key.passphrase.as_ref())?
            && prepared.public_key().algorithm() == key.kind.algorithm()
        {
            return Ok(KeptKey::File(prepared));
        }
        if reuses_key
            && let Some(KeptKey::File(own)) = &self.found.key
            && self.found.key_algorithm() == Some(key.kind.algorithm())
        {
            return Ok(KeptKey::File(LocalKey::parse(own.pkcs8(), None)?));
        }
        Ok(KeptKey::File(LocalKey::generate(key.kind)?))
    }

    fn request(&mut self, key: &KeptKey, replaces: Option<String>) -> Result<OrderRequest, Failure> {
        let settings = self.task.settings;
        let (subject, names, digest) = (&settings.subject, &settings.names, settings.digest);
        let request = match key {
            KeptKey::File(key) => key.request(subject, names, digest)?,
            KeptKey::Token(reference) => self.open_token()?.request(reference, subject, names, digest)?,
        };
        Ok(OrderRequest {
            kind: if replaces.is_some() { RENEW } else { ISSUE }.to_owned(),
            key_mode: "local".to_owned(),
            csr_pem: Some(request),
            profile: settings.profile.clone(),
            validity_days: settings.validity_days,
            replaces: replaces.map(|fingerprint_sha256| Replaced { fingerprint_sha256 }),
            labels: BTreeMap::from([("name".to_owned(), settings.name.clone())]),
            subject: None,
            sans: None,
            key_spec: None,
            digest: None,
            recipient: None,
            recipient_proof: None,
        })
    }
}

/// A request as it is kept and sent.
fn to_json(request: &OrderRequest) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(request).map_err(|error| Failure::Io {
        what: "the request cannot be written".to_owned(),
        source: error.into(),
    })
}

/// Whether the appliance still speaks with this version; it says why not before anything is ordered.
async fn check_version(courier: &Courier) -> Result<(), Failure> {
    let own: OwnRecord = courier.description().await?;
    let least = own.minimum_client_version.unwrap_or_default();
    let this = env!("CARGO_PKG_VERSION");
    if numbers(&least) > numbers(this) {
        return Err(Failure::Usage(format!(
            "the appliance asks for courier {least} or later, and this is {this}: install the newer package"
        )));
    }
    Ok(())
}

/// A version as numbers; what is no number counts as nothing.
fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    plain.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(numbers("0.10.0") > numbers("0.9.9"));
        assert!(numbers("1.2.3-rc1") >= numbers("1.2.3"));
        assert!(numbers("") <= numbers("0.1.0"));
    }
}

//! Making again what was signed, from what the transcript says of it: the octets must be the same.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pki::crl::{CrlInput, RevokedEntry};
use pki::lint::Context;
use pki::profile::{IssuerView, Order, Profile, Urls};
use pki::{Certificate, Crl, DistinguishedName, PublicKey, SignatureAlgorithm};

use super::known::{Known, Listed};
use super::output::{Output, Role};
use super::sha256;
use super::statement::Statement;

/// A step that was done, as the transcript has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done<'a> {
    pub(super) statement: &'a Statement,
    pub(super) known: &'a Known,
    pub(super) time: Timestamp,
}

impl Done<'_> {
    /// Whether the outputs are what the step says, octet for octet, and signed by whom it says.
    pub(super) fn check(&self, outputs: &[Output]) -> Result<(), String> {
        let roles: Vec<Role> = outputs.iter().map(|output| output.role).collect();
        let expected: &[Role] = match self.statement.operation.as_str() {
            "crl" => &[Role::Crl],
            "rollover" => &[Role::Certificate, Role::NewWithOld, Role::OldWithNew],
            _ => &[Role::Certificate],
        };
        if roles != expected {
            return Err(format!("the step made {roles:?}, and should make {expected:?}"));
        }
        let Some((first, links)) = outputs.split_first() else {
            return Err("the step made nothing".to_owned());
        };
        if first.role == Role::Crl {
            return self.check_crl(first);
        }
        let own = certificate_of(first)?;
        self.check_key(&own)?;
        self.check_certificate(&own, &own)?;
        links.iter().try_for_each(|link| {
            let certificate = certificate_of(link)?;
            self.check_link(link.role, &certificate, &own)
        })
    }

    fn profile(&self) -> Result<Profile, String> {
        let json = self.known.profile.as_ref().ok_or("the profile is missing")?;
        serde_json::from_str(json).map_err(|error| format!("the profile: {error}"))
    }

    /// The key is of the kind that was approved, or the very one.
    fn check_key(&self, certificate: &Certificate) -> Result<(), String> {
        let wanted = self.statement.key.as_ref().ok_or("the step names no key")?;
        let key = certificate.public_key();
        if key.algorithm() != wanted.algorithm {
            return Err(format!(
                "the key is {}, and {} was approved",
                key.algorithm(),
                wanted.algorithm
            ));
        }
        let fingerprint = key.fingerprint().to_string();
        if wanted
            .fingerprint
            .as_ref()
            .is_some_and(|approved| *approved != fingerprint)
        {
            return Err("the key is another than the one that was approved".to_owned());
        }
        Ok(())
    }

    /// A new key's own way of signing.
    fn new_algorithm(&self) -> Result<SignatureAlgorithm, String> {
        let key = self
            .statement
            .key
            .as_ref()
            .and_then(|key| key.signature_algorithm);
        key.ok_or_else(|| "the step does not say how the new key signs".to_owned())
    }

    fn check_certificate(&self, certificate: &Certificate, own: &Certificate) -> Result<(), String> {
        let profile = self.profile()?;
        let text = self
            .statement
            .subject
            .as_deref()
            .ok_or("the step names no subject")?;
        let order = order_of(subject(text)?, own.public_key(), self.validity());
        match self.statement.operation.as_str() {
            "root" | "rollover" => {
                let view = IssuerView::self_signed(&profile, &order, self.new_algorithm()?)
                    .map_err(|refusal| refusal.message)?;
                self.compare(&profile, &order, &view, certificate)
            }
            _ => {
                let issuer = self.known.issuer.as_ref().ok_or("the CA that signs is missing")?;
                // Of a key elsewhere the subject is taken as it is encoded there.
                let shown = self.shown_subject()?.unwrap_or_else(|| order.subject.clone());
                let order = Order {
                    subject: shown,
                    ..order
                };
                self.compare(&profile, &order, &issuer.view()?, certificate)
            }
        }
    }

    fn shown_subject(&self) -> Result<Option<DistinguishedName>, String> {
        let Some(text) = &self.known.input else {
            return Ok(None);
        };
        if self.statement.operation == "cross-sign" {
            let shown = Certificate::parse(text.as_bytes()).map_err(|fault| fault.to_string())?;
            return Ok(Some(shown.subject().clone()));
        }
        let csr = pki::Csr::parse(text.as_bytes()).map_err(|fault| fault.to_string())?;
        Ok(Some(csr.subject().clone()))
    }

    /// A link certificate between the old root and the new one.
    fn check_link(&self, role: Role, link: &Certificate, new: &Certificate) -> Result<(), String> {
        let profile = self.profile()?;
        let old = self
            .known
            .issuer
            .as_ref()
            .ok_or("the old root is missing")?
            .view()?;
        let longest = Some(profile.max_ttl.as_duration());
        let (view, key, validity) = if role == Role::NewWithOld {
            (old, new.public_key().clone(), self.validity().or(longest))
        } else {
            let key = old.public_key.clone();
            let view = IssuerView {
                public_key: new.public_key().clone(),
                key_id: new.public_key().key_id().to_vec(),
                algorithm: self.new_algorithm()?,
                urls: Urls::default(),
                ..old
            };
            (view, key, longest)
        };
        let order = order_of(view.subject.clone(), &key, validity);
        self.compare(&profile, &order, &view, link)
    }

    fn validity(&self) -> Option<Duration> {
        self.statement.validity.map(pki::profile::Lifetime::as_duration)
    }

    fn compare(
        &self,
        profile: &Profile,
        order: &Order,
        view: &IssuerView,
        certificate: &Certificate,
    ) -> Result<(), String> {
        let made = pki::profile::build(profile, order, view, &certificate.serial(), self.time)
            .map_err(|refusal| refusal.message)?;
        if made.der() != certificate.tbs_der() {
            return Err(format!(
                "the certificate {} is not what plan, serial and time give",
                certificate.serial()
            ));
        }
        pki::lint::certificate(
            made,
            &Context {
                issuer: view,
                now: self.time,
            },
        )
        .map_err(|report| format!("the certificate {}: {report}", certificate.serial()))?;
        certificate.verify_signed_by(&view.public_key).map_err(|_| {
            format!(
                "the certificate {} is not signed by its issuer",
                certificate.serial()
            )
        })
    }

    fn check_crl(&self, output: &Output) -> Result<(), String> {
        let crl = Crl::parse(output.pem.as_bytes()).map_err(|fault| fault.to_string())?;
        if sha256(crl.der()) != output.sha256 || crl.number() != output.number {
            return Err(format!("{}: its digest or its number is another", output.file));
        }
        let known = self.known.issuer.as_ref().ok_or("the CA that signs is missing")?;
        let (view, issuer) = (known.view()?, known.certificate()?);
        let validity = self
            .validity()
            .ok_or("the step does not say how long the CRL is good")?;
        let validity = SignedDuration::try_from(validity).map_err(|error| error.to_string())?;
        let next_update = self
            .time
            .checked_add(validity)
            .map_err(|error| error.to_string())?;
        let input = CrlInput {
            issuer: &view.subject,
            authority_key_id: &view.key_id,
            algorithm: view.algorithm,
            number: crl.number().ok_or("the CRL has no number")?,
            this_update: self.time,
            next_update,
            distribution_point: None,
            delta_base: None,
            freshest: None,
        };
        if pki::crl::build(&input, &self.entries()).der() != crl.tbs_der() {
            return Err(format!(
                "the CRL {} is not what plan, number and time give",
                input.number
            ));
        }
        crl.verify_signed_by(issuer.public_key())
            .map_err(|_| format!("the CRL {} is not signed by its issuer", input.number))
    }

    /// What the CRL must list.
    fn entries(&self) -> Vec<RevokedEntry> {
        let now = self.statement.revoked.iter().map(|one| {
            Listed::from(&RevokedEntry {
                serial: one.serial,
                revoked_at: self.time,
                reason: Some(one.reason),
                invalidity_date: one.invalidity_date,
            })
        });
        let mut entries: Vec<RevokedEntry> = self
            .statement
            .listed
            .iter()
            .cloned()
            .chain(now)
            .map(|listed| RevokedEntry::from(&listed))
            .collect();
        entries.sort_by_key(|entry| entry.serial);
        entries
    }
}

/// The certificate of an output, which is what the output says.
pub(super) fn certificate_of(output: &Output) -> Result<Certificate, String> {
    let certificate =
        Certificate::parse(output.pem.as_bytes()).map_err(|fault| format!("{}: {fault}", output.file))?;
    let key = certificate.public_key().fingerprint().to_string();
    let is_right = sha256(certificate.der()) == output.sha256
        && output.serial == Some(certificate.serial())
        && output.key.as_ref() == Some(&key);
    if is_right {
        Ok(certificate)
    } else {
        Err(format!(
            "{}: its digest, its serial or its key is another",
            output.file
        ))
    }
}

/// The order of a CA certificate.
fn order_of(subject: DistinguishedName, key: &PublicKey, validity: Option<Duration>) -> Order {
    Order {
        subject,
        names: Vec::new(),
        public_key: key.clone(),
        validity,
        ms_sid: None,
    }
}

/// A subject of a CA that is made here: it went through the store as text.
fn subject(text: &str) -> Result<DistinguishedName, String> {
    let once = DistinguishedName::parse(text).map_err(|fault| fault.to_string())?;
    DistinguishedName::parse(&once.to_string()).map_err(|fault| fault.to_string())
}

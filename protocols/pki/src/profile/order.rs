//! The order: everything that varies between two certificates of one profile.

use std::time::Duration;

use crate::profile::{ExtendedKeyUsage, Profile, ProfileRefusal};
use crate::{Csr, DistinguishedName, KeyAlgorithm, PublicKey, SubjectAltName, Verified};

/// A request for a certificate, authorised or about to be. What is built from it has these names and no others.
#[derive(Clone, Debug)]
pub struct Order {
    /// The wanted subject; the profile decides which of its attributes are taken.
    pub subject: DistinguishedName,
    /// The wanted subject alternative names, in the order they are written.
    pub names: Vec<SubjectAltName>,
    /// The key to be certified.
    pub public_key: PublicKey,
    /// The wanted lifetime from issuance on; `None` takes the profile's default.
    pub validity: Option<Duration>,
    /// The security identifier of the account in Active Directory, as `S-1-5-21-…`. Set by the authenticated caller
    /// only; a value in a request is never looked at.
    pub ms_sid: Option<String>,
}

/// Makes an order of a request, or says why the profile does not allow it.
///
/// The names of the order are those of the request. Purposes and the CA flag of the request must be within the profile;
/// its other key usage bits are not looked at, because the profile decides them and common tools ask for bits that the
/// key cannot have.
pub fn order_from_csr(profile: &Profile, csr: &Verified<Csr>) -> Result<Order, ProfileRefusal> {
    let names = csr.subject_alt_names().map_err(|fault| {
        ProfileRefusal::new(
            fault.code(),
            format!("the request's names cannot be used: {fault}"),
        )
    })?;
    let order = Order {
        subject: csr.subject().clone(),
        names: without_repeats(names),
        public_key: csr.public_key().clone(),
        validity: None,
        ms_sid: None,
    };
    order.admit(profile)?;
    // Key and names are the request's own.
    purposes_within(profile, csr)?;
    Ok(order)
}

impl Order {
    /// Refuses an order that the profile does not allow: its kind of key, its names, its subject.
    pub fn admit(&self, profile: &Profile) -> Result<(), ProfileRefusal> {
        self.admitted_subject(profile).map(drop)
    }

    /// The subject that the certificate will have, once everything about the order is allowed.
    pub(super) fn admitted_subject(&self, profile: &Profile) -> Result<DistinguishedName, ProfileRefusal> {
        profile.admitted_subject(self.public_key.algorithm(), &self.subject, &self.names)
    }

    /// Refuses a request that asks for more than this order: another key, other names, a purpose outside the profile,
    /// or to be an authority.
    pub fn covers(&self, profile: &Profile, csr: &Verified<Csr>) -> Result<(), ProfileRefusal> {
        if csr.public_key().spki_der() != self.public_key.spki_der() {
            return Err(ProfileRefusal::new(
                "key_not_in_order",
                "the request is for another key than the order",
            ));
        }
        let names = csr.subject_alt_names().map_err(|fault| {
            ProfileRefusal::new(
                fault.code(),
                format!("the request's names cannot be used: {fault}"),
            )
        })?;
        if let Some(stranger) = names.iter().find(|name| !self.names.contains(name)) {
            return Err(ProfileRefusal::new(
                "name_not_in_order",
                format!("the request asks for `{stranger}`, which is not in the order"),
            ));
        }
        purposes_within(profile, csr)
    }
}

impl Profile {
    /// Refuses what an order with such a key, subject and names would be refused for, before there is a key.
    pub fn admit(
        &self,
        algorithm: KeyAlgorithm,
        subject: &DistinguishedName,
        names: &[SubjectAltName],
    ) -> Result<(), ProfileRefusal> {
        self.admitted_subject(algorithm, subject, names).map(drop)
    }

    /// The subject that a certificate with such a key, subject and names will have, once everything about them is allowed.
    pub fn admitted_subject(
        &self,
        algorithm: KeyAlgorithm,
        subject: &DistinguishedName,
        names: &[SubjectAltName],
    ) -> Result<DistinguishedName, ProfileRefusal> {
        if !self.key_algorithms.contains(&algorithm) {
            let allowed: Vec<String> = self.key_algorithms.iter().map(ToString::to_string).collect();
            return Err(ProfileRefusal::new(
                "key_algorithm_not_allowed",
                format!(
                    "the key is {algorithm}; the profile allows {}",
                    allowed.join(", ")
                ),
            ));
        }
        self.names.admit(names)?;
        let subject = self.subject.apply(subject, names)?;
        if subject.is_empty() && (names.is_empty() || self.is_authority()) {
            return Err(ProfileRefusal::new(
                "subject_required",
                "nothing names the holder: neither the subject nor a subject alternative name is left",
            ));
        }
        Ok(subject)
    }
}

/// Refuses a request for a purpose outside the profile, or to be an authority.
fn purposes_within(profile: &Profile, csr: &Verified<Csr>) -> Result<(), ProfileRefusal> {
    if csr.requested_ca() && !profile.is_authority() {
        return Err(ProfileRefusal::new(
            "ca_not_allowed",
            "the request asks to be a certification authority; the profile does not allow that",
        ));
    }
    let signs_for_ca = csr
        .requested_key_usage()
        .is_some_and(|usage| usage.key_cert_sign() || usage.crl_sign());
    if signs_for_ca && !profile.is_authority() {
        return Err(ProfileRefusal::new(
            "key_usage_not_allowed",
            "the request asks to sign certificates or CRLs; the profile does not allow that",
        ));
    }
    let stranger = csr
        .requested_extended_key_usage()
        .into_iter()
        .map(ExtendedKeyUsage::from_oid)
        .find(|usage| !profile.extended_key_usages.contains(usage));
    stranger.map_or(Ok(()), |usage| {
        Err(ProfileRefusal::new(
            "eku_not_allowed",
            format!("the request asks for the purpose {usage}, which the profile does not have"),
        ))
    })
}

/// The names in their order, each once.
pub fn without_repeats(names: Vec<SubjectAltName>) -> Vec<SubjectAltName> {
    let mut seen = std::collections::HashSet::new();
    let is_new: Vec<bool> = names.iter().map(|name| seen.insert(name)).collect();
    let mut is_new = is_new.into_iter();
    names
        .into_iter()
        .filter(|_| is_new.next().unwrap_or_default())
        .collect()
}

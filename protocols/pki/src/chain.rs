//! Chains of certificates: put in order, and checked link by link (RFC 5280 §6.1, without revocation and policy trees).

mod constraints;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use crate::certificate::Certificate;
use crate::name::DistinguishedName;

/// Longest chain looked at.
pub const MAX_CHAIN: usize = 16;

/// Why a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// No certificate, or more than [`MAX_CHAIN`].
    #[error("a chain has 1 to {MAX_CHAIN} certificates")]
    Length,
    /// No certificate in the bundle issued this one.
    #[error("nothing in the bundle issued {0}")]
    IssuerMissing(DistinguishedName),
    /// Certificates that belong to no place in the chain.
    #[error("{0} does not belong to the chain")]
    Stray(DistinguishedName),
    /// The names of two neighbours do not meet.
    #[error("{subject} is not issued by {issuer}")]
    Name {
        /// The lower certificate.
        subject: DistinguishedName,
        /// The one above it.
        issuer: DistinguishedName,
    },
    /// A signature in the chain is wrong.
    #[error("the signature on {0} is not its issuer's")]
    Signature(DistinguishedName),
    /// An issuer that may not issue.
    #[error("{0} is not a certification authority that may sign certificates")]
    NotAnAuthority(DistinguishedName),
    /// A path length is exceeded.
    #[error("{0} allows fewer authorities below it")]
    PathLength(DistinguishedName),
    /// A name that an authority above it may not certify.
    #[error("{authority} may not certify the names of {subject}")]
    NameConstraint {
        /// Whose names.
        subject: DistinguishedName,
        /// The authority with the constraint.
        authority: DistinguishedName,
    },
    /// A critical extension that is not processed here (RFC 5280 §6.1.5 (f)).
    #[error("{subject} has the critical extension {extension}, which is not understood")]
    CriticalExtension {
        /// Whose.
        subject: DistinguishedName,
        /// Which.
        extension: ObjectIdentifier,
    },
    /// Outside its validity.
    #[error("{0} is not valid at this time")]
    Validity(DistinguishedName),
}

/// Puts a bundle in the order leaf to root. Every certificate must find its place; the top need not be self-signed.
pub fn order(leaf: Certificate, bundle: Vec<Certificate>) -> Result<Vec<Certificate>, ChainFault> {
    if bundle.len() >= MAX_CHAIN {
        return Err(ChainFault::Length);
    }
    let mut rest: Vec<Certificate> = bundle.into_iter().filter(|one| one.der() != leaf.der()).collect();
    rest.dedup_by(|one, other| one.der() == other.der());
    let mut chain = vec![leaf];
    while let Some(last) = chain.last() {
        if last.issuer() == last.subject() {
            break;
        }
        let above = rest.iter().position(|one| {
            one.subject() == last.issuer() && last.verify_signed_by(one.public_key()).is_ok()
        });
        match above {
            Some(index) => chain.push(rest.swap_remove(index)),
            None if rest.is_empty() => break,
            None => return Err(ChainFault::IssuerMissing(last.issuer().clone())),
        }
    }
    match rest.first() {
        Some(stray) => Err(ChainFault::Stray(stray.subject().clone())),
        None => Ok(chain),
    }
}

/// Checks an ordered chain, leaf first: names, signatures, authority flags, path lengths, name constraints, critical
/// extensions and validity at one time. The last certificate is taken as trusted; when it is self-signed, its own
/// signature is checked as well.
pub fn verify(chain: &[Certificate], at: Timestamp) -> Result<(), ChainFault> {
    if chain.is_empty() || chain.len() > MAX_CHAIN {
        return Err(ChainFault::Length);
    }
    if let Some(expired) = chain.iter().find(|one| !one.is_valid_at(at)) {
        return Err(ChainFault::Validity(expired.subject().clone()));
    }
    for one in chain {
        if let Some(extension) = one.unknown_critical_extension() {
            return Err(ChainFault::CriticalExtension {
                subject: one.subject().clone(),
                extension,
            });
        }
    }
    for (depth, pair) in chain.windows(2).enumerate() {
        let [lower, upper] = pair else { continue };
        if lower.issuer() != upper.subject() {
            return Err(ChainFault::Name {
                subject: lower.subject().clone(),
                issuer: upper.subject().clone(),
            });
        }
        if !upper.may_sign_certificates() {
            return Err(ChainFault::NotAnAuthority(upper.subject().clone()));
        }
        // RFC 5280 §4.2.1.9: intermediates between it and the leaf; self-issued ones do not count.
        let between = chain
            .iter()
            .take(depth + 1)
            .skip(1)
            .filter(|one| one.issuer() != one.subject())
            .count();
        if upper.path_len().is_some_and(|most| between > usize::from(most)) {
            return Err(ChainFault::PathLength(upper.subject().clone()));
        }
        check_names(upper, chain.iter().take(depth + 1))?;
        if lower.verify_signed_by(upper.public_key()).is_err() {
            return Err(ChainFault::Signature(lower.subject().clone()));
        }
    }
    match chain.last() {
        Some(top) if top.issuer() == top.subject() && top.verify_signed_by(top.public_key()).is_err() => {
            Err(ChainFault::Signature(top.subject().clone()))
        }
        _ => Ok(()),
    }
}

/// Holds the names of all certificates below an authority against its constraints; RFC 5280 §6.1.3 (b) leaves out
/// self-issued ones other than the leaf.
fn check_names<'a>(
    authority: &Certificate,
    below: impl Iterator<Item = &'a Certificate>,
) -> Result<(), ChainFault> {
    let Some(constraints) = authority.name_constraints() else {
        return Ok(());
    };
    for (depth, one) in below.enumerate() {
        let is_exempt = depth > 0 && one.issuer() == one.subject();
        if !is_exempt && !constraints::allow(&constraints, one) {
            let (subject, authority) = (one.subject().clone(), authority.subject().clone());
            return Err(ChainFault::NameConstraint { subject, authority });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

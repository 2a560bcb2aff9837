//! What can be wrong with a profile as a whole, beyond what each value already refuses when it is read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::KeyAlgorithm;
use crate::profile::{ExtendedKeyUsage, Lifetime, Profile};

/// RSA moduli that can be certified, in bits.
const RSA_BITS: std::ops::RangeInclusive<u16> = 2048..=8192;
/// Back-dating beyond this hides when a certificate was made.
const LONGEST_BACKDATE: Lifetime = Lifetime::days(7);
/// A certificate without revocation may not outlive the CA/Browser Forum's bound on short-lived certificates.
const LONGEST_SHORT_LIVED: Lifetime = Lifetime::days(10);
/// The most names a profile can allow.
const MOST_NAMES: u16 = 1000;

/// One thing that is wrong with a profile.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// The key it is about, dotted, as `names.max_count` or `certificate_policies[0].oid`.
    pub key_path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key_path, self.message)
    }
}

/// Problems being collected.
struct Problems(Vec<Problem>);

impl Problems {
    fn unless(&mut self, right: bool, key_path: &str, message: &str) {
        if !right {
            self.0.push(Problem {
                key_path: key_path.to_owned(),
                message: message.to_owned(),
            });
        }
    }
}

/// All problems of the profile.
pub(super) fn problems(profile: &Profile) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    identity(profile, &mut problems);
    keys(profile, &mut problems);
    purposes(profile, &mut problems);
    validity(profile, &mut problems);
    names(profile, &mut problems);
    subject(profile, &mut problems);
    extensions(profile, &mut problems);
    problems.0
}

fn identity(profile: &Profile, problems: &mut Problems) {
    let is_slug = (1..=64).contains(&profile.name.len())
        && profile
            .name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    problems.unless(
        is_slug,
        "name",
        "must be 1 to 64 lower-case letters, digits and hyphens",
    );
    let is_line =
        profile.description.chars().count() <= 200 && !profile.description.chars().any(char::is_control);
    problems.unless(
        is_line,
        "description",
        "must be one line of at most 200 characters",
    );
}

fn keys(profile: &Profile, problems: &mut Problems) {
    problems.unless(
        !profile.key_algorithms.is_empty(),
        "key_algorithms",
        "must name at least one kind of key",
    );
    problems.unless(
        !has_repeats(&profile.key_algorithms),
        "key_algorithms",
        "names a kind of key twice",
    );
    for (index, algorithm) in profile.key_algorithms.iter().enumerate() {
        if let KeyAlgorithm::Rsa(bits) = algorithm {
            problems.unless(
                RSA_BITS.contains(bits) && bits % 8 == 0,
                &format!("key_algorithms[{index}]"),
                "an RSA modulus must have 2048 to 8192 bits, a multiple of 8",
            );
        }
    }
}

fn purposes(profile: &Profile, problems: &mut Problems) {
    let usages = &profile.extended_key_usages;
    problems.unless(
        !has_repeats(usages),
        "extended_key_usages",
        "names a purpose twice",
    );
    problems.unless(
        !usages.iter().any(|usage| usage.is_any()),
        "extended_key_usages",
        "anyExtendedKeyUsage would undo every other restriction; leave the list empty instead",
    );
    // An authority's purposes bound what stands below it and may be mixed; an end entity's may not.
    for alone in [ExtendedKeyUsage::TimeStamping, ExtendedKeyUsage::OcspSigning] {
        problems.unless(
            profile.is_authority() || !usages.contains(&alone) || usages.len() == 1,
            "extended_key_usages",
            &format!("{alone} must be the only purpose"),
        );
    }
}

fn validity(profile: &Profile, problems: &mut Problems) {
    problems.unless(
        !profile.default_validity.is_zero(),
        "default_validity",
        "must be longer than nothing",
    );
    problems.unless(
        !profile.max_ttl.is_zero(),
        "max_ttl",
        "must be longer than nothing",
    );
    problems.unless(
        profile.default_validity <= profile.max_ttl,
        "default_validity",
        "must not be longer than max_ttl",
    );
    problems.unless(
        profile.backdate <= LONGEST_BACKDATE,
        "backdate",
        "must not be longer than 7d",
    );
    problems.unless(
        profile.short_lived_below <= LONGEST_SHORT_LIVED,
        "short_lived_below",
        "must not be longer than 10d: such a certificate cannot be revoked",
    );
}

fn names(profile: &Profile, problems: &mut Problems) {
    let names = &profile.names;
    let has_hosts = !(names.dns.is_empty() && names.ip.is_empty());
    let has_any = has_hosts || !(names.email.is_empty() && names.uri.is_empty() && names.upn.is_empty());
    problems.unless(
        names.max_count <= MOST_NAMES && (names.max_count > 0 || !has_any),
        "names.max_count",
        "must be 1 to 1000",
    );
    problems.unless(
        !names.required || has_any,
        "names.required",
        "asks for a name, but no type of name has a pattern",
    );
    problems.unless(
        !names.wildcards || !names.dns.is_empty(),
        "names.wildcards",
        "needs a pattern in names.dns",
    );
    if profile.is_authority() {
        return;
    }
    let has = |usage| profile.extended_key_usages.contains(&usage);
    problems.unless(
        !has(ExtendedKeyUsage::ServerAuth) || has_hosts,
        "names",
        "TLS servers are known by their DNS names or addresses (RFC 9525): give names.dns or names.ip a pattern",
    );
    problems.unless(
        !has(ExtendedKeyUsage::EmailProtection) || !names.email.is_empty(),
        "names.email",
        "S/MIME certificates are known by their mailboxes (RFC 8550): give it a pattern",
    );
}

fn subject(profile: &Profile, problems: &mut Problems) {
    let subject = &profile.subject;
    for taken in &subject.taken {
        problems.unless(
            subject.allowed.contains(taken),
            "subject.taken",
            &format!("{taken} is taken but not in subject.allowed"),
        );
    }
    for required in &subject.required {
        problems.unless(
            subject.allowed.contains(required),
            "subject.required",
            &format!("{required} is required but not in subject.allowed"),
        );
    }
    problems.unless(
        !(profile.is_authority() && subject.taken.is_empty()),
        "subject.taken",
        "an authority must have a subject (RFC 5280 §4.1.2.6)",
    );
}

fn extensions(profile: &Profile, problems: &mut Problems) {
    let has = |usage| profile.extended_key_usages.contains(&usage);
    let is_end_entity = !profile.is_authority();
    problems.unless(
        !profile.must_staple || (is_end_entity && has(ExtendedKeyUsage::ServerAuth)),
        "must_staple",
        "is for TLS servers: the profile needs the purpose serverAuth",
    );
    problems.unless(
        !profile.must_staple || profile.pointers.ocsp,
        "must_staple",
        "cannot be kept without an OCSP responder: turn pointers.ocsp on",
    );
    problems.unless(
        !profile.ocsp_no_check || (is_end_entity && has(ExtendedKeyUsage::OcspSigning)),
        "ocsp_no_check",
        "is for OCSP responders: the profile needs the purpose OCSPSigning",
    );
    problems.unless(
        !profile.microsoft_sid || is_end_entity,
        "microsoft_sid",
        "is for accounts and computers, not for authorities",
    );
    for (index, policy) in profile.certificate_policies.iter().enumerate() {
        for (key, message) in policy.problems() {
            problems.unless(false, &format!("certificate_policies[{index}].{key}"), &message);
        }
    }
    let oids: Vec<&str> = profile
        .certificate_policies
        .iter()
        .map(|policy| policy.oid.as_str())
        .collect();
    problems.unless(
        !has_repeats(&oids),
        "certificate_policies",
        "names a policy twice (RFC 5280 §4.2.1.4)",
    );
}

fn has_repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter()
        .enumerate()
        .any(|(index, item)| list.iter().skip(index + 1).any(|other| other == item))
}

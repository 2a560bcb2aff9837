//! Holding a request against policies.

use super::rule::{Rule, SubjectValues};
use super::{Fail, Judgement, Policy, Request, Violation, digest_name, host_of, hosts_of, normal};
use crate::KeyAlgorithm;
use crate::allowed_name::lies_under;
use crate::name::DistinguishedName;
use crate::san::SubjectAltName;
use crate::signature_algorithm::SignatureAlgorithm;

/// What all policies together say of a request. In which order they come does not change what is refused, unless two of them insist
/// on different values of the subject: then the first is put in, and the other is broken.
pub fn judge<'a>(policies: impl IntoIterator<Item = &'a Policy>, request: &Request<'_>) -> Judgement {
    let hosts = hosts_of(request);
    let policies = policies.into_iter();
    let about: Vec<&Policy> = policies
        .filter(|policy| policy.is_about(request.action, &hosts))
        .collect();
    let mut subject = request.subject.clone();
    // What is insisted on is put in first: a value that would only be remarked keeps no other out.
    let [hard, soft] = [Fail::Hard, Fail::Soft].map(|fail| {
        let rules = about
            .iter()
            .flat_map(|policy| policy.rules.iter().map(move |rule| (*policy, rule)));
        let mut violations = Vec::new();
        for (policy, rule) in rules.filter(|(_, rule)| rule.fail == fail) {
            let broken = match &rule.rule {
                Rule::EnforceValues(values) => hold_subject(values, &mut subject),
                other => broken(other, policy, request),
            };
            violations.extend(broken.into_iter().map(|(field, message)| Violation {
                policy: policy.name.clone(),
                rule: rule.rule.name(),
                field,
                message,
            }));
        }
        violations
    });
    Judgement { hard, soft, subject }
}

/// A part of the request, and what is wrong with it.
type Broken = (String, String);

/// Puts values in where there are none, and holds those that are there against what is wanted.
fn hold_subject(values: &SubjectValues, subject: &mut DistinguishedName) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (attribute, wanted) in values.wanted() {
        let there = attribute.values(subject);
        if there.is_empty() {
            match attribute.put_into(subject, wanted) {
                Some(filled) => *subject = filled,
                None => broken.push((attribute.field.to_owned(), format!("`{wanted}` cannot be put in"))),
            }
        } else if there.iter().any(|value| value.as_deref() != Some(wanted)) {
            broken.push((attribute.field.to_owned(), format!("has to be `{wanted}`")));
        }
    }
    broken
}

fn broken(rule: &Rule, policy: &Policy, request: &Request<'_>) -> Vec<Broken> {
    let names = |is_bad: &dyn Fn(&SubjectAltName) -> bool, message: &str| -> Vec<Broken> {
        let bad = request.names.iter().filter(|name| is_bad(name));
        bad.map(|name| (name.to_string(), message.to_owned())).collect()
    };
    let one = |field: &str, message: String| vec![(field.to_owned(), message)];
    let domains = &policy.matching_criteria.domains;
    match rule {
        Rule::DisableWildcard(_) => names(
            &|name| matches!(name, SubjectAltName::Dns(name) if name.starts_with("*.")),
            "is a wildcard, of which there are none",
        ),
        Rule::BlockSubdomains(_) => names(
            &|name| {
                let host = host_of(name);
                let is_apex = |host: &String| domains.iter().any(|domain| normal(domain) == *host);
                let is_under = |host: &str| domains.iter().any(|domain| lies_under(host, &normal(domain)));
                host.is_some_and(|host| is_under(&host) && !is_apex(&host))
            },
            "lies below a domain of the policy",
        ),
        Rule::BlockOtherDomains(_) => names(
            &|name| {
                let is_under = |host: &str| domains.iter().any(|domain| lies_under(host, &normal(domain)));
                !host_of(name).is_some_and(|host| is_under(&host))
            },
            "lies outside the domains of the policy",
        ),
        Rule::EnforceDomainSuffix(values) => names(
            &|name| {
                let ends = |host: &String| {
                    let mut suffixes = values.suffixes.iter();
                    suffixes.any(|suffix| lies_under(host, &normal(suffix)))
                };
                !host_of(name).is_some_and(|host| ends(&host))
            },
            &format!("does not end with {}", values.suffixes.join(" or ")),
        ),
        Rule::BlockIpInSan(_) => names(&|name| matches!(name, SubjectAltName::Ip(_)), "is an address"),
        Rule::BlockEmailInSan(_) => names(&|name| matches!(name, SubjectAltName::Email(_)), "is a mailbox"),
        Rule::EnforceMaxSanCount(values) if request.names.len() > values.max_count as usize => one(
            "sans",
            format!("{} names, at most {}", request.names.len(), values.max_count),
        ),
        Rule::RequireSan(_) if request.names.is_empty() => one("sans", "there are none".to_owned()),
        Rule::EnforceMaxValidity(values) if request.validity_days > values.max_days => one(
            "validity_days",
            format!("{}, at most {}", request.validity_days, values.max_days),
        ),
        Rule::EnforceMinValidity(values) if request.validity_days < values.min_days => one(
            "validity_days",
            format!("{}, at least {}", request.validity_days, values.min_days),
        ),
        Rule::BlockCaFlag(_) if request.asks_for_ca || request.profile.is_authority() => {
            one("csr", "asks to be an authority".to_owned())
        }
        Rule::EnforceRenewalWindow(values) => too_early(values.days_before_expiry, request),
        key_rule => broken_by_key(key_rule, request),
    }
}

/// The rules about the key and what it is for.
fn broken_by_key(rule: &Rule, request: &Request<'_>) -> Vec<Broken> {
    let one = |field: &str, message: String| vec![(field.to_owned(), message)];
    match rule {
        Rule::EnforceMinimumKeySize(values) if !is_strong(request.key, values.minimum_bits) => one(
            "key",
            format!("is {}, smaller than {} bits", request.key, values.minimum_bits),
        ),
        Rule::EnforceAlgorithm(values) if !values.algorithms.iter().any(|one| one == kind(request.key)) => {
            one(
                "key",
                format!("is {}, not {}", request.key, values.algorithms.join(" or ")),
            )
        }
        Rule::EnforceDigest(values) => {
            let digest = request.signature.and_then(SignatureAlgorithm::digest);
            let is_one = |digest: &&str| values.digests.iter().any(|one| one == digest);
            match digest.map(digest_name) {
                Some(digest) if !is_one(&digest) => one(
                    "digest",
                    format!("is {digest}, not {}", values.digests.join(" or ")),
                ),
                // Ed25519 and ML-DSA bring their own.
                _ => Vec::new(),
            }
        }
        Rule::EnforceKeyUsage(values) => {
            let bits = request.profile.key_usages(request.key);
            let beyond = bits
                .into_iter()
                .filter(|name| !values.key_usages.iter().any(|one| one == name));
            beyond
                .map(|name| ("key_usage".to_owned(), format!("{name} is not allowed")))
                .collect()
        }
        Rule::EnforceCertificatePurpose(values) => {
            let purposes = &request.profile.extended_key_usages;
            if purposes.is_empty() {
                let message = "the profile names no purpose, and so allows every one";
                return one("extended_key_usage", message.to_owned());
            }
            let purposes = purposes.iter();
            let beyond = purposes.filter(|purpose| !values.purposes.contains(purpose));
            let told = beyond.map(|purpose| {
                (
                    "extended_key_usage".to_owned(),
                    format!("{purpose} is not allowed"),
                )
            });
            told.collect()
        }
        _ => Vec::new(),
    }
}

/// In seconds.
const A_DAY: i64 = 86_400;

fn too_early(days: u32, request: &Request<'_>) -> Vec<Broken> {
    let Some(end) = request.replaced_not_after else {
        return Vec::new();
    };
    let left = end.duration_since(request.now).as_secs();
    if left <= i64::from(days) * A_DAY {
        return Vec::new();
    }
    let message = format!(
        "the certificate lives for more than {} days; renewed is what ends within {days}",
        left.saturating_sub(1) / A_DAY
    );
    vec![("replaces".to_owned(), message)]
}

fn kind(key: KeyAlgorithm) -> &'static str {
    match key {
        KeyAlgorithm::Rsa(_) => "rsa",
        KeyAlgorithm::P256 | KeyAlgorithm::P384 | KeyAlgorithm::P521 => "ecdsa",
        KeyAlgorithm::Ed25519 => "ed25519",
        KeyAlgorithm::MlDsa44 | KeyAlgorithm::MlDsa65 | KeyAlgorithm::MlDsa87 => "ml-dsa",
    }
}

/// Whether a key has the size, or the strength where its kind counts otherwise.
fn is_strong(key: KeyAlgorithm, minimum_bits: u32) -> bool {
    let of_curve = match minimum_bits {
        0..=521 => minimum_bits,
        522..=2048 => 224,
        2049..=3072 => 256,
        3073..=7680 => 384,
        _ => 521,
    };
    match key {
        KeyAlgorithm::Rsa(bits) => u32::from(bits) >= minimum_bits,
        KeyAlgorithm::P256 | KeyAlgorithm::Ed25519 | KeyAlgorithm::MlDsa44 => 256 >= of_curve,
        KeyAlgorithm::P384 | KeyAlgorithm::MlDsa65 => 384 >= of_curve,
        KeyAlgorithm::P521 | KeyAlgorithm::MlDsa87 => 521 >= of_curve,
    }
}

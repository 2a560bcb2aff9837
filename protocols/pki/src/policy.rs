//! Policies: what requests for names under certain domains have to keep to, whoever asks and whatever the profile allows.
//!
//! They match broadly, because too little would be the danger: `*.example.com` is about `example.com` and everything below it, `*` and
//! a policy without domains are about every request, a wildcard is about each domain that it stands for, and the common name counts
//! like a name. Once a policy is about a request, all of the request has to keep to it. Of several policies each has to be kept, so the
//! strictest decides. Everything that is wrong is told at once.

mod judge;
mod rule;
mod subject;
#[cfg(test)]
mod tests;
mod written;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::allowed_name::{lies_under, requested_dns};
use crate::name::{COMMON_NAME, DistinguishedName};
use crate::profile::Profile;
use crate::san::SubjectAltName;
use crate::signature_algorithm::SignatureAlgorithm;
use crate::{DigestAlgorithm, KeyAlgorithm};

pub use judge::judge;
pub use rule::{Rule, RuleFault, SubjectValues};

/// Most rules of a policy, and most domains.
pub const MAX_POLICY_PARTS: usize = 200;

/// A policy.
// stored: as JSON in policies.body
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "RawPolicy")]
pub struct Policy {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Which requests it is about.
    pub matching_criteria: Criteria,
    /// What they have to keep to.
    pub rules: Vec<PolicyRule>,
    /// Whether requests are held against it.
    pub is_enabled: bool,
}

/// A policy as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    name: String,
    #[serde(default)]
    description: String,
    matching_criteria: Criteria,
    rules: Vec<PolicyRule>,
    #[serde(default = "yes")]
    is_enabled: bool,
}

/// Why something is no policy: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct PolicyFault(Vec<String>);

impl TryFrom<RawPolicy> for Policy {
    type Error = PolicyFault;

    fn try_from(raw: RawPolicy) -> Result<Self, PolicyFault> {
        let policy = Self {
            name: raw.name,
            description: raw.description,
            matching_criteria: raw.matching_criteria,
            rules: raw.rules,
            is_enabled: raw.is_enabled,
        };
        let problems = policy.problems();
        if problems.is_empty() {
            Ok(policy)
        } else {
            Err(PolicyFault(problems))
        }
    }
}

fn yes() -> bool {
    true
}

/// Which requests a policy is about.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Criteria {
    /// What is done.
    pub action: Action,
    /// The domains; every request when there are none.
    #[serde(default)]
    pub domains: Vec<String>,
}

/// What is done.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Action {
    /// A certificate is made that was not there before.
    #[serde(rename = "certificate.generate")]
    Generate,
    /// One is made in the place of another.
    #[serde(rename = "certificate.renew")]
    Renew,
}

/// A rule, and what becomes of a request that breaks it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "rule::RawRule", into = "rule::RawRule")]
pub struct PolicyRule {
    /// The rule.
    pub rule: Rule,
    /// What becomes of a request that breaks it.
    pub fail: Fail,
}

/// What becomes of a request that breaks a rule.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fail {
    /// It is refused.
    Hard,
    /// It is carried out, with a remark.
    Soft,
}

/// What is asked for, as far as policies look at it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What is done.
    pub action: Action,
    /// The names, of which DNS names are in A-labels.
    pub names: &'a [SubjectAltName],
    /// The subject.
    pub subject: &'a DistinguishedName,
    /// The kind of key.
    pub key: KeyAlgorithm,
    /// How the request itself was signed.
    pub signature: Option<SignatureAlgorithm>,
    /// How many days the certificate will live, rounded up.
    pub validity_days: u32,
    /// The profile, which decides what the key may be used for.
    pub profile: &'a Profile,
    /// Whether the request asks to be an authority.
    pub asks_for_ca: bool,
    /// When the certificate ends that is replaced.
    pub replaced_not_after: Option<Timestamp>,
    /// The time.
    pub now: Timestamp,
}

/// What policies say of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Rules that were broken and refuse it.
    pub hard: Vec<Violation>,
    /// Rules that were broken and only remark it.
    pub soft: Vec<Violation>,
    /// The subject, with what policies put in where nothing was.
    pub subject: DistinguishedName,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// Of which policy.
    pub policy: String,
    /// Which rule.
    pub rule: &'static str,
    /// Which part of the request broke it.
    pub field: String,
    /// One sentence for people.
    pub message: String,
}

impl Policy {
    /// What keeps it from being used, one sentence each; nothing of one that was read.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.rules.is_empty() {
            problems.push("it has no rules".to_owned());
        }
        if self.rules.len() > MAX_POLICY_PARTS || self.matching_criteria.domains.len() > MAX_POLICY_PARTS {
            problems.push(format!("it has more than {MAX_POLICY_PARTS} rules or domains"));
        }
        let criteria = &self.matching_criteria;
        for domain in criteria
            .domains
            .iter()
            .filter(|one| *one != "*" && !is_domain(one))
        {
            let shown: String = domain.chars().take(64).flat_map(char::escape_debug).collect();
            problems.push(format!("`{shown}` is no domain"));
        }
        for PolicyRule { rule, .. } in &self.rules {
            let needs_domains = matches!(rule, Rule::BlockSubdomains(_) | Rule::BlockOtherDomains(_));
            if needs_domains && (criteria.domains.is_empty() || criteria.domains.iter().any(|one| one == "*"))
            {
                problems.push(format!("{} needs the domains that are meant", rule.name()));
            }
            if matches!(rule, Rule::EnforceRenewalWindow(_)) && criteria.action != Action::Renew {
                problems.push(format!("{} is about certificate.renew alone", rule.name()));
            }
        }
        problems
    }

    /// Whether it is about a request for names at these hosts.
    fn is_about(&self, action: Action, hosts: &[String]) -> bool {
        let domains = &self.matching_criteria.domains;
        let is_about = |domain: &String| {
            domain == "*" || {
                let domain = normal(domain);
                hosts.iter().any(|host| touches(host, &domain))
            }
        };
        self.is_enabled
            && self.matching_criteria.action == action
            && (domains.is_empty() || domains.iter().any(is_about))
    }
}

/// The hosts that a request is about: those of its names, and of its common names.
fn hosts_of(request: &Request<'_>) -> Vec<String> {
    let common_names = request.subject.values_of(COMMON_NAME);
    let common_names = common_names.iter().filter_map(|name| requested_dns(name).ok());
    let of_common_names = common_names.filter_map(|name| host_of(&name));
    request
        .names
        .iter()
        .filter_map(host_of)
        .chain(of_common_names)
        .collect()
}

/// Whether a host is a domain or lies below it, or is a wildcard that stands for the domain.
fn touches(host: &str, domain: &str) -> bool {
    let is_stood_for = || {
        let above = domain.split_once('.').map(|(_, above)| above);
        host.strip_prefix("*.").is_some_and(|base| Some(base) == above)
    };
    lies_under(host, domain) || is_stood_for()
}

/// Whether it is a domain, with or without what stands for all below it.
fn is_domain(pattern: &str) -> bool {
    let domain = bare(pattern);
    !domain.starts_with('*') && requested_dns(domain).is_ok()
}

/// A pattern without what stands for all below it: `*.`, `**.` or `.`.
fn bare(pattern: &str) -> &str {
    let stars = pattern.trim_start_matches('*');
    let is_start = pattern.len() - stars.len() <= 2;
    stars.strip_prefix('.').filter(|_| is_start).unwrap_or(pattern)
}

fn normal(pattern: &str) -> String {
    match requested_dns(bare(pattern)) {
        Ok(SubjectAltName::Dns(name)) => name,
        _ => bare(pattern).to_ascii_lowercase(),
    }
}

/// The name of the DNS that a name is about; none for an address.
fn host_of(name: &SubjectAltName) -> Option<String> {
    match name {
        SubjectAltName::Dns(name) => Some(name.to_ascii_lowercase()),
        SubjectAltName::Email(address) | SubjectAltName::Upn(address) => address
            .rsplit_once('@')
            .map(|(_, domain)| domain.to_ascii_lowercase()),
        SubjectAltName::Uri(uri) => {
            let authority = uri.split_once("://")?.1.split(['/', '?', '#']).next()?;
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            Some(host.split(':').next()?.to_ascii_lowercase())
        }
        SubjectAltName::Ip(_) => None,
    }
}

/// How a digest is written in policies.
fn digest_name(digest: DigestAlgorithm) -> &'static str {
    match digest {
        DigestAlgorithm::Sha256 => "sha256",
        DigestAlgorithm::Sha384 => "sha384",
        DigestAlgorithm::Sha512 => "sha512",
    }
}

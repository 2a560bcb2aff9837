//! The rules there are, and how they are written: `{"action": …, "fail": …, "values": {…}}`. Numbers may be written as text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::written::{number, one_or_several};
use super::{Fail, PolicyRule, is_domain};
use crate::profile::{ExtendedKeyUsage, KEY_USAGE_NAMES};

/// What a request has to keep to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "action", content = "values", rename_all = "snake_case")]
pub enum Rule {
    /// The subject has these values; where nothing was asked for, they are put in.
    EnforceValues(SubjectValues),
    /// The key may be used for nothing beyond these: names of RFC 5280 §4.2.1.3, as `digitalSignature`.
    EnforceKeyUsage(KeyUsageValues),
    /// The certificate has purposes, and none beyond these: names of RFC 5280 §4.2.1.12, as `serverAuth`. One without purposes is
    /// good for every one.
    EnforceCertificatePurpose(PurposeValues),
    /// No wildcard names.
    DisableWildcard(NoValues),
    /// No names below the domains of the policy, only these themselves.
    BlockSubdomains(NoValues),
    /// No names outside the domains of the policy.
    BlockOtherDomains(NoValues),
    /// Every name ends with one of these.
    EnforceDomainSuffix(SuffixValues),
    /// The key is not smaller. For RSA the modulus counts. For curves their own size, when the number is one of a curve, and else the
    /// size of the same strength: 224 for 2048, 256 for 3072, 384 for 7680 (NIST SP 800-57 part 1 §5.6.1).
    EnforceMinimumKeySize(BitsValues),
    /// The key is of one of these kinds: `rsa`, `ecdsa`, `ed25519`, `ml-dsa`.
    EnforceAlgorithm(AlgorithmValues),
    /// The request was signed with one of these: `sha256`, `sha384`, `sha512`. Keys that bring their own (Ed25519, ML-DSA) are left
    /// alone, and so is an order without a request.
    EnforceDigest(DigestValues),
    /// The certificate does not live longer.
    EnforceMaxValidity(MaxDays),
    /// The certificate does not live shorter.
    EnforceMinValidity(MinDays),
    /// No addresses among the names.
    BlockIpInSan(NoValues),
    /// No mailboxes among the names.
    BlockEmailInSan(NoValues),
    /// Not more names.
    EnforceMaxSanCount(MaxCount),
    /// At least one name.
    RequireSan(NoValues),
    /// Nobody asks to be an authority.
    BlockCaFlag(NoValues),
    /// Renewed is only what ends within so many days.
    EnforceRenewalWindow(DaysBeforeExpiry),
}

/// No values.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoValues {}

/// Values of the subject.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubjectValues {
    /// O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// OU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<String>,
    /// C, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// ST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// L.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
}

/// Uses of a key.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUsageValues {
    /// Names of RFC 5280 §4.2.1.3.
    #[serde(deserialize_with = "one_or_several")]
    pub key_usages: Vec<String>,
}

/// Purposes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeValues {
    /// Purposes.
    #[serde(deserialize_with = "one_or_several")]
    pub purposes: Vec<ExtendedKeyUsage>,
}

/// Ends of names.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SuffixValues {
    /// Domains.
    #[serde(alias = "suffix", deserialize_with = "one_or_several")]
    pub suffixes: Vec<String>,
}

/// A size of a key.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BitsValues {
    /// In bits.
    #[serde(deserialize_with = "number")]
    pub minimum_bits: u32,
}

/// Kinds of key.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AlgorithmValues {
    /// `rsa`, `ecdsa`, `ed25519`, `ml-dsa`.
    #[serde(alias = "algorithm", deserialize_with = "one_or_several")]
    pub algorithms: Vec<String>,
}

/// Digests.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DigestValues {
    /// `sha256`, `sha384`, `sha512`.
    #[serde(alias = "digest", deserialize_with = "one_or_several")]
    pub digests: Vec<String>,
}

/// A longest life.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaxDays {
    /// In days.
    #[serde(deserialize_with = "number")]
    pub max_days: u32,
}

/// A shortest life.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MinDays {
    /// In days.
    #[serde(deserialize_with = "number")]
    pub min_days: u32,
}

/// Most names.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaxCount {
    /// How many.
    #[serde(deserialize_with = "number")]
    pub max_count: u32,
}

/// How long before its end something is renewed at the earliest.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DaysBeforeExpiry {
    /// In days.
    #[serde(deserialize_with = "number")]
    pub days_before_expiry: u32,
}

/// Kinds of key, as policies call them.
const KINDS_OF_KEY: [&str; 4] = ["rsa", "ecdsa", "ed25519", "ml-dsa"];

/// A rule as it is written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    action: String,
    fail: Fail,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    values: Map<String, Value>,
}

/// Why something is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{action}`: {message}")]
pub struct RuleFault {
    action: String,
    message: String,
}

impl Rule {
    /// How it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnforceValues(_) => "enforce_values",
            Self::EnforceKeyUsage(_) => "enforce_key_usage",
            Self::EnforceCertificatePurpose(_) => "enforce_certificate_purpose",
            Self::DisableWildcard(_) => "disable_wildcard",
            Self::BlockSubdomains(_) => "block_subdomains",
            Self::BlockOtherDomains(_) => "block_other_domains",
            Self::EnforceDomainSuffix(_) => "enforce_domain_suffix",
            Self::EnforceMinimumKeySize(_) => "enforce_minimum_key_size",
            Self::EnforceAlgorithm(_) => "enforce_algorithm",
            Self::EnforceDigest(_) => "enforce_digest",
            Self::EnforceMaxValidity(_) => "enforce_max_validity",
            Self::EnforceMinValidity(_) => "enforce_min_validity",
            Self::BlockIpInSan(_) => "block_ip_in_san",
            Self::BlockEmailInSan(_) => "block_email_in_san",
            Self::EnforceMaxSanCount(_) => "enforce_max_san_count",
            Self::RequireSan(_) => "require_san",
            Self::BlockCaFlag(_) => "block_ca_flag",
            Self::EnforceRenewalWindow(_) => "enforce_renewal_window",
        }
    }

    /// What is wrong with its values.
    fn problem(&self) -> Option<String> {
        let stranger = |given: &[String], known: &[&str]| {
            let stranger = given.iter().find(|one| !known.contains(&one.as_str()));
            stranger.map(|one| {
                format!(
                    "`{}` is none of {}",
                    one.chars().take(40).collect::<String>(),
                    known.join(", ")
                )
            })
        };
        match self {
            Self::EnforceValues(values) => values.problem(),
            Self::EnforceDomainSuffix(values) => {
                let stranger = values.suffixes.iter().find(|suffix| !is_domain(suffix));
                stranger.map(|one| format!("`{}` is no domain", one.chars().take(40).collect::<String>()))
            }
            Self::EnforceKeyUsage(values) => {
                stranger(&values.key_usages, &KEY_USAGE_NAMES.map(|(_, name)| name))
            }
            Self::EnforceAlgorithm(values) => stranger(&values.algorithms, &KINDS_OF_KEY),
            Self::EnforceDigest(values) => stranger(&values.digests, &["sha256", "sha384", "sha512"]),
            Self::EnforceMinimumKeySize(values) if !(224..=8192).contains(&values.minimum_bits) => {
                Some("minimum_bits lies between 224 and 8192".to_owned())
            }
            Self::EnforceMaxValidity(values) if values.max_days == 0 => {
                Some("max_days is at least 1".to_owned())
            }
            _ => None,
        }
    }
}

impl TryFrom<RawRule> for PolicyRule {
    type Error = RuleFault;

    fn try_from(raw: RawRule) -> Result<Self, RuleFault> {
        let fault = |message: String| RuleFault {
            action: raw.action.chars().take(64).collect(),
            message,
        };
        let rule: Rule = serde_json::from_value(json!({ "action": raw.action, "values": raw.values }))
            .map_err(|error| fault(error.to_string()))?;
        match rule.problem() {
            Some(problem) => Err(fault(problem)),
            None => Ok(Self { rule, fail: raw.fail }),
        }
    }
}

impl From<PolicyRule> for RawRule {
    fn from(rule: PolicyRule) -> Self {
        let values = serde_json::to_value(&rule.rule).ok().and_then(|mut value| {
            let values = value.get_mut("values")?.take();
            values.as_object().cloned()
        });
        Self {
            action: rule.rule.name().to_owned(),
            fail: rule.fail,
            values: values.unwrap_or_default(),
        }
    }
}

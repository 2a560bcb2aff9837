//! Why a certificate was revoked (RFC 5280 §5.3.1).

use std::fmt;
use std::str::FromStr;

/// CRLReason. As text in the RFC's spelling: `keyCompromise`; numbers are read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RevocationReason {
    /// unspecified (0).
    Unspecified,
    /// keyCompromise (1).
    KeyCompromise,
    /// cACompromise (2).
    CaCompromise,
    /// affiliationChanged (3).
    AffiliationChanged,
    /// superseded (4).
    Superseded,
    /// cessationOfOperation (5).
    CessationOfOperation,
    /// certificateHold (6): may be released.
    CertificateHold,
    /// removeFromCRL (8): releases a hold; appears in delta CRLs only.
    RemoveFromCrl,
    /// privilegeWithdrawn (9).
    PrivilegeWithdrawn,
    /// aACompromise (10).
    AaCompromise,
}

type R = RevocationReason;

const TABLE: &[(R, u8, &str)] = &[
    (R::Unspecified, 0, "unspecified"),
    (R::KeyCompromise, 1, "keyCompromise"),
    (R::CaCompromise, 2, "cACompromise"),
    (R::AffiliationChanged, 3, "affiliationChanged"),
    (R::Superseded, 4, "superseded"),
    (R::CessationOfOperation, 5, "cessationOfOperation"),
    (R::CertificateHold, 6, "certificateHold"),
    (R::RemoveFromCrl, 8, "removeFromCRL"),
    (R::PrivilegeWithdrawn, 9, "privilegeWithdrawn"),
    (R::AaCompromise, 10, "aACompromise"),
];

/// The text names no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no revocation reason: write unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, \
     cessationOfOperation, certificateHold, removeFromCRL, privilegeWithdrawn or aACompromise"
)]
pub struct UnknownReason(String);

impl RevocationReason {
    /// The number of the reason.
    pub fn code(self) -> u8 {
        TABLE
            .iter()
            .find(|(reason, ..)| *reason == self)
            .map_or(0, |(_, code, _)| *code)
    }

    /// The reason of a number; 7 is not used.
    pub fn from_code(code: u8) -> Option<Self> {
        TABLE
            .iter()
            .find(|(_, number, _)| *number == code)
            .map(|(reason, ..)| *reason)
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            TABLE
                .iter()
                .find(|(reason, ..)| reason == self)
                .map_or("", |(_, _, text)| text),
        )
    }
}

impl FromStr for RevocationReason {
    type Err = UnknownReason;

    /// The RFC's spelling in any case, with or without hyphens or underscores; or the number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain: String = text
            .chars()
            .filter(|letter| !matches!(letter, '-' | '_'))
            .collect();
        let row = TABLE
            .iter()
            .find(|(_, code, name)| name.eq_ignore_ascii_case(&plain) || code.to_string() == plain);
        row.map(|(reason, ..)| *reason)
            .ok_or_else(|| UnknownReason(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for RevocationReason {
    type Error = UnknownReason;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RevocationReason> for String {
    fn from(reason: RevocationReason) -> Self {
        reason.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers_agree() {
        for (reason, code, text) in TABLE {
            assert_eq!(text.parse(), Ok(*reason));
            assert_eq!(code.to_string().parse(), Ok(*reason));
            assert_eq!(RevocationReason::from_code(*code), Some(*reason));
            assert_eq!(reason.to_string(), *text);
        }
        assert_eq!("key_compromise".parse(), Ok(R::KeyCompromise));
        assert_eq!(RevocationReason::from_code(7), None);
        assert!("7".parse::<RevocationReason>().is_err());
    }
}

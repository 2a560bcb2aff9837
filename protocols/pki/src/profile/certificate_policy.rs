//! Certificate policies that a profile writes, RFC 5280 §4.2.1.4.

use const_oid::ObjectIdentifier;
use der::asn1::{Any, Ia5String};
use der::{Encode, Tag};
use serde::{Deserialize, Serialize};
use x509_cert::ext::pkix::certpolicy::{PolicyInformation, PolicyQualifierInfo};

/// `id-qt-cps`: a pointer to the certification practice statement.
pub(crate) const CPS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.1");
/// `id-qt-unotice`: a text shown to the relying party.
pub(crate) const USER_NOTICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.2");
/// The most characters of an explicitText, RFC 5280 §4.2.1.4.
pub(crate) const LONGEST_NOTICE: usize = 200;

/// A policy and its qualifiers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatePolicy {
    /// The policy's object identifier, dotted.
    pub oid: String,
    /// Where the certification practice statement is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cps: Option<String>,
    /// A text for relying parties, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_notice: Option<String>,
}

impl CertificatePolicy {
    /// What is wrong with it, each with the key it is about.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if ObjectIdentifier::new(&self.oid).is_err() {
            problems.push(("oid", format!("`{}` is not a dotted object identifier", self.oid)));
        }
        if let Some(cps) = &self.cps
            && !((cps.starts_with("https://") || cps.starts_with("http://"))
                && cps.bytes().all(|b| b.is_ascii_graphic()))
        {
            problems.push(("cps", format!("`{cps}` is not an http or https address in ASCII")));
        }
        if let Some(notice) = &self.user_notice
            && (notice.is_empty()
                || notice.chars().count() > LONGEST_NOTICE
                || notice.chars().any(char::is_control))
        {
            problems.push((
                "user_notice",
                format!("must have 1 to {LONGEST_NOTICE} characters, none of them a control"),
            ));
        }
        problems
    }

    /// The policy as it stands in the extension.
    pub(super) fn information(&self) -> der::Result<PolicyInformation> {
        let cps = self.cps.as_ref().map(|cps| {
            Ok(PolicyQualifierInfo {
                policy_qualifier_id: CPS,
                qualifier: Some(Any::encode_from(&Ia5String::new(cps)?)?),
            })
        });
        let notice = self.user_notice.as_ref().map(|text| {
            let notice = Any::new(Tag::Sequence, text.to_der()?)?;
            Ok(PolicyQualifierInfo {
                policy_qualifier_id: USER_NOTICE,
                qualifier: Some(notice),
            })
        });
        let qualifiers: Vec<PolicyQualifierInfo> =
            cps.into_iter().chain(notice).collect::<der::Result<_>>()?;
        Ok(PolicyInformation {
            policy_identifier: ObjectIdentifier::new(&self.oid).map_err(der::Error::from)?,
            policy_qualifiers: (!qualifiers.is_empty()).then_some(qualifiers),
        })
    }
}

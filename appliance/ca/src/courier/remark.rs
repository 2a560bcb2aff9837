//! What a courier asked for and does not get, without being refused for it: said in the warnings of its order, so that nobody looks for
//! it in the certificate in vain.

use pki::{Csr, DistinguishedName};

use super::ordered::OrderWarning;

/// Extensions that a request may ask for and that count: subject alternative names, and purposes, which are refused where the profile
/// does not have them.
const HEARD: [&str; 2] = ["2.5.29.17", "2.5.29.37"];
/// Names of extensions, RFC 5280 §4.2.1, RFC 7633 §6, and those of Microsoft that requests have.
const NAMED: [(&str, &str); 9] = [
    ("2.5.29.14", "subjectKeyIdentifier"),
    ("2.5.29.15", "keyUsage"),
    ("2.5.29.19", "basicConstraints"),
    ("2.5.29.31", "cRLDistributionPoints"),
    ("2.5.29.32", "certificatePolicies"),
    ("2.5.29.35", "authorityKeyIdentifier"),
    ("1.3.6.1.5.5.7.1.24", "tlsfeature"),
    ("1.3.6.1.4.1.311.20.2", "certificate template name"),
    ("1.3.6.1.4.1.311.21.7", "certificate template"),
];

/// One remark for each extension of a request that is ignored.
pub(super) fn ignored_extensions(csr: &Csr) -> Vec<OrderWarning> {
    let asked = csr.requested_extensions().map(|oid| oid.to_string());
    let ignored = asked.filter(|oid| !HEARD.contains(&oid.as_str()));
    let remark = |oid: String| {
        let known = NAMED.iter().find(|(number, _)| *number == oid);
        let name = known.map_or(oid.clone(), |(_, name)| format!("{name} ({oid})"));
        remark(
            "csr_extension_ignored",
            format!(
                "the extension {name} of the request is ignored: the profile says what the certificate has"
            ),
        )
    };
    ignored.map(remark).collect()
}

/// A remark where the certificate has less of the subject than was asked for. `whole` is that with what policies put into it.
pub(super) fn other_subject(
    asked: &DistinguishedName,
    whole: &DistinguishedName,
    given: &DistinguishedName,
) -> Option<OrderWarning> {
    if asked.is_empty() || whole == given {
        return None;
    }
    let (asked, given) = (asked.to_string(), given.to_string());
    let message = match given.as_str() {
        _ if asked == given => return None,
        "" => format!("the subject `{asked}` is left out: the profile takes none of it"),
        given => {
            format!("the subject is `{given}`, and `{asked}` was asked for: the profile takes no more of it")
        }
    };
    Some(remark("subject_changed", message))
}

fn remark(rule: &str, message: String) -> OrderWarning {
    OrderWarning {
        policy: String::new(),
        rule: rule.to_owned(),
        message,
    }
}

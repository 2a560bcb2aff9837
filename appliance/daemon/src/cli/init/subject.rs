//! Subjects on the command line, read before anything is made.

use pki::DistinguishedName;

/// The text of a subject, when it is one.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let is_subject = DistinguishedName::parse(text).is_ok_and(|name| name != DistinguishedName::empty());
    if is_subject {
        Ok(text.to_owned())
    } else {
        Err(
            "a subject has attributes with their values, as in `CN=Example Root CA,O=Example,C=CH`; a comma within a value is written `\\,`"
                .to_owned(),
        )
    }
}

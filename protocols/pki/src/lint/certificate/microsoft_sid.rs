//! The security identifier extension is one otherName with the text of one identifier, not critical, and for end entities.

use der::Decode;
use der::asn1::OctetString;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};

use crate::lint::{CertificateView, Rule, Severity};
use crate::profile::extension_ids::{MICROSOFT_OBJECT_SID, MICROSOFT_SID};

pub(super) const RULE: Rule<CertificateView> = Rule {
    name: "microsoft_sid",
    severity: Severity::Error,
    citation: "MS-WCCE §2.2.2.7.7.4",
    check,
};

fn check(view: &CertificateView) -> Result<(), String> {
    let Some(extension) = view.raw(MICROSOFT_SID) else {
        return Ok(());
    };
    if extension.critical || view.is_authority() {
        return Err("the security identifier is critical or in an authority's certificate".to_owned());
    }
    let names = GeneralNames::from_der(extension.extn_value.as_bytes()).unwrap_or_default();
    let [GeneralName::OtherName(name)] = names.as_slice() else {
        return Err("the security identifier extension does not hold exactly one otherName".to_owned());
    };
    let is_sid = name.type_id == MICROSOFT_OBJECT_SID
        && name
            .value
            .decode_as::<OctetString>()
            .is_ok_and(|text| text.as_bytes().starts_with(b"S-1-"));
    if is_sid {
        Ok(())
    } else {
        Err("the security identifier is not of the form S-1-5-21-…".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::lint::certificate::sample;

    const GOOD: &[u8] =
        b"\x30\x1f\xa0\x1d\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x19\x02\x01\xa0\x0f\x04\x0dS-1-5-21-1-2-";

    #[test]
    fn it_holds_one_identifier() {
        let mut view = sample::leaf();
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, MICROSOFT_SID, false, GOOD);
        assert_eq!(check(&view), Ok(()));
        sample::set(&mut view, MICROSOFT_SID, true, GOOD);
        assert!(check(&view).is_err());
        let mut other = GOOD.to_vec();
        *other.last_mut().unwrap() = b'x';
        other[20] = b'X';
        other[21] = b'X';
        other[22] = b'X';
        sample::set(&mut view, MICROSOFT_SID, false, &other);
        assert!(check(&view).is_err());
        sample::set(&mut view, MICROSOFT_SID, false, &[0x30, 0x00]);
        assert!(check(&view).is_err());
    }
}

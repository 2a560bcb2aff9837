//! A nonce has 1 to 128 octets in an OCTET STRING.

use const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE;
use pki::lint::{Rule, Severity};

use crate::lint::View;

pub(super) const RULE: Rule<View> = Rule {
    name: "ocsp_nonce_length",
    severity: Severity::Error,
    citation: "RFC 9654 §2.1",
    check,
};

fn check(view: &View) -> Result<(), String> {
    let has_nonce = view
        .data
        .extensions
        .iter()
        .any(|extension| extension.oid == ID_PKIX_OCSP_NONCE);
    if has_nonce && view.data.nonce().is_none() {
        Err("the nonce is not an OCTET STRING of 1 to 128 octets".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::lint::View;
    use crate::lint::sample;
    use crate::response_data::Extension;
    use const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE;
    #[test]
    fn passes() {
        assert_eq!((RULE.check)(&sample::view()), Ok(()));
    }

    fn with_nonce_of(len: u8) -> View {
        let mut value = vec![0x04, 0x81, len];
        value.resize(value.len() + usize::from(len), 0xa5);
        let mut view = sample::view();
        view.data.extensions = vec![Extension {
            oid: ID_PKIX_OCSP_NONCE,
            critical: false,
            value,
        }];
        view
    }

    #[test]
    fn passes_the_longest() {
        assert_eq!((RULE.check)(&with_nonce_of(128)), Ok(()));
    }

    #[test]
    fn fails() {
        assert!((RULE.check)(&with_nonce_of(129)).is_err());
    }
}

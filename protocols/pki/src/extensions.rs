//! The extensions of certificates, requests and CRLs: each at most once, looked up by type.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Decode;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints};

/// More extensions than any real object has.
const MAX_EXTENSIONS: usize = 64;

/// Why a list of extensions is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExtensionsFault {
    /// RFC 5280 §4.2: not more than one instance of a particular extension.
    #[error("the extension {0} appears twice")]
    Duplicate(ObjectIdentifier),
    /// The list or an extension in it cannot be read.
    #[error("the extensions cannot be read")]
    Malformed(#[from] der::Error),
    /// Too many to be sensible.
    #[error("there are more than {MAX_EXTENSIONS} extensions")]
    TooMany,
}

/// Extensions in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions(Vec<Extension>);

impl Extensions {
    /// Reads `Extensions`, a SEQUENCE OF Extension.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, ExtensionsFault> {
        let list = Vec::<Extension>::from_der(der)?;
        if list.len() > MAX_EXTENSIONS {
            return Err(ExtensionsFault::TooMany);
        }
        let twice = list.iter().enumerate().find(|(index, one)| {
            list.iter()
                .take(*index)
                .any(|earlier| earlier.extn_id == one.extn_id)
        });
        if let Some((_, twice)) = twice {
            return Err(ExtensionsFault::Duplicate(twice.extn_id));
        }
        Ok(Self(list))
    }

    /// Checks that those which say what a key may do can be read: an authority's limit that is garbled must not count as
    /// no limit, nor a garbled wish as none.
    pub(crate) fn check_readable(&self) -> Result<(), ExtensionsFault> {
        self.value::<BasicConstraints>()?;
        self.value::<KeyUsage>()?;
        self.value::<ExtendedKeyUsage>()?;
        self.value::<NameConstraints>()?;
        Ok(())
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.0.iter()
    }

    /// The extension with this identifier, as written.
    pub(crate) fn raw(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.0.iter().find(|extension| extension.extn_id == oid)
    }

    /// The value of an extension; an error when it is there and cannot be read.
    pub(crate) fn value<'a, T: Decode<'a, Error = der::Error> + AssociatedOid>(
        &'a self,
    ) -> der::Result<Option<T>> {
        self.raw(T::OID)
            .map(|extension| T::from_der(extension.extn_value.as_bytes()))
            .transpose()
    }
}

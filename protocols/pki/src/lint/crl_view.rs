//! A certificate revocation list about to be signed, read back from its bytes for the rules.
//!
//! Entries are read once, into little more than their serial number, because a list may have millions of them and
//! several rules walk over all.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{AnyRef, GeneralizedTime, IntRef};
use der::{Decode, Encode, Header, Reader, SliceReader, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason;

use crate::lint::crl::CrlContext;
use crate::lint::time_field::TimeField;
use crate::profile::IssuerView;
use crate::{CrlTbs, SignatureAlgorithm, Tbs};

/// `id-ce-invalidityDate`, RFC 5280 §5.3.2.
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");

/// What the CRL rules look at.
#[derive(Clone, Debug)]
pub struct CrlView {
    /// The version as written; absent means 1.
    pub(crate) version: Option<u8>,
    /// The whole AlgorithmIdentifier.
    pub(crate) algorithm_der: Vec<u8>,
    /// The whole issuer name.
    pub(crate) issuer_der: Vec<u8>,
    pub(crate) this_update: TimeField,
    pub(crate) next_update: Option<TimeField>,
    /// The entries; `None` when the field is absent, which is not the same as empty.
    pub(crate) entries: Option<Vec<EntryView>>,
    pub(crate) extensions: Vec<Extension>,
    /// The algorithm the signer will use.
    pub(crate) signing_with: SignatureAlgorithm,
    /// Who will sign.
    pub(crate) signer: IssuerView,
    /// The number of the last list of this scope.
    pub(crate) previous_number: Option<u64>,
    /// The address the list's issuing distribution point must have, when it must have one.
    pub(crate) distribution_point: Option<String>,
    /// The time of the lint.
    pub(crate) now: Timestamp,
}

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct EntryView {
    /// The contents of the serial number, two's complement.
    pub(crate) serial: Box<[u8]>,
    pub(crate) revoked_at: TimeField,
    /// The reason code, absent when there is none or it cannot be read.
    pub(crate) reason: Option<u8>,
    /// What is wrong with the entry's extensions.
    pub(crate) fault: Option<String>,
}

impl CrlView {
    /// Reads the bytes; an error when they are not a TBSCertList at all.
    pub(super) fn read(tbs: &Tbs<CrlTbs>, context: &CrlContext<'_>) -> der::Result<Self> {
        let whole = AnyRef::from_der(tbs.der())?;
        whole.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(whole.value())?;
        let version = if Header::peek(&reader)?.tag() == Tag::Integer {
            Some(u8::decode(&mut reader)?)
        } else {
            None
        };
        let algorithm_der = AnyRef::decode(&mut reader)?.to_der()?;
        let issuer_der = AnyRef::decode(&mut reader)?.to_der()?;
        let this_update = TimeField::read(AnyRef::decode(&mut reader)?)?;
        let mut rest: Vec<AnyRef<'_>> = Vec::new();
        while !reader.is_finished() {
            rest.push(AnyRef::decode(&mut reader)?);
        }
        let mut rest = rest.into_iter().peekable();
        let next_update = rest
            .next_if(|field| matches!(field.tag(), Tag::UtcTime | Tag::GeneralizedTime))
            .map(TimeField::read)
            .transpose()?;
        let entries = rest
            .next_if(|field| field.tag() == Tag::Sequence)
            .map(read_entries)
            .transpose()?;
        let wrapper = Tag::ContextSpecific {
            constructed: true,
            number: TagNumber(0),
        };
        let extensions = rest.next_if(|field| field.tag() == wrapper);
        let extensions = extensions
            .map(|field| Vec::from_der(field.value()))
            .transpose()?
            .unwrap_or_default();
        if let Some(stranger) = rest.next() {
            return Err(stranger.tag().value_error().into());
        }
        Ok(Self {
            version,
            algorithm_der,
            issuer_der,
            this_update,
            next_update,
            entries,
            extensions,
            signing_with: tbs.algorithm(),
            signer: context.issuer.clone(),
            previous_number: context.previous_number,
            distribution_point: context.distribution_point.map(str::to_owned),
            now: context.now,
        })
    }

    /// The extension with this identifier, as written.
    pub(crate) fn raw(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.extn_id == oid)
    }

    /// The extension of this type and whether it is critical; nothing when it is absent or cannot be read.
    pub(crate) fn extension<'a, T: Decode<'a, Error = der::Error> + AssociatedOid>(
        &'a self,
    ) -> Option<(bool, T)> {
        let extension = self.raw(T::OID)?;
        Some((
            extension.critical,
            T::from_der(extension.extn_value.as_bytes()).ok()?,
        ))
    }

    /// The entries, none when the field is absent.
    pub(crate) fn entries(&self) -> &[EntryView] {
        self.entries.as_deref().unwrap_or_default()
    }
}

fn read_entries(list: AnyRef<'_>) -> der::Result<Vec<EntryView>> {
    let mut reader = SliceReader::new(list.value())?;
    let mut entries = Vec::new();
    while !reader.is_finished() {
        let entry = AnyRef::decode(&mut reader)?;
        entry.tag().assert_eq(Tag::Sequence)?;
        entries.push(EntryView::read(entry.value())?);
    }
    Ok(entries)
}

impl EntryView {
    fn read(contents: &[u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(contents)?;
        let serial = IntRef::decode(&mut reader)?.as_bytes().into();
        let revoked_at = TimeField::read(AnyRef::decode(&mut reader)?)?;
        let mut entry = Self {
            serial,
            revoked_at,
            reason: None,
            fault: None,
        };
        if !reader.is_finished() {
            let extensions: Vec<Extension> = Vec::decode(&mut reader)?;
            entry.fault = entry.read_extensions(&extensions).err();
        }
        if reader.is_finished() {
            Ok(entry)
        } else {
            Err(der::ErrorKind::Failed.into())
        }
    }

    /// RFC 5280 §5.3: reasonCode and invalidityDate, neither critical, each once, nothing else.
    fn read_extensions(&mut self, extensions: &[Extension]) -> Result<(), String> {
        if extensions.is_empty() {
            return Err("an empty list of extensions".to_owned());
        }
        let mut has_date = false;
        for extension in extensions {
            let der = extension.extn_value.as_bytes();
            if extension.critical {
                return Err(format!("the critical extension {}", extension.extn_id));
            }
            match extension.extn_id {
                oid if oid == CrlReason::OID && self.reason.is_none() => {
                    let reason = AnyRef::from_der(der).map_err(|cause| cause.to_string())?;
                    match (reason.tag(), reason.value()) {
                        (Tag::Enumerated, [code]) => self.reason = Some(*code),
                        _ => return Err("a reason code that is not an ENUMERATED".to_owned()),
                    }
                }
                INVALIDITY_DATE if !has_date => {
                    GeneralizedTime::from_der(der)
                        .map_err(|cause| format!("an invalidity date that is {cause}"))?;
                    has_date = true;
                }
                other => return Err(format!("the extension {other}, unknown or a second time")),
            }
        }
        Ok(())
    }
}

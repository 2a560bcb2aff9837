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

use crate::crl::{CrlParts, Extent};
use crate::lint::crl::{CrlContext, REMOVE_FROM_CRL};
use crate::lint::time_field::TimeField;
use crate::profile::IssuerView;
use crate::{CrlTbs, Serial, SignatureAlgorithm, Tbs};

/// `id-ce-invalidityDate`, RFC 5280 §5.3.2.
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");

const EXTENSIONS: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(0),
};

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
        let mut view = Self::read_head(&mut reader, tbs.algorithm(), context)?;
        let mut rest: Vec<AnyRef<'_>> = Vec::new();
        while !reader.is_finished() {
            rest.push(AnyRef::decode(&mut reader)?);
        }
        let mut rest = rest.into_iter().peekable();
        view.entries = rest
            .next_if(|field| field.tag() == Tag::Sequence)
            .map(read_entries)
            .transpose()?;
        if let Some(field) = rest.next_if(|field| field.tag() == EXTENSIONS) {
            view.extensions = Vec::from_der(field.value())?;
        }
        if let Some(stranger) = rest.next() {
            return Err(stranger.tag().value_error().into());
        }
        Ok(view)
    }

    /// Reads the pieces of a list: every octet around the entries, the lengths that span them, and of the entries, which
    /// were read when they were encoded, the extents of their segments.
    pub(super) fn read_parts(parts: &CrlParts, context: &CrlContext<'_>) -> der::Result<Self> {
        let octets = parts.entries().octets();
        let fields = opened(parts.head(), octets + parts.tail().len())?;
        let mut reader = SliceReader::new(fields)?;
        let mut view = Self::read_head(&mut reader, parts.algorithm(), context)?;
        let left = usize::try_from(reader.remaining_len())?;
        let list = fields
            .get(fields.len().saturating_sub(left)..)
            .unwrap_or_default();
        // Nothing but the header of the list may stand before the entries.
        if !list.is_empty() || octets > 0 {
            if !opened(list, octets)?.is_empty() {
                return Err(Tag::Sequence.length_error().into());
            }
            view.entries = Some(parts.entries().extents().flat_map(EntryView::of_extent).collect());
        }
        let field = AnyRef::from_der(parts.tail())?;
        field.tag().assert_eq(EXTENSIONS)?;
        view.extensions = Vec::from_der(field.value())?;
        Ok(view)
    }

    /// The fields before the entries.
    fn read_head(
        reader: &mut SliceReader<'_>,
        signing_with: SignatureAlgorithm,
        context: &CrlContext<'_>,
    ) -> der::Result<Self> {
        let version = if Header::peek(reader)?.tag() == Tag::Integer {
            Some(u8::decode(reader)?)
        } else {
            None
        };
        let algorithm_der = AnyRef::decode(reader)?.to_der()?;
        let issuer_der = AnyRef::decode(reader)?.to_der()?;
        let this_update = TimeField::read(AnyRef::decode(reader)?)?;
        let is_time = |tag| matches!(tag, Tag::UtcTime | Tag::GeneralizedTime);
        let next_update = if !reader.is_finished() && is_time(Header::peek(reader)?.tag()) {
            Some(TimeField::read(AnyRef::decode(reader)?)?)
        } else {
            None
        };
        Ok(Self {
            version,
            algorithm_der,
            issuer_der,
            this_update,
            next_update,
            entries: None,
            extensions: Vec::new(),
            signing_with,
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

/// Goes into a SEQUENCE of which the last `behind` octets stand elsewhere; gives the contents that stand here.
fn opened(bytes: &[u8], behind: usize) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(bytes)?;
    let header = Header::decode(&mut reader)?;
    header.tag().assert_eq(Tag::Sequence)?;
    let left = usize::try_from(reader.remaining_len())?;
    if usize::try_from(header.length())? == left + behind {
        Ok(bytes.get(bytes.len() - left..).unwrap_or_default())
    } else {
        Err(Tag::Sequence.length_error().into())
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
    /// Reads one entry, whole.
    pub(super) fn from_der(der: &[u8]) -> der::Result<Self> {
        let entry = AnyRef::from_der(der)?;
        entry.tag().assert_eq(Tag::Sequence)?;
        Self::read(entry.value())
    }

    /// What stands for the linted entries of a segment: its first and its last serial, with the newest date and the reason
    /// that not every list may have.
    fn of_extent(extent: Extent) -> impl Iterator<Item = Self> {
        let last = (extent.last != extent.first).then_some(extent.last);
        let revoked_at = TimeField::of_right_type(extent.newest);
        let view = move |serial: Serial| Self {
            serial: two_complement(serial),
            revoked_at,
            reason: extent.may_remove.then_some(REMOVE_FROM_CRL),
            fault: None,
        };
        std::iter::once(extent.first).chain(last).map(view)
    }

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

/// The contents of an INTEGER.
fn two_complement(serial: Serial) -> Box<[u8]> {
    let octets = serial.as_bytes();
    let sign: &[u8] = if octets.first().is_some_and(|first| first & 0x80 != 0) {
        &[0]
    } else {
        &[]
    };
    [sign, octets].concat().into()
}

//! The compressed variant of a published CRL, made once: at once for a small list, for a large one when somebody first
//! asks, who gets the plain octets meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::authority::Authority;
use crate::background;
use crate::error::Error;
use crate::published_crl::{Compressed, CrlBody, PublishedCrl};

impl Authority {
    /// The gzip variant (RFC 1952) of a CRL; nothing while it is being made.
    pub fn compressed_crl<'a>(&self, crl: &'a Arc<PublishedCrl>) -> Option<&'a Compressed> {
        let made = crl.compressed.get();
        if made.is_none() {
            self.compress(crl);
        }
        made
    }

    /// Has the variant made, in the background, unless it is being made.
    pub(crate) fn compress(&self, crl: &Arc<PublishedCrl>) {
        if crl.is_compressing.swap(true, Ordering::SeqCst) {
            return;
        }
        let (files, source) = (self.inner().store.crl_files(), Arc::clone(crl));
        let compress = move || {
            let body = &source.body;
            let file = files.compressed(BodyReader { body, next: 0 })?;
            CrlBody::of_file(file).map_err(Error::internal)
        };
        let crl = Arc::clone(crl);
        self.inner().tasks.spawn(async move {
            match background::run(compress).await.flatten() {
                Ok(body) => {
                    let etag = format!("{}-gzip\"", crl.etag.trim_end_matches('"'));
                    // Only one task makes it.
                    let _ = crl.compressed.set(Compressed { body, etag });
                }
                Err(error) => {
                    tracing::warn!(%error, "a CRL could not be compressed; it is sent as it is");
                    crl.is_compressing.store(false, Ordering::SeqCst);
                }
            }
        });
    }
}

/// Reads a body from its beginning to its end.
struct BodyReader<'a> {
    body: &'a CrlBody,
    next: u64,
}

impl io::Read for BodyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.body.read(self.next, buffer.len())?;
        for (slot, octet) in buffer.iter_mut().zip(&piece) {
            *slot = *octet;
        }
        self.next += piece.len() as u64;
        Ok(piece.len())
    }
}

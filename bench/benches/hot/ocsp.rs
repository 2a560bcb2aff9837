//! OCSP: reading a request, answering one that was answered before, answering one that was not.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use ca::OcspAnswerKind;
use ocsp::{CertStatus, Nonce, Request, ResponseInput, SingleStatus, Template};

use crate::bed::{BASE_URL, Bed};
use crate::client::Client;
use crate::operation::Run;

/// Misses that are counted. Of so many, the authority verifies the same number of signatures each time: one in sixteen.
pub(crate) const MISSES: u64 = 64;
/// Room for a request, as the listener has it.
const ROOM: usize = 192;
/// Octets of an ECDSA signature with P-256, mostly.
const SIGNATURE: [u8; 71] = [0x30; 71];

/// The path of a GET request to the CertID in it.
pub(crate) fn parse_get(bed: &Rc<Bed>) -> Result<Run> {
    let path = ocsp::der_to_get_path(&one(bed)?);
    Ok(Box::new(move |times| {
        for _ in 0..times {
            let mut room = [0; ROOM];
            let der = ocsp::get_path_into(black_box(&path), &mut room)?;
            black_box(ocsp::usual_cert_id(der).context("a request of the usual shape")?);
        }
        Ok(())
    }))
}

/// The body of a POST request to the CertID in it.
pub(crate) fn parse_post(bed: &Rc<Bed>) -> Result<Run> {
    Ok(parse(one(bed)?))
}

/// The same with a nonce, which the strict reader reads.
pub(crate) fn parse_nonce(bed: &Rc<Bed>) -> Result<Run> {
    let request = Request::parse(&one(bed)?)?;
    Ok(parse(request.with_nonce(Nonce::new(&[7; 32])?).to_der()?))
}

fn parse(der: Vec<u8>) -> Run {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(Request::parse(black_box(&der))?);
        }
        Ok(())
    })
}

/// A GET request on a connection that is kept alive, from its octets to those of the answer.
pub(crate) fn hit_get(bed: &Rc<Bed>) -> Result<Run> {
    let path = ocsp::der_to_get_path(&one(bed)?);
    let place = place(bed)?;
    let request = format!("GET {place}/{path} HTTP/1.1\r\nHost: pki.chancery.test\r\nAccept: */*\r\n\r\n");
    Ok(hit(bed, request.into()))
}

/// The same by POST.
pub(crate) fn hit_post(bed: &Rc<Bed>) -> Result<Run> {
    let der = one(bed)?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: pki.chancery.test\r\nAccept: */*\r\nContent-Type: application/ocsp-request\r\n\
         Content-Length: {}\r\n\r\n",
        place(bed)?,
        der.len()
    );
    Ok(hit(bed, [head.into_bytes(), der].concat().into()))
}

fn hit(bed: &Rc<Bed>, request: Bytes) -> Run {
    let bed = Rc::clone(bed);
    Box::new(move |times| {
        let (client, answers) = Client::new(request.clone(), times);
        bed.runtime.block_on(bed.listener.serve(client));
        let answered = answers.load(Ordering::Relaxed);
        ensure!(answered == times, "{answered} answers to {times} requests");
        Ok(())
    })
}

/// A request to the answer that is at hand: what of a hit is the authority's.
pub(crate) fn look_up(bed: &Rc<Bed>) -> Result<Run> {
    let (bed, der) = (Rc::clone(bed), one(bed)?);
    bed.runtime
        .block_on(bed.authority.answer_ocsp(bed.issuer.id, &der));
    Ok(Box::new(move |times| {
        for _ in 0..times {
            let answer = bed.authority.ocsp_at_hand(bed.issuer.id, black_box(&der));
            black_box(answer.context("an answer at hand")?);
        }
        Ok(())
    }))
}

/// A request about a certificate whose answer is not at hand, to the signed answer.
pub(crate) fn miss(bed: &Rc<Bed>) -> Result<Run> {
    let (bed, requests) = (Rc::clone(bed), bed.requests()?);
    // The first one is asked for by others.
    let mut next = 1;
    Ok(Box::new(move |times| {
        bed.runtime.block_on(async {
            for _ in 0..times {
                let der = requests.get(next).context("a request")?;
                let answer = bed.authority.answer_ocsp(bed.issuer.id, black_box(der)).await;
                ensure!(
                    answer.kind == OcspAnswerKind::Good,
                    "the answer is {:?}",
                    answer.kind
                );
                next = 1 + next % (requests.len() - 1);
            }
            Ok(())
        })
    }))
}

/// An answer built, linted and put together around a signature that is there already.
pub(crate) fn build(bed: &Rc<Bed>) -> Result<Run> {
    let (responder, cert_id) = (bed.responder()?, bed.cert_id(serial(bed)?)?);
    let lint = ocsp::lint::Responder::delegated(&responder);
    let (algorithm, now) = (bed.issuer.signature_algorithm, bed.now);
    let statuses = [SingleStatus {
        cert_id,
        status: CertStatus::Good,
        this_update: now,
        next_update: Some(responder.not_after()),
    }];
    let template = Template::new(responder.public_key(), algorithm, &[responder.der()]);
    Ok(Box::new(move |times| {
        for _ in 0..times {
            let tbs = template.tbs(&ResponseInput {
                produced_at: now,
                statuses: black_box(&statuses),
                nonce: None,
                is_extended_revoke: false,
            })?;
            let linted = ocsp::lint::check(tbs, &lint)?;
            black_box(template.assemble(linted, &SIGNATURE));
        }
        Ok(())
    }))
}

fn serial(bed: &Bed) -> Result<pki::Serial> {
    bed.serials().next().context("a certificate")
}

/// The request that has its answer at hand.
fn one(bed: &Bed) -> Result<Vec<u8>> {
    Ok(Request::new(bed.cert_id(serial(bed)?)?).to_der()?)
}

/// Where the issuer's responder is.
fn place(bed: &Bed) -> Result<&str> {
    bed.issuer
        .ocsp_url
        .strip_prefix(BASE_URL)
        .context("a public address")
}

//! Certificates: checking a request, building the bytes to be signed, linting them.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use pki::lint::Context;
use pki::profile::{Order, Profile, Template, order_from_csr};
use pki::{CertificateTbs, Csr, Tbs};

use crate::bed::Bed;
use crate::operation::Run;
use crate::{csr, seed};

/// The profile that most certificates are made by.
fn profile() -> Result<&'static Profile> {
    Profile::ready_named("tls-server").context("a profile that is always there")
}

/// A request in PEM to a request whose signature verifies, and the order it makes.
pub(crate) fn check(_: &Rc<Bed>) -> Result<Run> {
    let (request, profile) = (csr::request()?, profile()?);
    Ok(Box::new(move |times| {
        for _ in 0..times {
            black_box(ordered(profile, black_box(&request))?);
        }
        Ok(())
    }))
}

/// An order to the bytes to be signed.
pub(crate) fn build(bed: &Rc<Bed>) -> Result<Run> {
    let workpiece = Workpiece::of(bed)?;
    let mut number = 0;
    Ok(Box::new(move |times| {
        for _ in 0..times {
            black_box(workpiece.build(number)?);
            number += 1;
        }
        Ok(())
    }))
}

/// The bytes to be signed to the proof that they may be, with a copy of them.
pub(crate) fn lint(bed: &Rc<Bed>) -> Result<Run> {
    let workpiece = Workpiece::of(bed)?;
    let (tbs, now) = (workpiece.build(0)?, bed.now);
    Ok(Box::new(move |times| {
        let context = Context {
            issuer: workpiece.template.issuer(),
            now,
        };
        for _ in 0..times {
            black_box(pki::lint::certificate(black_box(tbs.clone()), &context)?);
        }
        Ok(())
    }))
}

/// What a certificate is made of.
struct Workpiece {
    template: Template,
    order: Order,
    now: jiff::Timestamp,
}

impl Workpiece {
    fn of(bed: &Bed) -> Result<Self> {
        let profile = profile()?;
        Ok(Self {
            order: ordered(profile, &csr::request()?)?,
            template: Template::new(Arc::new(profile.clone()), Arc::new(bed.view()?)),
            now: bed.now,
        })
    }

    fn build(&self, number: u64) -> Result<Tbs<CertificateTbs>> {
        let serial = seed::serial(u64::MAX, number, false);
        Ok(self.template.build(black_box(&self.order), &serial, self.now)?)
    }
}

fn ordered(profile: &Profile, request: &str) -> Result<Order> {
    let csr = Csr::parse(request.as_bytes())?.verify()?;
    Ok(order_from_csr(profile, &csr)?)
}

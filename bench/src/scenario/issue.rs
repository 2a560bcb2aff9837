//! Certificates from a CSR over REST: request checked, linted, signed, recorded durably. The peers get the same CSR.

use std::sync::Arc;

use anyhow::Result;

use crate::csr;
use crate::peer::{Peer, cfssl, openbao};
use crate::race::{self, Contestant};
use crate::run::Run;
use crate::scenario::succeeded;
use crate::target::Target;

/// Measures issuance with the same request every time, and with `--peers` OpenBao and cfssl beside it.
pub(crate) async fn run(target: &Target, run: &mut Run) -> Result<()> {
    let csr = csr::request()?;
    let mut contestants = vec![ours(target, &csr)];
    let peers = if run.has_peers {
        Some(peers(run).await?)
    } else {
        None
    };
    if let Some(peers) = &peers {
        contestants.extend(peers.contestants(&csr)?);
    }
    race::run(&contestants, run.shape, run.rounds)
        .await?
        .tell(&mut run.report);
    Ok(())
}

/// The appliance, with the same request every time.
pub(crate) fn ours(target: &Target, csr: &str) -> Contestant {
    ours_anew(target, &[csr.to_owned()])
}

/// The appliance, with one request after the other.
pub(crate) fn ours_anew(target: &Target, csrs: &[String]) -> Contestant {
    let of = if csrs.len() > 1 { ", new requests" } else { "" };
    let order = |csr: &String| target.post("/api/v1/certificates", &target.order(csr));
    Contestant {
        scenario: "issue",
        what: format!("POST /api/v1/certificates, stored{of}"),
        groups: target.groups.clone(),
        door: target.api.clone(),
        requests: Arc::new(csrs.iter().map(order).collect()),
        check: succeeded,
        closes: false,
    }
}

/// The peers that issue.
pub(crate) struct Peers {
    openbao: Peer,
    cfssl: Peer,
}

/// Starts them.
pub(crate) async fn peers(run: &Run) -> Result<Peers> {
    Ok(Peers {
        openbao: openbao::start(run.openbao.as_deref()).await?,
        cfssl: cfssl::serve().await?,
    })
}

impl Peers {
    /// OpenBao, then cfssl.
    pub(crate) fn contestants(&self, csr: &str) -> Result<[Contestant; 2]> {
        let contestant = |peer: &Peer, what: &str, request: Vec<u8>| -> Result<Contestant> {
            Ok(Contestant {
                scenario: "issue",
                what: what.to_owned(),
                groups: vec![peer.group()?],
                door: peer.door.clone(),
                requests: Arc::new(vec![request]),
                check: succeeded,
                closes: false,
            })
        };
        Ok([
            contestant(
                &self.openbao,
                "OpenBao pki/sign, stored in memory",
                openbao::sign(&self.openbao, csr),
            )?,
            contestant(
                &self.cfssl,
                "cfssl serve, nothing stored",
                cfssl::sign(&self.cfssl, csr),
            )?,
        ])
    }
}

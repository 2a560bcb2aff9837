//! OCSP over plain HTTP: prepared answers by GET and POST, answers signed for a nonce, and a mix of them. The peers serve the
//! same bytes: a bare hyper server and nginx; cfssl serves one of its own kind, and `openssl ocsp` signs each.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pki::Serial;

use crate::http::Answer;
use crate::load::Shape;
use crate::peer::{Peer, bare, cfssl, nginx, openssl};
use crate::race::{self, Contestant};
use crate::run::Run;
use crate::scenario::succeeded;
use crate::target::{Ocsp, Target};

/// Certificates that are asked for in the mix.
const MIX: usize = 64;
/// `openssl ocsp` is one process that serves one connection after the other.
const FEW: usize = 4;

/// Measures all ways of asking.
pub(crate) async fn run(target: &Target, run: &mut Run) -> Result<()> {
    let serials: Vec<Serial> = target
        .issue(MIX)
        .await?
        .into_iter()
        .map(|(_, serial)| serial)
        .collect();
    let ocsp = target.ocsp().await?;
    let one = serials.get(..1).context("a certificate")?;
    let gets = ocsp.gets(one)?;
    let mut hits = vec![
        ours(target, "GET, prepared", gets.clone()),
        ours(target, "POST, prepared", ocsp.posts(one, false)?),
    ];
    let peers = if run.has_peers {
        Some(Peers::start(target, &gets).await?)
    } else {
        None
    };
    if let Some(peers) = &peers {
        hits.extend(peers.gets(&gets)?);
        hits.extend(peers.posts(&ocsp, one)?);
    }
    race::run(&hits, run.shape, run.rounds)
        .await?
        .tell(&mut run.report);
    let rest = [
        ours(
            target,
            "POST with nonce, signed on demand",
            ocsp.posts(one, true)?,
        ),
        ours(
            target,
            "mix of 64 serials: 8 GET, 1 POST, 1 nonce",
            mix(&ocsp, &serials)?,
        ),
    ];
    race::run(&rest, run.shape, run.rounds)
        .await?
        .tell(&mut run.report);
    if run.has_peers {
        let shape = Shape::new(FEW, run.length());
        let (_running, contestant) = signing_peer().await?;
        race::run(&[contestant], shape, run.rounds)
            .await?
            .tell(&mut run.report);
    }
    Ok(())
}

/// The appliance.
pub(crate) fn ours(target: &Target, what: &str, requests: Arc<Vec<Vec<u8>>>) -> Contestant {
    Contestant {
        scenario: "ocsp",
        what: what.to_owned(),
        groups: target.groups.clone(),
        door: target.public.clone(),
        requests,
        check: is_signed,
        closes: false,
    }
}

fn mix(ocsp: &Ocsp, serials: &[Serial]) -> Result<Arc<Vec<Vec<u8>>>> {
    let (gets, posts, nonced) = (
        ocsp.gets(serials)?,
        ocsp.posts(serials, false)?,
        ocsp.posts(serials, true)?,
    );
    let list = (0..serials.len() * 10).filter_map(|number| {
        let place = number / 10;
        match number % 10 {
            0 => posts.get(place),
            1 => nonced.get(place),
            _ => gets.get((number * 7) % serials.len().max(1)),
        }
    });
    Ok(Arc::new(list.cloned().collect()))
}

/// OCSPResponse of status successful: SEQUENCE { ENUMERATED 0, … } with a length of one or two octets.
pub(crate) fn is_signed(answer: &Answer<'_>) -> Result<()> {
    let success = [0x0a, 0x01, 0x00];
    let is_signed = [3, 4]
        .into_iter()
        .any(|at| answer.body.get(at..at + 3) == Some(&success));
    ensure!(
        answer.status == 200 && is_signed,
        "status {}, {} octets",
        answer.status,
        answer.body.len()
    );
    Ok(())
}

/// The peers that serve the bytes of one of our answers.
pub(crate) struct Peers {
    bare: Peer,
    nginx: Peer,
    cfssl: (Peer, Vec<u8>),
}

impl Peers {
    /// Asks once and gives every peer the answer.
    pub(crate) async fn start(target: &Target, requests: &[Vec<u8>]) -> Result<Self> {
        let mut connection = target.public.open().await?;
        let answer = connection
            .exchange(requests.first().context("a request")?)
            .await?;
        is_signed(&answer)?;
        Ok(Self {
            bare: bare::start(&answer).await?,
            nginx: nginx::start(answer.body).await?,
            cfssl: cfssl::ocspserve().await?,
        })
    }

    /// Bare hyper with the same request, and nginx with a short path.
    pub(crate) fn gets(&self, requests: &Arc<Vec<Vec<u8>>>) -> Result<[Contestant; 2]> {
        let file = Arc::new(vec![self.nginx.door.get(nginx::PATH)]);
        Ok([
            peer(&self.bare, "bare hyper, GET, the same bytes", requests.clone())?,
            peer(&self.nginx, "nginx, the same bytes as a static file", file)?,
        ])
    }

    /// Bare hyper, which reads the body, and cfssl.
    pub(crate) fn posts(&self, ocsp: &Ocsp, serials: &[Serial]) -> Result<[Contestant; 2]> {
        let (cfssl, request) = &self.cfssl;
        Ok([
            peer(
                &self.bare,
                "bare hyper, POST, the body read",
                ocsp.posts(serials, false)?,
            )?,
            peer(cfssl, "cfssl ocspserve, POST", Arc::new(vec![request.clone()]))?,
        ])
    }
}

fn peer(peer: &Peer, what: &str, requests: Arc<Vec<Vec<u8>>>) -> Result<Contestant> {
    Ok(Contestant {
        scenario: "ocsp",
        what: what.to_owned(),
        groups: vec![peer.group()?],
        door: peer.door.clone(),
        requests,
        check: is_signed,
        closes: false,
    })
}

/// `openssl ocsp`, which signs with its CA's key every time.
async fn signing_peer() -> Result<(Peer, Contestant)> {
    let (running, request) = openssl::ocsp().await?;
    let contestant = Contestant {
        check: succeeded,
        closes: true,
        ..peer(
            &running,
            "openssl ocsp, POST, signed each time",
            Arc::new(vec![request]),
        )?
    };
    Ok((running, contestant))
}

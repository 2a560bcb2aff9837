//! Good requests at full load, alone and among clients that misbehave, and the memory that these take.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{RowId, Values};
use crate::appliance::{Appliance, Plan};
use crate::cpu;
use crate::crowd::{Crowd, Ground, Numbers};
use crate::csr;
use crate::http::Door;
use crate::load::Shape;
use crate::race::{Contestant, Rounds};
use crate::report::Figure;
use crate::run::Run;
use crate::scenario::{issue, ocsp};
use crate::target::Target;

/// Connections of those who ask for what is prepared, who connect anew for each question, and who order certificates.
const GOOD: [usize; 3] = [48, 4, 8];
/// More than the crowd needs.
const PLACES: usize = 12_000;
/// What the server may take to see that everybody is gone.
const SETTLING: Duration = Duration::from_secs(1);

pub(super) async fn measure(run: &mut Run) -> Result<Values> {
    let crowd = Numbers {
        idle: run.sizes.idle,
        slow: 200,
        others: 2,
    };
    make_room(crowd.idle)?;
    let plan = Plan {
        connections: Some(PLACES),
        ..Plan::default()
    };
    let appliance = Appliance::start(plan).await?;
    let target = Target::own(&appliance)?;
    let (good, ground) = prepare(&target).await?;
    let server = appliance.pid()?;
    // Once before, so that what everybody needs is there.
    together(&good, run.length() / 2).await?;
    let resting = cpu::memory(server)?;
    let (mut alone, mut among, mut memory, mut refused) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..run.rounds {
        alone.push(together(&good, run.length()).await?);
        cpu::forget_peak(server)?;
        let crowd_here = Crowd::gather(crowd, &ground).await?;
        among.push(together(&good, run.length()).await?);
        let idle = crowd_here.idle();
        ensure!(
            idle * 10 >= crowd.idle * 9,
            "only {idle} idle connections are left"
        );
        refused += crowd_here.refused()?;
        memory = memory.max(cpu::peak_memory(server)?.saturating_sub(resting));
        crowd_here.leave().await;
        tokio::time::sleep(SETTLING).await;
    }
    ensure!(refused > 0, "no bad request was answered");
    Ok(tell(run, &alone, &among, memory, crowd.idle))
}

/// The good requests, and what the crowd knows.
async fn prepare(target: &Target) -> Result<([Contestant; 3], Ground)> {
    let serial = target.issue(1).await?.pop().context("a certificate")?.1;
    let responder = target.ocsp().await?;
    let gets = responder.gets(&[serial])?;
    let good = [
        ocsp::ours(target, "GET, prepared", gets.clone()),
        Contestant {
            closes: true,
            ..ocsp::ours(target, "GET, prepared, on a new connection", gets.clone())
        },
        issue::ours(target, &csr::request()?),
    ];
    let ground = Ground {
        public: address(&target.public)?,
        api: address(&target.api)?,
        good: gets.first().context("a request")?.clone(),
        ocsp: format!("/.well-known/pki/ocsp/{}", responder.id),
    };
    Ok((good, ground))
}

/// All the good ones at the same time, each as fast as it is answered.
async fn together(good: &[Contestant; 3], length: Duration) -> Result<[Figure; 3]> {
    let shape = |workers| Shape::new(workers, length);
    let [asking, coming, ordering] = good;
    let [many, few, some] = GOOD.map(shape);
    let (asked, came, ordered) =
        tokio::join!(asking.measure(many), coming.measure(few), ordering.measure(some));
    // CPU cannot be told apart here.
    let bare = |figure: Figure| Figure {
        scenario: "overload".to_owned(),
        cpu_us: Vec::new(),
        ..figure
    };
    Ok([bare(asked?), bare(came?), bare(ordered?)])
}

/// The worst of the ratios counts.
fn tell(run: &mut Run, alone: &[[Figure; 3]], among: &[[Figure; 3]], memory: u64, idle: usize) -> Values {
    let (mut worst, mut made_of) = (0.0_f64, Vec::new());
    for (place, name) in ["kept connections", "new connections", "issuance"]
        .into_iter()
        .enumerate()
    {
        let of = |rounds: &[[Figure; 3]], with: &str| {
            let named = |figure: &Figure| Figure {
                what: format!("{}{with}", figure.what),
                ..figure.clone()
            };
            rounds
                .iter()
                .filter_map(|figures| figures.get(place))
                .map(named)
                .collect()
        };
        let rounds = Rounds::of(vec![of(alone, ""), of(among, ", in a bad crowd")]);
        rounds.tell(&mut run.report);
        let (before, after) = (rounds.median(0, Figure::p99), rounds.median(1, Figure::p99));
        worst = worst.max(rounds.ratio(1, 0, Figure::p99));
        made_of.push(format!("{name} {before:.0} µs, then {after:.0} µs"));
    }
    #[expect(clippy::cast_precision_loss, reason = "octets of memory stay far below 2^52")]
    let mebibytes = memory as f64 / f64::from(1 << 20);
    vec![
        (RowId::OverloadLatency, worst, made_of.join("; ")),
        (
            RowId::OverloadMemory,
            mebibytes,
            format!("{idle} idle connections"),
        ),
    ]
}

/// The API listens on all the names of this machine; the crowd comes by IPv4.
fn address(door: &Door) -> Result<SocketAddr> {
    let (_, port) = door.address.rsplit_once(':').context("a port")?;
    Ok((Ipv4Addr::LOCALHOST, port.parse()?).into())
}

/// As many open files as are allowed; the server, which is started from here, takes the limit over.
fn make_room(wanted: usize) -> Result<()> {
    let allowed = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: allowed,
            maximum: allowed,
        },
    )?;
    let wanted = u64::try_from(wanted)? + 1024;
    ensure!(
        allowed.is_none_or(|allowed| allowed >= wanted),
        "{wanted} open files are needed: raise the limit (`ulimit -Hn`)"
    );
    Ok(())
}

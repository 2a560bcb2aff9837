//! Listening, threads, signals, and the orderly end.
//!
//! A small runtime accepts connections and waits for signals. Each connection has a reading thread, each session of
//! a token a signing thread; no call into a token ever runs on the runtime.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use signer_wire::Request;
use token::{Config, KeyRing};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroize as _;

use crate::audit::Audit;
use crate::connection::{Connection, Peer};
use crate::frames::{FrameReader, NoFrame};
use crate::keeper;
use crate::service::{Service, malformed};
use crate::watch::{Watch, end_now};

/// How long requests that are in may take to be answered when the service ends.
const DRAIN: Duration = Duration::from_secs(10);

/// The connections there are.
type Connections = Arc<Mutex<Vec<Arc<Connection>>>>;

/// Serves until a signal, or until the parent is gone.
pub(crate) fn serve(ring: KeyRing, config: &Config, with_parent: bool) -> anyhow::Result<()> {
    let socket = config
        .socket
        .as_deref()
        .context("no socket: give `socket` in the configuration, or --socket")?;
    let audit = Audit::open(config.audit_file.clone()).context("the audit file cannot be opened")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = listen(socket, config.socket_group_access)?;
    let service = Arc::new(Service::new(ring, config, audit));
    let watch = Arc::new(Watch::new(Duration::from_millis(u64::from(
        config.limits.hang_ms,
    ))));
    let workers = start_workers(&service)?;
    let watchers = start_watch(&watch, &service)?;
    tracing::info!(socket = %socket.display(), keys = service.ring().list().len(), "signing service ready");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let connections = Connections::default();
    let ended = runtime.block_on(accept_until_end(
        listener,
        config,
        &service,
        &connections,
        with_parent,
    ));
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let _ = fs::remove_file(socket);
    drain(&service, &connections, workers);
    watch.end();
    join(watchers);
    ended
}

/// Binds the socket. One that is left over from a service that is no more is taken; one that is answered is not.
fn listen(socket: &Path, group_access: bool) -> anyhow::Result<UnixListener> {
    match UnixStream::connect(socket) {
        Ok(_) => bail!("another signing service listens on {}", socket.display()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            fs::remove_file(socket).with_context(|| format!("{} cannot be removed", socket.display()))?;
        }
        Err(_) => {}
    }
    // The mode is right from the first moment, and not only after a chmod.
    let closed = if group_access { 0o117 } else { 0o177 };
    let before = rustix::process::umask(rustix::fs::Mode::from_bits_retain(closed));
    let bound = UnixListener::bind(socket);
    rustix::process::umask(before);
    let listener = bound.with_context(|| format!("{} cannot be bound", socket.display()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn start_workers(service: &Arc<Service>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut workers = Vec::new();
    for (lane, threads) in service.lanes().iter().map(crate::lane::Lane::threads).enumerate() {
        for thread in 0..threads {
            let service = Arc::clone(service);
            let name = format!("sign-{lane}-{thread}");
            workers.push(std::thread::Builder::new().name(name).spawn(move || {
                if let Some(lane) = service.lanes().get(lane) {
                    lane.work(thread, service.ring(), |job, error| {
                        service.failed(lane, job, error);
                    });
                }
            })?);
        }
    }
    for (name, is_for_others) in [("desk", false), ("subject-desk", true)] {
        let service = Arc::clone(service);
        let work = move || {
            let desk = if is_for_others {
                service.subject_desk()
            } else {
                service.desk()
            };
            desk.work(service.ring(), service.audit());
        };
        workers.push(std::thread::Builder::new().name(name.to_owned()).spawn(work)?);
    }
    Ok(workers)
}

/// The watch, and a keeper for each token.
fn start_watch(watch: &Arc<Watch>, service: &Arc<Service>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let (timer, for_timer) = (Arc::clone(watch), Arc::clone(service));
    let mut watchers = vec![
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || timer.keep_time(&for_timer))?,
    ];
    for place in 0..service.lanes().len() {
        let (watch, service) = (Arc::clone(watch), Arc::clone(service));
        let keep = move || {
            if let Some(lane) = service.lanes().get(place) {
                keeper::keep(lane, &service, &watch);
            }
        };
        watchers.push(
            std::thread::Builder::new()
                .name(format!("keep-{place}"))
                .spawn(keep)?,
        );
    }
    Ok(watchers)
}

async fn accept_until_end(
    listener: UnixListener,
    config: &Config,
    service: &Arc<Service>,
    connections: &Connections,
    with_parent: bool,
) -> anyhow::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut orphaned = with_parent.then(parent_is_gone).transpose()?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = wait(&mut orphaned) => break,
            _ = hangup.recv() => match service.audit().reopen() {
                Ok(()) => tracing::info!("audit file opened anew"),
                Err(error) => tracing::error!(%error, "the audit file cannot be opened anew; the old one stays"),
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let welcomed = stream.into_std().map_err(anyhow::Error::from)
                        .and_then(|stream| welcome(stream, config, service, connections));
                    if let Err(error) = welcomed {
                        tracing::warn!("a connection is refused: {error:#}");
                    }
                }
                Err(error) => tracing::warn!(%error, "a connection cannot be accepted"),
            },
        }
    }
    tracing::info!("ending: requests that are in are answered");
    Ok(())
}

/// Resolves when standard input is closed, because whoever held its other end is gone.
fn parent_is_gone() -> std::io::Result<tokio::sync::oneshot::Receiver<()>> {
    let (gone, notice) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            let mut octets = [0; 64];
            while std::io::stdin()
                .lock()
                .read(&mut octets)
                .is_ok_and(|read| read > 0)
            {}
            let _ = gone.send(());
        })?;
    Ok(notice)
}

async fn wait(notice: &mut Option<tokio::sync::oneshot::Receiver<()>>) {
    match notice {
        Some(notice) => drop(notice.await),
        None => std::future::pending().await,
    }
}

/// Checks who it is, and starts a reading thread.
fn welcome(
    stream: UnixStream,
    config: &Config,
    service: &Arc<Service>,
    connections: &Connections,
) -> anyhow::Result<()> {
    let credentials = rustix::net::sockopt::socket_peercred(&stream)?;
    let peer = Peer {
        uid: credentials.uid.as_raw(),
        pid: credentials.pid.as_raw_nonzero().get(),
    };
    if !is_welcome(
        peer.uid,
        rustix::process::geteuid().as_raw(),
        &config.allowed_uids,
    ) {
        bail!(
            "uid {} (pid {}) is neither this user nor in allowed_uids",
            peer.uid,
            peer.pid
        );
    }
    let mut open = connections.lock();
    if open.len() >= config.limits.connections {
        bail!(
            "there are {} connections already (limits.connections)",
            open.len()
        );
    }
    stream.set_nonblocking(false)?;
    let reader = FrameReader::new(stream.try_clone()?);
    let connection = Arc::new(Connection::new(stream, peer)?);
    open.push(Arc::clone(&connection));
    drop(open);
    let (service, connections) = (Arc::clone(service), Arc::clone(connections));
    std::thread::Builder::new()
        .name("read".to_owned())
        .spawn(move || {
            read(reader, &connection, &service);
            connections
                .lock()
                .retain(|other| !Arc::ptr_eq(other, &connection));
        })?;
    Ok(())
}

/// The user the service runs as is welcome, and those that the configuration names.
fn is_welcome(uid: u32, own: u32, allowed: &[u32]) -> bool {
    uid == own || allowed.contains(&uid)
}

/// Takes in requests until the client is gone, or says something that is no frame.
fn read(mut reader: FrameReader<UnixStream>, connection: &Arc<Connection>, service: &Service) {
    let peer = connection.peer();
    loop {
        match reader.next() {
            Ok(body) => {
                let (id, request) = Request::decode(body);
                if matches!(request, Ok(Request::ImportSoftware(_))) {
                    body.zeroize();
                }
                match (id, request) {
                    (Some(id), Ok(request)) => service.accept(connection, id, request),
                    (Some(id), Err(fault)) => connection.send(id, &malformed(fault)),
                    (None, _) => {
                        tracing::warn!(
                            uid = peer.uid,
                            pid = peer.pid,
                            "a client speaks another protocol; cut off"
                        );
                        connection.stop_reading();
                        return;
                    }
                }
            }
            Err(NoFrame::Closed) => return,
            Err(NoFrame::Broken(error)) => {
                tracing::debug!(uid = peer.uid, pid = peer.pid, %error, "a connection broke");
                return;
            }
            Err(NoFrame::Fault(fault)) => {
                tracing::warn!(uid = peer.uid, pid = peer.pid, %fault, "a client is cut off");
                return;
            }
        }
    }
}

/// Takes nothing more in, and answers what is in. A library that hangs does not keep the process from ending.
fn drain(service: &Arc<Service>, connections: &Connections, workers: Vec<JoinHandle<()>>) {
    for connection in connections.lock().iter() {
        connection.stop_reading();
    }
    service.close();
    let until = Instant::now() + DRAIN;
    while !service.is_idle() || workers.iter().any(|worker| !worker.is_finished()) {
        if Instant::now() >= until {
            tracing::error!("a call into a token does not end; ending without it");
            end_now();
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    for worker in workers {
        let _ = worker.join();
    }
    // The reading threads let go of the service, so that the modules are finalised before the process ends.
    let until = Instant::now() + Duration::from_secs(1);
    while !connections.lock().is_empty() && Instant::now() < until {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    tracing::info!("ended");
}

/// Waits for the watch and the keepers; one that hangs with its token does not keep the process from ending.
fn join(watchers: Vec<JoinHandle<()>>) {
    let until = Instant::now() + Duration::from_secs(1);
    while watchers.iter().any(|watcher| !watcher.is_finished()) {
        if Instant::now() >= until {
            tracing::error!("a token does not answer its keeper; ending without it");
            end_now();
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    for watcher in watchers {
        let _ = watcher.join();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_not_welcome() {
        assert!(is_welcome(1000, 1000, &[]));
        assert!(is_welcome(33, 1000, &[33]));
        assert!(!is_welcome(33, 1000, &[]));
        assert!(!is_welcome(0, 1000, &[33]), "not even root, unless it is named");
    }
}

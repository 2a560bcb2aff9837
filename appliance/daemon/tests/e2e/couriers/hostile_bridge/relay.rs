//! The listener of a hostile bridge: couriers trust its certificate, it sees all that passes, and does with it what a test wants.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::instance::Instance;
use super::message::{Answer, Request};
use crate::harness::Appliance;

/// What becomes of a request: the answer that the courier gets.
type Will = Arc<dyn Fn(&Instance, &Request) -> Answer + Send + Sync>;

pub(super) struct Relay {
    pub(super) instance: Arc<Instance>,
    pub(super) at: SocketAddr,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

struct State {
    will: Mutex<Will>,
    seen: Mutex<Vec<Request>>,
    is_over: AtomicBool,
}

impl Relay {
    /// One that is honest until it is told otherwise.
    pub(super) fn start(appliance: &Appliance) -> Self {
        let instance = Arc::new(Instance::register(appliance, "instance"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let state = Arc::new(State {
            will: Mutex::new(Arc::new(Instance::forward)),
            seen: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let (config, shared, own) = (server(appliance), Arc::clone(&state), Arc::clone(&instance));
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (config, state, instance) = (Arc::clone(&config), Arc::clone(&shared), Arc::clone(&own));
                std::thread::spawn(move || state.serve(&config, &instance, stream));
            }
        });
        Self {
            instance,
            at,
            state,
            listening: Some(listening),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.at.port())
    }

    /// Does this from now on, and has seen nothing.
    pub(super) fn does(&self, will: impl Fn(&Instance, &Request) -> Answer + Send + Sync + 'static) {
        *self.state.will.lock().unwrap() = Arc::new(will);
        self.state.seen.lock().unwrap().clear();
    }

    /// Is honest from now on, and has seen nothing.
    pub(super) fn is_honest(&self) {
        self.does(Instance::forward);
    }

    /// What couriers sent, as they sent it.
    pub(super) fn seen(&self) -> Vec<Request> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The last request of a kind.
    pub(super) fn last(&self, method: &str, end: &str) -> Request {
        let seen = self.seen();
        let found = seen.iter().rev().find(|request| request.is(method, end));
        found
            .unwrap_or_else(|| panic!("{method} {end} in {seen:?}"))
            .clone()
    }
}

impl State {
    fn serve(&self, config: &Arc<ServerConfig>, instance: &Instance, stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut line = BufReader::new(StreamOwned::new(connection, stream));
        let Some(request) = Request::read(&mut line) else {
            return;
        };
        self.seen.lock().unwrap().push(request.clone());
        let will = Arc::clone(&self.will.lock().unwrap());
        let answer = will(instance, &request);
        let line = line.get_mut();
        let _ = line.write_all(&answer.octets());
        line.conn.send_close_notify();
        let _ = line.flush();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.at);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// TLS under a certificate for `localhost` of the CA that couriers trust.
fn server(appliance: &Appliance) -> Arc<ServerConfig> {
    let own = appliance.issue("relay", "tls-server", "/CN=localhost", Some("DNS:localhost"));
    let chain = [own, appliance.ca("issuing")]
        .iter()
        .flat_map(|file| CertificateDer::pem_file_iter(file).unwrap())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(appliance.file("relay.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use signer_wire::{Input, KeyKind, KeyRecord, KeyRef, Scheme, Sign, SignBatch};
use token::{BackendStatus, Config, Keys};

use super::*;
use crate::audit::Audit;
use crate::batch::Batch;
use crate::connection::{Connection, Peer};
use crate::service::Service;

/// A simulated HSM: any key is its own, a signature takes 10 ms and no work, and some are made at the same time.
struct Simulated {
    places: Mutex<usize>,
    freed: Condvar,
}

impl Keys for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn width(&self) -> usize {
        1
    }

    fn most(&self) -> usize {
        64
    }

    fn list(&self) -> Vec<KeyRecord> {
        Vec::new()
    }

    fn kind(&self, _: &KeyRef) -> Option<KeyKind> {
        Some(KeyKind::P256)
    }

    fn find(&self, _: &KeyRef) -> Option<KeyRecord> {
        None
    }

    fn generate(&self, _: &str, _: KeyKind) -> Result<KeyRecord, Error> {
        Err(Error::NoSuchToken("simulated".to_owned()))
    }

    fn sign(&self, _: &KeyRef, _: Scheme, _: &Input, _: Option<Instant>) -> Result<Vec<u8>, Error> {
        let mut places = self.places.lock();
        while *places == 0 {
            self.freed.wait(&mut places);
        }
        *places -= 1;
        drop(places);
        let end = Instant::now() + Duration::from_millis(10);
        while let Some(left) = end
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            thread::park_timeout(left);
        }
        *self.places.lock() += 1;
        self.freed.notify_one();
        Ok(vec![1])
    }

    fn status(&self) -> BackendStatus {
        BackendStatus {
            name: "simulated".to_owned(),
            available: true,
            detail: String::new(),
            width: 1,
        }
    }

    fn tend(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A lane that signs with one session to begin with, in front of a token of sixteen places and with as much to do as it can.
#[test]
fn a_lane_learns_how_many_sessions_its_token_has() {
    let config: Config = toml::from_str("version = 1").unwrap();
    let token = Arc::new(Simulated {
        places: Mutex::new(16),
        freed: Condvar::new(),
    });
    let service = Service::new(
        KeyRing::new(vec![token], None),
        &config,
        Audit::open(Some("/dev/null".into())).unwrap(),
    );
    let audit = Arc::new(Audit::open(Some("/dev/null".into())).unwrap());
    let (client, own) = UnixStream::pair().unwrap();
    let peer = Peer { uid: 0, pid: 0 };
    let connection = Arc::new(Connection::new(own, peer).unwrap());
    let lane = service.lanes().first().unwrap();
    let ask = |count| {
        let item = Sign {
            key: KeyRef::new([1; 32]),
            scheme: Scheme::EcdsaSha256,
            input: Input::Message(vec![1]),
        };
        let request = SignBatch {
            priority: Priority::Issuance,
            deadline_ms: 0,
            items: vec![item; count],
        };
        let (connection, audit) = (Arc::clone(&connection), Arc::clone(&audit));
        let batch = Batch::arrive(connection, audit, 1, request, Duration::from_mins(1));
        lane.enqueue(Priority::Issuance, batch.jobs());
    };
    thread::scope(|scope| {
        scope.spawn(|| (&client).read_to_end(&mut Vec::new()));
        for number in 0..lane.threads() {
            let service = &service;
            scope.spawn(move || lane.work(number, service.ring(), |_, _| ()));
        }
        assert_eq!((lane.width(), lane.threads()), (1, 64));
        let end = Instant::now() + Duration::from_mins(1);
        let mut widths = vec![1];
        while !widths.contains(&8) && Instant::now() < end {
            if lane.queued() < 512 {
                ask(256);
            }
            service.keep_time(Instant::now());
            if widths.last() != Some(&lane.width()) {
                widths.push(lane.width());
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        // Tried, put back, and kept, each time.
        assert_eq!(widths, [1, 2, 1, 2, 4, 2, 4, 8]);
        assert!(lane.in_flight() <= 8);
        drop(lane.take_out(|_| true));
        // Those that stood by and are woken for a job leave it to the one that works.
        lane.queue.lock().width = 1;
        for made in 1..=20 {
            let before = lane.signed.load(Ordering::Relaxed);
            ask(1);
            let end = Instant::now() + Duration::from_secs(10);
            while lane.queued() + lane.in_flight() > 0 && Instant::now() < end {
                thread::park_timeout(Duration::from_millis(1));
            }
            assert!(lane.signed.load(Ordering::Relaxed) > before, "{made}");
        }
        service.close();
        client.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let told = service.ring().status().remove(0);
    let status = lane.status(Instant::now(), told, (Circuit::Closed, 0));
    assert_eq!((status.failed, status.queued, status.in_flight), (0, 0, 0));
}

//! A service with one key in two tokens, and faults in front of both.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "test support")]

use std::path::Path;
use std::time::{Duration, Instant};

use signer_wire::{KeyRecord, LaneStatus};
use token::{Config, TokenConfig};

use crate::client::Client;
use crate::daemon::{Daemon, write_config};
use crate::faulty::Faults;
use crate::shared_key::shared_key;
use crate::soft_tokens::Make;

/// A service with the shared key in two tokens.
pub(crate) struct Bed {
    pub(crate) record: KeyRecord,
    pub(crate) daemon: Daemon,
    pub(crate) faults: Faults,
}

impl Bed {
    pub(crate) fn new(directory: &Path, adjust: impl FnOnce(&mut Config)) -> Self {
        let (record, tokens) = shared_key(Make::Faulty, directory);
        let tokens = tokens.into_iter().map(|token| TokenConfig {
            sessions: Some(2),
            ..token
        });
        let mut config = Config {
            tokens: tokens.collect(),
            ..Config::default()
        };
        adjust(&mut config);
        write_config(directory, config);
        Self {
            record,
            daemon: Daemon::start(directory),
            faults: Faults::of(directory),
        }
    }

    /// Changes the configuration, for the next start.
    pub(crate) fn configure(directory: &Path, adjust: impl FnOnce(&mut Config)) {
        let mut config = Config::load(&directory.join("signerd.toml")).unwrap();
        adjust(&mut config);
        write_config(directory, config);
    }

    pub(crate) fn lane(&self, name: &str) -> LaneStatus {
        lane(&mut self.daemon.client(), name)
    }

    /// Waits until what is told of a token is so.
    pub(crate) fn wait_for(
        &self,
        name: &str,
        what: &str,
        mut is_so: impl FnMut(&LaneStatus) -> bool,
    ) -> LaneStatus {
        let (mut client, until) = (self.daemon.client(), Instant::now() + Duration::from_secs(20));
        loop {
            let told = lane(&mut client, name);
            if is_so(&told) {
                return told;
            }
            assert!(Instant::now() < until, "{what}: {told:?}\n{}", self.daemon.log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn lane(client: &mut Client, name: &str) -> LaneStatus {
    let lanes = client.status().lanes;
    lanes.into_iter().find(|lane| lane.name == name).unwrap()
}

//! The courier is killed before each of its effects, one after the other: what is on disk always serves, and the next run repairs.
//!
//! The courier runs in a child of this program that kills itself by SIGKILL at a given effect: the program itself has no such switch.

use std::path::Path;

use clap::Parser as _;
use courier::write::Watch;

use super::host::Host;
use super::token_keys;
use crate::api::Api;
use crate::harness::{Appliance, Keys, judge};

/// Names the child: the effect that it dies at, and its words.
const DIES_AT: &str = "COURIER_TEST_DIES_AT";
const WORDS: &str = "COURIER_TEST_WORDS";

/// Kills its process before an effect.
struct Death {
    left: usize,
}

impl Watch for Death {
    fn step(&mut self, _: &str) {
        if self.left == 0 {
            let own = i32::try_from(std::process::id()).unwrap();
            let own = rustix::process::Pid::from_raw(own).unwrap();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
        }
        self.left -= 1;
    }
}

/// The child of the tests below; by itself it does nothing.
#[test]
fn courier_that_dies() {
    let (Ok(at), Ok(words)) = (std::env::var(DIES_AT), std::env::var(WORDS)) else {
        return;
    };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = courier::args::Arguments::parse_from(words.split('\n'));
    let mut death = Death {
        left: at.parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let code = runtime.block_on(courier::cmd::perform(arguments, &mut death));
    std::process::exit(i32::from(code));
}

/// Runs a courier that dies before its effect with this number; how it ended.
fn run_and_die(host: &Host, words: &[&str], at: usize) -> std::process::ExitStatus {
    let config = host.file("config.yaml");
    let mut all = vec!["courier", "--config", config.to_str().unwrap()];
    all.extend(words);
    let name = concat!(module_path!(), "::courier_that_dies");
    let name = name.split_once("::").unwrap().1;
    host.command(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(DIES_AT, at.to_string())
        .env(WORDS, all.join("\n"))
        .output()
        .unwrap()
        .status
}

/// The serial number of the certificate on disk, which must be the key's; none when there is neither.
fn serial(host: &Host) -> Option<String> {
    let (certificate, key) = (host.output("cert.pem"), host.output("privkey.pem"));
    if !certificate.exists() {
        assert!(!key.exists(), "a key without its certificate");
        return None;
    }
    let of = |words: &[&str]| judge("openssl", words);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let is_in_token = std::fs::read(&key).unwrap().starts_with(b"pkcs11:");
    let (certificate, key) = (path(&certificate), path(&key));
    let of_key = if is_in_token {
        token_keys::public_key(host)
    } else {
        of(&["pkey", "-in", &key, "-pubout"])
    };
    assert_eq!(
        of(&["x509", "-in", &certificate, "-noout", "-pubkey"]),
        of_key,
        "the certificate on disk is not the key's"
    );
    Some(of(&["x509", "-in", &certificate, "-noout", "-serial"]))
}

/// Which certificate the courier dies for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The first one.
    First,
    /// The next one.
    Renewal,
    /// One whose key the appliance makes.
    Platform,
    /// The first one whose key is in a token.
    TokenFirst,
    /// The next one; no file of before is kept.
    TokenRenewal,
}

/// Kills couriers with these words at one effect after the other until one lives to its end; how many died.
fn all_deaths(appliance: &Appliance, words: &[&str], kind: Kind) -> usize {
    let mut requests = 0;
    for at in 0.. {
        // Each has a record of its own: the appliance limits how often one courier signs in.
        let name = format!("{kind:?}-{at}").to_lowercase();
        let mut host = Host::new(appliance, &name, "");
        match kind {
            Kind::First => {}
            Kind::Renewal => drop(host.ok(&["run"])),
            Kind::TokenFirst => token_keys::give_token(&mut host, &name, ""),
            Kind::TokenRenewal => {
                token_keys::give_token(&mut host, &name, "");
                host.change("    dir: live\n", "    dir: live\n    keep_previous: 0\n");
                host.ok(&["run"]);
            }
            Kind::Platform => {
                let named = format!("  name: {name}\n");
                host.change(&named, &format!("{named}  generate_keys_locally: false\n"));
            }
        }
        let before = serial(&host);
        let ended = run_and_die(&host, words, at);
        let is_in_token = matches!(kind, Kind::TokenFirst | Kind::TokenRenewal);
        requests += usize::from(is_in_token && token_keys::check_request(&host, &name));
        if ended.code() == Some(0) {
            assert!(!is_in_token || requests > 3, "{requests} requests were seen");
            return at;
        }
        assert_eq!(ended.code(), None, "it was to be killed at {at}");
        let left = serial(&host);
        assert!(before.is_none() || left.is_some(), "what served is gone at {at}");
        host.ok(&["run"]);
        assert!(serial(&host).is_some(), "not repaired at {at}");
        let calm = host.json(&["run"]);
        let told = (&calm["action"], &calm["outcome"]);
        assert_eq!(told, (&"nothing".into(), &"current".into()), "at {at}: {calm}");
        if is_in_token {
            let label = token_keys::reference(&host).0;
            assert_eq!(token_keys::labels(&host), [label], "keys are left behind at {at}");
        }
        let orders = Api::new(appliance)
            .get(&format!("courier-orders?courier={name}"))
            .1;
        let orders = orders["items"].as_array().unwrap();
        let most = if matches!(kind, Kind::First | Kind::TokenFirst) {
            1
        } else {
            2
        };
        assert!(orders.len() <= most, "at {at}: {orders:?}");
        let is_installed = |order: &&serde_json::Value| order["status"] == "installed";
        let installed = orders.iter().filter(is_installed).count();
        // A key that was handed out to a run that died is never handed out again: its order is left.
        let is_left = kind == Kind::Platform && orders.len() == 2;
        assert_eq!(
            installed + usize::from(is_left),
            orders.len(),
            "at {at}: {orders:?}"
        );
    }
    unreachable!("it dies for ever")
}

#[test]
fn a_courier_killed_at_any_effect_leaves_what_serves_and_the_next_run_repairs() {
    let appliance = Appliance::start(Keys::Software);
    let deaths = [
        all_deaths(&appliance, &["run", "--quiet"], Kind::First),
        all_deaths(&appliance, &["renew", "--force"], Kind::Renewal),
        all_deaths(&appliance, &["run"], Kind::Platform),
    ];
    assert!(deaths.iter().all(|count| *count > 12), "{deaths:?}");
}

#[test]
fn e2e_courier_softhsm_killed_at_any_effect_leaves_no_key_behind() {
    let appliance = Appliance::start(Keys::Software);
    let deaths = [
        all_deaths(&appliance, &["run", "--quiet"], Kind::TokenFirst),
        all_deaths(&appliance, &["renew", "--force"], Kind::TokenRenewal),
    ];
    assert!(deaths.iter().all(|count| *count > 16), "{deaths:?}");
}

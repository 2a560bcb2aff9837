//! A process that is killed in the middle of writing: every row it was told to be durable is there.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use store::audit::{self, Verdict};
use store::{certificates, intents};

use super::fixture::{ISSUER, Place, certificate, config, entry, intent, serial};

/// Tells this very test that it is the process to be killed: the path of the store and the first number to use.
const ROLE: &str = "STORE_TEST_WRITE_LOOP";
/// How often it is killed.
const KILLS: u64 = 6;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be dead already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    if let Ok(role) = std::env::var(ROLE) {
        write_until_killed(&role);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = Place::new();
    drop(runtime.block_on(place.with_issuers()));
    let mut acknowledged = BTreeSet::new();
    for round in 0..KILLS {
        acknowledged.extend(run_and_kill(&place, round));
        let store = place.open();
        let found = runtime.block_on(store.read(|reader| {
            let mut found = BTreeSet::new();
            store::statuses::for_each(reader, |status| {
                found.insert(status.serial.to_vec());
                Ok(())
            })?;
            Ok(found)
        }));
        let found = found.unwrap();
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|number| !found.contains(&serial(**number)))
            .collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");

        // Entry and certificate came in one change, so neither stands without the other.
        let verdict = runtime.block_on(store.read(audit::verify)).unwrap();
        let Verdict::Sound { entries, .. } = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(usize::try_from(entries).unwrap(), found.len());

        // What was about to be signed and has no certificate is known by its intent.
        let orphans = runtime.block_on(store.read(intents::all)).unwrap();
        assert!(orphans.iter().all(|orphan| !found.contains(&orphan.serial)));
    }
    assert!(
        acknowledged.len() > 100,
        "only {} rows were written",
        acknowledged.len()
    );
}

/// Starts the writing process, kills it in full swing, and gives the numbers it had acknowledged.
fn run_and_kill(place: &Place, round: u64) -> Vec<u64> {
    let role = format!("{}|{}", (round + 1) << 32, place.address());
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            concat!(module_path!(), "::what_was_acknowledged_survives_sigkill")
                .split_once("::")
                .unwrap()
                .1,
            "--nocapture",
        ])
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut line = String::new();
    // Another moment in every round.
    let enough = 40 + usize::try_from(round).unwrap() * 23;
    while acknowledged.len() < enough {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the writing process ended by itself"
        );
        acknowledged.extend(
            line.trim()
                .strip_prefix("acknowledged ")
                .map(|number| number.parse::<u64>().unwrap()),
        );
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    // A line that the kill cut short was not heard by anybody.
    let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let heard = whole
        .lines()
        .filter_map(|line| line.strip_prefix("acknowledged "));
    acknowledged.extend(heard.map(|number| number.parse::<u64>().unwrap()));
    acknowledged
}

/// Issues in eight tasks: the intent, then the certificate with its audit entry, then a line that says so.
fn write_until_killed(role: &str) -> ! {
    let (first, address) = role.split_once('|').unwrap();
    let first: u64 = first.parse().unwrap();
    let store = store::Store::open(&config(address)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tasks: Vec<_> = (0..8_u64)
        .map(|task| {
            let store = store.clone();
            runtime.spawn(async move {
                for number in (first + task..).step_by(8) {
                    store
                        .write(move |tx| intents::insert(tx, &intent(number)))
                        .await
                        .unwrap();
                    let job = store.write(move |tx| {
                        certificates::insert(tx, &certificate(number), &[])?;
                        assert!(intents::remove(tx, ISSUER, &serial(number))?);
                        audit::append(tx, &entry(&number.to_string()))
                    });
                    job.await.unwrap();
                    writeln!(std::io::stdout().lock(), "acknowledged {number}").unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    unreachable!("the numbers do not end");
}

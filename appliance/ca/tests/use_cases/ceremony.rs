//! Key ceremonies: what is made, what is refused, what is found after an interruption, what a transcript shows.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use ca::ceremony::{Approval, CeremonyError, Event, Folder, Outcome, Plan, Record, Role, Transcript, verify};
use ca::{CertRef, Clock, Filter};
use pki::{Certificate, Crl, DigestAlgorithm};
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

use crate::bed::admin;
use crate::hall::{Hall, out, put_transcript, transcript};
use crate::request::{Holder, ca_csr};

pub(crate) const ROOT: &str = "[[steps]]\ndo = \"root\"\nname = \"root\"\nsubject = \"CN=Offline Root,O=Example\"\n\
    key_algorithm = \"ec-p384\"\ntoken = \"software\"\nvalidity = \"20y\"\n";
pub(crate) const CRL: &str = "[[steps]]\ndo = \"crl\"\nissuer = \"root\"\nvalidity = \"180d\"\n";
pub(crate) const CSR: &str = "[[steps]]\ndo = \"intermediate\"\nname = \"issuing\"\nissuer = \"root\"\n\
    subject = \"CN=Issuing,O=Example\"\ncsr = \"issuing.csr\"\nvalidity = \"5y\"\n";
const OWN: &str = "[[steps]]\ndo = \"intermediate\"\nname = \"policy\"\nissuer = \"root\"\n\
    subject = \"CN=Policy,O=Example\"\nkey_algorithm = \"rsa-2048\"\ntoken = \"software\"\n";
const ROLL: &str = "[[steps]]\ndo = \"rollover\"\nissuer = \"root\"\nkey_algorithm = \"ec-p256\"\n\
    crl_url = \"http://pki.example/root-2.crl\"\n";

pub(crate) fn csr(hall: &Hall) {
    hall.write("issuing.csr", ca_csr(&Holder::new(), "CN=Issuing,O=Example"));
}

/// A root of somebody else, and the step that certifies it.
async fn other_root(hall: &Hall) -> String {
    let bed = crate::bed::Bed::ready().await;
    hall.write(
        "other.pem",
        bed.issuer("root").certificate.as_ref().unwrap().pem(),
    );
    "[[profiles]]\nname = \"cross\"\ndefault_validity = \"5y\"\nmax_ttl = \"10y\"\n[profiles.authority]\npath_length = 1\n\
     [[steps]]\ndo = \"cross-sign\"\nname = \"other\"\nissuer = \"root\"\nsubject = \"CN=Test root,O=Example\"\n\
     certificate = \"other.pem\"\nprofile = \"cross\"\n"
        .to_owned()
}

#[tokio::test]
async fn every_operation_is_done_once_it_is_approved_and_the_transcript_shows_it() {
    let hall = Hall::new();
    csr(&hall);
    let steps = [ROOT, CRL, CSR, OWN, &other_root(&hall).await, ROLL, CRL].concat();
    let plan = hall.plan("plan.toml", &steps);
    hall.run_to_the_end(&plan).await;
    let verdict = verify(transcript(&plan.0).as_bytes()).unwrap();
    assert!(verdict.is_finished && verdict.done == 7, "{verdict:?}");
    assert_eq!(verdict.plan.hash, plan.1.hash);
    assert!(
        verdict
            .steps
            .iter()
            .all(|step| step.approvers == ["alice", "carol"])
    );
    let root = Certificate::parse(&out(&plan.0, "01-root.pem")).unwrap();
    assert!(root.is_self_signed() && root.crl_urls().is_empty());
    let chain = Certificate::parse_all(&out(&plan.0, "03-issuing.chain.pem")).unwrap();
    assert_eq!(chain.len(), 2);
    pki::chain::verify(&chain, chain[0].not_before()).unwrap();
    // Nothing answers for an offline root but its CRL.
    assert_eq!(chain[0].ocsp_urls(), Vec::<String>::new());
    let id = verdict.steps[0].outputs[0].ca.as_ref().unwrap().id;
    assert_eq!(
        chain[0].crl_urls(),
        [format!("http://pki.example/.well-known/pki/crl/{id}")]
    );
    let cross = Certificate::parse(&out(&plan.0, "05-other.pem")).unwrap();
    cross.verify_signed_by(root.public_key()).unwrap();
    assert_eq!(cross.path_len(), Some(1));
    let new = Certificate::parse(&out(&plan.0, "06-root.pem")).unwrap();
    let [new_with_old, old_with_new] = ["06-root-new-with-old.pem", "06-root-old-with-new.pem"]
        .map(|name| Certificate::parse(&out(&plan.0, name)).unwrap());
    new_with_old.verify_signed_by(root.public_key()).unwrap();
    old_with_new.verify_signed_by(new.public_key()).unwrap();
    assert_eq!(new_with_old.public_key(), new.public_key());
    let list = Crl::parse(&out(&plan.0, "07-root.crl.pem")).unwrap();
    list.verify_signed_by(new.public_key()).unwrap();
    // Signed by the new generation, whose numbers begin anew.
    assert_eq!(list.number(), Some(1));
    let ca = verdict.steps[5].outputs[0].ca.as_ref().unwrap();
    assert_eq!(
        (ca.generation, ca.crl_url.as_str()),
        (2, "http://pki.example/root-2.crl")
    );
    // An offline CA signs nothing that nobody decided on.
    let authority = hall.open(Clock::system()).await;
    assert_eq!(authority.publish_due_crls().await.unwrap(), 0);
    assert_eq!(authority.renew_due_responders().await.unwrap(), 0);
    let page = authority.certificates(&admin(), Filter::default()).await.unwrap();
    assert_eq!(page.items.len(), 7);
    authority.drain().await;
    drop(authority);
    let again = hall.run(&plan).await.unwrap();
    assert!(matches!(again, Outcome::Finished));
}

#[tokio::test]
async fn revocations_of_a_plan_are_on_the_list_and_wrong_ones_are_refused_before_anything() {
    let hall = Hall::new();
    csr(&hall);
    let first = hall.plan("first.toml", &[ROOT, CSR, OWN].concat());
    hall.run_to_the_end(&first).await;
    let verdict = verify(transcript(&first.0).as_bytes()).unwrap();
    let serial = verdict.steps[1].outputs[0].serial.unwrap();
    let revoke = format!("{CRL}[[steps.revoke]]\nserial = \"{serial}\"\nreason = \"keyCompromise\"\n");
    let second = hall.plan("second.toml", &[revoke.as_str(), CRL].concat());
    hall.run_to_the_end(&second).await;
    let verdict = verify(transcript(&second.0).as_bytes()).unwrap();
    for name in ["01-root.crl.pem", "02-root.crl.pem"] {
        let list = Crl::parse(&out(&second.0, name)).unwrap();
        assert_eq!(
            list.find(serial).unwrap().reason,
            Some(pki::RevocationReason::KeyCompromise)
        );
        assert_eq!(list.entries().count(), 1);
    }
    assert_eq!(verdict.steps[0].outputs[0].number, Some(1));
    for (serial, told) in [
        (serial.to_string(), "is revoked already"),
        ("0102030405060708".to_owned(), "is of no certificate"),
    ] {
        let revoke = format!("{CRL}[[steps.revoke]]\nserial = \"{serial}\"\n");
        let error = hall.run(&hall.plan("third.toml", &revoke)).await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        std::fs::remove_dir_all(Folder::of(&hall.folder.path().join("third.toml"), None).path()).unwrap();
    }
}

#[tokio::test]
async fn a_step_waits_for_enough_approvals_of_just_this_step() {
    let hall = Hall::new();
    let plan = hall.plan("plan.toml", &[ROOT, CRL].concat());
    assert!(
        hall.approve(&plan, 0)
            .unwrap_err()
            .to_string()
            .contains("run the ceremony first")
    );
    let waiting = hall.waiting(&plan).await;
    assert_eq!((waiting.statement.step, waiting.missing.len()), (1, 3));
    let alices = hall.approve(&plan, 0).unwrap();
    let waiting = hall.waiting(&plan).await;
    assert_eq!(waiting.missing, ["bob", "carol"]);
    // The same one under another name of a file, and under another name inside.
    let approval = std::fs::read_to_string(&alices).unwrap();
    let bobs = alices.with_file_name("step-1-bob.json");
    std::fs::write(&bobs, &approval).unwrap();
    assert!(hall.waiting(&plan).await.ballot.refused[0].contains("it counts once"));
    std::fs::write(&bobs, approval.replace("alice", "bob")).unwrap();
    assert!(hall.waiting(&plan).await.ballot.refused[0].contains("not that of the approver's key"));
    std::fs::write(&bobs, approval.replace("alice", "mallory")).unwrap();
    assert!(hall.waiting(&plan).await.ballot.refused[0].contains("no such approver"));
    std::fs::write(&bobs, "{").unwrap();
    assert!(hall.waiting(&plan).await.ballot.refused[0].contains("this is no approval"));
    std::fs::remove_file(&bobs).unwrap();
    // Of another plan.
    let other = hall.plan("other.toml", &[ROOT, CRL, CRL].concat());
    hall.waiting(&other).await;
    std::fs::copy(hall.approve(&other, 1).unwrap(), &bobs).unwrap();
    assert!(hall.waiting(&plan).await.ballot.refused[0].contains("another plan"));
    hall.approve(&plan, 1).unwrap();
    let waiting = hall.waiting(&plan).await;
    assert_eq!(waiting.statement.step, 2);
    // Of the step before, and of another state.
    let seconds = alices.with_file_name("step-2-alice.json");
    std::fs::write(&seconds, &approval).unwrap();
    assert!(hall.waiting(&plan).await.ballot.refused[0].contains("for step 1, not for step 2"));
    std::fs::write(&seconds, approval.replace("\"step\": 1", "\"step\": 2")).unwrap();
    assert!(hall.waiting(&plan).await.ballot.refused[0].contains("another state"));
    // Somebody whom the plan does not know.
    let stranger = Hall::new();
    let folder = Folder::of(&plan.0, None);
    let error = ca::ceremony::approve(&plan.1, &folder, None, &stranger.approvers[0]).unwrap_err();
    assert!(
        error.to_string().contains("none of the plan's approvers"),
        "{error}"
    );
    let error = ca::ceremony::approve(&plan.1, &folder, Some(1), &hall.approvers[0]).unwrap_err();
    assert!(error.to_string().contains("it is step 2 that waits"), "{error}");
    hall.approve(&plan, 0).unwrap();
    hall.approve(&plan, 2).unwrap();
    assert!(matches!(hall.run(&plan).await.unwrap(), Outcome::Finished));
}

#[tokio::test]
async fn what_was_changed_in_the_folder_is_not_approved() {
    let hall = Hall::new();
    let plan = hall.plan("plan.toml", ROOT);
    hall.waiting(&plan).await;
    let pending = Folder::of(&plan.0, None).path().join("pending.json");
    let text = std::fs::read_to_string(&pending).unwrap();
    std::fs::write(&pending, text.replace("CN=Offline Root", "CN=Evil Root")).unwrap();
    let error = hall.approve(&plan, 0).unwrap_err();
    assert!(
        error.to_string().contains("not the next step of this plan"),
        "{error}"
    );
    // Another plan in its place.
    let other = hall.plan("plan.toml", &ROOT.replace("20y", "30y"));
    let error = hall.run(&other).await.unwrap_err();
    assert!(matches!(error, CeremonyError::OtherPlan { .. }), "{error}");
    assert!(error.to_string().contains("put the plan back"), "{error}");
}

/// The end of a step is lost: what it did is found, whatever it was.
#[tokio::test]
async fn a_step_that_was_done_is_not_done_again() {
    let hall = Hall::new();
    csr(&hall);
    let steps = [ROOT, CRL, CSR, OWN, &other_root(&hall).await, ROLL].concat();
    let plan = hall.plan("plan.toml", &steps);
    for step in 1..=6 {
        hall.run_until(&plan, step + 1).await;
        let whole = transcript(&plan.0);
        let lines: Vec<&str> = whole.lines().collect();
        let end = lines
            .iter()
            .rposition(|line| line.contains("\"done\":{"))
            .unwrap();
        // As a program leaves it that is killed while it writes the line.
        put_transcript(
            &plan.0,
            &format!("{}\n{}", lines[..end].join("\n"), &lines[end][..20]),
        );
        hall.run_until(&plan, step + 1).await;
        let again = transcript(&plan.0);
        let done = |text: &str| {
            let records = text
                .lines()
                .map(|line| serde_json::from_str::<Record>(line).unwrap());
            let outputs = records.filter_map(|record| match record.event {
                Event::Done { outputs, .. } => Some(outputs),
                _ => None,
            });
            outputs.collect::<Vec<_>>()
        };
        assert_eq!(done(&again), done(&whole), "step {step}");
    }
    let verdict = verify(transcript(&plan.0).as_bytes()).unwrap();
    assert!(verdict.is_finished && verdict.orphans.is_empty() && verdict.abandoned.is_empty());
    let authority = hall.open(Clock::system()).await;
    let page = authority.certificates(&admin(), Filter::default()).await.unwrap();
    assert_eq!(page.items.len(), 7, "every certificate is in the transcript");
}

/// A signature that may have been made without being recorded is revoked and told, and the step is done again.
#[tokio::test]
async fn a_step_that_broke_off_is_settled_and_done_again() {
    let hall = Hall::new();
    csr(&hall);
    let plan = hall.plan("plan.toml", &[ROOT, CSR, ROLL, CRL].concat());
    for (step, signature) in [(1, 0), (2, 0), (3, 1), (4, 0)] {
        hall.run_until(&plan, step).await;
        hall.approve(&plan, 0).unwrap();
        hall.approve(&plan, 1).unwrap();
        hall.keys.left.store(signature, Ordering::SeqCst);
        let error = hall.run(&plan).await.unwrap_err();
        assert!(matches!(error, CeremonyError::Refused { .. }), "{error}");
        hall.keys.left.store(-1, Ordering::SeqCst);
        // The approvals still hold.
        hall.run_until(&plan, step + 1).await;
    }
    let verdict = verify(transcript(&plan.0).as_bytes()).unwrap();
    assert!(verdict.is_finished);
    // Of the list nothing is left that anybody has to know; of the rollover the first link certificate.
    assert_eq!((verdict.orphans.len(), verdict.abandoned.len()), (3, 1));
    let authority = hall.open(Clock::system()).await;
    let abandoned = authority
        .certificate(&admin(), CertRef::Serial(verdict.abandoned[0]))
        .await
        .unwrap();
    assert_eq!(abandoned.status.name(), "revoked");
    let records = transcript(&plan.0);
    assert!(records.contains("\"unused_keys\":[\"root-1-"), "{records}");
    assert_eq!(authority.issuer("root").unwrap().links.len(), 2);
}

#[tokio::test]
async fn the_time_of_the_plan_is_the_time_of_what_is_signed() {
    let hall = Hall::new();
    let time = "2031-02-03T04:05:06Z";
    let plan = hall.plan_with("plan.toml", &format!("time = \"{time}\""), &[ROOT, CRL].concat());
    hall.run_to_the_end(&plan).await;
    let list = Crl::parse(&out(&plan.0, "02-root.crl.pem")).unwrap();
    assert_eq!(list.this_update().to_string(), time);
    let root = Certificate::parse(&out(&plan.0, "01-root.pem")).unwrap();
    assert_eq!(root.not_before().to_string(), "2031-02-03T04:00:06Z");
    verify(transcript(&plan.0).as_bytes()).unwrap();
    // A plan of an earlier time: the approvers signed for it.
    let before = hall.plan_with("before.toml", "time = \"2031-02-03T03:00:00Z\"", CRL);
    let error = hall.run(&before).await;
    assert!(matches!(error, Ok(Outcome::Waiting(_))), "{error:?}");
}

/// A ceremony of four steps, and its transcript.
async fn four_steps(hall: &Hall) -> ((PathBuf, Plan), String) {
    csr(hall);
    let plan = hall.plan("plan.toml", &[ROOT, CRL, CSR, CRL].concat());
    hall.run_to_the_end(&plan).await;
    let whole = transcript(&plan.0);
    verify(whole.as_bytes()).unwrap();
    (plan, whole)
}

fn broken(text: &str, told: &str) {
    let Err(error) = verify(text.as_bytes()) else {
        panic!("{told}: it holds")
    };
    let error = error.to_string();
    assert!(error.contains(told), "{told}: {error}");
}

#[tokio::test]
async fn a_transcript_from_which_something_was_taken_does_not_hold() {
    let hall = Hall::new();
    let (_, whole) = four_steps(&hall).await;
    let lines: Vec<&str> = whole.lines().collect();
    for place in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(place);
        let text = fewer.join("\n") + "\n";
        if place + 1 == lines.len() {
            assert!(!verify(text.as_bytes()).unwrap().is_finished);
        } else {
            assert!(verify(text.as_bytes()).is_err(), "without record {}", place + 1);
        }
    }
    broken(&whole[..whole.len() - 1], "cut off");
    broken("", "empty");
    broken(&whole.replacen("\"olga\"", "\"olaf\"", 1), "does not follow");
}

/// Every change of a transcript is found, also when its chain is made good again.
#[tokio::test]
async fn a_transcript_that_was_changed_does_not_hold() {
    let hall = Hall::new();
    let (plan, whole) = four_steps(&hall).await;
    let rechained = |change: &dyn Fn(&mut Record)| rechain(&whole, change);
    // An operator put in later: the approvals stand on the records before them.
    broken(
        &rechained(&|record| record.operator = "olaf".to_owned()),
        "plan and state",
    );
    broken(
        &rechained(&|record| {
            if let Event::Begun {
                step: 4, approvals, ..
            } = &mut record.event
            {
                approvals.pop();
            }
        }),
        "1 approved, and it takes 2",
    );
    broken(
        &rechained(&|record| {
            if let Event::Begun { step: 4, time, .. } = &mut record.event {
                *time += jiff::SignedDuration::from_secs(1);
            }
        }),
        "not what plan, number and time give",
    );
    broken(
        &rechained(&|record| {
            if let Event::Done { step: 4, outputs } = &mut record.event {
                outputs[0].number = Some(7);
            }
        }),
        "its digest or its number",
    );
    let first = Crl::parse(&out(&plan.0, "02-root.crl.pem")).unwrap();
    broken(
        &rechained(&|record| {
            if let Event::Done { step: 4, outputs } = &mut record.event {
                outputs[0].pem = first.pem();
                outputs[0].number = first.number();
                outputs[0].sha256 = hex(first.der());
            }
        }),
        "does not rise",
    );
    broken(
        &rechained(&|record| {
            if let Event::Done { step: 4, outputs } = &mut record.event {
                let more = outputs[0].clone();
                outputs.push(more);
            }
        }),
        "and should make",
    );
    broken(
        &rechained(&|record| {
            if let Event::Begun {
                step: 4, statement, ..
            } = &mut record.event
            {
                statement.validity = None;
            }
        }),
        "what was approved is not what",
    );
}

/// The same records after a change, with a chain that holds.
pub(crate) fn rechain(text: &str, change: &dyn Fn(&mut Record)) -> String {
    let mut out = String::new();
    let mut previous: Option<String> = None;
    for line in text.lines() {
        let mut record: Record = serde_json::from_str(line).unwrap();
        change(&mut record);
        if let Some(previous) = previous {
            record.previous = previous;
        }
        let line = serde_json::to_string(&record).unwrap();
        previous = Some(hex(line.as_bytes()));
        out += &(line + "\n");
    }
    out
}

pub(crate) fn hex(octets: &[u8]) -> String {
    let digest = DigestAlgorithm::Sha256.digest(octets);
    pki::KeyFingerprint(digest.try_into().unwrap()).to_string()
}

#[tokio::test]
async fn two_programs_do_not_run_one_ceremony() {
    let hall = Hall::new();
    let plan = hall.plan("plan.toml", ROOT);
    let folder = Folder::of(&plan.0, None);
    let first =
        ca::ceremony::Ceremony::open(plan.1.clone(), hall.folder.path(), folder.clone(), "one").unwrap();
    let second = ca::ceremony::Ceremony::open(plan.1.clone(), hall.folder.path(), folder, "two");
    assert!(second.unwrap_err().to_string().contains("is at work here"));
    drop(first);
}

/// What is signed is text that any tool can check.
#[tokio::test]
async fn an_approval_is_a_signature_over_a_line_of_text() {
    let hall = Hall::new();
    let plan = hall.plan("plan.toml", ROOT);
    let waiting = hall.waiting(&plan).await;
    let file = hall.approve(&plan, 1).unwrap();
    let approval: Approval = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let message = Approval::message(&waiting.statement.hash());
    assert!(message.starts_with(b"chancery-ceremony-approval-1:") && message.ends_with(b"\n"));
    assert_eq!(hex(&waiting.statement.octets()), approval.step_hash);
    let transcript = Transcript::open(&Folder::of(&plan.0, None).transcript(), &plan.1).unwrap();
    assert_eq!(transcript.previous(), waiting.statement.previous);
    assert_eq!(Role::Crl, serde_json::from_str::<Role>("\"crl\"").unwrap());
}

/// Plans and transcripts come from other people's hands.
#[tokio::test]
async fn no_plan_and_no_transcript_makes_the_readers_panic() {
    let hall = Hall::new();
    csr(&hall);
    let plan = hall.plan("plan.toml", &[ROOT, CRL, CSR].concat());
    hall.run_to_the_end(&plan).await;
    let (text, records) = (plan.1.text.clone(), transcript(&plan.0));
    let mut runner = TestRunner::new(Config::with_cases(400));
    let cases = (0..usize::MAX, 0..12_usize, ".{0,12}", any::<bool>());
    let read = |(place, length, new, is_plan): (usize, usize, String, bool)| {
        let old = if is_plan { &text } else { &records };
        let mut begin = place % old.len();
        while !old.is_char_boundary(begin) {
            begin -= 1;
        }
        let rest: String = old[begin..].chars().skip(length).collect();
        let changed = format!("{}{new}{rest}", &old[..begin]);
        if is_plan {
            if let Ok(plan) = Plan::parse(&changed) {
                assert_eq!(plan.text, changed);
            }
        } else if let Ok(verdict) = verify(changed.as_bytes()) {
            // Nothing but the last record can be another without being found out.
            assert!(verdict.plan.hash == plan.1.hash || changed != records);
        }
        Ok(())
    };
    runner.run(&cases, read).unwrap();
}

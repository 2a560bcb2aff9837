//! Key ceremonies whose folder was in other hands: a transcript that was written to or cut does not make a CA sign.

use std::path::PathBuf;

use ca::ceremony::{CeremonyError, Event, Folder, Known, Plan, Record, Statement, verify};
use ca::{Clock, Filter};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::bed::admin;
use crate::ceremony::{CRL, CSR, ROOT, csr, hex, rechain};
use crate::hall::{Hall, put_transcript, transcript};
use crate::request::{Holder, ca_csr};

type Planned = (PathBuf, Plan);

/// What the step that waits is, as the folder tells.
fn pending(plan: &Planned) -> Value {
    let file = Folder::of(&plan.0, None).path().join("pending.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// Appends a line to the transcript, with a chain that holds.
fn append(plan: &Planned, event: Event) {
    let text = transcript(&plan.0);
    let last = text.lines().last().unwrap();
    let record = Record {
        record: text.lines().count() + 1,
        previous: hex(last.as_bytes()),
        at: Clock::system().now(),
        operator: "root".to_owned(),
        event,
    };
    put_transcript(
        &plan.0,
        &format!("{text}{}\n", serde_json::to_string(&record).unwrap()),
    );
}

/// The beginning of a step as its folder tells of it, approved by nobody.
fn begun(plan: &Planned) -> Event {
    let pending = pending(plan);
    let statement: Statement = serde_json::from_value(pending["statement"].clone()).unwrap();
    Event::Begun {
        step: statement.step,
        time: Timestamp::from_second(Clock::system().now().as_second()).unwrap(),
        step_hash: statement.hash(),
        statement: Box::new(statement),
        known: serde_json::from_value(pending["known"].clone()).unwrap(),
        approvals: Vec::new(),
        audit: 1_000_000,
    }
}

/// How many certificates the machine made, and how many lists.
async fn made(hall: &Hall) -> (usize, usize) {
    let authority = hall.open(Clock::system()).await;
    let page = authority.certificates(&admin(), Filter::default()).await.unwrap();
    let entries = authority.audit_tail(&admin(), 0, 1000).await.unwrap();
    let lists = entries.iter().filter(|one| one.action == "crl.publish").count();
    authority.drain().await;
    (page.items.len(), lists)
}

async fn refused(hall: &Hall, plan: &Planned, told: &str) {
    let before = made(hall).await;
    let text = transcript(&plan.0);
    let error = hall.run(plan).await.unwrap_err();
    assert!(
        matches!(
            error,
            CeremonyError::Transcript { .. } | CeremonyError::Step { .. }
        ),
        "{error:?}"
    );
    let error = error.to_string();
    assert!(error.contains(told), "{told}: {error}");
    assert!(error.contains("another plan"), "{error}");
    assert_eq!(made(hall).await, before, "{told}");
    assert_eq!(transcript(&plan.0), text, "{told}");
}

/// Whoever has the folder writes a line that says that a step was approved.
#[tokio::test]
async fn a_beginning_that_nobody_approved_is_not_carried_out() {
    let hall = Hall::new();
    csr(&hall);
    let plan = hall.plan("plan.toml", &[ROOT, CSR].concat());
    hall.run_until(&plan, 2).await;
    let honest = transcript(&plan.0);
    append(&plan, begun(&plan));
    refused(&hall, &plan, "0 approved, and it takes 2").await;
    // Those who approve do not sign for it, either.
    let error = hall.approve(&plan, 0).unwrap_err().to_string();
    assert!(error.contains("0 approved"), "{error}");
    // With a request of somebody else.
    put_transcript(&plan.0, &honest);
    let mut forged = begun(&plan);
    if let Event::Begun { known, .. } = &mut forged {
        let request = ca_csr(&Holder::new(), "CN=Issuing,O=Example");
        let request = pki::Csr::parse(&request).unwrap();
        known.input = Some(pki::pem::encode("CERTIFICATE REQUEST", request.der()));
    }
    append(&plan, forged);
    refused(&hall, &plan, "what was approved is not what plan and state give").await;
    // The honest one goes on as if nothing had been.
    put_transcript(&plan.0, &honest);
    hall.run_to_the_end(&plan).await;
    assert!(verify(transcript(&plan.0).as_bytes()).unwrap().is_finished);
}

/// What the approvals do not cover of a beginning is held against the store.
#[tokio::test]
async fn a_beginning_with_another_place_in_the_log_or_another_time_is_not_carried_out() {
    let hall = Hall::new();
    csr(&hall);
    let plan = hall.plan("plan.toml", &[ROOT, CSR, CRL].concat());
    hall.run_until(&plan, 3).await;
    // Only the end of step 2 is missing, as after a fall of the machine.
    let whole = transcript(&plan.0);
    let open: String = whole.split_inclusive('\n').take(4).collect();
    let with = |change: &dyn Fn(&mut i64, &mut Timestamp)| {
        rechain(&open, &|record| {
            if let Event::Begun {
                step: 2, audit, time, ..
            } = &mut record.event
            {
                change(audit, time);
            }
        })
    };
    put_transcript(&plan.0, &with(&|audit, _| *audit = 1_000_000));
    refused(
        &hall,
        &plan,
        "it says that it began after entry 1000000 of the audit log",
    )
    .await;
    put_transcript(&plan.0, &with(&|audit, _| *audit = -1));
    refused(&hall, &plan, "it says that it began after entry -1").await;
    // Behind what it did: it would be done again.
    let authority = hall.open(Clock::system()).await;
    let last = authority.audit_last(&admin()).await.unwrap();
    authority.drain().await;
    drop(authority);
    put_transcript(&plan.0, &with(&|audit, _| *audit = last));
    refused(&hall, &plan, "is of it already").await;
    let hour = SignedDuration::from_hours(1);
    put_transcript(&plan.0, &with(&|_, time| *time += hour));
    refused(&hall, &plan, "its time is").await;
    put_transcript(&plan.0, &with(&|_, time| *time -= hour));
    refused(&hall, &plan, "and the entry of the audit log before it is of").await;
    put_transcript(&plan.0, &open);
    hall.run_to_the_end(&plan).await;
    assert!(verify(transcript(&plan.0).as_bytes()).unwrap().is_finished);
    assert_eq!(made(&hall).await, (2, 1));
}

/// A cut transcript, with the approvals still in the folder.
#[tokio::test]
async fn what_was_approved_is_done_once_whatever_the_transcript_says() {
    let hall = Hall::new();
    csr(&hall);
    let plan = hall.plan("plan.toml", &[ROOT, CSR, CRL].concat());
    hall.run_to_the_end(&plan).await;
    let whole = transcript(&plan.0);
    // To before each step; a folder of its own is the same.
    for records in [1, 3, 5] {
        let cut: String = whole.split_inclusive('\n').take(records).collect();
        put_transcript(&plan.0, &cut);
        refused(&hall, &plan, "what was approved is done once").await;
    }
    std::fs::remove_dir_all(Folder::of(&plan.0, None).path()).unwrap();
    let error = hall.run(&plan).await.unwrap_err().to_string();
    assert!(error.contains("what was approved is done once"), "{error}");
    assert_eq!(made(&hall).await, (2, 1));
    put_transcript(&plan.0, &whole);
    hall.run_to_the_end(&plan).await;
}

/// The addresses of the CA that signs stand in what it signs.
#[tokio::test]
async fn the_addresses_of_the_ca_that_signs_are_approved() {
    let hall = Hall::new();
    csr(&hall);
    let plan = hall.plan("plan.toml", &[ROOT, CSR].concat());
    hall.run_until(&plan, 2).await;
    let statement = hall.waiting(&plan).await.statement;
    let signer = statement.issuer.clone().unwrap();
    assert!(signer.crl_url.unwrap().starts_with("http://pki.example/"));
    assert_eq!(signer.ocsp_url.as_deref(), Some(""));
    assert!(statement.format.ends_with("-2") && signer.ca_url.is_some());
    let honest = pending(&plan);
    for address in ["ca_url", "ocsp_url", "crl_url"] {
        let mut changed = honest.clone();
        changed["known"]["issuer"][address] = "http://elsewhere.example/empty".into();
        let known: Known = serde_json::from_value(changed["known"].clone()).unwrap();
        let other = Statement::of(&plan.1, 2, &statement.previous, &known).unwrap();
        assert_ne!(other.hash(), statement.hash(), "{address}");
        let file = Folder::of(&plan.0, None).path().join("pending.json");
        std::fs::write(&file, changed.to_string()).unwrap();
        let error = hall.approve(&plan, 0).unwrap_err().to_string();
        assert!(
            error.contains("not the next step of this plan"),
            "{address}: {error}"
        );
    }
}

/// A transcript of a program that asked for approvals in the first form.
#[test]
fn a_transcript_of_the_first_form_still_holds() {
    let text = include_str!("../../testdata/ceremony/form-1.jsonl");
    let verdict = verify(text.as_bytes()).unwrap();
    assert!(verdict.is_finished && verdict.done == 3, "{verdict:?}");
    let other = rechain(text, &|record| {
        if let Event::Begun { step: 2, known, .. } = &mut record.event {
            known.issuer.as_mut().unwrap().crl_url = "http://elsewhere.example/empty".to_owned();
        }
    });
    let error = verify(other.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("is not what plan, serial and time give"),
        "{error}"
    );
    let none = rechain(text, &|record| {
        if let Event::Begun {
            step: 2, statement, ..
        } = &mut record.event
        {
            statement.format = "chancery-ceremony-step-0".to_owned();
        }
    });
    let error = verify(none.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("is no form of a statement"), "{error}");
}

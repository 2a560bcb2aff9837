//! Key ceremonies whose folder was in other hands: a transcript that was written to or cut does not make a CA sign.

use std::path::PathBuf;

use ca::ceremony::{Event, Folder, Known, Plan, Statement, verify};
use serde_json::Value;

use crate::ceremony::{CSR, ROOT, csr, rechain};
use crate::hall::Hall;

type Planned = (PathBuf, Plan);

/// What the step that waits is, as the folder tells.
fn pending(plan: &Planned) -> Value {
    let file = Folder::of(&plan.0, None).path().join("pending.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
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

//! `add-checkpoint` as c2sp.org/tlog-witness has it: every status, without a token.

use ca::{Role, WitnessSettings};
use reqwest::Method;

use crate::house::{Api, House, Reply};

const PATH: &str = "/audit/witness/add-checkpoint";

/// A house that is a witness of its own log, and of nothing else.
async fn watching(house: &House, folder: &tempfile::TempDir) -> (Api, WitnessSettings) {
    house.authority.tend_audit_log_now().await.unwrap();
    let auditor = house.api("aud", Role::Auditor).await;
    house.authority.tend_audit_log_now().await.unwrap();
    let key = auditor.get_ok("/api/v1/audit/key").await["key"].clone();
    let settings = WitnessSettings {
        name: "witness.example".to_owned(),
        key_file: folder.path().join("witness.pem"),
        folder: folder.path().join("witness"),
        logs: vec![key.as_str().unwrap().parse().unwrap()],
    };
    house.authority.be_a_witness(&settings).unwrap();
    (auditor, settings)
}

async fn add(house: &House, body: impl Into<reqwest::Body>) -> Reply {
    let anybody = house.api_with(None);
    Reply::to(anybody.request(Method::POST, PATH).body(body)).await
}

async fn consistency(auditor: &Api, old: u64) -> String {
    let answer = auditor
        .get_ok(&format!("/api/v1/audit/consistency?old={old}"))
        .await;
    answer["proof"].as_str().unwrap().to_owned()
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

#[tokio::test]
async fn a_server_is_no_witness_unless_it_is_told() {
    let house = House::open().await;
    let answer = add(&house, "old 0\n").await;
    let error = answer.refused(404, "not_a_witness");
    assert!(error["message"].as_str().unwrap().contains("[audit.witness]"));
    let auditor = house.api("aud", Role::Auditor).await;
    auditor
        .get("/api/v1/audit/witness")
        .await
        .refused(404, "not_a_witness");
}

#[tokio::test]
async fn every_status_of_add_checkpoint() {
    let house = House::open().await;
    let folder = tempfile::tempdir().unwrap();
    let (auditor, settings) = watching(&house, &folder).await;
    let first = consistency(&auditor, 0).await;
    let answer = add(&house, first.clone()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain"));
    let line = text(&answer);
    assert!(
        line.starts_with("\u{2014} witness.example ") && line.ends_with('\n') && line.lines().count() == 1,
        "{line}"
    );
    // The same from nothing: it has seen more.
    let size = auditor.get_ok("/api/v1/audit/witness").await["logs"][0]["size"]
        .as_u64()
        .unwrap();
    let answer = add(&house, first.clone()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (409, "text/x.tlog.size")
    );
    assert_eq!(text(&answer), format!("{size}\n"));
    let same = consistency(&auditor, size).await;
    assert_eq!(add(&house, same.clone()).await.status, 200);

    for body in ["", "old 1", "hello\n", "old 01\n\n", "\u{0}"] {
        add(&house, body).await.refused(400, "not_cosigned");
    }
    let shrinks = same.replacen(&format!("old {size}\n"), &format!("old {}\n", size + 1), 1);
    add(&house, shrinks).await.refused(400, "not_cosigned");
    let forged = same.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
    add(&house, forged).await.refused(403, "not_cosigned");
    let origin = settings.logs[0].name().to_string();
    let foreign = same.replace(&origin, "other.example/log");
    add(&house, foreign).await.refused(404, "not_cosigned");
    let proof = format!("old {size}\n{}=\n", "A".repeat(43));
    let unproved = same.replacen(&format!("old {size}\n"), &proof, 1);
    add(&house, unproved).await.refused(422, "not_cosigned");
    let long = format!("old {size}\n{}", "A".repeat(70_000));
    add(&house, long).await.refused(413, "body_too_large");
    let got = house.api_with(None).get(PATH).await;
    got.refused(405, "method_not_allowed");
    house
        .api_with(None)
        .get("/api/v1/audit/witness")
        .await
        .refused(401, "unauthenticated");

    // Nothing of this moved it; without its memory it cosigns nothing.
    let shown = auditor.get_ok("/api/v1/audit/witness").await;
    assert_eq!(shown["logs"][0]["size"], size);
    assert!(shown["key"].as_str().unwrap().starts_with("witness.example+"));
    let mut files = std::fs::read_dir(&settings.folder).unwrap();
    let state = files.find_map(|file| {
        let file = file.unwrap().path();
        // Beside it are its lock and the file of all logs that were ever cosigned.
        (file.extension().is_none() && !file.ends_with("known")).then_some(file)
    });
    std::fs::write(state.unwrap(), "gone").unwrap();
    let answer = add(&house, same).await;
    let error = answer.refused(503, "witness_state");
    assert!(
        !error["message"]
            .as_str()
            .unwrap()
            .contains(folder.path().to_str().unwrap()),
        "where it is, its operator alone is told: {error}"
    );
    let ready = house.api_with(None).get_ok("/readyz").await;
    assert!(
        ready["problems"].to_string().contains("audit_witness_state"),
        "{ready}"
    );
    let shown = auditor.get_ok("/api/v1/audit/witness").await;
    assert!(shown["logs"][0]["problem"].is_string(), "{shown}");
}

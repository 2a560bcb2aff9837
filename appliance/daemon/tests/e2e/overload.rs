//! A crowd of clients that misbehave: the good ones are answered all the same, and memory stays within its bound.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::text;

/// What a build without optimisation may miss the limit of the latencies by, which is for a release. Where the good ones are
/// kept out, it is by seconds.
const SLACK: f64 = 5.0;

/// The load kit measures it, on an appliance of its own: the test is that the limits of its contract are kept.
#[test]
fn e2e_overload_good_requests_go_on_and_memory_is_bounded() {
    let kit = Path::new(env!("CARGO_BIN_EXE_chancery")).with_file_name("chancery-bench");
    assert!(
        kit.exists(),
        "chancery-bench is not built: run the tests by `cargo xtask test`"
    );
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("overload.json");
    let mut command = Command::new(kit);
    command
        .args(["overload", "--quick", "--idle", "10000", "--json"])
        .arg(&report);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let rows = report["contract"].as_array().unwrap();
    let measured: Vec<&Value> = rows.iter().filter(|row| row["value"].is_number()).collect();
    assert_eq!(measured.len(), 2, "{}", text(&output));
    for row in measured {
        assert_eq!(row["better"], "lower");
        let (value, must) = (row["value"].as_f64().unwrap(), row["must"].as_f64().unwrap());
        let is_latency = row["name"].as_str().unwrap().contains("p99");
        let limit = if is_latency { must * SLACK } else { must };
        assert!(value <= limit, "{row}\n{}", text(&output));
    }
}

//! Hooks with a real shell.

#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use super::*;

fn shell(text: &str) -> HookSettings {
    HookSettings::new(HookCommand::Shell(text.to_owned()))
}

async fn outcome(settings: &HookSettings, facts: &[(&str, &str)]) -> HookOutcome {
    let facts = facts
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    run(settings, "issued", &facts.collect()).await.unwrap()
}

#[tokio::test]
async fn a_hostile_name_stays_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("x");
    let name = format!("$(touch {0})`touch {0}`;touch {0}", mark.display());
    let told = outcome(
        &shell("printf %s \"$COURIER_COMMON_NAME\""),
        &[("COURIER_COMMON_NAME", &name)],
    )
    .await;
    assert_eq!(told.output_tail, name);
    assert!(told.is_success() && !mark.exists());
}

#[tokio::test]
async fn the_environment_is_clean() {
    let direct = HookSettings::new(HookCommand::Direct(vec!["env".to_owned()]));
    let told = outcome(&direct, &[("COURIER_NAME", "web"), ("LD_PRELOAD", "/x")]).await;
    for line in told.output_tail.lines() {
        let name = line.split('=').next().unwrap();
        assert!(
            command::INHERITED.contains(&name) || name.starts_with("COURIER_"),
            "{line}"
        );
    }
    assert!(told.output_tail.contains("COURIER_EVENT=issued\n"));
    assert!(told.output_tail.contains("COURIER_NAME=web\n"));
    // cargo sets this one for every test
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
}

#[tokio::test]
async fn failures_and_long_outputs_are_told() {
    let told = outcome(&shell("seq 1 5000; echo why >&2; exit 7"), &[]).await;
    assert_eq!((told.exit_code, told.timed_out), (Some(7), false));
    assert_eq!(told.output_tail.len(), TAIL_LEN);
    assert!(told.output_tail.ends_with("5000\nwhy\n"));
    let none = HookSettings::new(HookCommand::Direct(Vec::new()));
    assert!(matches!(
        run(&none, "issued", &BTreeMap::new()).await,
        Err(HookFault::Empty)
    ));
}

#[tokio::test]
async fn the_limit_ends_grandchildren_too() {
    let mut settings = shell("sleep 1000 & echo $!; wait");
    settings.timeout = Duration::from_millis(500);
    let told = outcome(&settings, &[]).await;
    assert!(told.timed_out && !told.is_success());
    let grandchild = format!("/proc/{}/stat", told.output_tail.trim());
    let is_gone = || std::fs::read_to_string(&grandchild).map_or(true, |stat| stat.contains(") Z "));
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !is_gone() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test]
async fn a_server_that_keeps_the_pipe_holds_nobody_up() {
    let told = outcome(&shell("sleep 30 & echo $!"), &[]).await;
    assert!(told.is_success());
    let server = rustix::process::Pid::from_raw(told.output_tail.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(server, rustix::process::Signal::KILL).unwrap();
}

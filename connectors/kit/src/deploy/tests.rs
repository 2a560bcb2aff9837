//! Plans that go and plans that do not, without a server: commands stand in for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what broke by panicking"
)]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

fn words(words: &[&str]) -> CommandLine {
    CommandLine::of_words(words.iter().map(ToString::to_string).collect()).unwrap()
}

/// Two files, a check and an effect that is noted.
fn plan(dir: &Path, text: &str, check: &str) -> Plan {
    let log = dir.join("log");
    Plan {
        files: vec![
            PutFile::new(dir.join("cert.pem"), text.as_bytes(), 0o644),
            PutFile::new(dir.join("key.pem"), text.as_bytes(), 0o600),
        ],
        check: Some(words(&["sh", "-c", check])),
        apply: Apply::Command(words(&["sh", "-c", &format!("echo told >> {}", log.display())])),
        reads_by_itself: false,
        probe: None,
    }
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_default()
}

#[tokio::test]
async fn what_is_there_already_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let one = plan(dir, "one", "exit 0");
    let dry = Options {
        is_dry: true,
        ..Options::default()
    };
    let told = deploy(&one, dry, &mut ()).await.unwrap();
    assert_eq!((told.written.len(), told.applied), (2, true));
    assert!(!dir.join("cert.pem").exists());
    let done = deploy(&one, Options::default(), &mut ()).await.unwrap();
    assert_eq!((done.written.len(), done.applied), (2, true));
    let mode = std::fs::metadata(dir.join("key.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = deploy(&one, Options::default(), &mut ()).await.unwrap();
    assert_eq!(again, Receipt::default());
    assert_eq!(read(dir, "log"), "told\n");
    let names = std::fs::read_dir(dir).unwrap().count();
    assert_eq!(names, 3, "nothing is left behind");
}

#[tokio::test]
async fn a_step_that_fails_undoes_those_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // From nothing: nothing is there afterwards.
    let refused = deploy(&plan(dir, "bad", "echo no; exit 1"), Options::default(), &mut ()).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind, refused.is_undone), (FaultKind::Check, true));
    assert!(refused.detail.contains("no"), "{refused}");
    assert!(!dir.join("cert.pem").exists() && !dir.join("log").exists());
    // From something: that is there afterwards, and a server that was told is told again.
    deploy(&plan(dir, "one", "exit 0"), Options::default(), &mut ())
        .await
        .unwrap();
    let mut broken = plan(dir, "two", "exit 0");
    broken.apply = Apply::Command(words(&[
        "sh",
        "-c",
        &format!("grep -q one {}", dir.join("cert.pem").display()),
    ]));
    let refused = deploy(&broken, Options::default(), &mut ()).await.unwrap_err();
    assert_eq!((refused.kind, refused.is_undone), (FaultKind::Apply, true));
    assert_eq!(
        (read(dir, "cert.pem"), read(dir, "key.pem")),
        ("one".to_owned(), "one".to_owned())
    );
}

#[tokio::test]
async fn what_is_put_back_has_the_mode_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = dir.join("key.pem");
    std::fs::write(&key, "theirs").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    deploy(&plan(dir, "new", "exit 1"), Options::default(), &mut ())
        .await
        .unwrap_err();
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!((read(dir, "key.pem"), mode & 0o777), ("theirs".to_owned(), 0o640));
}

#[tokio::test]
async fn unsafe_places_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let refused = deploy(&plan(&open, "x", "exit 0"), Options::default(), &mut ())
        .await
        .unwrap_err();
    assert_eq!(refused.kind, FaultKind::File);
    // A link under the name is replaced, never followed.
    let target = dir.path().join("target");
    std::fs::write(&target, "theirs").unwrap();
    symlink(&target, dir.path().join("cert.pem")).unwrap();
    let _ = deploy(&plan(dir.path(), "ours", "exit 0"), Options::default(), &mut ()).await;
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "theirs");
}

#[tokio::test]
async fn files_of_a_server_that_cannot_be_told_yet_stay_for_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut stopped = plan(dir, "one", "exit 0");
    stopped.apply = Apply::Command(words(&["sh", "-c", "echo not running; exit 1"]));
    let refused = deploy(&stopped, Options::default(), &mut ()).await.unwrap_err();
    assert_eq!((refused.kind, refused.is_undone), (FaultKind::Apply, false));
    assert!(refused.detail.contains("start the server"), "{refused}");
    assert_eq!(
        (read(dir, "cert.pem"), read(dir, "key.pem")),
        ("one".to_owned(), "one".to_owned())
    );
    assert_eq!(
        std::fs::read_dir(dir).unwrap().count(),
        2,
        "nothing is left behind"
    );
    // From then on these are what is gone back to.
    stopped.files = plan(dir, "two", "exit 0").files;
    let refused = deploy(&stopped, Options::default(), &mut ()).await.unwrap_err();
    assert!(!refused.detail.contains("start the server"), "{refused}");
    assert_eq!(
        (read(dir, "cert.pem"), read(dir, "key.pem")),
        ("one".to_owned(), "one".to_owned())
    );
}

#[tokio::test]
async fn a_death_while_things_are_put_back_leaves_enough_to_go_back_all_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for at in 0..20 {
        deploy(&plan(dir, "good", "exit 0"), Options::default(), &mut ())
            .await
            .unwrap();
        let bad = plan(dir, "bad", "exit 1");
        let died = tokio::spawn(async move { deploy(&bad, Options::default(), &mut Death(at)).await });
        let has_died = died.await.is_err();
        let refused = deploy(&plan(dir, "worse", "exit 1"), Options::default(), &mut ()).await;
        refused.unwrap_err();
        assert_eq!(
            (read(dir, "cert.pem"), read(dir, "key.pem")),
            ("good".to_owned(), "good".to_owned()),
            "at {at}"
        );
        assert_eq!(
            std::fs::read_dir(dir)
                .unwrap()
                .filter(|entry| entry.as_ref().unwrap().file_name() != "log")
                .count(),
            2,
            "at {at}"
        );
        if !has_died {
            assert!(at > 8, "{at}");
            return;
        }
    }
    unreachable!("it dies for ever");
}

/// Dies before an effect, by unwinding: what is on disk is what a killed process leaves.
struct Death(usize);

impl Watch for Death {
    fn step(&mut self, _: &str) {
        assert!(self.0 > 0, "dies here");
        self.0 -= 1;
    }
}

#[tokio::test]
async fn after_a_death_at_any_step_the_next_deployment_repairs_or_goes_back_to_what_was_good() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for at in 0..20 {
        deploy(&plan(dir, "good", "exit 0"), Options::default(), &mut ())
            .await
            .unwrap();
        let new = plan(dir, "new", "exit 0");
        let own = dir.to_path_buf();
        let died = tokio::spawn(async move {
            let _ = &own;
            deploy(&new, Options::default(), &mut Death(at)).await
        });
        let has_died = died.await.is_err();
        // One that is refused goes back to what was good, not to what the dead one left.
        let refused = deploy(&plan(dir, "refused", "exit 1"), Options::default(), &mut ()).await;
        refused.unwrap_err();
        let left = read(dir, "cert.pem");
        assert_eq!(left, read(dir, "key.pem"), "at {at}");
        assert!(left == "good" || left == "new", "at {at}: {left}");
        if !has_died {
            assert_eq!(left, "new");
            assert!(at > 6, "{at}");
            return;
        }
    }
    unreachable!("it dies for ever");
}

//! A store whose audit log somebody cut before it was backed up: the look at the backup finds it, and a restore does not make a clean
//! log of it without being told to.

use serde_json::json;

use crate::backup::{backup, hexadecimal, key, restore, restored, taken_at};
use crate::harness::{Appliance, Keys, text};

/// What an administrator of the database can do: take the last two entries away and set the end of the chain back.
async fn cut(appliance: &Appliance) {
    let store = ::store::Store::open(&appliance.store_config()).unwrap();
    let is_shared = store.is_shared();
    let cut = store.write(move |tx| {
        let triggers: &[&str] = if is_shared {
            &["ALTER TABLE audit DISABLE TRIGGER ALL"]
        } else {
            &[
                "DROP TRIGGER audit_is_not_rewritten",
                "DROP TRIGGER audit_is_not_shortened",
            ]
        };
        for sql in triggers {
            tx.execute(sql, &[])?;
        }
        let last = ::store::audit::last(tx)?;
        tx.execute("DELETE FROM audit WHERE seq > ?1", &[(last - 2).into()])?;
        let kept = ::store::audit::after(tx, last - 3, 1)?;
        let hash = hexadecimal(&kept[0].hash);
        ::store::settings::put(tx, "audit.head", &format!("{} {hash}", last - 2))
    });
    cut.await.unwrap();
}

#[tokio::test]
async fn a_log_that_was_cut_before_the_backup_is_found_out() {
    let mut appliance = Appliance::start(Keys::Software);
    let (identity, recipient) = key(&appliance, "key");
    crate::audit::signed(&appliance);
    appliance.signal("TERM");
    appliance.wait();
    cut(&appliance).await;
    let checked = appliance.run(&["store", "check"]);
    assert!(!checked.status.success());
    assert!(text(&checked).contains("cut off"), "{}", text(&checked));

    let file = backup(&appliance, &recipient, "cut.age");
    let words = [
        "backup",
        "verify",
        file.to_str().unwrap(),
        "--identity",
        identity.to_str().unwrap(),
    ];
    let verified = appliance.run(&words);
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    assert!(text(&verified).contains("cut off"), "{}", text(&verified));

    let at = taken_at(&appliance, &file, &identity);
    let folder = appliance.file("again");
    let words = [
        "--accept-lost-revocations",
        at.as_str(),
        "--dir",
        folder.to_str().unwrap(),
        "--store-url",
        "sqlite:chancery.db",
    ];
    let refused = restore(&appliance, &file, &identity, &words);
    assert!(!refused.status.success());
    let said = text(&refused);
    assert!(
        said.contains("cut off") && said.contains("--accept-audit-alarm"),
        "{said}"
    );
    assert!(!folder.exists());

    let accepted = [words.as_slice(), &["--accept-audit-alarm"]].concat();
    let told = restored(&restore(&appliance, &file, &identity, &accepted));
    let alarm = told["epoch"]["audit_alarm"].as_str().unwrap();
    assert!(alarm.contains("cut off"), "{told}");
    let config = ::store::StoreConfig::new(folder.join("chancery.db"));
    let store = ::store::Store::open_read_only(&config).unwrap();
    let read = store.read(|reader| {
        let last = ::store::audit::last(reader)?;
        ::store::audit::after(reader, last - 1, 1)
    });
    let entry = read.await.unwrap().remove(0).entry;
    let details: serde_json::Value = serde_json::from_str(&entry.details).unwrap();
    assert_eq!(
        (entry.action.as_str(), &details["did"]["audit_alarm"]),
        ("store.restore", &json!(alarm))
    );
}

//! Every key of the configuration reaches the part it is for.
#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use super::*;

fn config(text: &str) -> Config {
    let config = Config::parse(&format!("version = 1\n{text}")).unwrap();
    assert_eq!(config.check(), Vec::<String>::new(), "{text}");
    config
}

#[test]
fn lifetimes_and_the_public_address() {
    let settings = settings(&config(
        "[public]\nbase_url = \"http://pki.test:81/\"\n\
         [lifetimes]\ncrl_hours = 30\ncrl_interval_hours = 5\nocsp_hours = 7\nresponder_days = 3",
    ))
    .unwrap();
    assert_eq!(settings.base_url, "http://pki.test:81");
    assert_eq!(settings.crl_lifetime, Duration::from_hours(30));
    assert_eq!(settings.crl_interval, Duration::from_hours(5));
    assert_eq!(settings.ocsp_lifetime, Duration::from_hours(7));
    assert!(settings.ocsp_sign_ahead);
    assert_eq!(settings.responder_lifetime, Duration::from_hours(3 * 24));
}

#[test]
fn what_goes_when_and_where_it_is_archived() {
    let days = |days: u64| Some(Duration::from_hours(days * 24));
    let retention = |text: &str| settings(&config(text)).unwrap().retention;
    let by_default = retention("");
    assert_eq!(
        (by_default.certificates, by_default.orders),
        (days(366), days(90))
    );
    let said = retention("[retention]\ncertificate_days = 40\norder_days = 0\narchive = \"/srv/old\"");
    assert_eq!((said.certificates, said.orders), (days(40), None));
    assert_eq!(said.archive, Path::new("/srv/old"));
}

#[test]
fn the_audit_log_is_signed_and_written_as_it_is_said() {
    let mut config = config("[audit]\ncheckpoint_seconds = 9\nfolder = \"log\"\ntoken = \"hsm\"");
    config.state_dir = "/state".into();
    let settings = settings(&config).unwrap();
    assert_eq!(settings.audit_interval, Duration::from_secs(9));
    assert_eq!(settings.audit_folder.as_deref(), Some(Path::new("/state/log")));
    assert_eq!(settings.audit_token.as_deref(), Some("hsm"));
}

#[test]
fn signing_ahead_can_be_left_out_and_signing_on_demand_be_bounded() {
    let settings = settings(&config("[ocsp]\nsign_ahead = false\non_demand = 7")).unwrap();
    assert!(!settings.ocsp_sign_ahead);
    assert_eq!(settings.ocsp_on_demand, 7);
}

#[test]
fn how_far_a_server_may_be_behind_the_others() {
    let lag = |text: &str| settings(&config(text)).unwrap().store_lag;
    assert_eq!(lag(""), Duration::from_secs(20));
    assert_eq!(lag("[store]\nlag_seconds = 7"), Duration::from_secs(7));
}

#[test]
fn lists_of_bad_keys_are_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("[keys]\nblocklists = [\"one\", \"two\"]");
    config.state_dir = folder.path().to_owned();
    std::fs::write(folder.path().join("one"), "00005890bc78bcbee3ca\n").unwrap();
    let why = |config: &Config| settings(config).unwrap_err().to_string();
    assert!(why(&config).contains("two: No such file"), "{}", why(&config));
    std::fs::write(folder.path().join("two"), "what is this\n").unwrap();
    assert!(
        why(&config).contains("two: line 1 of the list"),
        "{}",
        why(&config)
    );
    std::fs::write(folder.path().join("two"), "# none\n").unwrap();
    let lengths: Vec<usize> = settings(&config)
        .unwrap()
        .blocklists
        .iter()
        .map(pki::key::Blocklist::len)
        .collect();
    assert_eq!(lengths, [1, 0]);
}

#[test]
fn listeners_and_limits() {
    let front = front(&config(
        "[public]\nlisten = \"127.0.0.2:81\"\n[api]\nlisten = \"127.0.0.3:82\"\nplain = true\n[metrics]\nlisten = \"127.0.0.4:83\"\n\
         [limits]\nconnections = 9\nconnections_per_address = 8\napi_body = 2048\nheader_seconds = 3\nbody_seconds = 4\ndrain_seconds = 5",
    ));
    assert_eq!(front.public.to_string(), "127.0.0.2:81");
    assert_eq!(front.api.to_string(), "127.0.0.3:82");
    assert!(front.is_api_plain);
    assert_eq!(front.metrics.to_string(), "127.0.0.4:83");
    let limits = Limits {
        connections: 9,
        connections_per_address: 8,
        api_body: 2048,
        header_timeout: Duration::from_secs(3),
        body_timeout: Duration::from_secs(4),
        drain: Duration::from_secs(5),
    };
    assert_eq!(front.limits, limits);
}

#[tokio::test]
async fn the_store_is_where_it_is_said_to_be_and_no_larger() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("[store]\nurl = \"sqlite:here.db\"\nmax_pages = 256");
    config.state_dir = folder.path().to_owned();
    let lost = format!("{:#}", store(&config).await.unwrap_err());
    assert!(
        lost.contains("sqlite:here.db") && lost.contains("chancery restore"),
        "{lost}"
    );
    assert!(!folder.path().join("here.db").exists());
    drop(new_store(&config).await.unwrap());
    assert!(folder.path().join("here.db").exists());
    let opened = store(&config).await.unwrap();
    let fill = |tx: &store::Tx<'_>| store::settings::put(tx, "filler", &"x".repeat(2 * 1024 * 1024));
    assert!(matches!(opened.write(fill).await, Err(store::Error::Full)));
}

#[tokio::test]
async fn keys_in_this_process_are_those_of_the_named_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config("[signer]\nmode = \"in-process\"\nconfig = \"keys.toml\"");
    config.state_dir = folder.path().to_owned();
    assert!(signer(&config).is_err());
    std::fs::write(folder.path().join("keys.toml"), "version = 1\n[software]\n").unwrap();
    let status = signer(&config).unwrap().status().await.unwrap();
    assert_eq!(status.lanes.len(), 1);
}

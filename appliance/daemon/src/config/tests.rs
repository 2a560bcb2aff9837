//! The configuration: defaults, unknown keys, problems.
#![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

use super::*;

#[test]
fn the_least_configuration_is_enough() {
    assert_eq!(Config::parse("version = 1").unwrap(), Config::new());
    assert!(Config::new().check().is_empty());
}

#[test]
fn what_is_written_is_read() {
    let text = toml::to_string(&Config::new()).unwrap();
    assert_eq!(Config::parse(&text).unwrap(), Config::new());
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    let error = Config::parse("version = 1\n[public]\nlisten_on = \"127.0.0.1:80\"\n").unwrap_err();
    assert!(error.contains("listen_on"), "{error}");
    let error = Config::parse("version = 1\n[public]\nlisen = \"127.0.0.1:80\"\n").unwrap_err();
    assert!(error.contains("did you mean `listen`?"), "{error}");
    let error = Config::parse("version = 1\nstaet_dir = \".\"\n").unwrap_err();
    assert!(error.contains("did you mean `state_dir`?"), "{error}");
}

#[test]
fn every_problem_is_told_with_its_key() {
    let text = "version = 2\n[public]\nbase_url = \"ftp://x\"\n[api]\nplain = true\nnames = []\n[store]\nurl = \"mysql:\"\n\
        [lifetimes]\ncrl_hours = 0\nocsp_hours = 0\nresponder_days = 0\n\
        [limits]\nconnections = 0\nconnections_per_address = 0\napi_body = 1\nheader_seconds = 0\nbody_seconds = 0\n[log]\nlevel = \"front=loud\"\n";
    let problems = Config::parse(text).unwrap().check();
    for key in [
        "version",
        "public.base_url",
        "api.plain",
        "api.names",
        "store.url",
        "lifetimes.crl_hours",
        "lifetimes.crl_interval_hours",
        "lifetimes.ocsp_hours",
        "lifetimes.responder_days",
        "limits.connections",
        "limits.connections_per_address",
        "limits.api_body",
        "limits.header_seconds",
        "limits.body_seconds",
        "log.level",
    ] {
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with(&format!("{key}:"))),
            "{key}: {problems:?}"
        );
    }
}

#[test]
fn paths_begin_in_the_state_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chancery.toml");
    std::fs::write(
        &file,
        "version = 1\nstate_dir = \"state\"\n[store]\nurl = \"sqlite:here.db\"\n",
    )
    .unwrap();
    let config = Config::load(&file).unwrap();
    let store = config.store_config().unwrap();
    let expected = folder.path().join("state/here.db");
    assert!(matches!(store.location, ::store::Location::File(path) if path == expected));
    assert_eq!(config.path(Path::new("/absolute")), Path::new("/absolute"));
    assert!(
        Config::load(&folder.path().join("none.toml"))
            .unwrap_err()
            .to_string()
            .contains("--config")
    );
}

#[test]
fn every_key_has_a_text_and_every_text_a_key() {
    let mut keys = vec![];
    let defaults = toml::Value::try_from(Config::new()).unwrap();
    for (name, value) in defaults.as_table().unwrap() {
        match value.as_table() {
            Some(table) => keys.extend(table.keys().map(|key| format!("{name}.{key}"))),
            None => keys.push(name.clone()),
        }
    }
    keys.extend(reference::OPTIONAL.iter().map(ToString::to_string));
    keys.sort();
    let mut texts: Vec<String> = reference::TEXTS
        .iter()
        .map(|(key, _)| (*key).to_owned())
        .collect();
    texts.sort();
    assert_eq!(keys, texts);
}

#[test]
fn the_manual_has_the_reference() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
    let now = Reference.to_string();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        now,
        "run with BLESS=1 to write it"
    );
}

/// A filter that takes patterns for the fields of spans did not come to an end with one of them.
#[test]
fn regress_0004_levels_are_no_patterns() {
    let text = "version = 1\nlog.level = \"front[request{route=((55.){9}){9}}]=debug\"";
    let problems = Config::parse(text).unwrap().check();
    assert!(
        problems.iter().any(|problem| problem.starts_with("log.level: ")),
        "{problems:?}"
    );
    for level in ["info", "info,front=debug", "warn,ca::issue=trace", "off"] {
        let config = Config::parse(&format!("version = 1\nlog.level = \"{level}\"")).unwrap();
        assert_eq!(config.check(), Vec::<String>::new(), "{level}");
    }
}

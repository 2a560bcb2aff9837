//! Reading and checking of configurations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use super::*;

fn load(text: &str) -> (tempfile::TempDir, Result<Config, ConfigError>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signerd.toml");
    fs::write(&path, text).unwrap();
    let config = Config::load(&path);
    (directory, config)
}

fn complaint(text: &str) -> String {
    load(text).1.unwrap_err().to_string()
}

const TOKEN: &str = "[[tokens]]\nname = \"hsm-1\"\nmodule = \"lib/p11.so\"\nlabel = \"ca\"\n";

#[test]
fn relative_paths_are_meant_from_the_file() {
    let text = format!(
        "version = 1\nsocket = \"run/s\"\n{TOKEN}pin_file = \"/etc/pin\"\n[software]\ndirectory = \"keys\"\n"
    );
    let (directory, config) = load(&text);
    let (config, at) = (config.unwrap(), directory.path());
    assert_eq!(config.socket.unwrap(), at.join("run/s"));
    let token = config.tokens.first().unwrap();
    assert_eq!(
        (token.module.clone(), token.pin_file.clone().unwrap()),
        (at.join("lib/p11.so"), "/etc/pin".into())
    );
    assert_eq!(config.software.unwrap().directory.unwrap(), at.join("keys"));
    assert_eq!(config.state_directory.unwrap(), at);
    assert_eq!(config.limits.queue, 4096);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    let text = format!("version = 1\n{TOKEN}pin_file = \"pin\"\nsesions = 4\n");
    let complaint = complaint(&text);
    assert!(
        complaint.contains("unknown field `sesions`") && complaint.contains("did you mean `sessions`?"),
        "{complaint}"
    );
    assert!(!self::complaint("version = 1\nqqqqqqqqqqqqqq = 1\n").contains("did you mean"));
}

#[test]
fn all_problems_are_told_at_once_with_their_keys() {
    let text = "version = 2\n[[tokens]]\nname = \"HSM 1\"\nmodule = \"x\"\nsessions = 0\n[limits]\nqueue = 0\nconnections = 1\nschemes = [\"rot13\"]\n";
    let complaint = complaint(text);
    for part in [
        "version: 2 is not known",
        "tokens[0].name:",
        "tokens[0]: give one of label, serial and slot",
        "tokens[0]: give one of pin_file and pin_credential",
        "tokens[0].sessions:",
        "limits.queue:",
        "limits.connections: take 2 or more",
        "limits.schemes: \"rot13\"",
    ] {
        assert!(complaint.contains(part), "{part} is not in:\n{complaint}");
    }
    assert!(self::complaint("version = 1\n").contains("neither a [[tokens]] nor a [software] section"));
    let twice = format!("version = 1\n{TOKEN}pin_file = \"p\"\n{TOKEN}pin_file = \"p\"\n");
    assert!(self::complaint(&twice).contains("tokens[1].name: hsm-1 is used twice"));
}

#[test]
fn what_is_written_is_read_again() {
    let mut config = Config {
        software: Some(SoftwareConfig::default()),
        ..Config::default()
    };
    config.tokens.push(TokenConfig {
        name: "hsm".into(),
        module: "/lib/p11.so".into(),
        slot: Some(3),
        pin_credential: Some("pin".into()),
        ..TokenConfig::default()
    });
    let (_directory, read) = load(&toml::to_string(&config).unwrap());
    assert_eq!(
        format!("{:?}", read.unwrap().tokens),
        format!("{:?}", config.tokens)
    );
}

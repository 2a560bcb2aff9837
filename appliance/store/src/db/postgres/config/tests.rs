use super::*;

const ROOTS: &str = include_str!("../../../../testdata/postgres/root.pem");

fn config(url: &str) -> Result<PostgresConfig> {
    PostgresConfig::new(url, &Credentials::default())
}

fn with_roots(url: &str) -> Result<PostgresConfig> {
    let credentials = Credentials {
        roots: Some(ROOTS.as_bytes().to_vec()),
        ..Credentials::default()
    };
    PostgresConfig::new(url, &credentials)
}

fn refused(outcome: Result<PostgresConfig>, help: &str) {
    match outcome {
        Err(Error::Rejected(text)) => assert!(text.contains(help), "{text}"),
        other => assert!(other.is_err(), "{other:?} should have been refused: {help}"),
    }
}

#[test]
fn what_stays_on_the_machine_needs_no_tls() {
    for url in [
        "postgres://chancery@/chancery?host=/run/postgresql",
        "postgres://chancery@127.0.0.1/chancery",
        "postgres://chancery@[::1]/chancery",
        "postgres://chancery@localhost/chancery?sslmode=disable",
    ] {
        assert!(config(url).is_ok_and(|config| config.tls.is_none()), "{url}");
    }
}

#[test]
fn what_leaves_the_machine_is_encrypted_or_refused() {
    let remote = "postgres://chancery@db.example/chancery";
    refused(config(remote), "store.tls_roots");
    for url in [
        "postgres://chancery@127.0.0.1,10.0.0.1/chancery",
        "postgres://chancery@localhost/chancery?hostaddr=10.0.0.5",
    ] {
        refused(config(url), "store.tls_roots");
    }
    let plain = format!("{remote}?sslmode=disable");
    refused(config(&plain), "for a database on this machine");
    refused(with_roots(&plain), "for a database on this machine");
    for mode in ["", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-full"] {
        let made = with_roots(&format!("{remote}{mode}"));
        assert!(
            made.is_ok_and(|config| config.tls.is_some() && config.server.get_ssl_mode() == SslMode::Require),
            "{mode}"
        );
    }
}

#[test]
fn roots_on_this_machine_mean_tls() {
    let made = with_roots("postgres://chancery@127.0.0.1/chancery");
    assert!(made.is_ok_and(|config| config.tls.is_some()));
}

#[test]
fn a_password_in_the_address_is_refused_and_not_repeated() {
    let outcome = config("postgres://chancery:hunter2@127.0.0.1/chancery");
    assert!(
        outcome
            .as_ref()
            .is_err_and(|error| !error.to_string().contains("hunter2"))
    );
    refused(outcome, "store.password_file");
}

#[test]
fn an_address_that_leaves_something_open_is_refused() {
    for url in [
        "postgres://127.0.0.1/chancery",
        "postgres://chancery@127.0.0.1",
        "postgres://chancery@/chancery",
    ] {
        refused(config(url), "must name a user, a host and a database");
    }
    refused(
        config("postgres://chancery@127.0.0.1/chancery?sslrootcert=/x"),
        "sslrootcert",
    );
}

#[test]
fn roots_that_are_none_are_refused() {
    let credentials = Credentials {
        roots: Some(b"nothing".to_vec()),
        ..Credentials::default()
    };
    let outcome = PostgresConfig::new("postgres://chancery@db.example/chancery", &credentials);
    refused(outcome, "there is no certificate in it");
}

#[test]
fn a_password_is_not_shown() {
    let credentials = Credentials {
        password: Some("hunter2".into()),
        ..Credentials::default()
    };
    let config = PostgresConfig::new("postgres://chancery@127.0.0.1/chancery", &credentials);
    assert!(config.is_ok_and(|config| !format!("{config:?}").contains("hunter2")));
    assert!(!format!("{credentials:?}").contains("hunter2"));
}

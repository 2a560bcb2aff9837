//! Tests of which endpoints are near.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use super::*;

fn parsed(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn this_machine_and_its_link_are_near_and_nothing_else_is() {
    for text in [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
    ] {
        assert!(is_near(&parsed(text)), "{text}");
    }
    for text in [
        "http://10.0.0.1/",
        "http://localhost.evil.test/",
        "http://[fd00::1]/",
        "http://169.255.0.1/",
    ] {
        assert!(!is_near(&parsed(text)), "{text}");
    }
}

#[test]
fn endpoints_of_containers_are_three_and_this_machine() {
    for text in [
        "http://169.254.170.2/",
        "http://169.254.170.23/",
        "http://[fd00:ec2::23]/",
        "http://localhost:1/",
        "http://127.0.0.1/",
    ] {
        assert!(is_container_host(&parsed(text)), "{text}");
    }
    for text in [
        "http://169.254.169.254/",
        "http://192.0.2.1/",
        "http://evil.test/",
    ] {
        assert!(!is_container_host(&parsed(text)), "{text}");
    }
}

#[test]
fn a_url_in_a_message_has_neither_user_nor_query() {
    assert_eq!(
        bare(&parsed("https://u:p@idp.example.test:8443/token?secret=1#x")),
        "https://idp.example.test:8443/token"
    );
}

//! The vectors that AWS publishes for Signature Version 4.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what broke by panicking"
)]

use super::*;

fn keys() -> Credentials {
    Credentials {
        access_key: "AKIDEXAMPLE".to_owned(),
        secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    }
}

fn scope(service: &str) -> Scope<'_> {
    Scope {
        region: "us-east-1",
        service,
        at: "2015-08-30T12:36:00Z".parse().unwrap(),
    }
}

fn signature(unsigned: &Unsigned<'_>, service: &str) -> String {
    let header = authorization(unsigned, &keys(), &scope(service));
    header.rsplit_once("Signature=").unwrap().1.to_owned()
}

const HOST: (&str, &str) = ("Host", "example.amazonaws.com");
const DATE: (&str, &str) = ("X-Amz-Date", "20150830T123600Z");

#[test]
fn the_derived_key_is_the_published_one() {
    assert_eq!(
        hex(&scope("iam").key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
}

#[test]
fn get_vanilla() {
    let unsigned = Unsigned {
        method: "GET",
        path: "/",
        query: &[],
        headers: &[HOST, DATE],
        body: b"",
    };
    assert_eq!(
        authorization(&unsigned, &keys(), &scope("service")),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn get_vanilla_query_order_key_case() {
    let unsigned = Unsigned {
        method: "GET",
        path: "/",
        query: &[("Param2", "value2"), ("Param1", "value1")],
        headers: &[HOST, DATE],
        body: b"",
    };
    assert_eq!(
        signature(&unsigned, "service"),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    );
}

#[test]
fn post_vanilla() {
    let unsigned = Unsigned {
        method: "POST",
        path: "/",
        query: &[],
        headers: &[HOST, DATE],
        body: b"",
    };
    assert_eq!(
        signature(&unsigned, "service"),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
    );
}

#[test]
fn post_x_www_form_urlencoded() {
    let unsigned = Unsigned {
        method: "POST",
        path: "/",
        query: &[],
        headers: &[("Content-Type", "application/x-www-form-urlencoded"), HOST, DATE],
        body: b"Param1=value1",
    };
    assert_eq!(
        signature(&unsigned, "service"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    );
}

#[test]
fn the_example_of_the_documentation() {
    let unsigned = Unsigned {
        method: "GET",
        path: "/",
        query: &[("Action", "ListUsers"), ("Version", "2010-05-08")],
        headers: &[
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ],
        body: b"",
    };
    assert_eq!(
        signature(&unsigned, "iam"),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn what_is_reserved_is_encoded() {
    assert_eq!(encode("a b/c+~é"), "a%20b%2Fc%2B~%C3%A9");
}

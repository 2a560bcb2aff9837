//! Tests of the ways to a token, against simulated endpoints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::collections::BTreeMap;

use serde_json::json;

use super::super::bed::{IDENTITY, Surroundings, part, token};
use super::*;
use crate::auth::Method;
use crate::client::bed::certificates::Authority;
use crate::client::bed::{Bed, Reply};

async fn given(surroundings: &Surroundings, settings: Settings) -> Result<String, Fault> {
    match surroundings.present(&Method::OidcJwt(Box::new(settings))).await? {
        Presented::OidcJwt { token } => Ok(token.expose_secret().to_owned()),
        other => panic!("another method: {other:?}"),
    }
}

fn at(bed: &Bed) -> Settings {
    Settings {
        token_endpoint: Some(format!("{}/token", bed.url())),
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_get_with_resource_and_client_is_the_default() {
    let bed = Bed::plain(|_, _| Reply::json(200, &json!({ "access_token": token(IDENTITY) }))).await;
    let mut set = at(&bed);
    assert_eq!(
        given(&Surroundings::nowhere(), set.clone()).await.unwrap(),
        token(IDENTITY)
    );
    set.resource = Some("api://zaita-courier".to_owned());
    set.client_id = Some("courier-client".to_owned());
    set.headers = vec![("X-Tag".to_owned(), "a header".into())];
    given(&Surroundings::nowhere(), set).await.unwrap();
    let asked = bed.asked();
    assert_eq!(
        (asked[0].method.as_str(), asked[0].target.as_str()),
        ("GET", "/token")
    );
    assert_eq!(
        asked[1].target,
        "/token?resource=api%3A%2F%2Fzaita-courier&client_id=courier-client"
    );
    assert_eq!(asked[1].header("x-tag"), Some("a header"));
}

#[tokio::test]
async fn the_token_stands_where_it_is_told_or_at_one_of_three_places() {
    let own = token(IDENTITY);
    for (body, pointer) in [
        (json!({ "value": own }), None),
        (json!({ "id_token": own }), None),
        (
            json!({ "access_token": "not-this", "data": { "jwt": own } }),
            Some("/data/jwt"),
        ),
    ] {
        let bed = Bed::plain(move |_, _| Reply::json(200, &body)).await;
        let mut set = at(&bed);
        set.token_json_pointer = pointer.map(ToOwned::to_owned);
        assert_eq!(given(&Surroundings::nowhere(), set).await.unwrap(), own);
    }
    let bed = Bed::plain(|_, _| Reply::json(200, &json!({ "token": "x" }))).await;
    let fault = given(&Surroundings::nowhere(), at(&bed)).await.unwrap_err();
    assert!(
        fault.to_string().contains("/access_token, /value, /id_token"),
        "{fault}"
    );
}

#[tokio::test]
async fn client_credentials_with_a_secret() {
    let bed = Bed::plain(|_, _| Reply::json(200, &json!({ "access_token": token(IDENTITY) }))).await;
    let mut set = at(&bed);
    set.token_request = TokenRequest::ClientCredentials;
    set.client_id = Some("c".to_owned());
    assert_eq!(
        given(&Surroundings::nowhere(), set.clone())
            .await
            .unwrap_err()
            .exit_code(),
        2
    );
    set.client_secret = Some("s&=".into());
    set.scope = Some("one two".to_owned());
    set.audience = Some("chancery".to_owned());
    given(&Surroundings::nowhere(), set.clone()).await.unwrap();
    let asked = bed.asked();
    assert_eq!(asked[0].method, "POST");
    let form: BTreeMap<_, _> = asked[0].form().into_iter().collect();
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_secret"], "s&=");
    assert_eq!(form["scope"], "one two");
    assert_eq!(form["audience"], "chancery");
    assert!(!format!("{set:?}").contains("s&="));
}

#[tokio::test]
async fn client_credentials_with_a_key() {
    let bed = Bed::plain(|_, _| Reply::json(200, &json!({ "access_token": token(IDENTITY) }))).await;
    let authority = Authority::new();
    let mut set = at(&bed);
    set.token_request = TokenRequest::ClientCredentials;
    set.client_id = Some("c".to_owned());
    set.client_key_path = Some(authority.certify("client", "DNS:client.example.test").key);
    set.client_key_id = Some("k-1".to_owned());
    given(&Surroundings::nowhere(), set.clone()).await.unwrap();
    let form: BTreeMap<_, _> = bed.asked()[0].form().into_iter().collect();
    let assertion = &form["client_assertion"];
    assert_eq!(
        part(assertion, 0),
        json!({ "alg": "ES256", "typ": "JWT", "kid": "k-1" })
    );
    let claims = part(assertion, 1);
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("c"), &json!("c")));
    assert_eq!(claims["aud"], json!(set.token_endpoint.unwrap()));
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
}

#[tokio::test]
async fn a_file_a_variable_and_a_program() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, token("file")).unwrap();
    let file = Settings {
        token_request: TokenRequest::File,
        token_file: Some(path.clone()),
        ..Settings::default()
    };
    assert_eq!(
        given(&Surroundings::nowhere(), file).await.unwrap(),
        token("file")
    );
    let variable = Settings {
        token_request: TokenRequest::Env,
        token_env: Some("T".to_owned()),
        ..Settings::default()
    };
    let surroundings = Surroundings::nowhere().with("T", token("variable"));
    assert_eq!(
        given(&surroundings, variable.clone()).await.unwrap(),
        token("variable")
    );
    assert_eq!(
        given(&Surroundings::nowhere(), variable)
            .await
            .unwrap_err()
            .exit_code(),
        2
    );
    let exec = |argv: &[&str]| Settings {
        token_request: TokenRequest::Exec,
        exec: argv.iter().map(|&argument| argument.to_owned()).collect(),
        ..Settings::default()
    };
    let printed = given(&Surroundings::nowhere(), exec(&["cat", path.to_str().unwrap()])).await;
    assert_eq!(printed.unwrap(), token("file"));
    for argv in [&["false"][..], &["/nonexistent/program"], &["cat", "/dev/zero"]] {
        let fault = given(&Surroundings::nowhere(), exec(argv)).await.unwrap_err();
        assert!(matches!(fault, Fault::Program { .. }), "{fault}");
    }
    assert_eq!(
        given(&Surroundings::nowhere(), exec(&[]))
            .await
            .unwrap_err()
            .exit_code(),
        2
    );
}

#[tokio::test]
async fn an_endpoint_beyond_this_machine_is_asked_over_tls_alone() {
    let mut set = Settings {
        token_endpoint: Some("http://idp.example.test/token?secret=1".to_owned()),
        ..Settings::default()
    };
    let fault = given(&Surroundings::nowhere(), set.clone()).await.unwrap_err();
    assert!(matches!(fault, Fault::Endpoint { .. }), "{fault}");
    assert!(!fault.to_string().contains("secret"));
    let authority = Authority::new();
    let pair = authority.certify("idp", "IP:127.0.0.1");
    let bed = Bed::tls(pair.server(), |_, _| {
        Reply::json(200, &json!({ "access_token": token(IDENTITY) }))
    })
    .await;
    set.token_endpoint = Some(bed.url());
    let fault = given(&Surroundings::nowhere(), set.clone()).await.unwrap_err();
    assert!(matches!(fault, Fault::Unreachable { .. }), "{fault}");
    set.token_endpoint_ca_file = Some(authority.path("ca.pem"));
    given(&Surroundings::nowhere(), set).await.unwrap();
}

#[tokio::test]
async fn a_redirect_a_long_answer_and_words_of_others_are_no_token() {
    let elsewhere = Bed::plain(|_, _| Reply::json(200, &json!({ "access_token": token(IDENTITY) }))).await;
    let url = elsewhere.url();
    let bed = Bed::plain(move |_, _| Reply::text(302, "").with("Location", &url)).await;
    let fault = given(&Surroundings::nowhere(), at(&bed)).await.unwrap_err();
    assert!(matches!(fault, Fault::Answered { status: 302, .. }), "{fault}");
    assert!(elsewhere.asked().is_empty());
    let bed = Bed::plain(|_, _| Reply::text(200, &" ".repeat(64 * 1024 + 1))).await;
    let fault = given(&Surroundings::nowhere(), at(&bed)).await.unwrap_err();
    assert!(matches!(fault, Fault::TooLong { limit: 65_536, .. }), "{fault}");
    let bed = Bed::plain(|_, _| Reply::text(200, "{\"access_token\": \"half")).await;
    let fault = given(&Surroundings::nowhere(), at(&bed)).await.unwrap_err();
    assert!(
        matches!(fault, Fault::Malformed(_)) && !fault.to_string().contains("half"),
        "{fault}"
    );
}

//! Tests against a simulated metadata service of Arc, after Microsoft's description of it, with each misuse.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tempfile::TempDir;

use super::super::bed::{Surroundings, token};
use super::*;
use crate::auth::Method;
use crate::client::bed::{Bed, Reply};

/// A simulated service: it challenges with a header, and gives a token for the content of the file `<name>.key`.
struct SimHimds {
    bed: Bed,
    tokens: TempDir,
}

const SECRET: &str = "challenge-of-the-agent";

impl SimHimds {
    /// One whose header is made from the directory of the challenges.
    async fn new(header: impl Fn(&Path) -> Option<String>) -> Self {
        Self::giving(header, 200).await
    }

    async fn giving(header: impl Fn(&Path) -> Option<String>, second: u16) -> Self {
        let tokens = tempfile::tempdir().unwrap();
        std::fs::write(tokens.path().join("c.key"), SECRET).unwrap();
        let header = header(tokens.path());
        let given = Arc::new(Mutex::new(0));
        let bed = Bed::plain(move |asked, _| {
            if asked.header("metadata") != Some("true") || asked.method != "GET" || asked.path() != PATH {
                return Reply::text(400, "");
            }
            let query = asked.query();
            if query[0] != ("api-version".to_owned(), VERSION.to_owned()) || query[1].0 != "resource" {
                return Reply::text(400, "");
            }
            match asked.header("authorization") {
                None => match &header {
                    Some(header) => Reply::text(401, "").with("WWW-Authenticate", header),
                    None => Reply::text(401, ""),
                },
                Some(answer) if answer == format!("Basic {SECRET}") && second == 200 => {
                    *given.lock().unwrap() += 1;
                    Reply::json(
                        200,
                        &json!({ "access_token": token(&query[1].1), "token_type": "Bearer" }),
                    )
                }
                Some(_) => Reply::text(second.max(401), "").with("WWW-Authenticate", "Basic realm=/x"),
            }
        })
        .await;
        Self { bed, tokens }
    }

    fn method(&self) -> Method {
        Method::AzureArc(Settings {
            resource: "api://chancery".to_owned(),
            himds_port: Some(self.bed.port),
        })
    }

    fn surroundings(&self) -> Surroundings {
        let mut surroundings = Surroundings::nowhere();
        surroundings.places.arc_tokens = self.tokens.path().to_owned();
        surroundings
    }

    async fn refused(&self) -> String {
        let fault = self.surroundings().present(&self.method()).await.unwrap_err();
        assert_eq!(fault.exit_code(), 3);
        let told = format!("{fault}");
        assert!(!told.contains(SECRET));
        told
    }
}

/// What the header names, by a path after the directory.
fn realm(rest: &'static str) -> impl Fn(&Path) -> Option<String> {
    move |tokens| Some(format!("Basic realm={}{rest}", tokens.display()))
}

#[tokio::test]
async fn sim_auth_himds_gives_a_token_for_the_challenge() {
    for quote in ["", "\""] {
        let himds = SimHimds::new(move |tokens| {
            Some(format!("Basic realm={quote}{}/c.key{quote}", tokens.display()))
        })
        .await;
        let presented = himds.surroundings().present(&himds.method()).await.unwrap();
        assert!(!format!("{presented:?}").contains("c2lnbmF0dXJl"));
        let Presented::AzureArc {
            access_token,
            resource,
        } = presented
        else {
            panic!("another method");
        };
        assert_eq!(access_token.expose_secret(), token("api://chancery"));
        assert_eq!(resource, "api://chancery");
        assert_eq!(himds.bed.asked().len(), 2);
    }
}

#[tokio::test]
async fn sim_auth_himds_is_found_by_the_variable_when_it_is_on_this_machine() {
    let himds = SimHimds::new(realm("/c.key")).await;
    let settings = || {
        Method::AzureArc(Settings {
            resource: "api://chancery".to_owned(),
            himds_port: None,
        })
    };
    let here = format!("http://localhost:{}{PATH}", himds.bed.port);
    let near = himds.surroundings().with("IDENTITY_ENDPOINT", here);
    near.present(&settings()).await.unwrap();
    assert_eq!(
        himds.bed.asked()[0].header("host"),
        Some(format!("127.0.0.1:{}", himds.bed.port).as_str())
    );
    let far = Surroundings::nowhere().with("IDENTITY_ENDPOINT", "http://192.0.2.1/token");
    let context_endpoint = |surroundings: &Surroundings| {
        let context = Context {
            uuid: super::super::bed::COURIER,
            environment: &surroundings.variables,
            places: &surroundings.places,
            appliance: &super::super::bed::Stub,
            now: super::super::bed::now(),
            thumbprint: None,
        };
        Settings::default().endpoint(&context).unwrap().to_string()
    };
    assert_eq!(
        context_endpoint(&far),
        "http://127.0.0.1:40342/metadata/identity/oauth2/token?api-version=2019-11-01&resource=https%3A%2F%2Fmanagement.azure.com%2F"
    );
}

#[tokio::test]
async fn sim_auth_himds_that_names_another_directory_is_refused() {
    let himds = SimHimds::new(|_| Some("Basic realm=/etc/ssl/private/server.key".to_owned())).await;
    assert!(himds.refused().await.contains("not in the directory"));
    for rest in [
        "/../c.key",
        "/sub/c.key",
        "/./c.key",
        "//c.key",
        "-other/c.key",
        "/..key",
    ] {
        let himds = SimHimds::new(realm(rest)).await;
        assert!(himds.refused().await.contains("not in the directory"), "{rest}");
        assert_eq!(himds.bed.asked().len(), 1, "{rest}");
    }
}

#[tokio::test]
async fn sim_auth_himds_that_names_no_key_is_refused() {
    for rest in ["/c.pem", "/c", "/.key", "/c.key.bak", "/"] {
        let himds = SimHimds::new(realm(rest)).await;
        assert!(himds.refused().await.contains("not named .key"), "{rest}");
    }
}

#[tokio::test]
async fn sim_auth_himds_with_a_challenge_that_is_too_long_is_refused() {
    let himds = SimHimds::new(realm("/long.key")).await;
    std::fs::write(
        himds.tokens.path().join("long.key"),
        vec![b'a'; MAX_CHALLENGE_LEN + 1],
    )
    .unwrap();
    assert!(himds.refused().await.contains("longer than 4096"));
}

#[tokio::test]
async fn sim_auth_himds_that_names_a_link_or_a_folder_is_refused() {
    let himds = SimHimds::new(realm("/link.key")).await;
    std::os::unix::fs::symlink("c.key", himds.tokens.path().join("link.key")).unwrap();
    assert!(himds.refused().await.contains("cannot be read"));
    let himds = SimHimds::new(realm("/folder.key")).await;
    std::fs::create_dir(himds.tokens.path().join("folder.key")).unwrap();
    assert!(himds.refused().await.contains("is no file"));
}

#[tokio::test]
async fn sim_auth_himds_without_a_realm_is_refused() {
    assert!(
        SimHimds::new(|_| None)
            .await
            .refused()
            .await
            .contains("not exactly one")
    );
    for header in ["Basic", "Basic charset=utf-8", "Bearer realm=/x/c.key", "Basic "] {
        let himds = SimHimds::new(move |_| Some(header.to_owned())).await;
        assert!(himds.refused().await.contains("is refused"), "{header}");
    }
}

#[tokio::test]
async fn sim_auth_himds_that_challenges_twice_is_answered_once() {
    let himds = SimHimds::giving(realm("/c.key"), 401).await;
    assert!(himds.refused().await.contains("answered 401"));
    assert_eq!(himds.bed.asked().len(), 2);
}

#[tokio::test]
async fn sim_auth_himds_that_does_not_challenge_is_no_arc_agent() {
    let bed = Bed::plain(|_, _| Reply::json(200, &json!({ "access_token": token("x") }))).await;
    let method = Method::AzureArc(Settings {
        resource: "x".to_owned(),
        himds_port: Some(bed.port),
    });
    let fault = Surroundings::nowhere().present(&method).await.unwrap_err();
    assert!(fault.to_string().contains("without a challenge"), "{fault}");
}

#[test]
fn the_default_audience_is_warned_about_and_an_own_one_is_not() {
    assert_eq!(Settings::default().resource, "https://management.azure.com/");
    assert_eq!(Settings::default().warnings().len(), 1);
    let own = Settings {
        resource: "api://chancery".to_owned(),
        himds_port: None,
    };
    assert!(own.warnings().is_empty());
}

//! Tests of the sources of tokens of Azure, against simulated endpoints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

use serde_json::json;

use super::super::bed::{IDENTITY, Surroundings, token};
use super::*;
use crate::auth::Method;
use crate::client::bed::{Bed, Reply};

fn settings(source: TokenSource) -> Settings {
    Settings {
        token_source: source,
        resource: Some("api://chancery".to_owned()),
        ..Settings::new("tenant-1", "client-1")
    }
}

async fn given(surroundings: &Surroundings, settings: Settings) -> Result<String, Fault> {
    match surroundings.present(&Method::AzureJwt(settings)).await? {
        Presented::AzureJwt {
            token,
            tenant_id,
            client_id,
        } => {
            assert_eq!((tenant_id.as_str(), client_id.as_str()), ("tenant-1", "client-1"));
            Ok(token.expose_secret().to_owned())
        }
        other => panic!("another method: {other:?}"),
    }
}

#[tokio::test]
async fn the_file_of_the_settings_goes_before_the_variable_and_that_before_the_built_in_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("{}\n", token(name))).unwrap();
        path
    };
    let mut plain = Surroundings::nowhere();
    plain.places.azure_token_file = file("built-in");
    let mut set = Settings::new("tenant-1", "client-1");
    assert_eq!(given(&plain, set.clone()).await.unwrap(), token("built-in"));
    let with_variable = plain.with("AZURE_FEDERATED_TOKEN_FILE", file("variable").to_str().unwrap());
    assert_eq!(
        given(&with_variable, set.clone()).await.unwrap(),
        token("variable")
    );
    set.token_file = Some(file("settings"));
    assert_eq!(given(&with_variable, set).await.unwrap(), token("settings"));
}

#[tokio::test]
async fn a_token_for_the_exchange_is_refused_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, token("api://AzureADTokenExchange")).unwrap();
    let mut set = Settings::new("tenant-1", "client-1");
    set.token_file = Some(path);
    let fault = given(&Surroundings::nowhere(), set.clone()).await.unwrap_err();
    assert!(matches!(fault, Fault::ForeignAudience { .. }), "{fault}");
    set.allow_foreign_audience = true;
    given(&Surroundings::nowhere(), set).await.unwrap();
}

#[tokio::test]
async fn without_any_source_the_places_looked_at_are_told() {
    let fault = given(&Surroundings::nowhere(), Settings::new("tenant-1", "client-1"))
        .await
        .unwrap_err();
    assert_eq!(fault.exit_code(), 2);
    assert!(
        fault.to_string().contains("AZURE_FEDERATED_TOKEN_FILE"),
        "{fault}"
    );
}

#[tokio::test]
async fn sim_auth_imds_gives_a_token_for_the_resource() {
    let bed = Bed::plain(|asked, _| {
        let right = asked.header("metadata") == Some("true")
            && asked.target
                == "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2Fchancery&client_id=client-1";
        if right { Reply::json(200, &json!({ "access_token": token("api://chancery") })) } else { Reply::text(400, "") }
    })
    .await;
    let mut surroundings = Surroundings::nowhere();
    surroundings.places.azure_metadata = bed.url();
    for source in [TokenSource::Imds, TokenSource::Auto] {
        assert_eq!(
            given(&surroundings, settings(source)).await.unwrap(),
            token("api://chancery")
        );
    }
    let mut without = settings(TokenSource::Imds);
    without.resource = None;
    assert_eq!(given(&surroundings, without).await.unwrap_err().exit_code(), 2);
    assert_eq!(bed.asked().len(), 2);
}

#[tokio::test]
async fn sim_auth_app_service_gives_a_token_for_its_header() {
    let bed = Bed::plain(|asked, _| {
        let right = asked.header("x-identity-header") == Some("the-header")
            && asked.target.starts_with("/msi/token?api-version=2019-08-01&");
        if right {
            Reply::json(200, &json!({ "access_token": token("api://chancery") }))
        } else {
            Reply::text(400, "")
        }
    })
    .await;
    let endpoint = format!("{}/msi/token", bed.url());
    let surroundings = Surroundings::nowhere()
        .with("IDENTITY_ENDPOINT", endpoint)
        .with("IDENTITY_HEADER", "the-header");
    for source in [TokenSource::AppService, TokenSource::Auto] {
        assert_eq!(
            given(&surroundings, settings(source)).await.unwrap(),
            token("api://chancery")
        );
    }
    let far = Surroundings::nowhere()
        .with("IDENTITY_ENDPOINT", "http://192.0.2.1/x")
        .with("IDENTITY_HEADER", "h");
    let fault = given(&far, settings(TokenSource::AppService)).await.unwrap_err();
    assert!(matches!(fault, Fault::Endpoint { .. }), "{fault}");
}

#[tokio::test]
async fn sim_auth_tenant_exchanges_the_projected_token() {
    let bed = Bed::plain(|asked, _| {
        assert_eq!(asked.target, "/tenant-1/oauth2/v2.0/token");
        let form: std::collections::BTreeMap<_, _> = asked.form().into_iter().collect();
        assert_eq!(form["grant_type"], "client_credentials");
        assert_eq!(form["scope"], "api://chancery/.default");
        assert_eq!(form["client_assertion_type"], ASSERTION);
        assert_eq!(form["client_assertion"], token("api://AzureADTokenExchange"));
        Reply::json(200, &json!({ "access_token": token(IDENTITY) }))
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, token("api://AzureADTokenExchange")).unwrap();
    let surroundings = Surroundings::nowhere().with("AZURE_AUTHORITY_HOST", format!("{}/", bed.url()));
    let mut set = settings(TokenSource::Exchange);
    set.token_file = Some(path);
    assert_eq!(given(&surroundings, set).await.unwrap(), token(IDENTITY));
}

#[test]
fn an_audience_of_a_cloud_is_warned_about() {
    let mut set = settings(TokenSource::Imds);
    assert!(set.warnings().is_empty());
    set.resource = Some("https://management.azure.com/".to_owned());
    assert_eq!(set.warnings().len(), 1);
}

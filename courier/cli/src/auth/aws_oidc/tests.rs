//! Tests of what proves an AWS workload, against simulated endpoints.

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
use crate::auth::Method as Auth;
use crate::client::bed::{Asked, Bed, Reply};

const ROLE: &str = "arn:aws:iam::123456789012:role/Courier";

fn settings(source: TokenSource) -> Settings {
    Settings {
        token_source: source,
        ..Settings::new(ROLE, "ap-southeast-2")
    }
}

async fn proof(surroundings: &Surroundings, settings: Settings) -> Result<AwsProof, Fault> {
    match surroundings.present(&Auth::AwsOidc(settings)).await? {
        Presented::AwsOidc {
            proof,
            role_arn,
            region,
        } => {
            assert_eq!((role_arn.as_str(), region.as_str()), (ROLE, "ap-southeast-2"));
            Ok(proof)
        }
        other => panic!("another method: {other:?}"),
    }
}

async fn given(surroundings: &Surroundings, settings: Settings) -> Result<String, Fault> {
    match proof(surroundings, settings).await? {
        AwsProof::Token(token) => Ok(token.expose_secret().to_owned()),
        other => panic!("no token: {other:?}"),
    }
}

fn keys(surroundings: Surroundings) -> Surroundings {
    surroundings
        .with("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "very-secret-key")
        .with("AWS_SESSION_TOKEN", "session-token")
}

#[tokio::test]
async fn the_variable_goes_before_the_built_in_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, token(name)).unwrap();
        path
    };
    let mut surroundings = Surroundings::nowhere();
    surroundings.places.aws_token_file = file("built-in");
    assert_eq!(
        given(&surroundings, settings(TokenSource::TokenFile))
            .await
            .unwrap(),
        token("built-in")
    );
    let surroundings = surroundings.with("AWS_WEB_IDENTITY_TOKEN_FILE", file("variable").to_str().unwrap());
    assert_eq!(
        given(&surroundings, settings(TokenSource::TokenFile))
            .await
            .unwrap(),
        token("variable")
    );
}

#[tokio::test]
async fn a_token_for_sts_is_refused_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, token("sts.amazonaws.com")).unwrap();
    let mut set = settings(TokenSource::TokenFile);
    set.token_file = Some(path);
    let fault = given(&Surroundings::nowhere(), set.clone()).await.unwrap_err();
    assert!(matches!(fault, Fault::ForeignAudience { .. }), "{fault}");
    set.allow_foreign_audience = true;
    given(&Surroundings::nowhere(), set).await.unwrap();
}

/// A simulated STS that gives a token for the audiences it is asked for.
async fn sim_sts() -> Bed {
    Bed::plain(|asked, _| {
        let form = asked.form();
        let right = asked.header("authorization").is_some_and(|value| {
            value.contains(
                "/20270115/ap-southeast-2/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date",
            )
        }) && asked.header("x-amz-date") == Some("20270115T080000Z")
            && form[0].1 == "GetWebIdentityToken";
        if !right {
            return Reply::text(403, "<ErrorResponse/>");
        }
        let audience = &form
            .iter()
            .find(|(name, _)| name == "Audience.member.1")
            .unwrap()
            .1;
        web_identity(&token(audience))
    })
    .await
}

fn web_identity(token: &str) -> Reply {
    Reply::text(
        200,
        &format!(
            "<GetWebIdentityTokenResponse><GetWebIdentityTokenResult><WebIdentityToken>{token}</WebIdentityToken></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
        ),
    )
}

#[tokio::test]
async fn sim_auth_sts_makes_a_token_for_the_appliance_and_the_proof_key() {
    let sts = sim_sts().await;
    let mut surroundings = keys(Surroundings::nowhere()).with("AWS_ENDPOINT_URL_STS", sts.url());
    surroundings.thumbprint = Some("thumb".to_owned());
    assert_eq!(
        given(&surroundings, settings(TokenSource::StsWebIdentity))
            .await
            .unwrap(),
        token(IDENTITY)
    );
    let asked: Vec<Asked> = sts.asked();
    assert_eq!(asked[0].header("x-amz-security-token"), Some("session-token"));
    let form: std::collections::BTreeMap<_, _> = asked[0].form().into_iter().collect();
    assert_eq!(
        form["Audience.member.2"],
        "urn:ietf:params:oauth:jwk-thumbprint:sha-256:thumb"
    );
    assert_eq!(form["SigningAlgorithm"], "ES384");
    assert_eq!(form["Version"], "2011-06-15");
    assert!(!asked[0].text().contains("very-secret-key"));
}

#[tokio::test]
async fn sim_auth_sts_that_refuses_is_told_by_its_status() {
    let bed = Bed::plain(|_, _| Reply::text(403, "<Error>words</Error>")).await;
    let surroundings = keys(Surroundings::nowhere()).with("AWS_ENDPOINT_URL_STS", bed.url());
    let fault = given(&surroundings, settings(TokenSource::StsWebIdentity))
        .await
        .unwrap_err();
    assert!(matches!(fault, Fault::Answered { status: 403, .. }), "{fault}");
}

#[tokio::test]
async fn sim_auth_container_gives_keys_for_its_token() {
    let containers = Bed::plain(|asked, _| {
        let right =
            asked.header("authorization") == Some("container-token") && asked.target == "/v2/credentials/1";
        if right {
            Reply::json(
                200,
                &json!({ "AccessKeyId": "AKIDCONTAINER", "SecretAccessKey": "s", "Token": "t" }),
            )
        } else {
            Reply::text(401, "")
        }
    })
    .await;
    let sts = sim_sts().await;
    let mut surroundings = Surroundings::nowhere()
        .with("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1")
        .with("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token")
        .with("AWS_ENDPOINT_URL_STS", sts.url());
    surroundings.places.aws_containers = containers.url();
    given(&surroundings, settings(TokenSource::StsWebIdentity))
        .await
        .unwrap();
    assert!(
        sts.asked()[0]
            .header("authorization")
            .unwrap()
            .contains("AKIDCONTAINER")
    );
    let far = Surroundings::nowhere().with("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/keys");
    let fault = given(&far, settings(TokenSource::StsWebIdentity))
        .await
        .unwrap_err();
    assert!(matches!(fault, Fault::Endpoint { .. }), "{fault}");
}

/// A simulated metadata service of EC2, second version: nothing without its session.
async fn sim_imds() -> Bed {
    Bed::plain(|asked, _| {
        if asked.path() == "/latest/api/token" {
            let right =
                asked.method == "PUT" && asked.header("x-aws-ec2-metadata-token-ttl-seconds").is_some();
            return Reply::text(if right { 200 } else { 400 }, "imds-session");
        }
        if asked.header("x-aws-ec2-metadata-token") != Some("imds-session") {
            return Reply::text(401, "");
        }
        match asked.path() {
            "/latest/meta-data/iam/security-credentials/" => Reply::text(200, "Courier"),
            "/latest/meta-data/iam/security-credentials/Courier" => Reply::json(
                200,
                &json!({ "AccessKeyId": "AKIDEC2", "SecretAccessKey": "s", "Token": "t" }),
            ),
            _ => Reply::text(404, ""),
        }
    })
    .await
}

#[tokio::test]
async fn sim_auth_imds_gives_keys_where_it_is_not_disabled() {
    let (imds, sts) = (sim_imds().await, sim_sts().await);
    let mut surroundings = Surroundings::nowhere().with("AWS_ENDPOINT_URL_STS", sts.url());
    surroundings.places.aws_metadata = imds.url();
    given(&surroundings, settings(TokenSource::StsWebIdentity))
        .await
        .unwrap();
    assert!(
        sts.asked()[0]
            .header("authorization")
            .unwrap()
            .contains("AKIDEC2")
    );
    let disabled = Surroundings::nowhere().with("AWS_EC2_METADATA_DISABLED", "true");
    assert_eq!(
        given(&disabled, settings(TokenSource::StsWebIdentity))
            .await
            .unwrap_err()
            .exit_code(),
        2
    );
}

#[tokio::test]
async fn a_request_for_the_caller_is_signed_together_with_the_name_of_the_appliance() {
    let surroundings = keys(Surroundings::nowhere());
    let request = match proof(&surroundings, settings(TokenSource::CallerIdentity))
        .await
        .unwrap()
    {
        AwsProof::SignedRequest(request) => request,
        other => panic!("no request: {other:?}"),
    };
    assert_eq!(request.url, "https://sts.ap-southeast-2.amazonaws.com/");
    assert_eq!(request.body, "Action=GetCallerIdentity&Version=2011-06-15");
    let header = |name: &str| {
        let found = request.headers.iter().find(|(known, _)| known == name);
        found.unwrap().1.expose_secret().to_owned()
    };
    assert_eq!(header("x-chancery-appliance"), IDENTITY);
    assert!(header("authorization").contains("x-amz-security-token;x-chancery-appliance"));
    assert!(!format!("{request:?}").contains("session-token"));
}

#[tokio::test]
async fn a_region_is_a_name() {
    for region in ["", "evil.test/", "a@b", "EU"] {
        let mut set = settings(TokenSource::CallerIdentity);
        set.region = region.to_owned();
        let fault = keys(Surroundings::nowhere())
            .present(&Auth::AwsOidc(set))
            .await
            .unwrap_err();
        assert_eq!(fault.exit_code(), 2, "{region}");
    }
}

/// AWS's own botocore, asked for the same, puts the same into its request, signs the same headers, and reads the simulated answer.
#[tokio::test]
async fn e2e_courier_botocore_asks_sts_for_a_token_alike() {
    const SCRIPT: &str = "import botocore.session, os, sys
client = botocore.session.get_session().create_client(
    'sts', region_name='ap-southeast-2', endpoint_url=sys.argv[1], aws_access_key_id='AKIDEXAMPLE',
    aws_secret_access_key='very-secret-key', aws_session_token='session-token')
answer = client.get_web_identity_token(Audience=sys.argv[2:], DurationSeconds=300, SigningAlgorithm='ES384')
print(answer['WebIdentityToken'])";
    let sts = Bed::plain(|_, _| web_identity(&token(IDENTITY))).await;
    let mut surroundings = keys(Surroundings::nowhere()).with("AWS_ENDPOINT_URL_STS", sts.url());
    surroundings.thumbprint = Some("thumb".to_owned());
    let ours = given(&surroundings, settings(TokenSource::StsWebIdentity))
        .await
        .unwrap();
    let python = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python");
    assert!(python.exists(), "no {}: run `cargo xtask test`", python.display());
    let other = tokio::process::Command::new(&python)
        .args(["-c", SCRIPT, &sts.url(), IDENTITY])
        .arg("urn:ietf:params:oauth:jwk-thumbprint:sha-256:thumb")
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&other.stdout);
    let complaint = String::from_utf8_lossy(&other.stderr);
    assert_eq!(printed.trim(), ours, "{complaint}");
    let facts = |asked: &Asked| {
        let signed = asked.header("authorization").unwrap();
        let signed = signed.split_once("SignedHeaders=").unwrap().1;
        let form: std::collections::BTreeMap<_, _> = asked.form().into_iter().collect();
        (
            asked.method.clone(),
            asked.target.clone(),
            asked.header("content-type").map(str::to_owned),
            signed.split_once(',').unwrap().0.to_owned(),
            form,
        )
    };
    let asked = sts.asked();
    assert_eq!(facts(&asked[0]), facts(&asked[1]));
}

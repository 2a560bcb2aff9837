//! Requests to AWS held against somebody else's verification: moto's server checks signatures by botocore, AWS's own code.
//!
//! What it cannot judge is `GetWebIdentityToken`, an action that it does not have: the request for that is compared with botocore's own,
//! beside the simulated STS of `auth/aws_oidc/tests.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what broke by panicking"
)]

#[path = "moto/server.rs"]
mod server;

use std::collections::BTreeMap;

use courier::auth::presented::{AwsProof, SignedRequest};
use courier::auth::{Appliance, Context, Fault, Method, Pending, Places, Presented, aws_oidc};
use courier::client::Clock;
use secrecy::{ExposeSecret as _, SecretString};
use server::{Moto, element};
use uuid::Uuid;

const IDENTITY: &str = "https://ca.example.test";
const REGION: &str = "eu-central-1";

/// Sends a signed request as the appliance would, were it to ask: status and body.
async fn send(moto: &Moto, request: &SignedRequest) -> (u16, String) {
    let mut sent = moto
        .http
        .request(request.method.parse().unwrap(), &request.url)
        .body(request.body.clone());
    for (name, value) in &request.headers {
        // The host is told by whoever sends.
        if name != "host" {
            sent = sent.header(name, value.expose_secret());
        }
    }
    let answer = sent.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

struct Stub;

impl Appliance for Stub {
    fn identity(&self) -> Pending<'_, Result<String, Fault>> {
        Box::pin(async { Ok(IDENTITY.to_owned()) })
    }

    fn challenge(&self) -> Pending<'_, Result<String, Fault>> {
        Box::pin(async { panic!("nothing is signed but the request") })
    }
}

/// What the courier makes of a key.
async fn signed(moto: &Moto, id: &str, secret: &str) -> SignedRequest {
    let environment = BTreeMap::from([
        ("AWS_ACCESS_KEY_ID".to_owned(), id.to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned()),
        ("AWS_ENDPOINT_URL_STS".to_owned(), format!("{}/", moto.url)),
    ]);
    let mut settings = aws_oidc::Settings::new("arn:aws:iam::123456789012:role/web", REGION);
    settings.token_source = aws_oidc::TokenSource::CallerIdentity;
    let context = Context {
        uuid: Uuid::from_u128(1),
        environment: &environment,
        places: &Places::default(),
        appliance: &Stub,
        now: Clock::system().now(),
        thumbprint: None,
    };
    match Method::AwsOidc(settings).present(&context).await.unwrap() {
        Presented::AwsOidc {
            proof: AwsProof::SignedRequest(request),
            ..
        } => request,
        other => panic!("no signed request: {other:?}"),
    }
}

#[tokio::test]
async fn e2e_courier_moto_takes_a_request_as_it_was_signed_and_no_other() {
    let moto = Moto::start().await;
    let key = moto.key_of("web").await;
    let request = signed(&moto, &key.id, &key.secret).await;
    let (status, body) = send(&moto, &request).await;
    assert_eq!(status, 200, "{body}");
    assert!(element(&body, "Arn").ends_with(":user/web"), "{body}");

    let refused = async |request: &SignedRequest, what: &str| {
        let (status, body) = send(&moto, request).await;
        assert_eq!(status, 403, "{what}: {body}");
        element(&body, "Code")
    };
    let mut foreign = signed(&moto, &key.id, &key.secret).await;
    for (name, value) in &mut foreign.headers {
        if name == "x-chancery-appliance" {
            assert_eq!(value.expose_secret(), IDENTITY);
            *value = SecretString::from("https://other.example.test");
        }
    }
    assert_eq!(
        refused(&foreign, "for another appliance").await,
        "SignatureDoesNotMatch"
    );
    let mut other = signed(&moto, &key.id, &key.secret).await;
    other.body = other.body.replace("GetCallerIdentity", "GetSessionToken");
    assert_eq!(refused(&other, "another action").await, "SignatureDoesNotMatch");
    let wrong = signed(&moto, &key.id, "wrong").await;
    assert_eq!(refused(&wrong, "another secret").await, "SignatureDoesNotMatch");
    let unknown = signed(&moto, "AKIAUNKNOWN", &key.secret).await;
    assert_eq!(refused(&unknown, "nobody's key").await, "InvalidClientTokenId");
}

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

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use courier::auth::presented::{AwsProof, SignedRequest};
use courier::auth::{Appliance, Context, Fault, Method, Pending, Places, Presented, aws_oidc};
use courier::client::Clock;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

const IDENTITY: &str = "https://ca.example.test";
const REGION: &str = "eu-central-1";

/// moto's server, which ends with this.
struct Moto {
    url: String,
    http: reqwest::Client,
    _child: Child,
}

/// A key that it knows.
struct Key {
    id: String,
    secret: String,
}

impl Moto {
    async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/moto_server");
        let mut child = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|fault| panic!("{}: {fault}; run `cargo xtask test`", program.display()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = loop {
            let line = lines.next_line().await.unwrap().expect("moto ended");
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            url,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _child: child,
        }
    }

    /// A question to its IAM, which is not checked yet.
    async fn iam(&self, body: &str) -> String {
        let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
        let answer = self
            .http
            .post(&self.url)
            .header("authorization", scope)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{text}");
        text
    }

    /// A user with a key; from here on every signature is verified.
    async fn key_of(&self, user: &str) -> Key {
        self.iam(&format!("Action=CreateUser&Version=2010-05-08&UserName={user}"))
            .await;
        let made = self
            .iam(&format!(
                "Action=CreateAccessKey&Version=2010-05-08&UserName={user}"
            ))
            .await;
        let strict = self
            .http
            .post(format!("{}/moto-api/reset-auth", self.url))
            .body("0");
        assert!(strict.send().await.unwrap().status().is_success());
        Key {
            id: element(&made, "AccessKeyId"),
            secret: element(&made, "SecretAccessKey"),
        }
    }

    /// Sends a signed request as the appliance would, were it to ask: status and body.
    async fn send(&self, request: &SignedRequest) -> (u16, String) {
        let mut sent = self
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
}

fn element(xml: &str, name: &str) -> String {
    let rest = xml.split_once(&format!("<{name}>")).expect(xml).1;
    rest.split_once("</").unwrap().0.to_owned()
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
    let (status, body) = moto.send(&request).await;
    assert_eq!(status, 200, "{body}");
    assert!(element(&body, "Arn").ends_with(":user/web"), "{body}");

    let refused = async |request: &SignedRequest, what: &str| {
        let (status, body) = moto.send(request).await;
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

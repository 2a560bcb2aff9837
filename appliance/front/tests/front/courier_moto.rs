//! Workloads of AWS that show a signed request, which a front sends to somebody else's verification: moto's server, by botocore.

#[path = "../../../../courier/cli/tests/moto/server.rs"]
mod server;

use ca::courier::RequestSend;
use courier::auth::{Method, aws_oidc};
use serde_json::{Value, json};
use server::Moto;
use uuid::Uuid;

use crate::courier_methods::works;
use crate::courier_site::{Host, IDENTITY, Site, refused, unknown};
use crate::house::House;

const REGION: &str = "eu-central-1";
const CALLER: &str = "arn:aws:iam::123456789012:user/web";

/// A site that sends to moto, and nowhere else.
async fn site(moto: &Moto) -> Site {
    let http = moto.http.clone();
    let send = RequestSend::new(move |request| {
        let mut sent = http.post(&request.url).body(request.body.clone());
        for (name, value) in request.headers.iter().filter(|(name, _)| name != "host") {
            sent = sent.header(name, value.as_str());
        }
        Box::pin(async move {
            let answer = sent.send().await.map_err(|error| error.to_string())?;
            let status = answer.status().as_u16();
            let body = answer.bytes().await.map_err(|error| error.to_string())?;
            Ok((status, body.to_vec()))
        })
    });
    let url = format!("{}/", moto.url);
    let house = House::with_settings(move |settings| {
        settings.couriers.sts_endpoints = vec![url];
        settings.couriers.send_request = Some(send);
    });
    Site::of(house.await).await
}

fn host(uuid: Uuid, moto: &Moto, key: &server::Key, audience: Option<&str>) -> Host {
    let mut settings = aws_oidc::Settings::new("arn:aws:iam::123456789012:role/web", REGION);
    settings.token_source = aws_oidc::TokenSource::CallerIdentity;
    settings.audience = audience.map(ToOwned::to_owned);
    Host::new(uuid, Method::AwsOidc(settings))
        .with("AWS_ACCESS_KEY_ID", &key.id)
        .with("AWS_SECRET_ACCESS_KEY", &key.secret)
        .with("AWS_ENDPOINT_URL_STS", &format!("{}/", moto.url))
}

fn binding(caller: &str) -> Value {
    json!({ "method": "aws_oidc", "caller": caller })
}

#[tokio::test]
async fn e2e_courier_front_moto() {
    let moto = Moto::start().await;
    let key = moto.key_of("web").await;
    let site = site(&moto).await;
    let uuid = site.courier("web01", binding(CALLER)).await;
    works(&site, "aws_oidc", || host(uuid, &moto, &key, None)).await;

    let sign_in = async |host: Host| refused(site.at(host, true).sign_in().await);
    let misused = async |host: Host, reason: &str| {
        assert_eq!(sign_in(host).await, unknown(), "{reason}");
        assert_eq!(site.last_reason().await, reason);
    };
    // Somebody else of the same account.
    let other = site
        .courier("web02", binding("arn:aws:iam::123456789012:role/web"))
        .await;
    misused(host(other, &moto, &key, None), "the caller is another one").await;
    // A request that was made for another appliance.
    misused(
        host(uuid, &moto, &key, Some("https://other.example")),
        "the request was made for another appliance",
    )
    .await;
    // A key that AWS does not know.
    let wrong = server::Key {
        id: key.id.clone(),
        secret: "wrong".to_owned(),
    };
    misused(host(uuid, &moto, &wrong, None), "AWS does not take the request").await;
    // Another host than those of the settings.
    let elsewhere = host(uuid, &moto, &key, None).with("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9/");
    misused(elsewhere, "the request is for none of couriers.sts_endpoints").await;
    // A courier whose credential is a token has AWS asked nothing.
    let mut token = site.binding("aws_oidc");
    token["role_arn"] = json!("arn:aws:iam::123456789012:role/web");
    let with_token = site.courier("web03", token).await;
    misused(
        host(with_token, &moto, &key, None),
        "no credential of the courier is bound to a caller",
    )
    .await;
}

#[tokio::test]
async fn e2e_courier_front_moto_takes_a_request_once() {
    let moto = Moto::start().await;
    let key = moto.key_of("web").await;
    let site = site(&moto).await;
    let uuid = site.courier("web01", binding(CALLER)).await;
    let request = signed(&moto, &key).await;
    let body = json!({
        "uuid": uuid, "method": "aws_oidc", "credential": { "signed_request": request, "role_arn": "r", "region": REGION },
    });
    let nobody = site.house.api_with(None);
    let first = nobody.post("/api/v1/courier/auth", body.clone()).await;
    assert_eq!(first.status, 200, "{}", first.json);
    let again = nobody.post("/api/v1/courier/auth", body).await;
    assert_eq!(again.status, 401, "{}", again.json);
    assert_eq!(site.last_reason().await, "the request was used before");
}

/// A request as botocore signs it, not the courier.
async fn signed(moto: &Moto, key: &server::Key) -> Value {
    let script = "
import sys, json
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
url, key, secret, region, identity = sys.argv[1:]
headers = {'host': url.split('/')[2], 'x-chancery-appliance': identity, 'content-type': 'application/x-www-form-urlencoded'}
body = 'Action=GetCallerIdentity&Version=2011-06-15'
request = AWSRequest(method='POST', url=url, data=body, headers=headers)
SigV4Auth(Credentials(key, secret), 'sts', region).add_auth(request)
headers = [[name.lower(), value] for name, value in request.headers.items()]
print(json.dumps({'method': 'POST', 'url': url, 'headers': headers, 'body': body}))
";
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/python3");
    let url = format!("{}/", moto.url);
    let run = tokio::process::Command::new(python)
        .args(["-c", script, &url, &key.id, &key.secret, REGION, IDENTITY])
        .output()
        .await
        .unwrap_or_else(|fault| panic!("{python}: {fault}; run `cargo xtask test`"));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

//! A courier in AWS without a token: it signs a request, which the appliance sends to moto's server.

#[path = "../../../../../courier/cli/tests/moto/server.rs"]
mod server;

use serde_json::json;
use server::Moto;

use super::host::Host;
use crate::api::Api;
use crate::harness::{Appliance, Keys};

#[test]
fn e2e_courier_run_moto() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (moto, key) = runtime.block_on(async {
        let moto = Moto::start().await;
        let key = moto.key_of("web").await;
        (moto, key)
    });
    let url = format!("{}/", moto.url);
    let mut appliance = Appliance::init(Keys::Software);
    appliance.edit("sts_endpoints = []", &format!("sts_endpoints = [\"{url}\"]"));
    appliance.serve();
    let mut host = Host::new(&appliance, "web01", "");
    let binding = json!({ "method": "aws_oidc", "caller": "arn:aws:iam::123456789012:user/web" });
    let added = Api::new(&appliance).post("couriers/web01/credentials", &json!({ "binding": binding }));
    assert_eq!(added.0, 201, "{}", added.1);
    host.forget_secret();
    host.change(
        "method: client_secret",
        "method: aws_oidc\n  token_source: caller_identity\n  role_arn: arn:aws:iam::123456789012:role/web\n  region: eu-central-1",
    );
    host.set("AWS_ACCESS_KEY_ID", key.id);
    host.set("AWS_SECRET_ACCESS_KEY", key.secret);
    host.set("AWS_ENDPOINT_URL_STS", url);
    assert_eq!(host.json(&["check-api-auth"])["courier"]["name"], "web01");
    assert_eq!(host.json(&["run"])["action"], "issued");
    host.set("AWS_SECRET_ACCESS_KEY", "another".to_owned());
    assert_eq!(host.run(&["renew", "--force"]).status.code(), Some(3));
}

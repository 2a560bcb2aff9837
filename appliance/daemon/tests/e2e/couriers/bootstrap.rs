//! A host that is set up with a secret for its first run alone.

use serde_json::json;

use super::host::Host;
use crate::api::Api;
use crate::harness::{Appliance, Keys, judge};

#[test]
fn e2e_courier_bootstrap_openssl() {
    let appliance = Appliance::start(Keys::Software);
    let api = Api::new(&appliance);
    let (status, told) = api.post("domains", &json!({ "apex": "example.com" }));
    assert_eq!(status, 201, "{told}");
    let record =
        json!({ "allowed_names": ["*.example.com"], "profiles": ["tls-client"], "issuer": "issuing" });
    let (status, courier) = api.post("couriers", &json!({ "name": "web01", "record": record }));
    assert_eq!(status, 201, "{courier}");
    let (status, secret) = api.post("couriers/web01/client-secrets", &json!({ "bootstrap": true }));
    assert_eq!(status, 201, "{secret}");
    let host = Host::with_secret(&appliance, "web01", &courier["id"], &secret, "");
    host.change(
        "  method: client_secret\n",
        "  method: client_secret\n  renew_with_certificate: true\n",
    );
    assert_eq!(host.json(&["check-api-auth"])["method"], "client_secret");
    assert_eq!(host.json(&["run"])["action"], "issued");
    let serial = || {
        let file = host.output("cert.pem").display().to_string();
        judge("openssl", &["x509", "-in", &file, "-noout", "-serial"])
    };
    let issued = serial();

    // From now on the certificate is what signs in, and whoever read the secret has nothing.
    assert_eq!(host.json(&["check-api-auth"])["method"], "certificate");
    assert_eq!(host.json(&["renew", "--force"])["action"], "renewed");
    assert_ne!(serial(), issued);
    host.change("  renew_with_certificate: true\n", "");
    let thief = host.run(&["check-api-auth"]);
    assert_eq!(thief.status.code(), Some(3), "{thief:?}");
    let (_, left) = api.get("couriers/web01/credentials");
    let methods: Vec<_> = left["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["method"])
        .collect();
    assert_eq!(methods, ["certificate"], "{left}");
}

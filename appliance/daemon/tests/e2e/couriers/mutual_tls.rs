//! A courier whose connection shows its certificate.

use serde_json::json;

use super::host::Host;
use crate::api::Api;
use crate::harness::{Appliance, Keys};

#[test]
fn e2e_courier_mutual_tls_openssl() {
    let mut appliance = Appliance::init(Keys::Software);
    appliance.edit("client_certificates = false", "client_certificates = true");
    appliance.serve();
    let host = Host::new(&appliance, "web01", "");
    let certificate = appliance.issue("web01", "tls-client", "/CN=web01", Some("DNS:web01.example.com"));
    let binding = json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:web01.example.com"] });
    let added = Api::new(&appliance).post("couriers/web01/credentials", &json!({ "binding": binding }));
    assert_eq!(added.0, 201, "{}", added.1);
    host.forget_secret();
    let key = appliance.file("web01.key");
    let files = format!(
        "method: certificate\n  mutual_tls: true\n  cert_path: {}\n  key_path: {}",
        certificate.display(),
        key.display()
    );
    host.change("method: client_secret", &files);
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(host.json(&["check-api-auth"])["courier"]["name"], "web01");
    assert_eq!(host.json(&["run"])["action"], "issued");
    // By the same credential, by a challenge.
    host.change("  mutual_tls: true\n", "");
    assert_eq!(host.json(&["check-api-auth"])["courier"]["name"], "web01");
}

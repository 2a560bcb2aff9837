//! A registered bridge that is hostile, between a courier and its appliance: what it forwards changed, again or as somebody else's is
//! refused, what it answers itself is not installed, and nothing is issued or given out.

#[path = "hostile_bridge/claims.rs"]
mod claims;
#[path = "hostile_bridge/instance.rs"]
mod instance;
#[path = "hostile_bridge/keys.rs"]
mod keys;
#[path = "hostile_bridge/message.rs"]
mod message;
#[path = "hostile_bridge/proofs.rs"]
mod proofs;
#[path = "hostile_bridge/relay.rs"]
mod relay;

use courier::auth::proof::ProofKey;
use serde_json::{Value, json};

use super::host::{Host, text};
use crate::api::Api;
use crate::harness::{Appliance, Keys};
use instance::Instance;
use message::{Answer, Request};
use relay::Relay;

const ORDERS: &str = "/api/v1/courier/orders";
const SIGN_IN: &str = "/api/v1/courier/auth";
const SIGN_OUT: &str = "/auth/revoke";

/// An appliance, a hostile bridge, and a host whose courier signs in through it with a certificate.
struct Site {
    appliance: Appliance,
    api: Api,
    host: Host,
    relay: Relay,
}

impl Site {
    fn open() -> Self {
        let appliance = Appliance::start(Keys::Software);
        let host = Host::new(&appliance, "web01", "");
        let api = Api::new(&appliance);
        let certificate = appliance.issue("web01", "tls-client", "/CN=web01", Some("DNS:web01.example.com"));
        let binding =
            json!({ "method": "certificate", "issuer": "issuing", "names": ["dns:web01.example.com"] });
        let added = api.post("couriers/web01/credentials", &json!({ "binding": binding }));
        assert_eq!(added.0, 201, "{}", added.1);
        let key = appliance.file("web01.key");
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        host.forget_secret();
        let files = format!(
            "method: certificate\n  cert_path: {}\n  key_path: {}",
            certificate.display(),
            key.display()
        );
        host.change("method: client_secret", &files);
        let relay = Relay::start(&appliance);
        host.change(&appliance.api_url(), &relay.url());
        Self {
            appliance,
            api,
            host,
            relay,
        }
    }

    /// The courier lets the appliance make its keys.
    fn with_platform_keys(self) -> Self {
        self.host.change(
            "  name: web01\n",
            "  name: web01\n  generate_keys_locally: false\n",
        );
        self
    }

    /// The orders of the courier and the certificates that it was given, as the operator sees them.
    fn register(&self) -> (Vec<String>, usize) {
        let (status, orders) = self.api.get("courier-orders?courier=web01");
        assert_eq!(status, 200, "{orders}");
        let of = |order: &Value| order["status"].as_str().unwrap().to_owned();
        let orders = orders["items"].as_array().unwrap().iter().map(of).collect();
        let (status, issued) = self
            .api
            .get("certificates?name=web01.example.com&profile=tls-server");
        assert_eq!(status, 200, "{issued}");
        (orders, issued["items"].as_array().unwrap().len())
    }

    /// The courier's run comes to nothing, for this reason, and nothing was issued, delivered or installed.
    fn comes_to_nothing(&self, words: &[&str], code: &str) {
        let (before, files) = (self.register(), self.installed());
        let failed = self.host.run(words);
        assert!(!failed.status.success(), "{}", text(&failed));
        assert!(text(&failed).contains(code), "{code}: {}", text(&failed));
        assert_eq!(self.register(), before, "{code}");
        assert_eq!(self.installed(), files, "{code}");
    }

    /// The certificate and the key that serve.
    fn installed(&self) -> [Option<Vec<u8>>; 2] {
        ["cert.pem", "privkey.pem"].map(|name| std::fs::read(self.host.output(name)).ok())
    }

    /// The bridge lets no courier sign out, so that its sessions go on.
    fn keeps_sessions(&self) {
        self.relay.does(|instance, request| {
            if request.is("POST", SIGN_OUT) {
                return Answer::of(200, &json!({ "success": true }));
            }
            instance.forward(request)
        });
    }

    /// A run of the courier of which the bridge keeps the last request, of this kind, for itself; that request.
    fn withheld(&self, words: &[&str], method: &'static str, end: &'static str) -> Request {
        self.relay.does(move |instance, request| {
            if request.is(method, end) {
                return Answer::of(
                    400,
                    &json!({ "success": false, "error": error("MALFORMED_REQUEST") }),
                );
            }
            if request.is("POST", SIGN_OUT) {
                return Answer::of(200, &json!({ "success": true }));
            }
            instance.forward(request)
        });
        let failed = self.host.run(words);
        assert!(!failed.status.success(), "{}", text(&failed));
        self.relay.last(method, end)
    }

    fn bridge(&self) -> &Instance {
        &self.relay.instance
    }

    /// A certificate request of the bridge for the courier's name.
    fn own_csr(&self) -> String {
        let csr = self
            .appliance
            .csr("own", "/CN=web01.example.com", Some("DNS:web01.example.com"));
        std::fs::read_to_string(csr).unwrap()
    }
}

fn error(code: &str) -> Value {
    json!({ "code": code, "message": "no", "retryable": false, "details": [], "request_id": "x" })
}

/// A proof by another key for a request with a token.
fn proof(key: &ProofKey, request: &Request, token: &str) -> String {
    let url = format!("https://{}{}", request.host(), request.path());
    let body = Some(request.body.as_slice()).filter(|body| !body.is_empty());
    key.prove(&request.method, &url, Some(token), body, jiff::Timestamp::now())
        .unwrap()
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

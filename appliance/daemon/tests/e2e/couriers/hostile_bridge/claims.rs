//! What the bridge says of where requests come from, and where it asks for what is not for couriers.

use serde_json::json;

use super::instance::{ASSERTION, HERE, Instance};
use super::message::Request;
use super::{Site, refused};

/// Where nobody of these tests is.
const ELSEWHERE: &str = "203.0.113.7";

#[test]
fn e2e_courier_bridge_hostile_headers_say_nothing() {
    let site = Site::open();
    site.allow_from(ELSEWHERE);
    let claims = |request: &Request| {
        request
            .and("forwarded", &format!("for={ELSEWHERE}"))
            .and("forwarded", &format!("for=\"{ELSEWHERE}:1\";by=10.0.0.1"))
            .and("x-forwarded-for", ELSEWHERE)
            .and("x-forwarded-for", &format!("{ELSEWHERE}, {HERE}"))
            .and("x-real-ip", ELSEWHERE)
            .and("true-client-ip", ELSEWHERE)
            .and("client-ip", ELSEWHERE)
    };
    // Headers say one thing, and the instance attests another: its word counts.
    site.relay
        .does(move |instance, request| instance.forward(&claims(request)));
    site.comes_to_nothing(&["run"], "IP_NOT_ALLOWED");
    // Whoever shows no certificate says nothing at all, also with a word that the instance signed.
    site.relay.does(move |instance, request| {
        let told = claims(request).with(ASSERTION, &instance.attest(request, ELSEWHERE));
        instance.send_as_nobody(&told)
    });
    site.comes_to_nothing(&["run"], "IP_NOT_ALLOWED");
    // Two words, in two headers or in one; none; one for another request; one that was used.
    let two = |instance: &Instance, request: &Request| {
        let words = [HERE, ELSEWHERE].map(|client| instance.attest(request, client));
        request.and(ASSERTION, &words[0]).and(ASSERTION, &words[1])
    };
    let listed = |instance: &Instance, request: &Request| {
        let words = [HERE, ELSEWHERE].map(|client| instance.attest(request, client));
        request.and(ASSERTION, &words.join(", "))
    };
    let none = |_: &Instance, request: &Request| request.clone();
    let of_another = |instance: &Instance, request: &Request| {
        let other = request.to(&request.method, "/api/v1/courier/self");
        request.and(ASSERTION, &instance.attest(&other, ELSEWHERE))
    };
    let of_another_body = |instance: &Instance, request: &Request| {
        let other = request.with_body(b"{}");
        request.and(ASSERTION, &instance.attest(&other, ELSEWHERE))
    };
    let used = |instance: &Instance, request: &Request| {
        let told = request.and(ASSERTION, &instance.attest(request, ELSEWHERE));
        instance.send(&told);
        told
    };
    let misled: [fn(&Instance, &Request) -> Request; 6] =
        [two, listed, none, of_another, of_another_body, used];
    for told in misled {
        site.relay.does(move |instance, request| {
            if request.path() == "/api/v1/health" {
                return instance.forward(request);
            }
            instance.send(&told(instance, request))
        });
        site.comes_to_nothing(&["run"], "BRIDGE_ASSERTION_INVALID");
    }
    assert_eq!(site.register(), (Vec::new(), 0));
    // Another instance carries what this one signed.
    let other = Instance::register(&site.appliance, "other-instance");
    let health = Request::get("/api/v1/health");
    let told = health.with(ASSERTION, &site.bridge().attest(&health, HERE));
    assert_eq!(other.send(&told).told(), refused(401, "BRIDGE_ASSERTION_INVALID"));
    assert_eq!(site.bridge().send(&told).status, 200);
    // The courier is let in from where it may come, by the word of the instance alone.
    site.allow_from(HERE);
    site.relay.is_honest();
    assert_eq!(site.host.json(&["run"])["action"], "issued");
}

impl Site {
    /// The courier may come from one address alone.
    fn allow_from(&self, address: &str) {
        let shown = self.appliance.ok(&["courier", "show", "web01"]);
        let line = shown.lines().find(|line| line.starts_with("allowed_ips"));
        let changed = shown.replace(line.unwrap(), &format!("allowed_ips = [\"{address}/32\"]"));
        let file = self.appliance.write("web01.toml", &changed);
        self.appliance
            .ok(&["courier", "change", "web01", file.to_str().unwrap()]);
    }
}

#[test]
fn e2e_courier_bridge_hostile_reaches_nothing_but_what_is_for_couriers() {
    let site = Site::open();
    let admin = std::fs::read_to_string(site.appliance.state().join("admin.token")).unwrap();
    let admin = format!("Bearer {}", admin.trim());
    let token = json!({ "bridge": "mine", "issuer": "issuing" });
    for request in [
        Request::get("/api/v1/issuers"),
        Request::get("/api/v1/certificates"),
        Request::get("/api/v1/couriers"),
        Request::get("/api/v1/courier-orders"),
        Request::get("/api/v1/bridges"),
        Request::get("/api/v1/audit"),
        Request::get("/metrics"),
        Request::get("/"),
        Request::get("/api/v1/courier/../issuers"),
        Request::get("/api/v1/courier/%2e%2e/issuers"),
        Request::get("/api/v1/courier/..%2fissuers"),
        Request::get("/api/v1/courier//../issuers"),
        Request::get("//api/v1/issuers"),
        Request::get("/acme/../api/v1/issuers"),
        Request::post("/api/v1/bridge-tokens", &token),
        Request::post("/api/v1/couriers/web01/client-secrets", &json!({})),
        Request::post("/api/v1/couriers/web01/disable", &json!({})),
        Request::get("/").to("DELETE", &format!("/api/v1/bridges/{}", site.bridge().id)),
    ] {
        // What it found of an administrator on its way changes nothing.
        for request in [request.clone(), request.with("authorization", &admin)] {
            let answer = site.bridge().forward(&request);
            // No address is read in another way than it is written: there is none that leads out of those of couriers.
            let is_of_couriers = ["/api/v1/courier/", "/acme/"]
                .iter()
                .any(|start| request.target.starts_with(start));
            let code = if is_of_couriers {
                "no_such_address"
            } else {
                "NOT_FOUND"
            };
            assert_eq!(
                answer.told(),
                refused(404, code),
                "{} {}",
                request.method,
                request.target
            );
            let bare = site.bridge().send(&request);
            assert_eq!(
                bare.told(),
                refused(401, "BRIDGE_ASSERTION_INVALID"),
                "{request:?}"
            );
        }
    }
    // Nobody registers or renews through it, and its token is used up.
    let csr = site.own_csr();
    let renewal = Request::post(
        "/api/v1/courier/bridges/renew",
        &json!({ "csr_pem": csr, "version": "1.0.0" }),
    );
    assert_eq!(site.bridge().forward(&renewal).told(), refused(404, "NOT_FOUND"));
    assert_eq!(
        site.bridge().send_as_nobody(&renewal).told(),
        refused(401, "BRIDGE_NOT_REGISTERED")
    );
    let again = Request::post(
        "/api/v1/courier/bridges/register",
        &json!({ "token": site.bridge().token, "csr_pem": csr, "version": "1.0.0" }),
    );
    assert_eq!(site.bridge().forward(&again).told(), refused(404, "NOT_FOUND"));
    assert_eq!(
        site.bridge().send_as_nobody(&again).told(),
        refused(401, "INVALID_CREDENTIALS")
    );
    let instances = || site.api.get("bridges").1["items"].as_array().unwrap().clone();
    assert_eq!(instances().len(), 1);

    // Retired, it carries nothing any more.
    site.relay.is_honest();
    assert_eq!(site.host.json(&["run"])["action"], "issued");
    let words = ["bridge", "retire", site.bridge().id.as_str()];
    site.appliance.ok(&words);
    assert_eq!(instances()[0]["status"], "retired");
    site.comes_to_nothing(&["renew", "--force"], "BRIDGE_NOT_REGISTERED");
}

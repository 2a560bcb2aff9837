//! From the configuration over the registration to the drain.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use crate::bed::Bed;
use crate::bridge_process::{Bridge, command, curl};
use crate::sim_appliance::SimAppliance;
use crate::terminate::config;

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_registers_once_with_a_token() {
    let bed = Arc::new(Bed::new());
    let appliance = SimAppliance::start(&bed).await;
    let config = config(&appliance, "");
    bed.write("token", "  the-token\n");
    let checked = command(&bed, &config, &["check"]);
    assert_eq!(checked.status.code(), Some(78), "{checked:?}");
    assert!(text(&checked.stderr).contains("not registered"), "{checked:?}");

    let registered = command(&bed, &config, &["register", "--token", "token"]);
    assert!(registered.status.success(), "{registered:?}");
    let path = bed.path("state").join("instance.json");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let asked = appliance.asked().remove(0);
    assert!(asked.certificate.is_none());
    let body = text(&asked.body);
    assert!(body.contains("the-token") && body.contains("CERTIFICATE REQUEST") && !body.contains("PRIVATE"));
    assert!(command(&bed, &config, &["check"]).status.success());

    let before = std::fs::read(&path).unwrap();
    let again = command(&bed, &config, &["register", "--token", "token"]);
    assert!(
        text(&again.stderr).contains("has an identity already"),
        "{again:?}"
    );
    let burnt = command(&bed, &config, &["register", "--replace", "--token", "token"]);
    assert!(
        text(&burnt.stderr).contains("no such token (INVALID_CREDENTIALS)"),
        "{burnt:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before, "what there was stays");
}

#[test]
fn all_that_is_wrong_with_a_configuration_is_told() {
    let bed = Bed::new();
    let told = command(
        &bed,
        "version: 1\nlisten: nowhere\nmode: tunnel\nupstrem: {}\n",
        &["check"],
    );
    assert_eq!(told.status.code(), Some(78));
    let told = text(&told.stderr);
    for wanted in [
        "listen: must be",
        "upstream.url: is missing",
        "did you mean `upstream`?",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_past_two_thirds_of_its_life_renews_itself_while_requests_go_on() {
    let bed = Arc::new(Bed::new());
    let appliance = SimAppliance::start(&bed).await;
    let (instance, old) = bed.identity("state", "20200101000000Z", "20270601000000Z");
    bed.write("instance", &instance);
    let bridge = Bridge::start(&bed, &config(&appliance, ""));
    bridge.wait_for("was renewed");
    let kept = std::fs::read_to_string(bed.path("state").join("instance.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let new = kept["certificate_pem"].as_str().unwrap();
    assert_ne!(new, old);
    assert_eq!(kept["instance"], instance.as_str());
    let address = format!("https://localhost:{}/api/v1/health", bridge.couriers.port());
    let done = curl(&["-s", "--cacert", bed.path("ca.pem").to_str().unwrap(), &address]);
    assert_eq!(text(&done.stdout), "{\"status\":\"ok\"}");
    let leaf = |pem: &str| {
        pki::Certificate::parse_all(pem.as_bytes()).unwrap()[0]
            .der()
            .to_vec()
    };
    let shown: Vec<_> = appliance
        .asked()
        .into_iter()
        .map(|asked| asked.certificate)
        .collect();
    assert_eq!(shown, [Some(leaf(&old)), Some(leaf(new))]);
    assert!(
        bridge
            .look("/metrics")
            .1
            .contains("renewals_total{outcome=\"ok\"} 1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_finished_at_the_end() {
    let bed = Arc::new(Bed::new());
    let appliance = SimAppliance::start(&bed).await;
    bed.identity("state", "20260101000000Z", "20990101000000Z");
    let bridge = Bridge::start(&bed, &config(&appliance, ""));
    let address = format!("https://localhost:{}/api/v1/courier/wait", bridge.couriers.port());
    let ca = bed.path("ca.pem");
    let asking =
        tokio::task::spawn_blocking(move || curl(&["-s", "--cacert", ca.to_str().unwrap(), &address]));
    appliance.arrived().await;
    bridge.terminate();
    bridge.wait_for("stopping");
    // The listener is gone before what was begun has an answer.
    while std::net::TcpStream::connect(bridge.couriers).is_ok() {
        tokio::task::yield_now().await;
    }
    appliance.go_on();
    assert_eq!(text(&asking.await.unwrap().stdout), "waited");
    assert!(bridge.ended().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_stand_for_each_other() {
    let bed = Arc::new(Bed::new());
    let appliance = SimAppliance::start(&bed).await;
    let (first, _) = bed.identity("state", "20260101000000Z", "20990101000000Z");
    let (second, _) = bed.identity("other", "20260101000000Z", "20990101000000Z");
    assert_ne!(first, second);
    let one = Bridge::start(&bed, &config(&appliance, ""));
    let other = Bridge::start(
        &bed,
        &config(&appliance, "").replace("state_dir: state", "state_dir: other"),
    );
    let ask = |bridge: &Bridge| {
        let address = format!("https://localhost:{}/api/v1/health", bridge.couriers.port());
        curl(&["-s", "--cacert", bed.path("ca.pem").to_str().unwrap(), &address])
    };
    assert!(ask(&one).status.success() && ask(&other).status.success());
    one.terminate();
    assert!(one.ended().success());
    assert!(ask(&other).status.success());
    let shown = appliance.asked();
    assert_ne!(shown[0].certificate, shown[1].certificate);
    assert_eq!(shown[1].certificate, shown[2].certificate);
}

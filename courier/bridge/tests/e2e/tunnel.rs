//! Mode `tunnel`: TLS of others, passed on as it is, to the appliance alone.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::bed::Bed;
use crate::bridge_process::{Bridge, PATIENCE, curl};
use crate::sim_appliance::SimAppliance;

fn config(appliance: &SimAppliance, more: &str) -> String {
    format!(
        "version: 1\nlisten: 127.0.0.1:0\nmode: tunnel\nupstream: {{ url: 'https://localhost:{}', ca: ca.pem }}\n\
         identity: {{ state_dir: state }}\nmetrics: {{ listen: '127.0.0.1:0' }}\n{more}",
        appliance.at.port()
    )
}

async fn start(more: &str) -> (Arc<Bed>, SimAppliance, Bridge) {
    let bed = Arc::new(Bed::new());
    let appliance = SimAppliance::start(&bed).await;
    let bridge = Bridge::start(&bed, &config(&appliance, more));
    (bed, appliance, bridge)
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_bridge_curl_connects_to_the_appliance_and_to_nobody_else() {
    let (bed, appliance, bridge) = start("").await;
    let (proxy, ca) = (format!("http://{}", bridge.couriers), bed.path("ca.pem"));
    let through = |address: &str| {
        let arguments = [
            "-sv",
            "--proxy",
            &proxy,
            "--cacert",
            ca.to_str().unwrap(),
            "-w",
            "%{http_connect}",
            address,
        ];
        let done = curl(&arguments);
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    let port = appliance.at.port();
    let told = through(&format!("https://localhost:{port}/anything"));
    assert_eq!(told, (true, "{\"status\":\"ok\"}200".to_owned()));
    let asked = appliance.asked().remove(0);
    assert_eq!(asked.target, "/anything");
    assert!(
        asked.headers.get("forwarded").is_none() && asked.certificate.is_none(),
        "octets are untouched"
    );

    for address in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{}/", bridge.metrics.port()),
        format!("https://localhost.example:{port}/"),
        "https://example.com/".to_owned(),
    ] {
        assert_eq!(through(&address), (false, "403".to_owned()), "{address}");
    }
    // What is no CONNECT is told so.
    let done = curl(&[
        "-s",
        "-w",
        "%{http_code}",
        "-o",
        "/dev/null",
        &format!("{proxy}/api/v1/health"),
    ]);
    assert_eq!(done.stdout, b"405");
    assert_eq!(appliance.asked().len(), 1);
    let (_, metrics) = bridge.look("/metrics");
    assert!(
        metrics.contains("courier_bridge_tunnels_total{outcome=\"other_host\"} 4"),
        "{metrics}"
    );
    assert_eq!(bridge.look("/readyz").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_bridge_openssl_s_client_is_passed_on_by_its_server_name() {
    let (bed, appliance, bridge) = start("").await;
    let s_client = |name: &str, more: &[&str]| {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-CAfile", "ca.pem"])
            .args(["-verify_hostname", "localhost", "-servername", name])
            .args(more)
            .current_dir(bed.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl is there");
        let request = b"GET /by-name HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        // Where the connection is refused it may be gone already.
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(request);
        let done = child.wait_with_output().unwrap();
        drop(stdin);
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let direct = bridge.couriers.to_string();
    let answer = s_client("localhost", &["-connect", &direct]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let target = format!("localhost:{}", appliance.at.port());
    let answer = s_client("localhost", &["-proxy", &direct, "-connect", &target]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(s_client("elsewhere.test", &["-connect", &direct]), "");
    assert_eq!(appliance.asked().len(), 2);
    let (_, metrics) = bridge.look("/metrics");
    assert!(
        metrics.contains("tunnels_total{outcome=\"other_host\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("tunnels_total{outcome=\"opened\"} 2"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_cut_off_before_and_in_a_tunnel() {
    let (_bed, appliance, bridge) = start("limits: { head_seconds: 1, idle_seconds: 1 }\n").await;
    let open = || {
        let stream = TcpStream::connect(bridge.couriers).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let ends = |stream: &mut TcpStream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    };
    assert_eq!(ends(&mut open()), "");
    let mut half = open();
    half.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap();
    assert_eq!(ends(&mut half), "", "a ClientHello that never ends");
    let mut half = open();
    half.write_all(b"CONNECT localhost").unwrap();
    assert!(!ends(&mut half).contains(" 200 "));
    let mut silent = open();
    let target = format!("localhost:{}", appliance.at.port());
    write!(silent, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
    let told = ends(&mut silent);
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    assert!(bridge.wait_for("a tunnel ended").contains("idle"));
}

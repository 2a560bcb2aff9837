//! Clients that hold places by sending an octet now and then, or nothing more.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::{HEALTH, ORDERS, Site, rest, statuses};
use crate::bridge_process::PATIENCE;
use crate::terminate::Line;

/// Sends octet after octet until the connection ends; what came back.
fn trickle(line: &mut Line, octet: &[u8]) -> String {
    line.sock
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let begun = Instant::now();
    let mut answer = Vec::new();
    while begun.elapsed() < PATIENCE {
        let _ = line.write_all(octet).and_then(|()| line.flush());
        let mut octets = [0; 512];
        match line.read(&mut octets) {
            Ok(0) => break,
            Ok(count) => answer.extend(&octets[..count]),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => break,
        }
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "the connection is cut off"
    );
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_an_octet_now_and_then_is_cut_off_and_keeps_nobody_out() {
    let more = "limits: { head_seconds: 1, body_seconds: 1, connections_per_address: 3 }\n";
    let site = Site::open(more).await;
    let mut lines: Vec<_> = (0..3).map(|_| site.line()).collect();
    let [head, body, idle] = lines.as_mut_slice() else {
        panic!("three lines")
    };
    for (line, begun) in [
        (&mut *head, "GET /api/v1/health HTTP/1.1\r\nX-A: ".to_owned()),
        (&mut *body, format!("{ORDERS}Content-Length: 1000\r\n\r\n")),
        (&mut *idle, HEALTH.to_owned()),
    ] {
        line.write_all(begun.as_bytes()).unwrap();
        line.flush().unwrap();
    }
    // What was asked and answered, and then is silent, is cut off as well.
    assert_eq!(statuses(&rest(idle)), [200]);
    let told = trickle(head, b"x");
    assert!(matches!(statuses(&told).as_slice(), [] | [408]), "{told}");
    let told = trickle(body, b"x");
    assert_eq!(statuses(&told), [408], "{told}");
    drop(lines);
    let begun = Instant::now();
    let none = "courier_bridge_connections_open 0";
    while !site.bridge.look("/metrics").1.lines().any(|line| line == none) {
        assert!(begun.elapsed() < PATIENCE, "all connections have ended");
    }
    // All three places are free again.
    let mut lines: Vec<_> = (0..3).map(|_| site.line()).collect();
    for line in &mut lines {
        line.write_all(HEALTH.as_bytes()).unwrap();
        line.flush().unwrap();
    }
    for line in &mut lines {
        assert_eq!(statuses(&rest(line)), [200]);
    }
    let asked = site.appliance.asked();
    assert!(
        asked.len() == 4 && asked.iter().all(|one| one.target == "/api/v1/health"),
        "{asked:?}"
    );
}

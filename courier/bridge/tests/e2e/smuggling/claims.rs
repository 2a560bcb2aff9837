//! Clients that say what only a bridge says, or have taken away what it says.

use super::{HIDDEN, ORDERS, SOON, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_neither_attests_itself_nor_takes_the_attestation_away() {
    let site = Site::open(SOON).await;
    let lies = [
        "Chancery-Bridge-Assertion: e.y.x",
        "chancery-bridge-assertion: e.y.x",
        "CHANCERY-BRIDGE-ASSERTION: e.y.z",
        "Chancery-Bridge-Client: 10.9.9.9",
        "Chancery_Bridge_Assertion: e.y.x",
        "Forwarded: for=10.9.9.9;host=other",
        "Forwarded: for=10.9.9.8",
        "X-Forwarded-For: 10.9.9.9",
        "X-Forwarded-For: 10.9.9.8",
        "X-Forwarded-Host: other",
        "X-Real-Ip: 10.9.9.9",
        "Via: 1.1 other",
    ]
    .join("\r\n");
    for connection in [
        "keep-alive",
        "close, Chancery-Bridge-Assertion, Forwarded, Via",
        "Host",
        "host, content-length, content-type",
        "Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "\u{ff}, Chancery-Bridge-Assertion",
    ] {
        let request =
            format!("{ORDERS}{lies}\r\nConnection: {connection}\r\nContent-Length: 3\r\n\r\nabc{HIDDEN}");
        let told = site.statuses(request.as_bytes());
        assert!(told.iter().all(|status| *status == 200), "{connection}: {told:?}");
        assert!(!told.is_empty(), "{connection}");
    }
    let asked = site.settled();
    assert!(asked.len() >= 7, "{asked:?}");
    for one in &asked {
        site.attested(one, "bridge.test");
        for gone in ["upgrade", "http2-settings", "connection", "x-forwarded-for"] {
            assert!(one.headers.get(gone).is_none(), "{gone}: {one:?}");
        }
        assert!(one.headers.keys().all(|name| !name.as_str().contains('_')));
        let own = |name: &str| name == courier_wire::ASSERTION_HEADER;
        assert!(
            one.headers
                .keys()
                .all(|name| own(name.as_str()) || !name.as_str().starts_with(courier_wire::BRIDGE_HEADERS))
        );
        assert_eq!(one.headers["via"], "1.1 courier-bridge");
        let is_order = one.target == "/api/v1/courier/orders";
        assert!(is_order && one.body.as_ref() == b"abc" || one.target == "/api/v1/courier/hidden");
    }
}

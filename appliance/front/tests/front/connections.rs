//! What a connection may do: slow, silent, many, long, and when the server stops.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use front::Limits;

use crate::house::House;
use crate::wire;

fn short() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        drain: Duration::from_secs(2),
        ..Limits::default()
    }
}

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let house = House::open().await;
    let mut stream = wire::connect(house.addresses.public).await;
    for _ in 0..3 {
        wire::send(
            &mut stream,
            "HEAD /.well-known/pki/ca/root HTTP/1.1\r\nhost: x\r\n\r\n",
        )
        .await;
        assert!(wire::head(&mut stream).await.starts_with("http/1.1 200"));
    }
    // Two at once are answered in order.
    wire::send(
        &mut stream,
        "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\nHEAD /nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await;
    assert!(wire::head(&mut stream).await.starts_with("http/1.1 200"));
    assert!(wire::head(&mut stream).await.starts_with("http/1.1 404"));
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let house = House::with(short()).await;
    for address in [
        house.addresses.public,
        house.addresses.api,
        house.addresses.metrics,
    ] {
        let began = Instant::now();
        let mut stream = wire::connect(address).await;
        assert_eq!(wire::rest(&mut stream).await, "");
        assert!(began.elapsed() < Duration::from_secs(5), "{address}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_last_answer() {
    let house = House::with(short()).await;
    let mut stream = wire::connect(house.addresses.public).await;
    wire::send(&mut stream, HEALTHZ).await;
    let began = Instant::now();
    assert!(wire::rest(&mut stream).await.ends_with("ok\n"));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() {
    let house = House::with(short()).await;
    let mut stream = wire::connect(house.addresses.public).await;
    let began = Instant::now();
    let (mut reading, mut writing) = stream.split();
    let trickle = async {
        use tokio::io::AsyncWriteExt as _;
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let closed = wire::rest(&mut reading);
    tokio::select! {
        _ = closed => {}
        () = trickle => {}
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let house = House::open().await;
    let long = "a".repeat(64 * 1024);
    for request in [
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
    ] {
        let answer = wire::ask(house.addresses.public, &request).await;
        assert!(
            ["", "http/1.1 4"].iter().any(|start| answer.starts_with(start)),
            "{answer}"
        );
        assert!(!answer.starts_with("http/1.1 2"), "{answer}");
    }
}

#[tokio::test]
async fn a_slow_ocsp_body_gets_408() {
    let house = House::with(short()).await;
    let request = "POST /.well-known/pki/ocsp/issuing HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc";
    assert!(
        wire::ask(house.addresses.public, request)
            .await
            .starts_with("http/1.1 408")
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_harms_nobody() {
    let house = House::open().await;
    let request = "POST /.well-known/pki/ocsp/issuing HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc";
    let mut stream = wire::connect(house.addresses.public).await;
    wire::send(&mut stream, request).await;
    drop(stream);
    let chunked =
        "POST /.well-known/pki/ocsp/issuing HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n";
    assert!(
        wire::ask(house.addresses.public, chunked)
            .await
            .starts_with("http/1.1 400")
    );
    assert_eq!(
        house
            .plain
            .get(house.public("/healthz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

/// A request that is never finished: its connection is at work until the time for bodies is over.
const UNFINISHED: &str =
    "POST /.well-known/pki/ocsp/issuing HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab";

/// A connection whose request is being answered.
async fn at_work(house: &House) -> tokio::net::TcpStream {
    let mut stream = wire::connect(house.addresses.public).await;
    // What is answered is surely at work afterwards.
    wire::send(&mut stream, HEALTHZ).await;
    wire::head(&mut stream).await;
    wire::send(&mut stream, UNFINISHED).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream
}

#[test]
fn relying_parties_are_answered_whatever_the_other_threads_do() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let (answering, work) = (runtime(), runtime());
    let house = work.block_on(House::answering_on(answering.handle().clone()));
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let busy = work.spawn(async move {
        tell.send(()).unwrap();
        // The one thread of the other runtime, and with it its timers and sockets.
        let _ = ended.recv();
    });
    told.recv().unwrap();
    let mut stream = std::net::TcpStream::connect(house.addresses.public).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(HEALTHZ.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(start, *b"HTTP/1.1 200");
    assert!(!busy.is_finished());
    end.send(()).unwrap();
    work.block_on(busy).unwrap();
    work.block_on(async { drop(house) });
}

#[tokio::test]
async fn when_all_are_at_work_further_connections_wait_until_one_ends() {
    let house = House::with(Limits {
        connections: 2,
        ..Limits::default()
    })
    .await;
    let first = at_work(&house).await;
    let _second = at_work(&house).await;
    let mut third = wire::connect(house.addresses.public).await;
    wire::send(&mut third, HEALTHZ).await;
    let answer = tokio::time::timeout(Duration::from_millis(300), wire::head(&mut third));
    assert!(answer.await.is_err(), "the third was served");
    drop(first);
    assert!(wire::head(&mut third).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn silent_connections_make_room_on_a_full_listener() {
    let house = House::with(Limits {
        connections: 3,
        ..Limits::default()
    })
    .await;
    let mut working = wire::connect(house.addresses.public).await;
    let mut silent = wire::connect(house.addresses.public).await;
    let _unfinished = at_work(&house).await;
    let served = async {
        for _ in 0..4 {
            wire::send(&mut working, HEALTHZ).await;
            assert!(wire::head(&mut working).await.starts_with("http/1.1 200"));
            assert_eq!(read_body(&mut working).await, "ok\n");
            let mut next = wire::connect(house.addresses.public).await;
            wire::send(&mut next, HEALTHZ).await;
            assert!(wire::head(&mut next).await.starts_with("http/1.1 200"));
        }
    };
    // Far sooner than silence ends a connection by itself.
    tokio::time::timeout(Duration::from_secs(5), served)
        .await
        .unwrap();
    assert_eq!(wire::rest(&mut silent).await, "");
    let displaced = "chancery_http_connections_displaced_total{listener=\"public\"}";
    assert!(house.metric(displaced).await >= 1);
}

/// The body of an answer of `/healthz`.
async fn read_body(stream: &mut tokio::net::TcpStream) -> String {
    use tokio::io::AsyncReadExt as _;
    let mut body = [0; 3];
    stream.read_exact(&mut body).await.unwrap();
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test]
async fn an_address_has_its_share_of_the_connections() {
    let house = House::with(Limits {
        connections_per_address: 2,
        ..Limits::default()
    })
    .await;
    let first = at_work(&house).await;
    let second = at_work(&house).await;
    let mut third = wire::connect(house.addresses.public).await;
    assert_eq!(wire::rest(&mut third).await, "", "the third was not closed");
    let refused = "chancery_http_connections_refused_total{listener=\"public\"}";
    assert!(house.metric(refused).await >= 1);
    // Another address is no worse off, and a place that was left is free again.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(house.addresses.public).await.unwrap();
    wire::send(&mut other, HEALTHZ).await;
    assert!(wire::head(&mut other).await.starts_with("http/1.1 200"));
    drop(first);
    let again = async {
        loop {
            use tokio::io::AsyncWriteExt as _;
            let mut stream = wire::connect(house.addresses.public).await;
            let sent = stream
                .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .await;
            if sent.is_ok() && wire::rest(&mut stream).await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again).await.unwrap();
    drop(second);
}

#[tokio::test]
async fn a_silent_connection_makes_room_for_another_of_its_address() {
    let house = House::with(Limits {
        connections_per_address: 2,
        ..Limits::default()
    })
    .await;
    let mut silent = wire::connect(house.addresses.public).await;
    let _unfinished = at_work(&house).await;
    let mut next = wire::connect(house.addresses.public).await;
    wire::send(&mut next, HEALTHZ).await;
    assert!(wire::head(&mut next).await.starts_with("http/1.1 200"));
    assert_eq!(wire::rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_request_names_one_host() {
    let house = House::open().await;
    let public = house.addresses.public;
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n", "400"),
        (
            "GET /healthz HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n",
            "200",
        ),
        ("GET /healthz HTTP/1.0\r\n\r\n", "200"),
    ] {
        let mut stream = wire::connect(public).await;
        wire::send(&mut stream, request).await;
        let head = wire::head(&mut stream).await;
        assert!(head.split(' ').nth(1) == Some(status), "{request:?}: {head}");
    }
    let mut stream = crate::tls::handshake(&house, &[b"http/1.1"]).await;
    wire::send(&mut stream, "GET /healthz HTTP/1.1\r\n\r\n").await;
    assert!(wire::head(&mut stream).await.starts_with("http/1.1 400"));
}

#[tokio::test]
async fn an_http2_connection_that_asks_nothing_is_closed() {
    let house = House::with(short()).await;
    let mut stream = crate::tls::handshake(&house, &[b"h2"]).await;
    let began = Instant::now();
    // Not even the preface.
    wire::rest(&mut stream).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_under_way_is_finished_when_the_server_stops() {
    let house = House::open().await;
    let path = "/.well-known/pki/ocsp/issuing";
    let mut open = wire::connect(house.addresses.public).await;
    wire::send(
        &mut open,
        &format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab"),
    )
    .await;
    let mut idle = wire::connect(house.addresses.public).await;
    wire::send(&mut idle, "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    wire::head(&mut idle).await;
    house.begin_to_close();
    assert_eq!(
        wire::rest(&mut idle).await,
        "",
        "an idle connection is closed at once"
    );
    wire::send(&mut open, "cd").await;
    assert!(wire::rest(&mut open).await.starts_with("HTTP/1.1 200"));
    let address = house.addresses.public;
    house.close().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn who_does_not_finish_is_cut_off_when_the_server_stops() {
    let house = House::with(Limits {
        drain: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let mut open = wire::connect(house.addresses.public).await;
    let request = "POST /.well-known/pki/ocsp/issuing HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab";
    wire::send(&mut open, request).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    house.close().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(wire::rest(&mut open).await, "");
}

#[tokio::test]
async fn the_same_port_cannot_be_taken_twice() {
    let house = House::open().await;
    let settings = front::FrontSettings {
        public: house.addresses.public,
        api: house.addresses.api,
        is_api_plain: false,
        metrics: house.addresses.metrics,
        limits: Limits::default(),
    };
    let error = front::Front::bind(
        settings,
        house.authority.clone(),
        &house.identity,
        tokio::runtime::Handle::current(),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains(&house.addresses.public.to_string()), "{error}");
    assert!(error.contains("another program uses this port"), "{error}");
    assert_eq!(
        house
            .plain
            .get(house.public("/healthz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

//! Clients that mean no good: strange bytes, slow ones, too many, too much. Others are answered all
//! the while, and afterwards everything is as it was.

use std::time::{Duration, Instant};

use nearfield_server::v1::search_service_client::SearchServiceClient;
use nearfield_server::v1::{SearchOptions, SearchRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

use super::running::{Server, asked, floats};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("a listing").count()
}

/// Waits until the server has let go of a connection.
async fn closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.is_ok()
}

async fn is_well(server: &Server) {
    assert_eq!(server.found(SearchOptions::default()).await.len(), 4);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    let id = stream.to_le_bytes();
    let mut frame = vec![length[2], length[1], length[0], kind, flags, id[3], id[2], id[1], id[0]];
    frame.extend_from_slice(payload);
    frame
}

/// The headers of a call, without a table.
fn headers(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// Sends bytes as the body of a search; the code of the answer, if there is one.
async fn body(server: &Server, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(server.addr).await.expect("connected");
    let mut all = PREFACE.to_vec();
    all.extend(frame(4, 0, 0, &[]));
    all.extend(frame(1, 4, 1, &headers("/nearfield.v1.SearchService/Search")));
    all.extend(frame(0, 1, 1, bytes));
    stream.write_all(&all).await.expect("sent");
    let mut answer = vec![0; 4096];
    let mut got = Vec::new();
    // Until nothing comes any more.
    while let Ok(Ok(n @ 1..)) =
        tokio::time::timeout(Duration::from_millis(100), stream.read(&mut answer)).await
    {
        got.extend_from_slice(&answer[..n]);
    }
    Some(got).filter(|got| !got.is_empty())
}

#[tokio::test]
async fn slow_and_silent_sockets_are_let_go_of() {
    let server = Server::with(|setup| setup.limits.handshake = Duration::from_millis(200)).await;
    is_well(&server).await;
    let before = descriptors();
    let mut sockets = Vec::new();
    for at in 0..150 {
        let mut stream = TcpStream::connect(server.addr).await.expect("connected");
        match at % 3 {
            0 => {}
            1 => stream.write_all(&PREFACE[..11]).await.expect("sent"),
            _ => stream.write_all(b"GET / HTTP/1.1\r\n\r\n                ").await.expect("sent"),
        }
        sockets.push(stream);
    }
    let began = Instant::now();
    is_well(&server).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    for stream in &mut sockets {
        assert!(closed(stream).await, "a silent socket stays open");
    }
    drop(sockets);
    for _ in 0..100 {
        if descriptors() <= before + 2 {
            is_well(&server).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{before} descriptors before, {} after", descriptors());
}

#[tokio::test]
async fn a_client_that_says_hello_and_half_a_frame_is_let_go_of() {
    let server = Server::with(|setup| {
        setup.limits.keepalive = Duration::from_millis(100);
        setup.limits.keepalive_timeout = Duration::from_millis(200);
    })
    .await;
    let mut stream = TcpStream::connect(server.addr).await.expect("connected");
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(&frame(1, 4, 1, &headers("/nearfield.v1.SearchService/Search"))[..20]);
    stream.write_all(&bytes).await.expect("sent");
    assert!(closed(&mut stream).await);
    is_well(&server).await;
}

#[tokio::test]
async fn connections_have_a_bound() {
    let server = Server::with(|setup| setup.limits.connections = 3).await;
    is_well(&server).await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(server.addr).await.expect("connected");
        let _ = stream.write_all(PREFACE).await;
        sockets.push(stream);
    }
    // One is the client's that was there before.
    let mut turned_away = 0;
    for stream in &mut sockets {
        let mut byte = [0; 1];
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut byte)).await;
        turned_away += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert_eq!(turned_away, 6);
    is_well(&server).await;
}

#[tokio::test]
async fn strange_bytes_are_the_clients_fault() {
    let server = Server::start().await;
    let mut cases: Vec<Vec<u8>> = vec![
        // No message, half a head, a length beyond what follows, the largest length.
        Vec::new(),
        vec![0, 0],
        vec![0, 0, 0, 0, 9, 1],
        vec![0, 255, 255, 255, 255],
        // Said to be compressed, and with what nobody knows.
        vec![1, 0, 0, 0, 1, 0],
        vec![7, 0, 0, 0, 1, 0],
        // Not a message; a name that isn't UTF-8; a length within that is too large.
        vec![0, 0, 0, 0, 2, 255, 255],
        vec![0, 0, 0, 0, 3, 10, 1, 255],
        vec![0, 0, 0, 0, 6, 10, 255, 255, 255, 255, 15],
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..60 {
        let mut bytes = vec![0, 0, 0, 0, 40];
        for _ in 0..40 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes.push(seed as u8);
        }
        cases.push(bytes);
    }
    for bytes in &cases {
        let answer = body(&server, bytes).await.expect("an answer");
        let text = String::from_utf8_lossy(&answer);
        // The status of a bug, as it would be on the wire.
        assert!(!text.contains("grpc-status\u{2}13"), "{bytes:?}: {text:?}");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn frames_at_random_end_a_connection_and_nothing_else() {
    let server = Server::start().await;
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..200 {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        for _ in 0..8 {
            let payload: Vec<u8> = (0..next() % 64).map(|_| next() as u8).collect();
            let stream = (next() % 4) as u32;
            bytes.extend(frame((next() % 12) as u8, next() as u8, stream, &payload));
        }
        let mut stream = TcpStream::connect(server.addr).await.expect("connected");
        let _ = stream.write_all(&bytes).await;
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_flood_of_resets_is_cut_off() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.addr).await.expect("connected");
    let block = headers("/nearfield.v1.SearchService/Search");
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for id in 0..10_000u32 {
        bytes.extend(frame(1, 4, 2 * id + 1, &block));
        bytes.extend(frame(3, 0, 2 * id + 1, &[0, 0, 0, 8]));
    }
    // The server may hang up before all of it is sent.
    let _ = stream.write_all(&bytes).await;
    assert!(closed(&mut stream).await);
    is_well(&server).await;
}

fn code(answer: Result<impl Sized, Status>) -> Code {
    answer.map(|_| ()).expect_err("refused").code()
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let server = Server::with(|setup| {
        setup.limits.read_bytes = 10_000;
        setup.limits.header_bytes = 4096;
    })
    .await;
    let large = SearchRequest {
        vector: Some(floats(&vec![1.0; 10_000])),
        ..asked(SearchOptions::default())
    };
    assert_eq!(code(server.search(large).await), Code::ResourceExhausted);
    // A small message that would be a large one.
    let packed = SearchServiceClient::new(server.channel.clone())
        .send_compressed(CompressionEncoding::Gzip)
        .search(asked(SearchOptions::default()))
        .await;
    assert_eq!(code(packed), Code::Unimplemented);
    let mut request = tonic::Request::new(asked(SearchOptions::default()));
    let value = "x".repeat(8192).parse().expect("a header");
    request.metadata_mut().insert("x-large", value);
    code(server.searches().search(request).await);
    is_well(&server).await;
}

#[tokio::test]
async fn overload_is_refused_at_once_and_passes() {
    let server = Server::with(|setup| {
        setup.threads = 1;
        setup.queue = 1;
    })
    .await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let mut client = server.searches();
        calls.spawn(async move { client.search(asked(SearchOptions::default())).await });
    }
    let (mut answered, mut refused) = (0, 0);
    while let Some(answer) = calls.join_next().await {
        match answer.expect("no panic") {
            Ok(_) => answered += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                assert!(status.metadata().contains_key("retry-after-ms"), "{status:?}");
                refused += 1;
            }
        }
    }
    assert!(answered > 0, "{answered} answered, {refused} refused");
    is_well(&server).await;
}

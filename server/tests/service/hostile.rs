//! Clients that mean no good: strange bytes, slow ones, too many, too much. Others are answered all
//! the while, and afterwards everything is as it was.

use std::time::{Duration, Instant};

use nearfield::{Collection, Ids, Mode, OpenOptions, Progress, VectorData, Vectors};
use nearfield_server::v1::search_service_client::SearchServiceClient;
use nearfield_server::v1::{SearchOptions, SearchRequest};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

use super::command::Process;
use super::monitor::{get, value};
use super::running::{Server, asked, eventually, floats, refused};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Far more than anything here takes; the machine may be slow, and busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the server has let go of a connection.
async fn closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
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

/// Sends bytes as the body of a search; true when the server has said something about it.
async fn body(server: &Server, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(server.addr).await.expect("connected");
    let mut all = PREFACE.to_vec();
    all.extend(frame(4, 0, 0, &[]));
    all.extend(frame(1, 4, 1, &headers("/nearfield.v1.SearchService/Search")));
    all.extend(frame(0, 1, 1, bytes));
    stream.write_all(&all).await.expect("sent");
    answered(&mut stream).await
}

/// Whether headers, a reset or a farewell come before the end.
async fn answered(stream: &mut TcpStream) -> bool {
    let reading = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return false;
            }
            if [1, 3, 7].contains(&head[3]) {
                return true;
            }
            let length = u32::from_le_bytes([head[2], head[1], head[0], 0]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                return false;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("an answer")
}

#[tokio::test]
async fn slow_and_silent_sockets_are_let_go_of() {
    let server = Server::with(|setup| setup.limits.handshake = Duration::from_millis(200)).await;
    is_well(&server).await;
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
    is_well(&server).await;
    for stream in &mut sockets {
        assert!(closed(stream).await, "a silent socket stays open");
    }
    is_well(&server).await;
    let (_, text) = get(&server, "/metrics").await;
    let value = |name| value(&text, name);
    // That of the client here is the only one left.
    assert!((value("nearfield_connections") - 1.0).abs() < 1e-9, "{text}");
    assert!((value("nearfield_connections_dropped_total") - 150.0).abs() < 1e-9, "{text}");
}

/// Descriptors and pages of a process.
fn held(id: u32) -> (usize, usize) {
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).expect("a listing").count();
    let memory = std::fs::read_to_string(format!("/proc/{id}/statm")).expect("a file");
    let pages = memory.split_whitespace().nth(1).expect("a number");
    (files, pages.parse().expect("a number"))
}

#[tokio::test]
async fn descriptors_and_memory_return() {
    let dir = crate::support::Dir::new();
    dir.collection("points.nf");
    let process = Process::start(&["--data", &dir.text("."), "--handshake", "300ms"]);
    let addr = process.served["addr"].as_str().expect("an address").to_owned();
    let mut client = SearchServiceClient::connect(process.uri()).await.expect("connected");
    client.search(asked(SearchOptions::default())).await.expect("found");
    let before = held(process.id());
    for _ in 0..2 {
        let mut sockets = Vec::new();
        for at in 0..200 {
            let mut stream = TcpStream::connect(&addr).await.expect("connected");
            let mut bytes = PREFACE.to_vec();
            bytes.extend(frame(4, 0, 0, &[]));
            match at % 4 {
                0 => {}
                1 => stream.write_all(&bytes[..11]).await.expect("sent"),
                // Headers, and nothing after them; a message that doesn't end.
                2 => {
                    let block = headers("/nearfield.v1.SearchService/Search");
                    bytes.extend(frame(1, 4, 1, &block));
                    stream.write_all(&bytes).await.expect("sent");
                }
                _ => {
                    let block = headers("/nearfield.v1.PointService/Upsert");
                    bytes.extend(frame(1, 4, 1, &block));
                    bytes.extend(frame(0, 0, 1, &[0, 0, 0x20, 0, 0]));
                    bytes.extend(frame(0, 0, 1, &[0; 16_000]));
                    stream.write_all(&bytes).await.expect("sent");
                }
            }
            sockets.push(stream);
        }
        client.search(asked(SearchOptions::default())).await.expect("found");
    }
    let began = Instant::now();
    while held(process.id()).0 > before.0 {
        assert!(began.elapsed() < PATIENCE, "{before:?} before, {:?} after", held(process.id()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What allocators keep is little: pages of 4 KiB.
    let pages = held(process.id()).1.saturating_sub(before.1);
    assert!(pages < (64 << 20) / 4096, "{pages} pages more than before");
    client.search(asked(SearchOptions::default())).await.expect("found");
}

#[tokio::test]
async fn requests_that_fill_the_memory_are_refused_and_it_returns() {
    let server = Server::with(|setup| setup.limits.memory_bytes = 200_000).await;
    // Headers and most of a message, on three connections: the third is too much.
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.addr).await.expect("connected");
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        bytes.extend(frame(1, 4, 1, &headers("/nearfield.v1.SearchService/Search")));
        bytes.extend(frame(0, 0, 1, &[0, 0, 0x0f, 0, 0]));
        for _ in 0..4 {
            bytes.extend(frame(0, 0, 1, &[0; 16_000]));
        }
        stream.write_all(&bytes).await.expect("sent");
        sockets.push(stream);
    }
    let large = || SearchRequest {
        vector: Some(floats(&vec![1.0; 25_000])),
        ..asked(SearchOptions::default())
    };
    eventually(async || code(server.search(large()).await) == Code::ResourceExhausted).await;
    refused(server.search(large()).await, Code::ResourceExhausted, &["memory", "retry"]);
    is_well(&server).await;
    drop(sockets);
    eventually(async || code(server.search(large()).await) == Code::InvalidArgument).await;
}

#[tokio::test]
async fn answers_that_nobody_takes_are_given_up() {
    let dir = crate::support::Dir::new();
    let path = dir.collection("points.nf");
    {
        let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
        let many = Collection::open(path, options).expect("opened");
        let ids =
            Ids::Str((0..4000).map(|id| format!("a longer name of the point {id}")).collect());
        let components: Vec<f32> = (0..4000).flat_map(|x| [1.0, x as f32]).collect();
        let vectors = Vectors::new(2, VectorData::F32(components.into())).expect("vectors");
        many.upsert(&ids, &vectors, None, &Progress::new()).expect("written");
    }
    let server = Server::over(dir, |setup| {
        setup.limits.handshake = Duration::from_millis(100);
        setup.limits.keepalive = Duration::from_millis(100);
        setup.limits.keepalive_timeout = PATIENCE;
    });
    let options = SearchOptions { k: Some(4000), ..SearchOptions::default() };
    assert_eq!(server.found(options.clone()).await.len(), 4000);
    let message = asked(options.clone()).encode_to_vec();
    let mut stream = TcpStream::connect(server.addr).await.expect("connected");
    let mut bytes = PREFACE.to_vec();
    // A window of nothing: SETTINGS_INITIAL_WINDOW_SIZE.
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    bytes.extend(frame(1, 4, 1, &headers("/nearfield.v1.SearchService/Search")));
    let mut body = vec![0, 0, 0, 0, message.len() as u8];
    body.extend(message);
    bytes.extend(frame(0, 1, 1, &body));
    stream.write_all(&bytes).await.expect("sent");
    // A client that is there all the while, as its pings say.
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "it holds its answer for good");
        let mut some = [0; 1024];
        let pinged = stream.write_all(&frame(6, 0, 0, &[0; 8])).await;
        let pause = Duration::from_millis(50);
        let read = tokio::time::timeout(pause, stream.read(&mut some)).await;
        if pinged.is_err() || matches!(read, Ok(Ok(0) | Err(_))) {
            break;
        }
        if read.is_ok() {
            tokio::time::sleep(pause).await;
        }
    }
    assert_eq!(server.found(options).await.len(), 4000);
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
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await;
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
        assert!(body(&server, bytes).await, "{bytes:?}");
    }
    is_well(&server).await;
    let (_, text) = get(&server, "/metrics").await;
    let handled = |code: &str| {
        let labels = "grpc_service=\"nearfield.v1.SearchService\",grpc_method=\"Search\"";
        value(&text, &format!("grpc_server_handled_total{{{labels},grpc_code=\"{code}\"}}"))
    };
    assert!((handled("InvalidArgument") + handled("ResourceExhausted")) > cases.len() as f64 / 2.0);
    for code in ["Internal", "Unknown", "DataLoss", "Unavailable"] {
        assert!(!text.contains(&format!("grpc_code=\"{code}\"")), "{text}");
    }
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

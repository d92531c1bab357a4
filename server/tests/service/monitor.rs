//! The second port, and what is measured.

use std::time::Duration;

use nearfield_server::v1::search_options::Effort;
use nearfield_server::v1::{SearchOptions, SearchRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::running::{Server, asked};

/// The status and the body of an answer.
pub async fn get(server: &Server, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.monitor).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split_whitespace().nth(1).expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

/// Samples of a text for Prometheus: names with their labels, and values.
pub fn samples(text: &str) -> Vec<(String, f64)> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// The value of a sample; one that is not there counts nothing.
pub fn value(text: &str, wanted: &str) -> f64 {
    samples(text).iter().find(|(name, _)| name == wanted).map_or(0.0, |(_, value)| *value)
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = Server::with(|setup| setup.recall_share = 1.0).await;
    for _ in 0..3 {
        server.found(SearchOptions::default()).await;
    }
    let options = SearchOptions { effort: Some(Effort::Ef(4)), ..SearchOptions::default() };
    server.found(options).await;
    let unknown = SearchRequest { collection: "nothing".into(), ..asked(SearchOptions::default()) };
    server.search(unknown).await.expect_err("unknown");
    assert_eq!(get(&server, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(&server, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(get(&server, "/nothing").await.0, 404);
    let mut recall = None;
    for _ in 0..1000 {
        let (status, text) = get(&server, "/metrics").await;
        assert_eq!(status, 200);
        let samples = samples(&text);
        let value = |wanted: &str| {
            let found = samples.iter().find(|(name, _)| name == wanted);
            found.unwrap_or_else(|| panic!("{wanted} is not in {text}")).1
        };
        let method = "grpc_service=\"nearfield.v1.SearchService\",grpc_method=\"Search\"";
        let handled = |code: &str| {
            value(&format!("grpc_server_handled_total{{{method},grpc_code=\"{code}\"}}"))
        };
        assert!((handled("OK") - 4.0).abs() < 1e-9);
        assert!((handled("NotFound") - 1.0).abs() < 1e-9);
        assert!((value("nearfield_points{collection=\"points\"}") - 4.0).abs() < 1e-9);
        assert!((value("nearfield_segments{collection=\"points\"}") - 1.0).abs() < 1e-9);
        assert!(value("nearfield_search_stage_seconds_count{stage=\"search\"}") > 3.5);
        assert!(value("nearfield_gate_wait_seconds_count{gate=\"read\"}") > 3.5);
        assert!(value("nearfield_connections") > 0.5);
        let label = "{collection=\"points\",selectivity=\"1\"}";
        recall = samples
            .iter()
            .find(|(name, _)| *name == format!("nearfield_recall_at_k{label}"))
            .map(|(_, value)| *value);
        if recall.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Everything is found among four points.
    assert!((recall.expect("a sample") - 1.0).abs() < 1e-9);
}

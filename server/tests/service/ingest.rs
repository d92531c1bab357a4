//! Bulk loads: acknowledged, resumed, replayed, swapped in whole.

use nearfield_server::v1::ingest_request::Message as Asked;
use nearfield_server::v1::ingest_response::Message as Told;
use nearfield_server::v1::{
    CollectionConfig, CreateRequest, IngestAck, IngestBatch, IngestCommit, IngestMode, IngestOpen,
    IngestOpened, IngestRequest, Rows, SearchOptions, SearchRequest,
};
use prost::Message;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::points::packed;
use super::running::{Server, asked, numbers, refused, strings};

/// A client of one stream.
struct Stream {
    sender: Sender<IngestRequest>,
    answers: Streaming<nearfield_server::v1::IngestResponse>,
}

impl Stream {
    async fn open(server: &Server, id: &str, mode: IngestMode) -> (Self, IngestOpened) {
        // The server may not have let go of the one before yet.
        for _ in 0..3000 {
            match Self::try_open(server, id, mode).await {
                Err(status) if status.code() == Code::Aborted => {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                opened => return opened.expect("opened"),
            }
        }
        panic!("somebody else has it open");
    }

    async fn try_open(
        server: &Server,
        id: &str,
        mode: IngestMode,
    ) -> Result<(Self, IngestOpened), Status> {
        let (sender, receiver) = channel(64);
        let open =
            IngestOpen { collection: "numbers".into(), stream_id: id.into(), mode: mode.into() };
        sender.send(IngestRequest { message: Some(Asked::Open(open)) }).await.expect("sent");
        let answers = server.points().ingest(ReceiverStream::new(receiver)).await?.into_inner();
        let mut stream = Self { sender, answers };
        match stream.next().await? {
            Told::Opened(opened) => Ok((stream, opened)),
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, message: Asked) {
        // A stream that has ended says why when it is read.
        let _ = self.sender.send(IngestRequest { message: Some(message) }).await;
    }

    async fn next(&mut self) -> Result<Told, Status> {
        let answer = self.answers.message().await?.expect("an answer");
        Ok(answer.message.expect("a message"))
    }

    async fn ack(&mut self) -> IngestAck {
        match self.next().await.expect("an answer") {
            Told::Ack(ack) => ack,
            other => panic!("{other:?}"),
        }
    }
}

/// Points of these ids, each with itself for an angle.
fn rows(ids: std::ops::Range<u64>) -> Rows {
    let angles = ids.clone().map(|id| id as f32 / 1000.0);
    let vectors: Vec<f32> = angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect();
    Rows {
        ids: Some(numbers(&ids.collect::<Vec<_>>())),
        vectors: Some(packed(&vectors)),
        attributes: None,
    }
}

fn batch(sequence: u64, offset: u64, rows: &Rows) -> Asked {
    let rows = rows.encode_to_vec();
    let crc32c = crc32c::crc32c(&rows);
    Asked::Batch(IngestBatch { sequence, offset, crc32c, rows: rows.into() })
}

fn commit(offset: u64) -> Asked {
    Asked::Commit(IngestCommit { offset })
}

async fn started() -> Server {
    let server = Server::start().await;
    let config = CollectionConfig { dim: 2, ..CollectionConfig::default() };
    let create = CreateRequest { collection: "numbers".into(), config: Some(config) };
    server.collections().create(create).await.expect("made");
    server
}

async fn found(server: &Server) -> Vec<String> {
    let options = SearchOptions { k: Some(10_000), ..SearchOptions::default() };
    let request = SearchRequest { collection: "numbers".into(), ..asked(options) };
    strings(server.search(request).await.expect("found").ids)
}

/// Loads a few points.
pub async fn loaded(server: &Server) {
    let config = CollectionConfig { dim: 2, ..CollectionConfig::default() };
    let create = CreateRequest { collection: "numbers".into(), config: Some(config) };
    server.collections().create(create).await.expect("made");
    let (mut stream, _) = Stream::open(server, "some", IngestMode::Live).await;
    stream.send(batch(0, 0, &rows(0..10))).await;
    stream.ack().await;
}

#[tokio::test]
async fn live_batches_are_found_once_they_are_acknowledged() {
    let server = started().await;
    let (mut stream, opened) = Stream::open(&server, "load", IngestMode::Live).await;
    assert_eq!((opened.next_sequence, opened.next_offset, opened.committed), (0, 0, false));
    assert!(opened.credit_bytes > 1 << 20);
    stream.send(batch(0, 0, &rows(0..10))).await;
    stream.send(batch(1, 10, &rows(10..15))).await;
    let ack = stream.ack().await;
    assert_eq!((ack.sequence, ack.offset), (0, 10));
    assert!(ack.credit_bytes > 0);
    assert_eq!(stream.ack().await.offset, 15);
    assert_eq!(found(&server).await.len(), 15);
    stream.send(commit(15)).await;
    assert!(matches!(stream.next().await, Ok(Told::Committed(_))));
}

#[tokio::test]
async fn a_stream_goes_on_after_a_restart_and_replays_are_nothing() {
    for mode in [IngestMode::Live, IngestMode::Pending] {
        let server = started().await;
        let (mut stream, _) = Stream::open(&server, "load", mode).await;
        stream.send(batch(0, 0, &rows(0..10))).await;
        stream.ack().await;
        stream.send(batch(1, 10, &rows(10..20))).await;
        stream.ack().await;
        drop(stream);
        let dir = server.end().await;
        let server = Server::over(dir, |_| ());
        let (mut stream, opened) = Stream::open(&server, "load", mode).await;
        assert_eq!((opened.next_sequence, opened.next_offset), (2, 20));
        // Others would be found if it were applied.
        stream.send(batch(1, 10, &rows(100..110))).await;
        let ack = stream.ack().await;
        assert_eq!((ack.sequence, ack.offset), (1, 20));
        stream.send(batch(2, 20, &rows(20..25))).await;
        assert_eq!(stream.ack().await.offset, 25);
        stream.send(commit(25)).await;
        assert!(matches!(stream.next().await, Ok(Told::Committed(_))), "{mode:?}");
        let expected: Vec<_> = (0..25).map(|id| id.to_string()).collect();
        assert_eq!(found(&server).await, expected, "{mode:?}");
        let (mut stream, opened) = Stream::open(&server, "load", mode).await;
        assert!(opened.committed);
        stream.send(batch(3, 25, &rows(25..26))).await;
        refused(stream.next().await, Code::FailedPrecondition, &["committed"]);
    }
}

#[tokio::test]
async fn pending_points_replace_all_there_is_at_the_commit() {
    let server = started().await;
    let (mut live, _) = Stream::open(&server, "before", IngestMode::Live).await;
    live.send(batch(0, 0, &rows(500..600))).await;
    live.ack().await;
    let (mut stream, _) = Stream::open(&server, "rebuild", IngestMode::Pending).await;
    for part in 0..4u64 {
        stream.send(batch(part, part * 600, &rows(part * 600..part * 600 + 600))).await;
        stream.ack().await;
    }
    assert_eq!(found(&server).await.len(), 100);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let asking = async {
        let mut seen = std::collections::BTreeSet::new();
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            seen.insert(found(&server).await.len());
            tokio::task::yield_now().await;
        }
        seen
    };
    let committing = async {
        stream.send(commit(2400)).await;
        assert!(matches!(stream.next().await, Ok(Told::Committed(_))));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (seen, ()) = tokio::join!(asking, committing);
    assert!(seen.iter().all(|count| [100, 2400].contains(count)), "{seen:?}");
    let expected: Vec<_> = (0..2400).map(|id| id.to_string()).collect();
    assert_eq!(found(&server).await, expected);
    let dir = server.end().await;
    let server = Server::over(dir, |_| ());
    assert_eq!(found(&server).await, expected);
}

#[tokio::test]
async fn what_does_not_fit_ends_the_stream_and_applies_nothing() {
    let server = started().await;
    let wrong_checksum = {
        let Asked::Batch(batch) = batch(0, 0, &rows(0..5)) else { panic!("a batch") };
        Asked::Batch(IngestBatch { crc32c: batch.crc32c ^ 1, ..batch })
    };
    let nonsense = {
        let rows = b"not a message".to_vec();
        let crc32c = crc32c::crc32c(&rows);
        Asked::Batch(IngestBatch { sequence: 0, offset: 0, crc32c, rows: rows.into() })
    };
    let uneven = Rows { vectors: Some(packed(&[1.0, 0.0])), ..rows(0..2) };
    let zero = Rows { vectors: Some(packed(&[1.0, 0.0, 0.0, 0.0])), ..rows(0..2) };
    let open = IngestOpen { collection: "numbers".into(), ..IngestOpen::default() };
    let cases: Vec<(Asked, Code, &[&str])> = vec![
        (batch(1, 0, &rows(0..5)), Code::OutOfRange, &["sequence 0", "found 1"]),
        (batch(0, 7, &rows(0..5)), Code::OutOfRange, &["offset 0", "7"]),
        (wrong_checksum, Code::DataLoss, &["checksum"]),
        (nonsense, Code::InvalidArgument, &["batch 0"]),
        (batch(0, 0, &uneven), Code::InvalidArgument, &["batch 0"]),
        (batch(0, 0, &zero), Code::InvalidArgument, &["batch 0", "row 1"]),
        (commit(3), Code::OutOfRange, &["offset 0", "3"]),
        (Asked::Open(open), Code::InvalidArgument, &["open only once"]),
    ];
    for mode in [IngestMode::Live, IngestMode::Pending] {
        let id = format!("bad-{}", i32::from(mode));
        for (message, code, words) in &cases {
            let (mut stream, opened) = Stream::open(&server, &id, mode).await;
            assert_eq!(opened.next_sequence, 0);
            stream.send(message.clone()).await;
            let status = stream.next().await.expect_err("refused");
            assert_eq!(status.code(), *code, "{status:?}");
            for word in *words {
                assert!(status.message().contains(word), "{word:?} is not in {status:?}");
            }
        }
    }
    assert_eq!(found(&server).await.len(), 0);
    let other = Stream::try_open(&server, "bad-1", IngestMode::Pending).await;
    refused(other.map(|_| ()), Code::FailedPrecondition, &["mode"]);
    for id in ["", "../x", ".x", "a b"] {
        let opened = Stream::try_open(&server, id, IngestMode::Live).await;
        refused(opened.map(|_| ()), Code::InvalidArgument, &["stream_id"]);
    }
}

#[tokio::test]
async fn a_stream_is_open_in_one_place_only() {
    let server = started().await;
    let (mut first, _) = Stream::open(&server, "load", IngestMode::Live).await;
    let second = Stream::try_open(&server, "load", IngestMode::Live).await;
    refused(second.map(|_| ()), Code::Aborted, &["stream"]);
    refused(first.next().await, Code::Aborted, &["elsewhere"]);
    drop(first);
    for _ in 0..3000 {
        if Stream::try_open(&server, "load", IngestMode::Live).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nobody has it, and it can't be opened");
}

#[tokio::test]
async fn a_server_that_stops_ends_streams_and_keeps_what_it_acknowledged() {
    let server = started().await;
    let (mut stream, _) = Stream::open(&server, "load", IngestMode::Live).await;
    stream.send(batch(0, 0, &rows(0..10))).await;
    stream.ack().await;
    let began = std::time::Instant::now();
    server.stop.send(()).expect("it still runs");
    refused(stream.next().await, Code::Unavailable, &["stopping"]);
    server.ended.await.expect("without a panic");
    assert!(began.elapsed() < std::time::Duration::from_secs(9), "it waits for the drain's end");
    let server = Server::over(server.dir, |_| ());
    assert_eq!(found(&server).await.len(), 10);
}

#[tokio::test]
async fn more_than_the_credit_is_refused() {
    let server = Server::with(|setup| {
        setup.limits.ingest_bytes = 1000;
        setup.limits.ingest_streams = 1;
    })
    .await;
    let config = CollectionConfig { dim: 2, ..CollectionConfig::default() };
    let create = CreateRequest { collection: "numbers".into(), config: Some(config) };
    server.collections().create(create).await.expect("made");
    let (mut stream, opened) = Stream::open(&server, "load", IngestMode::Live).await;
    assert_eq!(opened.credit_bytes, 1000);
    let other = Stream::try_open(&server, "other", IngestMode::Live).await;
    refused(other.map(|_| ()), Code::ResourceExhausted, &["streams"]);
    for part in 0..60 {
        stream.send(batch(part, part * 60, &rows(part * 60..part * 60 + 60))).await;
    }
    let status = loop {
        match stream.next().await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
}

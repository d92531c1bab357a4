//! Who may do what: every method of the package with every kind of token, from the descriptor set;
//! and TLS.

use std::str::FromStr;
use std::sync::Arc;

use nearfield_server::service::{Tls, TlsFiles, Tokens, token_hash};
use nearfield_server::v1::search_service_client::SearchServiceClient;
use nearfield_server::v1::{SearchOptions, SearchRequest};
use prost::Message;
use prost_types::FileDescriptorSet;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::running::{Server, asked};
use crate::support::Dir;

/// Tokens of each scope, one for another collection, one that has expired.
fn tokens(dir: &Dir) -> Arc<Tokens> {
    let lines = [
        format!("reader {} read", token_hash("read")),
        format!("writer {} write", token_hash("write")),
        format!("admin {} admin", token_hash("admin")),
        format!("other {} admin collections=other", token_hash("other")),
        format!("late {} admin expires=2020-01-01T00:00:00Z", token_hash("late")),
    ];
    let path = dir.path("tokens");
    std::fs::write(&path, lines.join("\n")).expect("written");
    Arc::new(Tokens::open(&path).expect("tokens"))
}

fn guarded() -> Server {
    let dir = Dir::new();
    dir.collection("points.nf");
    let tokens = tokens(&dir);
    Server::over(dir, |setup| setup.tokens = Some(tokens))
}

fn with<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a header");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// Calls a method with the bytes of a request that names a collection in its first field.
async fn call(channel: &Channel, path: &str, token: Option<&str>) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("connected");
    // Only the field 1 matters; where it is something else than a name, the request is a bad one.
    let message = SearchRequest { collection: "points".into(), ..SearchRequest::default() };
    let codec = ProstCodec::<SearchRequest, ()>::default();
    let path = PathAndQuery::from_str(path).expect("a path");
    let stream = tokio_stream::iter([message]);
    let answer = client.streaming(with(stream, token), path, codec).await?;
    answer.into_inner().message().await.map(|_| ())
}

fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(nearfield_server::DESCRIPTOR).expect("a descriptor");
    let files = set.file.iter().filter(|file| file.package() == "nearfield.v1");
    let services = files.flat_map(|file| &file.service);
    let of = |service: &prost_types::ServiceDescriptorProto| -> Vec<String> {
        let name = |method: &prost_types::MethodDescriptorProto| {
            format!("/nearfield.v1.{}/{}", service.name(), method.name())
        };
        service.method.iter().map(name).collect()
    };
    services.flat_map(of).collect()
}

/// What a method needs, said here a second time.
fn needs(path: &str) -> usize {
    const ADMIN: [&str; 8] =
        ["Create", "Drop", "SetAlias", "Snapshot", "Restore", "Optimize", "Calibrate", "Verify"];
    const WRITE: [&str; 6] = ["Upsert", "Update", "Delete", "Ingest", "Add", "Clear"];
    let method = path.rsplit('/').next().expect("a method");
    if ADMIN.contains(&method) { 2 } else { usize::from(WRITE.contains(&method)) }
}

#[tokio::test]
async fn every_method_asks_for_its_scope() {
    let server = guarded();
    let all = methods();
    assert_eq!(all.len(), 23);
    for path in &all {
        for token in [None, Some("unknown"), Some("late"), Some("")] {
            let status = call(&server.channel, path, token).await.expect_err("refused");
            assert_eq!(status.code(), Code::Unauthenticated, "{path} {token:?}: {status:?}");
        }
        for (scope, token) in ["read", "write", "admin"].into_iter().enumerate() {
            // Removing it would leave nothing for the next method.
            if path.ends_with("/Drop") && token == "admin" {
                continue;
            }
            let answer = call(&server.channel, path, Some(token)).await;
            let code = answer.as_ref().err().map(Status::code);
            let denied = code == Some(Code::PermissionDenied);
            assert_eq!(denied, scope < needs(path), "{path} {token}: {answer:?}");
            assert_ne!(code, Some(Code::Unauthenticated), "{path} {token}");
            assert_ne!(code, Some(Code::Internal), "{path} {token}");
        }
        // What names no collection shows nothing; a name that is free is made by its owner only.
        if !path.ends_with("/List") {
            let status = call(&server.channel, path, Some("other")).await.expect_err("refused");
            let denied = [Code::PermissionDenied, Code::InvalidArgument];
            assert!(denied.contains(&status.code()), "{path}: {status:?}");
        }
    }
    let unknown = call(&server.channel, "/nearfield.v1.SearchService/Nothing", Some("admin")).await;
    assert_eq!(unknown.expect_err("unknown").code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_list_shows_what_the_token_is_for() {
    let server = guarded();
    let list = nearfield_server::v1::ListRequest::default();
    let listed = server.collections().list(with(list.clone(), Some("other"))).await;
    assert!(listed.expect("a list").into_inner().collections.is_empty());
    let listed = server.collections().list(with(list, Some("read"))).await;
    assert_eq!(listed.expect("a list").into_inner().collections.len(), 1);
}

/// A certificate authority and what it signed, as files in PEM.
struct Authority {
    ca: String,
    server: (String, String),
    client: (String, String),
}

fn authority(dir: &Dir, name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let ca = params.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(params, key);
    let signed = |host: &str| {
        let params = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("signed");
        (certificate.pem(), key.serialize_pem())
    };
    let all = Authority { ca: ca.pem(), server: signed("localhost"), client: signed("client") };
    for (file, text) in [("ca", &all.ca), ("crt", &all.server.0), ("key", &all.server.1)] {
        std::fs::write(dir.path(&format!("{name}.{file}")), text).expect("written");
    }
    all
}

fn secure(dir: Dir, client_ca: bool) -> (Server, Arc<Tls>) {
    let files = TlsFiles {
        certificate: dir.path("a.crt"),
        key: dir.path("a.key"),
        client_ca: client_ca.then(|| dir.path("a.ca")),
    };
    let tls = Arc::new(Tls::open(files).expect("certificates"));
    dir.collection("points.nf");
    let shared = Arc::clone(&tls);
    (Server::over(dir, |setup| setup.tls = Some(shared)), tls)
}

async fn search(server: &Server, tls: ClientTlsConfig) -> Result<usize, String> {
    let uri = format!("https://localhost:{}", server.addr.port());
    let endpoint = Channel::from_shared(uri).expect("a URI");
    let channel = endpoint.tls_config(tls).expect("a configuration").connect().await;
    let mut client = SearchServiceClient::new(channel.map_err(|error| error.to_string())?);
    let answer = client.search(asked(SearchOptions::default())).await;
    let answer = answer.map_err(|status| status.to_string())?.into_inner();
    Ok(answer.hits.expect("hits").scores.len())
}

fn trusting(ca: &str) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca))
}

#[tokio::test]
async fn tls_is_of_the_right_authority_and_read_again() {
    let dir = Dir::new();
    let first = authority(&dir, "a");
    let stranger = authority(&dir, "b");
    let (server, tls) = secure(dir, false);
    assert_eq!(search(&server, trusting(&first.ca)).await, Ok(4));
    search(&server, trusting(&stranger.ca)).await.expect_err("another authority");
    // In the clear there is nothing.
    server.search(asked(SearchOptions::default())).await.expect_err("not encrypted");
    std::fs::write(server.data.join("a.crt"), "nonsense").expect("written");
    tls.reload().expect_err("nonsense");
    assert_eq!(search(&server, trusting(&first.ca)).await, Ok(4));
    let second = authority(&server.dir, "a");
    tls.reload().expect("read again");
    assert_eq!(search(&server, trusting(&second.ca)).await, Ok(4));
    search(&server, trusting(&first.ca)).await.expect_err("the old authority");
}

#[tokio::test]
async fn clients_show_a_certificate_where_asked_for() {
    let dir = Dir::new();
    let ours = authority(&dir, "a");
    let stranger = authority(&dir, "b");
    let (server, _) = secure(dir, true);
    let known = |(certificate, key): &(String, String)| Identity::from_pem(certificate, key);
    let with = trusting(&ours.ca).identity(known(&ours.client));
    assert_eq!(search(&server, with).await, Ok(4));
    search(&server, trusting(&ours.ca)).await.expect_err("none");
    let strange = trusting(&ours.ca).identity(known(&stranger.client));
    search(&server, strange).await.expect_err("another authority's");
}

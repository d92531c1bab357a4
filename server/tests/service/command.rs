//! `nearfield serve` and `nearfield config` as processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nearfield_server::v1::search_service_client::SearchServiceClient;
use nearfield_server::v1::{SearchOptions, SearchRequest};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::running::{asked, names};
use crate::command::{fails, json, run};
use crate::support::Dir;

/// A server as a process, killed when it is dropped.
pub struct Process {
    child: Child,
    pub served: Value,
}

impl Process {
    pub fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nearfield"))
            .args(["serve", "--json"])
            .args(args)
            .env("NEARFIELD_ADDR", "127.0.0.1:0")
            .env("NEARFIELD_METRICS_ADDR", "off")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stdout = child.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let served = serde_json::from_str(&line).expect("JSON");
        Self { child, served }
    }

    pub fn uri(&self) -> String {
        format!("http://{}", self.served["addr"].as_str().expect("an address"))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("a signal");
        assert!(sent.success());
    }

    /// Waits for its end; its exit status and what it logged.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        let mut log = String::new();
        let stderr = self.child.stderr.take().expect("a pipe");
        std::io::Read::read_to_string(&mut BufReader::new(stderr), &mut log).expect("text");
        (status.code(), log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn search() -> SearchRequest {
    asked(SearchOptions::default())
}

#[test]
fn the_command_serves_what_the_command_loaded() {
    let dir = Dir::new();
    dir.collection("points.nf");
    std::fs::create_dir(dir.path("no-collection")).expect("a directory");
    let server = Process::start(&["--data", &dir.text(".")]);
    assert_eq!(server.served["collections"][0]["name"], "points");
    assert_eq!(server.served["collections"].as_array().map(Vec::len), Some(1));
    let found = Runtime::new().expect("a runtime").block_on(async {
        let mut client = SearchServiceClient::connect(server.uri()).await.expect("connected");
        client.search(search()).await.expect("found").into_inner()
    });
    assert_eq!(names(&found), ["east", "near", "far", "north"]);
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_client_that_watches_does_not_hold_up_the_end() {
    let dir = Dir::new();
    dir.collection("points.nf");
    let server = Process::start(&["--data", &dir.text(".")]);
    let runtime = Runtime::new().expect("a runtime");
    let mut client =
        runtime.block_on(SearchServiceClient::connect(server.uri())).expect("connected");
    runtime.block_on(client.search(search())).expect("found");
    // The connection stays open, and nobody says anything on it.
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
    // Waiting for it would take ten.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

#[test]
fn other_addresses_need_tls_and_auth() {
    let dir = Dir::new();
    let path = dir.collection("points.nf");
    let path = path.to_str().expect("UTF-8");
    fails(&["serve", "--addr", "0.0.0.0:0", path], 2, &["TLS and auth", "--insecure"]);
    fails(&["serve", "--metrics-addr", "0.0.0.0:0", path], 2, &["TLS and auth"]);
    fails(&["serve", "--tls-cert", "a", path], 2, &["--tls-key"]);
    fails(&["serve", "--client-ca", "a", path], 2, &["--tls-cert"]);
    fails(&["serve"], 2, &["--data"]);
    fails(&["serve", "--addr", "nonsense", path], 2, &["HOST:PORT"]);
    let tokens = dir.text("tokens");
    std::fs::write(&tokens, "nobody secret admin").expect("written");
    let bad = run(&["serve", "--tokens", &tokens, path]);
    let stderr = String::from_utf8_lossy(&bad.stderr);
    assert_eq!(bad.status.code(), Some(1));
    assert!(stderr.contains("line 1") && !stderr.contains("secret"), "{stderr}");
    let server = Process::start(&["--addr", "0.0.0.0:0", "--insecure", path]);
    server.signal("INT");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn flags_go_before_variables_and_those_before_the_file() {
    let dir = Dir::new();
    let file = dir.text("nearfield.toml");
    let text = "queue = 7\nrescan = \"5s\"\nread_only = true\ndeadline = \"9s\"\n";
    std::fs::write(&file, text).expect("written");
    let show = |variable: Option<&str>, more: &[&str]| -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nearfield"));
        command.args(["config", "show", "--json", "--config", &file]).args(more);
        if let Some(value) = variable {
            command.env("NEARFIELD_QUEUE", value);
        }
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let told = |shown: &Value, name: &str| {
        let of = &shown[name];
        let text = |key: &str| of[key].as_str().expect("a text").to_owned();
        (text("value"), text("source"))
    };
    let pair = |value: &str, source: &str| (value.to_owned(), source.to_owned());
    let shown = show(None, &[]);
    assert_eq!(told(&shown, "queue"), pair("7", "file"));
    assert_eq!(told(&shown, "read-only"), pair("true", "file"));
    assert_eq!(told(&shown, "calls"), pair("1024", "default"));
    assert_eq!(told(&show(Some("8"), &[]), "queue"), pair("8", "variable"));
    assert_eq!(told(&show(Some("8"), &["--queue", "9"]), "queue"), pair("9", "flag"));
    let data = dir.text(".");
    assert_eq!(json(&["config", "check", "--config", &file, "--data", &data])["ok"], true);
    fails(&["config", "check", "--config", &file], 2, &["--data"]);
    std::fs::write(&file, "queue = 7\nqeue = 8\n").expect("written");
    fails(&["serve", "--config", &file, "--data", &data], 1, &["qeue", "queue"]);
    std::fs::write(&file, "queue = \n").expect("written");
    fails(&["serve", "--config", &file, "--data", &data], 1, &["line 1"]);
    std::fs::write(&file, "queue = \"many\"\n").expect("written");
    fails(&["serve", "--config", &file, "--data", &data], 2, &["many"]);
    fails(&["config", "check", "--config", "/nowhere.toml"], 1, &["/nowhere.toml"]);
}

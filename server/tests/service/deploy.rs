//! The dashboard and the alert rules speak of metrics that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ingest::loaded;
use super::monitor::get;
use super::running::{Server, asked, eventually};
use nearfield_server::v1::search_options::Effort;
use nearfield_server::v1::{SearchOptions, SearchRequest};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    fn gather(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("expr" | "query", Value::String(text)) => out.push(text.clone()),
                        _ => gather(value, out),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| gather(item, out)),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(deploy("grafana/nearfield.json")).expect("the dashboard");
    let mut all = Vec::new();
    gather(&serde_json::from_str(&text).expect("JSON"), &mut all);
    let rules = std::fs::read_to_string(deploy("alerts.yml")).expect("the rules");
    let rules = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    all.extend(rules.map(str::to_owned));
    all
}

/// The names of metrics in a query.
fn names(query: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = query.split(|c| !is_part(c));
    let ours = |word: &&str| word.starts_with("nearfield_") || word.starts_with("grpc_server_");
    words.filter(ours).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_dashboard_and_the_rules_speak_of_metrics_that_there_are() {
    let server = Server::with(|setup| setup.recall_share = 1.0).await;
    let effort = Some(Effort::Ef(4));
    let options = SearchOptions { effort, r#where: Some("score > 0".into()), ..Default::default() };
    server.found(options).await;
    let unknown = SearchRequest { collection: "nothing".into(), ..asked(SearchOptions::default()) };
    server.search(unknown).await.expect_err("unknown");
    loaded(&server).await;
    // Recall is measured in its own time.
    let ready =
        async || get(&server, "/metrics").await.1.contains("nearfield_recall_samples_total");
    eventually(ready).await;
    let (_, text) = get(&server, "/metrics").await;
    let there: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let queries = queries();
    assert!(queries.len() > 25, "{queries:#?}");
    let mut used = BTreeSet::new();
    for query in &queries {
        for name in names(query) {
            assert!(there.contains(name.as_str()), "{name} of {query} is not in {there:#?}");
            used.insert(name);
        }
    }
    // And none is left out.
    for name in there.iter().filter(|name| name.starts_with("nearfield_")) {
        let family = ["_sum", "_count", "_bucket"].iter().find_map(|end| name.strip_suffix(end));
        let family = family.unwrap_or(name);
        let shown = used.iter().any(|used| used.starts_with(family));
        assert!(shown, "{name} is on no panel and in no rule");
    }
}

#[test]
fn a_machine_can_ask_whether_a_server_is_ready() {
    let dir = crate::support::Dir::new();
    dir.collection("points.nf");
    crate::command::fails(&["config", "ready", "127.0.0.1:1"], 1, &["127.0.0.1:1"]);
    let args = ["--data", &dir.text("."), "--metrics-addr", "127.0.0.1:0"];
    let server = super::command::Process::start(&args);
    let addr = server.served["metrics"].as_str().expect("an address").to_owned();
    let mut said = None;
    for _ in 0..1000 {
        let output = crate::command::run(&["config", "ready", &addr]);
        said = Some(output.status.success());
        if said == Some(true) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(said, Some(true));
}

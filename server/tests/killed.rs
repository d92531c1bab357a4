//! Commands that write, killed at some moment: one that ended well is there, one that was killed
//! is there whole or not at all.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt64Array};
use nearfield::{
    AttributeType, Collection, CollectionConfig, Ids, Metric, Mode, OpenOptions, Schema,
};

use crate::support::{Dir, write_arrow};

const KILLS: usize = 100;
/// Ids are below this.
const IDS: u64 = 60;

/// Of each point: the call that its vector is from, and its value.
type State = BTreeMap<u64, (i64, i64)>;

/// Numbers that look random.
fn roll(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

fn points(ids: &[u64], call: i64) -> RecordBatch {
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    for id in ids {
        vectors.values().append_slice(&[*id as f32, call as f32]);
        vectors.append(true);
    }
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(UInt64Array::from(ids.to_vec()))),
        ("n", Arc::new(Int64Array::from(vec![call; ids.len()]))),
        ("vector", Arc::new(vectors.finish())),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn read(path: &Path) -> State {
    let reader = Collection::open(path, OpenOptions { mode: Mode::Read, memory: None });
    let reader = reader.expect("it can be read");
    let found = reader.get(&Ids::U64((0..IDS).collect()), true).expect("points");
    let column = |name: &str| found.batch.column_by_name(name).expect("a column").clone();
    let (vectors, values) = (column("vector"), column("n"));
    let mut state = State::new();
    for id in (0..IDS).filter(|id| found.found[*id as usize]) {
        let vector = vectors.as_fixed_size_list().value(id as usize);
        let vector = vector.as_primitive::<Float32Type>().values();
        assert_eq!(vector[0].to_bits(), (id as f32).to_bits());
        let value = values.as_primitive::<Int64Type>();
        assert!(value.is_valid(id as usize));
        state.insert(id, (vector[1] as i64, value.value(id as usize)));
    }
    assert_eq!(reader.len(), state.len() as u64);
    reader.verify().expect("every byte is sound");
    state
}

/// Runs a command, and kills it if it takes longer; whether it ended well.
fn run(args: &[String], after: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nearfield"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let until = Instant::now() + after;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("a status") {
            assert!(status.success(), "{args:?}: {:?}", child.wait_with_output());
            return true;
        }
        std::thread::park_timeout(Duration::from_micros(200));
    }
    // It may have ended well this moment: then it was not killed.
    let _ = child.kill();
    child.wait().expect("a status").success()
}

#[test]
fn t4_a_killed_command_loses_nothing_that_was_acknowledged() {
    let dir = Dir::new();
    let (path, file) = (dir.path("c.nf"), dir.path("points.arrow"));
    let schema = Schema::new([("n".to_owned(), AttributeType::I64)]).expect("a schema");
    let config = CollectionConfig { schema, ..CollectionConfig::new(2, Metric::L2) };
    drop(Collection::create(&path, config).expect("created"));
    let at = path.to_str().expect("UTF-8").to_owned();
    let (mut state, mut random) = (State::new(), 7);
    let (mut killed, mut ended) = (0, 0);
    let mut call = 0;
    while killed < KILLS {
        call += 1;
        let ids: Vec<u64> = (0..IDS).filter(|_| roll(&mut random, 4) == 0).collect();
        let words = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>();
        let mut after = state.clone();
        let mut args = match roll(&mut random, 7) {
            0..=2 => {
                write_arrow(&file, &points(&ids, call));
                after.extend(ids.iter().map(|id| (*id, (call, call))));
                vec!["load".to_owned(), at.clone(), file.to_str().expect("UTF-8").to_owned()]
            }
            3 | 4 => {
                let there: Vec<u64> = state.keys().copied().filter(|id| ids.contains(id)).collect();
                for id in &there {
                    after.entry(*id).and_modify(|point| point.1 = call);
                }
                let set = ["--set".to_owned(), format!("n={call}")];
                let all = [vec!["update".to_owned(), at.clone()], words(&there), set.to_vec()];
                if there.is_empty() {
                    continue;
                }
                all.concat()
            }
            5 => {
                after.retain(|id, _| !ids.contains(id));
                [vec!["delete".to_owned(), at.clone()], words(&ids)].concat()
            }
            _ => vec!["optimize".to_owned(), at.clone()],
        };
        if ids.is_empty() {
            args = vec!["optimize".to_owned(), at.clone()];
            after.clone_from(&state);
        }
        let well = run(&args, Duration::from_micros(roll(&mut random, 40_000)));
        if well {
            ended += 1;
        } else {
            killed += 1;
        }
        let found = read(&path);
        assert!(
            found == after || (!well && found == state),
            "call {call}, {args:?}, ended well: {well}: found {found:?}\nof {state:?}\nor {after:?}"
        );
        state = found;
        assert!(call < 20_000, "{killed} of {call} were slow enough to be killed");
    }
    let _ = writeln!(std::io::stderr(), "T4: {killed} killed commands, {ended} that ended well");
    assert!(ended > 0, "all were killed");
}

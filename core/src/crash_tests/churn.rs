//! Files stay in proportion to the points, whatever changes these: what the log holds is let go of
//! even when nothing grows.

use std::path::Path;

use super::data;
use super::oracle::observe;
use super::world::Step::{Abandon, Delete, Flush, Reopen, Update, Upkeep, Upsert};
use super::world::{ROOT, State, Step, World};
use crate::config::CollectionConfig;
use crate::metric::Metric;
use crate::vfs::fault::{Crash, FaultVfs};

/// Changes 20 points again and again; the most files and bytes that the log had after upkeep.
fn most(round: impl Fn(u32) -> Vec<Step>) -> (usize, usize) {
    let mut config = CollectionConfig::new(data::DIM, Metric::L2);
    config.schema = data::schema();
    let mut world = World::create(&FaultVfs::default(), &config).unwrap();
    let mut state = State::default();
    let mut most = (0, 0);
    for number in 0..300 {
        let first = if number == 0 { vec![Upsert(0..20, 1)] } else { Vec::new() };
        for step in first.into_iter().chain(round(number + 2)).chain([Upkeep]) {
            world.run(&step).unwrap();
            step.apply(&mut state);
        }
        let image = world.vfs.image(Crash::Everything);
        let log = Path::new(ROOT).join("wal");
        let names = image.names().into_iter().filter(|name| name.starts_with(&log));
        let lengths: Vec<usize> =
            names.filter_map(|name| image.get(&name).map(<[u8]>::len)).collect();
        most = (most.0.max(lengths.len()), most.1.max(lengths.iter().sum()));
    }
    assert_eq!(observe(world.collection().unwrap(), 20).unwrap(), state);
    most
}

#[test]
fn the_log_is_let_go_of_when_nothing_grows() {
    type Round = fn(u32) -> Vec<Step>;
    let rounds: [(&str, Round); 5] = [
        ("updates", |n| vec![Update(0..20, n)]),
        ("overwrites", |n| vec![Upsert(3..5, n)]),
        ("deletes", |n| vec![Delete(0..3), Upsert(0..3, n)]),
        ("updates, opened again", |n| vec![Update(0..2, n), Reopen]),
        ("deletes after an end", |n| vec![Delete(u64::from(n) % 20..20), Abandon, Flush]),
    ];
    for (name, round) in rounds {
        let (files, bytes) = most(round);
        assert!(files <= 10 && bytes <= 64 << 10, "{name}: {files} files of {bytes} bytes");
    }
}

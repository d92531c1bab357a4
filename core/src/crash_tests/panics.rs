//! A panic in a worker stops the writer of that collection, and nothing else: who waits is told,
//! reads go on, opening again finds what was acknowledged.

use std::sync::Arc;

use super::data;
use super::oracle::observe;
use super::world::Step::{Optimize, Update, Upsert};
use super::world::{ROOT, State, World, call, open_at};
use crate::collection::Collection;
use crate::config::{CollectionConfig, Mode};
use crate::error::Error;
use crate::metric::Metric;
use crate::vfs::fault::{Crash, FaultVfs};

fn world() -> (World, State) {
    let mut config = CollectionConfig::new(data::DIM, Metric::L2);
    config.schema = data::schema();
    let mut world = World::create(&FaultVfs::default(), &config).unwrap();
    let mut state = State::default();
    for step in [Upsert(0..20, 1), Update(3..7, 2)] {
        world.run(&step).unwrap();
        step.apply(&mut state);
    }
    (world, state)
}

fn is_poisoned(collection: &Collection) -> bool {
    let refused = call(collection, &Upsert(0..1, 9));
    matches!(refused, Err(Error::Poisoned { cause }) if cause.contains("panic"))
}

/// What is there after a power cut, of a collection that can be written to.
fn reopened(vfs: &FaultVfs) -> State {
    let image = vfs.image(Crash::OnlySynced);
    let collection = open_at(&FaultVfs::of(&image), ROOT.as_ref(), Mode::Write).unwrap();
    let state = observe(&collection, 30).unwrap();
    call(&collection, &Upsert(29..30, 1)).unwrap();
    call(&collection, &Optimize).unwrap();
    collection.verify().unwrap();
    state
}

#[test]
fn a_panic_of_the_thread_that_seals_stops_the_writer_only() {
    let (world, mut state) = world();
    let collection = Arc::clone(world.collection.as_ref().unwrap());
    world.vfs.when_created(".seg", || panic!("on purpose, in a merge"));
    collection.start_worker().unwrap();
    // Enough to be sealed. The thread may panic before one of these, or after them.
    for version in 3.. {
        let step = Upsert(0..25, version);
        match call(&collection, &step) {
            Ok(()) => step.apply(&mut state),
            Err(error) => {
                assert!(matches!(&error, Error::Poisoned { cause } if cause.contains("panic")));
                break;
            }
        }
        assert!(version < 100_000, "the panic was not told");
    }
    assert!(is_poisoned(&collection));
    assert_eq!(observe(&collection, 30).unwrap(), state);
    let other = self::world();
    assert!(!is_poisoned(other.0.collection().unwrap()), "another collection goes on");
    collection.close().unwrap();
    assert_eq!(reopened(&world.vfs), state);
}

#[test]
fn a_panic_in_a_commit_is_told_to_all_who_wait() {
    let (world, state) = world();
    let collection = Arc::clone(world.collection.as_ref().unwrap());
    // A snapshot ends the file of the log: the next write begins another one, and panics there.
    collection.snapshot("/copy").unwrap();
    world.vfs.when_created(".log", || panic!("on purpose, in a commit"));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u64)
            .map(|n| {
                let collection = &collection;
                scope.spawn(move || call(collection, &Upsert(20 + n..21 + n, 5)))
            })
            .collect();
        writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    // One led and panicked; the others were told, or came later and wrote.
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    let mut expected = state;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(Ok(())) => Upsert(20 + n as u64..21 + n as u64, 5).apply(&mut expected),
            Ok(Err(error)) => assert!(matches!(error, Error::Poisoned { .. }), "{error}"),
            Err(_) => {}
        }
    }
    assert_eq!(observe(&collection, 30).unwrap(), expected);
    collection.close().unwrap();
    assert_eq!(reopened(&world.vfs), expected);
}

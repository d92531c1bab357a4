//! T5: long runs of random steps against a map, with power cuts between them. What fails is
//! shortened before it is shown.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::data::{self, mix};
use super::oracle::observe;
use super::world::{SETS, State, Step, World, copy_at, open_at};
use super::{on_all, report, seed, soak};
use crate::config::{CollectionConfig, Mode};
use crate::metric::Metric;
use crate::types::{Durability, IdType, MemoryMode};
use crate::vfs::fault::{Crash, FaultVfs};

const STEPS: u64 = 100;
/// Ids are below this; few, so that most writes replace.
const IDS: u64 = 48;

/// Random numbers, the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = mix(self.0);
        (self.0 >> 16) % n
    }
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    Step(Step),
    /// The power goes; what was not synced is gone.
    PowerCut,
}

fn config(seed: u64) -> CollectionConfig {
    let mut dice = Dice(seed ^ 0xC0);
    let metric = [Metric::L2, Metric::InnerProduct][dice.below(2) as usize];
    let mut config = CollectionConfig::new(data::DIM, metric);
    config.schema = data::schema();
    config.id_type = [IdType::U64, IdType::Str][dice.below(2) as usize];
    config.memory =
        [MemoryMode::Mapped, MemoryMode::Pinned, MemoryMode::Heap][dice.below(3) as usize];
    if dice.below(3) == 0 {
        config.durability = Durability::Buffered;
    }
    config
}

fn events(seed: u64) -> Vec<Event> {
    let mut dice = Dice(seed);
    let (mut events, mut added) = (Vec::new(), false);
    if seed.is_multiple_of(101) {
        // Enough for a graph.
        events.push(Event::Step(Step::Load(0..1_020, 1, 300)));
    }
    for n in 0..STEPS {
        let version = n as u32 + 2;
        let mut ids = |most: u64| {
            let first = dice.below(IDS);
            first..(first + 1 + dice.below(most)).min(IDS)
        };
        let (few, many) = (ids(4), ids(IDS));
        let some = few.start / 2..(few.end + 3).min(IDS);
        events.push(match dice.below(68) {
            0..22 => Event::Step(Step::Upsert(few, version)),
            22..27 => Event::Step(Step::Upsert(many, version)),
            27..30 => Event::Step(Step::Load(many, version, 1 + dice.below(9) as usize)),
            30..33 => Event::Step(Step::Optimize),
            33..35 => Event::Step(Step::Flush),
            35..37 => Event::Step(Step::Reopen),
            37..39 => Event::Step(Step::Abandon),
            39..43 => Event::Step(Step::Update(many, version)),
            43..47 => Event::Step(Step::Delete(few)),
            47..49 => Event::Step(Step::Seal),
            49 => Event::Step(Step::Gather),
            50..52 => Event::Step(Step::Refresh),
            52..54 => Event::Step(Step::Together(vec![
                Step::Upsert(few, version),
                Step::Delete(many),
                Step::Upsert(some, version),
            ])),
            54..57 => Event::Step(Step::During(
                Box::new([Step::Optimize, Step::Seal][dice.below(2) as usize].clone()),
                vec![Step::Upsert(few, version), Step::Delete(some), Step::Update(many, version)],
            )),
            62..66 => Event::Step(Step::Exclude(few.start % SETS, many)),
            66 => Event::Step(Step::Clear(few.start % SETS)),
            67 => Event::Step(Step::Together(vec![
                Step::Exclude(few.start % SETS, some),
                Step::Clear(many.start % SETS),
                Step::Exclude(many.start % SETS, few),
            ])),
            57 => Event::Step(Step::Upkeep),
            58 if n % 2 == 0 => Event::Step(Step::Snapshot(version)),
            58 if n > STEPS / 2 && !added => {
                added = true;
                Event::Step(Step::AddColumn)
            }
            _ => Event::PowerCut,
        });
    }
    events
}

/// Runs events; the number of the first that shows a difference, and what it is.
fn run(seed: u64, events: &[Event], watch: bool) -> Result<(), (usize, String)> {
    let (config, end) = (config(seed), if seed.is_multiple_of(101) { 1_020 } else { IDS });
    let mut world = World::create(&FaultVfs::default(), &config).map_err(|e| (0, e.to_string()))?;
    // What is there now, and what survives a power cut.
    let mut state = State::default();
    let mut unsafe_states = Vec::new();
    let last = events.len().saturating_sub(1);
    for (number, event) in events.iter().enumerate() {
        let at = |e: String| (number, format!("{event:?}: {e}"));
        match event {
            Event::Step(step) => {
                world.run(step).map_err(|e| at(e.to_string()))?;
                for call in world.take_calls() {
                    unsafe_states.push(state.clone());
                    call.step.apply(&mut state);
                    if call.step.is_barrier(config.durability) {
                        unsafe_states.clear();
                    }
                }
                match step {
                    Step::Refresh => {
                        world.check_reader(std::slice::from_ref(&state), end).map_err(at)?;
                    }
                    Step::Snapshot(number) => {
                        let copy = open_at(&world.vfs, &copy_at(*number), Mode::Read)
                            .map_err(|e| at(e.to_string()))?;
                        let found = observe(&copy, end).map_err(at)?;
                        if found != state {
                            return Err(at(format!("the copy holds {found:?}, not {state:?}")));
                        }
                    }
                    _ => {}
                }
            }
            Event::PowerCut => {
                let vfs = FaultVfs::of(&world.vfs.image(Crash::OnlySynced));
                world = World::open(&vfs, Mode::Write).map_err(|e| at(e.to_string()))?;
                let found = observe(world.collection.as_ref().unwrap(), end).map_err(at)?;
                if found != state && !unsafe_states.contains(&found) {
                    return Err(at(format!("{found:?} survived, not {state:?}")));
                }
                state = found;
                unsafe_states.clear();
            }
        }
        if watch || number % 5 == 0 || number == last {
            let found = observe(world.collection.as_ref().unwrap(), end).map_err(at)?;
            if found != state {
                return Err(at(format!("found {found:?}, not {state:?}")));
            }
        }
    }
    Ok(())
}

/// Leaves out what the failure doesn't need.
fn shortened(seed: u64, mut events: Vec<Event>) -> (Vec<Event>, String) {
    let mut message = String::new();
    if let Err((at, e)) = run(seed, &events, true) {
        events.truncate(at + 1);
        message = e;
    }
    let mut number = events.len();
    while let Some(next) = number.checked_sub(1) {
        number = next;
        let mut fewer = events.clone();
        fewer.remove(number);
        if let Err((at, e)) = run(seed, &fewer, true) {
            fewer.truncate(at + 1);
            number = number.min(fewer.len());
            (events, message) = (fewer, e);
        }
    }
    (events, message)
}

/// Runs the sequences of these seeds; how many steps they have.
pub(super) fn run_seeds(seeds: Range<u64>) -> Result<usize, String> {
    let steps = AtomicUsize::new(0);
    let seeds: Vec<u64> = seeds.collect();
    on_all(&seeds, |_, seed| {
        let events = events(*seed);
        steps.fetch_add(events.len(), Ordering::Relaxed);
        run(*seed, &events, false).map_err(|(at, error)| {
            let (short, message) = shortened(*seed, events);
            let short: Vec<String> = short.iter().map(|event| format!("{event:?}")).collect();
            let short = short.join("\n  ");
            format!("seed {seed}, event {at}: {error}\nshortened to\n  {short}\n{message}")
        })
    })?;
    Ok(steps.into_inner())
}

#[test]
fn t5_random_operations_agree_with_a_map() {
    let sequences = 2_000 * soak();
    let first = seed() * sequences;
    let steps = run_seeds(first..first + sequences).unwrap_or_else(|e| panic!("{e}"));
    report(format!("T5: {sequences} sequences, {steps} operations"));
    assert!(steps >= 200_000);
}

//! Group commit: writers that come while others are being made durable share the next sync.
//!
//! A writer queues its request and waits. One of those who wait leads: it takes the whole queue,
//! applies it to a draft of the next state, appends it to the log, syncs once, and publishes the
//! state; then everyone learns the outcome. What a search sees is durable already.

use std::collections::HashMap;
use std::sync::Arc;

use super::commit::Committer;
use super::draft::Draft;
use super::filters::Filter;
use super::operation::{Operation, encode_delete};
use super::view::Content;
use super::{Shared, View, lock};
use crate::canary::sings;
use crate::error::{Error, Result};
use crate::segment::SegmentHandle;
use crate::sync::{self, Condvar, Mutex, MutexGuard};
use crate::types::Durability;
use crate::wal::{self, Payload};

/// What a call asks for.
pub(super) enum Asked {
    Apply(Operation),
    /// Deletes what passes: the log gets the ids of the points that did.
    DeleteWhere(Filter),
}

/// A call, checked, with its records; those of a delete are not known before it is applied.
pub(super) struct Request {
    pub(super) asked: Asked,
    pub(super) payloads: Vec<Payload>,
}

/// Requests that wait to be committed together.
#[derive(Default)]
pub(super) struct Group {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    queue: Vec<(u64, Request)>,
    done: HashMap<u64, Result<u64>>,
    next: u64,
    led: bool,
}

/// Most bytes of records that one group takes, and most requests.
const GROUP_BYTES: usize = 64 << 20;
const GROUP_REQUESTS: usize = 4_096;

impl Group {
    /// Commits a request, together with those of others; how many points it concerned.
    pub(super) fn commit(&self, shared: &Shared, request: Request) -> Result<u64> {
        #[cfg(test)]
        let Some(request) = held::take(request) else { return Ok(0) };
        let mut state = lock(&self.state);
        let ticket = state.next;
        state.next += 1;
        state.queue.push((ticket, request));
        loop {
            if let Some(outcome) = state.done.remove(&ticket) {
                return outcome;
            }
            if state.led {
                state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            }
            state.led = true;
            let requests = take(&mut state.queue);
            drop(state);
            let lead = Lead { group: self, tickets: requests.iter().map(|(t, _)| *t).collect() };
            let outcomes = lead_group(shared, requests.into_iter().map(|(_, r)| r).collect());
            state = lead.finish(outcomes);
        }
    }
}

/// The front of the queue.
fn take(queue: &mut Vec<(u64, Request)>) -> Vec<(u64, Request)> {
    let mut bytes = 0;
    let fits = |(_, request): &&(u64, Request)| {
        let before = bytes;
        bytes += request.payloads.iter().map(Payload::record_bytes).sum::<usize>();
        before < GROUP_BYTES
    };
    let count = queue.iter().take(GROUP_REQUESTS).take_while(fits).count().max(1);
    queue.drain(..count.min(queue.len())).collect()
}

/// Who leads. Dropped by a panic, it still tells those who wait.
struct Lead<'a> {
    group: &'a Group,
    tickets: Vec<u64>,
}

impl<'a> Lead<'a> {
    fn finish(mut self, outcomes: Vec<Result<u64>>) -> MutexGuard<'a, Waiting> {
        let mut state = lock(&self.group.state);
        state.done.extend(self.tickets.drain(..).zip(outcomes));
        state.led = false;
        if !sings("leave asleep those who wait for a sync") {
            self.group.changed.notify_all();
        }
        state
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if self.tickets.is_empty() {
            return;
        }
        let mut state = lock(&self.group.state);
        for ticket in self.tickets.drain(..) {
            let cause = "a worker panicked".to_owned();
            state.done.insert(ticket, Err(Error::Poisoned { cause }));
        }
        state.led = false;
        self.group.changed.notify_all();
    }
}

/// Commits requests in order; an outcome each.
fn lead_group(shared: &Shared, requests: Vec<Request>) -> Vec<Result<u64>> {
    let count = requests.len();
    match try_lead(shared, requests) {
        Ok(outcomes) => outcomes,
        Err(Error::Closed { operation }) => {
            (0..count).map(|_| Err(Error::Closed { operation })).collect()
        }
        Err(error) => {
            // Of what changed nothing all learn what it was, and may try again; else the first
            // does, and the others that it was.
            let poisoned = lock(&shared.committer).poisoned.is_some();
            let cause = error.to_string();
            let others = (1..count).map(|_| {
                let again = if poisoned { None } else { error.again() };
                Err(again.unwrap_or_else(|| Error::Poisoned { cause: cause.clone() }))
            });
            let others: Vec<_> = others.collect();
            std::iter::once(Err(error)).chain(others).collect()
        }
    }
}

fn try_lead(shared: &Shared, requests: Vec<Request>) -> Result<Vec<Result<u64>>> {
    let mut committer = shared.wait_for_room()?;
    committer.ensure_active(shared)?;
    let view = shared.view("write")?;
    let (requests, refused) = refuse(&view, requests);
    // A panic in here may leave anything: nothing is written after it.
    committer.poisoned = Some("a worker panicked".to_owned());
    let committed = if requests.is_empty() {
        Ok(Vec::new())
    } else {
        commit(shared, &mut committer, &view, requests)
    };
    committer.poisoned = committed.as_ref().err().map(ToString::to_string);
    if committer.poisoned.is_some() {
        committer.failed.set();
    }
    drop(committer);
    shared.sealer.wake();
    shared.indexer.wake();
    let mut applied = committed?.into_iter();
    let outcome = |refused: Option<Error>| match refused {
        Some(error) => Some(Err(error)),
        None => applied.next(),
    };
    Ok(refused.into_iter().filter_map(outcome).collect())
}

/// Takes out the requests that need the ids of every segment where some segment's are damaged; each
/// request's error. Nothing of the others fails for damage.
fn refuse(view: &View, requests: Vec<Request>) -> (Vec<Request>, Vec<Option<Error>>) {
    let sound = |h: &Arc<SegmentHandle>| h.segment.filtered_finder().map(drop);
    let needs_ids = |request: &Request| match &request.asked {
        Asked::DeleteWhere(_) => true,
        Asked::Apply(operation) => {
            !matches!(operation, Operation::Exclude { .. } | Operation::Clear(_))
        }
    };
    let damage = if requests.iter().any(needs_ids) {
        view.segments.iter().try_for_each(sound).err()
    } else {
        None
    };
    let refused = |request: &Request| match &damage {
        Some(error) if needs_ids(request) => {
            error.again().or_else(|| Some(Error::Poisoned { cause: error.to_string() }))
        }
        _ => None,
    };
    let refused: Vec<_> = requests.iter().map(refused).collect();
    let left = requests.into_iter().zip(&refused).filter(|(_, refused)| refused.is_none());
    (left.map(|(request, _)| request).collect(), refused)
}

fn commit(
    shared: &Shared,
    committer: &mut Committer,
    view: &View,
    requests: Vec<Request>,
) -> Result<Vec<Result<u64>>> {
    if let Some(wal) = committer.wal.as_mut().filter(|_| is_worth_a_thread(&requests)) {
        let (outcomes, units, content) = apply_and_log(wal, committer.active, view, requests)?;
        committer.next_unit += units;
        let (config, manifest) = (view.config.clone(), view.manifest.clone());
        shared.publish(View::new(config, manifest, content));
        return Ok(outcomes);
    }
    let mut draft = Draft::new(view, committer.active);
    let mut outcomes = Vec::with_capacity(requests.len());
    let mut units = Vec::with_capacity(requests.len());
    for request in requests {
        let outcome = apply(&mut draft, request)?.map(|(points, payloads)| {
            units.extend((!payloads.is_empty()).then_some(payloads));
            points
        });
        outcomes.push(outcome);
    }
    let content = draft.finish()?;
    committer.next_unit += units.len() as u64;
    if let Some(wal) = &mut committer.wal {
        if sings("let searches see what is not synced") {
            let (config, manifest) = (view.config.clone(), view.manifest.clone());
            shared.publish(View::new(config, manifest, content.clone()));
        }
        log(wal, &units, view.config.durability)?;
    }
    let (config, manifest) = (view.config.clone(), view.manifest.clone());
    shared.publish(View::new(config, manifest, content));
    Ok(outcomes)
}

/// Appends units to the log, as durably as was asked for.
fn log(wal: &mut wal::Writer, units: &[Vec<Payload>], durability: Durability) -> Result<()> {
    for payloads in units {
        wal.add(payloads)?;
    }
    wal.write()?;
    if durability == Durability::Buffered {
        return Ok(());
    }
    wal.sync().or_else(|e| if sings("go on after a failed sync") { Ok(()) } else { Err(e) })
}

/// Bytes of records from which on a thread of their own pays.
const OVERLAP_BYTES: usize = if cfg!(test) { 2_000 } else { 128 << 10 };

/// Whether the requests can be logged before they are applied, and are large.
fn is_worth_a_thread(requests: &[Request]) -> bool {
    let bytes = requests.iter().flat_map(|r| &r.payloads).map(Payload::record_bytes).sum::<usize>();
    let known = |r: &Request| matches!(r.asked, Asked::Apply(Operation::Upsert(_)));
    bytes >= OVERLAP_BYTES && requests.iter().all(known) && sync::is_real()
}

type Applied = (Vec<Result<u64>>, u64, Content);

/// Applies upserts while their records reach the disk; also how many units there were.
fn apply_and_log(
    wal: &mut wal::Writer,
    active: u64,
    view: &View,
    requests: Vec<Request>,
) -> Result<Applied> {
    let (calls, units): (Vec<_>, Vec<_>) =
        requests.into_iter().map(|request| (request.asked, request.payloads)).unzip();
    let durability = view.config.durability;
    let count = units.len() as u64;
    std::thread::scope(|scope| {
        let logged = scope.spawn(|| log(wal, &units, durability));
        let applied = (|| {
            let mut draft = Draft::new(view, active);
            let mut outcomes = Vec::with_capacity(calls.len());
            for asked in calls {
                let payloads = Vec::new();
                let outcome = apply(&mut draft, Request { asked, payloads })?;
                outcomes.push(outcome.map(|(points, _)| points));
            }
            Ok((outcomes, count, draft.finish()?))
        })();
        let panicked = || Error::Poisoned { cause: "a worker panicked".to_owned() };
        logged.join().map_err(|_| panicked())??;
        applied
    })
}

/// Applies one request: the points that it concerned and its records; or why it was refused.
fn apply(draft: &mut Draft, request: Request) -> Result<Result<(u64, Vec<Payload>)>> {
    let payloads = request.payloads;
    let operation = match request.asked {
        Asked::Apply(operation) => operation,
        Asked::DeleteWhere(filter) => match draft.passing(&filter) {
            Ok(ids) => Operation::Delete(ids),
            // A column that is damaged: nothing was changed.
            Err(error @ Error::Corruption { .. }) => return Ok(Err(error)),
            Err(error) => return Err(error),
        },
    };
    match operation {
        Operation::Upsert(rows) => {
            let points = rows.len() as u64;
            draft.upsert(rows)?;
            Ok(Ok((points, payloads)))
        }
        Operation::Delete(ids) => {
            let found = draft.delete(&ids)?;
            if found.is_empty() {
                return Ok(Ok((0, Vec::new())));
            }
            Ok(Ok((found.len() as u64, encode_delete(&found)?)))
        }
        Operation::Exclude { set, ids, until_us } => {
            let count = ids.len() as u64;
            draft.exclude(&set, ids, until_us);
            Ok(Ok((count, payloads)))
        }
        Operation::Clear(set) => {
            draft.clear(&set);
            Ok(Ok((0, payloads)))
        }
        Operation::Update(update) => {
            let before = draft.save()?;
            match draft.update(&update, false) {
                Ok(()) => Ok(Ok((update.ids.len() as u64, payloads))),
                Err(error @ Error::NotFound { .. }) => {
                    draft.restore(before);
                    Ok(Err(error))
                }
                Err(error) => Err(error),
            }
        }
    }
}

#[cfg(test)]
pub(super) use held::{commit_held, held, hold};

/// Requests of a test that are to be committed as one group.
#[cfg(test)]
mod held {
    use std::cell::RefCell;

    use super::{Request, Shared, lead_group};
    use crate::error::Result;

    thread_local! {
        static HELD: RefCell<Option<Vec<Request>>> = const { RefCell::new(None) };
    }

    /// Requests of this thread wait from now on.
    pub(in crate::collection) fn hold() {
        HELD.set(Some(Vec::new()));
    }

    /// How many wait.
    pub(in crate::collection) fn held() -> usize {
        HELD.with_borrow(|held| held.as_ref().map_or(0, Vec::len))
    }

    /// Takes a request that is to wait.
    pub(super) fn take(request: Request) -> Option<Request> {
        HELD.with_borrow_mut(|held| match held {
            Some(held) => {
                held.push(request);
                None
            }
            None => Some(request),
        })
    }

    /// Commits those that waited.
    pub(in crate::collection) fn commit_held(shared: &Shared) -> Vec<Result<u64>> {
        let requests = HELD.take().unwrap_or_default();
        if requests.is_empty() { Vec::new() } else { lead_group(shared, requests) }
    }
}

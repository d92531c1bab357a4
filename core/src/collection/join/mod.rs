//! A whole file of queries answered from one view of the collection, as a stream: a thread reads
//! ahead, two search, and the caller writes, so that none waits for another.
//!
//! Memory is bounded by a few parts, but for rows of one user that lie far apart in the file.

mod answer;
mod intake;
mod names;
mod order;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::plan::{Moment, Narrowed, Plan};
use super::{Collection, lock};
use crate::config::{Effort, Progress, SearchRequest};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use answer::{Answer, Task};
use intake::{Columns, Intake, Part};
use order::Order;

/// Parts that wait to be searched, and to be written.
const AHEAD: usize = 2;
/// Threads that search while the caller writes: what one lays out, the other computes.
const SEARCHERS: usize = 2;

/// What is asked of every query of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinOptions {
    /// As of one query; conditions a query, attributes, vectors, an account and a time limit are
    /// not to be had here.
    pub request: SearchRequest,
    /// Column of the ids of the queries: integers or strings.
    pub id: String,
    /// Column of their vectors.
    pub vector: String,
    /// Column of lists of ids to leave out, a query; of a user, all of their rows.
    pub exclude_column: Option<String>,
    /// Exclusion set to leave out. `{id}` in it stands for the id of the query, or of the user:
    /// `user:{id}:seen`.
    pub exclude_set: Option<String>,
    /// Column of users: the rows of one are their interests, and have one list together.
    pub group: Option<String>,
    /// Column of the weights of interests, above 0.
    pub weight: Option<String>,
    /// Lists to pass over, which an earlier call made.
    pub skip: u64,
}

impl JoinOptions {
    /// `k` results a query, ids in the column `id`, vectors in `embedding`.
    pub fn new(k: usize) -> Self {
        Self {
            request: SearchRequest::new(k),
            id: "id".to_owned(),
            vector: "embedding".to_owned(),
            exclude_column: None,
            exclude_set: None,
            group: None,
            weight: None,
            skip: 0,
        }
    }

    /// The columns that are read.
    pub fn columns(&self) -> Vec<String> {
        let some = [&self.exclude_column, &self.group, &self.weight];
        let mut columns = vec![self.vector.clone()];
        columns.extend(some.into_iter().flatten().cloned());
        if self.group.is_none() {
            columns.push(self.id.clone());
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn validate(&self) -> Result<()> {
        let request = &self.request;
        request.validate()?;
        let not = [
            ("per_query", !request.per_query.is_empty(), "name a column instead"),
            ("with_attributes", !request.with_attributes.is_empty(), "look hits up afterwards"),
            ("with_vectors", request.with_vectors, "look hits up afterwards"),
            ("explain", request.explain, "ask for it in a search"),
            ("timeout", request.timeout.is_some(), "interrupt the join instead; it can be resumed"),
        ];
        if let Some((name, _, fix)) = not.into_iter().find(|(_, given, _)| *given) {
            return Err(Error::invalid(name, "none in a join", "one", fix));
        }
        if self.weight.is_some() && self.group.is_none() {
            let fix = "name the column whose rows are one user's";
            return Err(Error::invalid("weight", "a group as well", "only a weight", fix));
        }
        Ok(())
    }
}

/// Rows of queries, from the first on.
pub struct JoinSource<'a> {
    /// The columns of every batch.
    pub schema: SchemaRef,
    /// How many rows there are, if that is known.
    pub rows: Option<u64>,
    /// The rows.
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send + 'a>,
}

/// What a join did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinReport {
    /// Lists made: one a query, or one a user.
    pub lists: u64,
    /// Results in them.
    pub hits: u64,
    /// Lists that an earlier call had made.
    pub resumed: u64,
}

impl Collection {
    /// Answers every query of a file from the state of now. `open` reads the file, the columns it
    /// is given, from the start; with a group it is called twice. `sink` gets batches of results with
    /// the columns `query_id`, `rank` (from 0), `id` and `score`, in the order of the queries, and how
    /// many lists each holds; that of a user comes after the last of their rows. It is called at least once.
    ///
    /// # Errors
    /// As [`Self::search`]; a row that can't be used is named. What the sink got is right.
    pub fn knn_join<'s>(
        &self,
        open: impl Fn(&[String]) -> Result<JoinSource<'s>>,
        options: &JoinOptions,
        mut sink: impl FnMut(&RecordBatch, u64) -> Result<()>,
        progress: &Progress,
    ) -> Result<JoinReport> {
        let view = self.view("knn_join")?;
        options.validate()?;
        // What is wrong with the request is told before a file is read.
        let (request, filters) = (&options.request, &self.shared.filters);
        let at = Moment::of(&view, request);
        Plan::new(&view, request, &Narrowed::of(request), filters, at)?;
        let members = match &options.group {
            Some(group) => Some(intake::members(open(std::slice::from_ref(group))?, group)?),
            None => None,
        };
        let source = open(&options.columns())?;
        let columns = Columns::new(options, &view.config, &source.schema)?;
        let schema = answer::schema(columns.kind, view.config.id_type);
        progress.begin(source.rows.unwrap_or(0));
        let intake = Intake::new(options, columns, source.batches, members);
        let mut report = JoinReport { resumed: options.skip, ..JoinReport::default() };
        let mut write = |answer: Answer| {
            progress.check("knn_join")?;
            sink(&answer.batch, answer.lists)?;
            report.lists += answer.lists;
            report.hits += answer.batch.num_rows() as u64;
            progress.advance(answer.rows);
            Ok(())
        };
        let mut written = false;
        let order = Order::new(&view);
        let task = Task { view: &view, options, schema: &schema, order: order.as_ref(), at };
        self.stream(task, intake, |answer| {
            written |= answer.lists > 0;
            if answer.lists > 0 {
                write(answer)
            } else {
                progress.advance(answer.rows);
                Ok(())
            }
        })?;
        if !written {
            sink(&RecordBatch::new_empty(schema), 0)?;
        }
        Ok(report)
    }

    /// Reads, searches and hands on, all at the same time, in the order of the file.
    fn stream(
        &self,
        task: Task<'_>,
        intake: Intake<'_>,
        mut take: impl FnMut(Answer) -> Result<()>,
    ) -> Result<()> {
        let searchers = if task.options.request.threads.is_some() { 1 } else { SEARCHERS };
        let (to_search, parts) = sync_channel::<(usize, Result<Part>)>(AHEAD);
        let parts: Mutex<Receiver<_>> = Mutex::new(parts);
        let stop = AtomicBool::new(false);
        let (done, answers) = sync_channel(AHEAD);
        thread::scope(|scope| {
            let (parts, stop) = (&parts, &stop);
            scope.spawn(move || {
                for part in intake.enumerate() {
                    if stop.load(Ordering::Relaxed) || to_search.send(part).is_err() {
                        break;
                    }
                }
            });
            for _ in 0..searchers {
                let done = done.clone();
                scope.spawn(move || {
                    loop {
                        let Ok((number, part)) = lock(parts).recv() else { break };
                        let answer = part.and_then(|part| self.answer(task, part));
                        if done.send((number, answer)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(done);
            let mut early = BTreeMap::new();
            let mut next = 0;
            let mut outcome = Ok(());
            while let Ok((number, answer)) = answers.recv() {
                early.insert(number, answer);
                while let Some(answer) = early.remove(&next).filter(|_| outcome.is_ok()) {
                    next += 1;
                    outcome = answer.and_then(&mut take);
                }
                if outcome.is_err() {
                    break;
                }
            }
            // Those who search find nobody to hand on to; who reads has room for one part more, and ends.
            drop(answers);
            stop.store(true, Ordering::Relaxed);
            while lock(parts).recv().is_ok() {}
            outcome
        })
    }
}

/// Queries of the first part, twice as many in the next, and so on: the first ones needn't wait.
const FIRST: usize = 512;

/// Queries of a part: many, so that those that are alike meet; fewer where a list is long, a vector
/// is, or a search takes long.
fn part_lists(request: &SearchRequest, dim: usize) -> usize {
    let most = if request.effort == Effort::Exact { 512 } else { 16_384 };
    (1_000_000 / request.k.max(1)).min(PART_COMPONENTS / dim).clamp(64, most)
}

/// Components of the vectors of a part.
const PART_COMPONENTS: usize = 1 << 23;

//! Rows of a file become parts: queries that are searched together, each with what it leaves out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::names::{Kind, Name, names};
use super::{FIRST, JoinOptions, JoinSource, part_lists};
use crate::collection::columns::{each_run, find};
use crate::collection::input::wrong_id_type;
use crate::config::{CollectionConfig, Conditions};
use crate::error::{Error, Result};
use crate::metric::Metric;
use crate::segment::attributes::{ListRows, strings, unpack};
use crate::types::{IdType, Ids, VectorData};

/// Lists to be made together.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Whose list each is.
    pub(super) names: Vec<Name>,
    /// The vectors of all, one after the other.
    pub(super) vectors: Vec<f32>,
    /// Of users: the end of the vectors of each, and a weight a vector if there are weights.
    pub(super) ends: Vec<usize>,
    pub(super) weights: Vec<f64>,
    /// Who is left out of each; empty if nobody is of any.
    pub(super) conditions: Vec<Conditions>,
    /// Rows of the file that were read for it.
    pub(super) rows: u64,
}

/// The columns of a file, checked.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    options: &'a JoinOptions,
    config: &'a CollectionConfig,
    /// Whose lists they are: queries or users.
    name: &'a str,
    pub(super) kind: Kind,
    set: Option<Template<'a>>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(
        options: &'a JoinOptions,
        config: &'a CollectionConfig,
        schema: &Schema,
    ) -> Result<Self> {
        let (name, what) = match &options.group {
            Some(group) => (group.as_str(), "the users"),
            None => (options.id.as_str(), "the ids of the queries"),
        };
        let empty = RecordBatch::new_empty(schema.clone().into());
        find(&empty, &options.vector, "the vectors")?;
        let of = find(&empty, name, what)?;
        let kind = Kind::of(&format!("column {name:?}"), of.data_type())?;
        for column in options.exclude_column.iter().chain(&options.weight) {
            find(&empty, column, "what belongs to a query")?;
        }
        let set = options.exclude_set.as_deref();
        let set = set.map(|text| Template::new(text, &options.id, name)).transpose()?;
        Ok(Self { options, config, name, kind, set })
    }

    fn condition(&self, name: &Name, exclude: Option<Ids>) -> Conditions {
        let all = &self.options.request;
        let exclude = match (exclude, &all.exclude) {
            (Some(own), Some(all)) => Some(own.joined(all.clone())),
            (own, _) => own,
        };
        let mut exclude_sets = all.exclude_sets.clone();
        exclude_sets.extend(self.set.as_ref().map(|set| set.of(name)));
        Conditions { filter: None, exclude, exclude_sets }
    }

    fn has_conditions(&self) -> bool {
        self.set.is_some() || self.options.exclude_column.is_some()
    }
}

/// The name of a set, with places for the id.
#[derive(Debug)]
struct Template<'a>(Vec<&'a str>);

impl<'a> Template<'a> {
    /// `{id}` and the names of the columns of ids stand for the id.
    fn new(text: &'a str, id: &str, name: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}').map(|at| open + at) else { break };
            let inside = &rest[open + 1..close];
            if !["id", "query_id", "", id, name].contains(&inside) {
                let expected = "{id} in place of the id of the query";
                let fix = "for example user:{id}:seen";
                return Err(Error::invalid("exclude_set", expected, format!("{text:?}"), fix));
            }
            parts.push(&rest[..open]);
            rest = &rest[close + 1..];
        }
        parts.push(rest);
        Ok(Self(parts))
    }

    fn of(&self, name: &Name) -> String {
        self.0.join(&name.to_string())
    }
}

/// How many rows each user has.
pub(super) fn members(source: JoinSource<'_>, group: &str) -> Result<HashMap<Name, u32>> {
    let what = format!("column {group:?}");
    let empty = RecordBatch::new_empty(source.schema);
    let kind = Kind::of(&what, find(&empty, group, "the users")?.data_type())?;
    let mut members = HashMap::new();
    let mut first = 0;
    for batch in source.batches {
        let batch = batch?;
        for name in names(&what, kind, find(&batch, group, "the users")?, first)? {
            *members.entry(name).or_insert(0) += 1;
        }
        first += batch.num_rows() as u64;
    }
    Ok(members)
}

/// A user of whom not every row was seen.
#[derive(Debug, Default)]
struct User {
    vectors: Vec<f32>,
    weights: Vec<f64>,
    exclude: Option<Ids>,
}

/// Reads a file, part after part.
pub(super) struct Intake<'a> {
    columns: Columns<'a>,
    batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send + 'a>,
    /// Rows of users that were not seen yet.
    members: Option<HashMap<Name, u32>>,
    users: HashMap<Name, User>,
    part: Part,
    /// Lists in the part at hand, and in any.
    lists: usize,
    most: usize,
    /// Rows read, and lists still to pass over.
    row: u64,
    skip: u64,
    ended: bool,
    /// What is left of a batch.
    rest: Option<RecordBatch>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        options: &'a JoinOptions,
        columns: Columns<'a>,
        batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send + 'a>,
        members: Option<HashMap<Name, u32>>,
    ) -> Self {
        let columns_dim = columns.config.dim;
        Self {
            columns,
            batches,
            members,
            users: HashMap::new(),
            part: Part::default(),
            most: part_lists(&options.request, columns_dim),
            lists: FIRST.min(part_lists(&options.request, columns_dim)),
            row: 0,
            skip: options.skip,
            ended: false,
            rest: None,
        }
    }

    /// Rows that fill the part at hand, or fewer.
    fn rows(&mut self) -> Option<Result<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(batch) => batch,
            None => match self.batches.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        // So many rows make at most as many lists.
        let room = (self.lists - self.part.names.len()).min(batch.num_rows());
        if room < batch.num_rows() {
            self.rest = Some(batch.slice(room, batch.num_rows() - room));
        }
        Some(Ok(batch.slice(0, room)))
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        self.part.rows += rows as u64;
        let passed = match &self.members {
            None => (rows as u64).min(self.skip) as usize,
            Some(_) => 0,
        };
        self.skip -= passed as u64;
        self.row += passed as u64;
        let batch = batch.slice(passed, rows - passed);
        let columns = &self.columns;
        let of = find(&batch, columns.name, "the ids of the queries")?;
        let names = names(&format!("column {:?}", columns.name), columns.kind, of, self.row)?;
        let exclude = columns.options.exclude_column.as_ref().map(|column| {
            let lists = find(&batch, column, "the ids to leave out")?;
            excluded(column, columns.config.id_type, lists, self.row)
        });
        let exclude = exclude.transpose()?;
        let weights = columns.options.weight.as_ref().map(|column| {
            let numbers = find(&batch, column, "the weights")?;
            weights(column, numbers, self.row)
        });
        let weights = weights.transpose()?;
        let before = self.part.vectors.len();
        self.vectors(&batch)?;
        self.row += batch.num_rows() as u64;
        if self.members.is_some() {
            let vectors = self.part.vectors.split_off(before);
            return self.take_users(names, &vectors, exclude, weights);
        }
        if self.columns.has_conditions() {
            let mut exclude = exclude.into_iter().flatten();
            let of = |name| self.columns.condition(name, exclude.next().flatten());
            self.part.conditions.extend(names.iter().map(of));
        }
        self.part.names.extend(names);
        Ok(())
    }

    /// Appends the vectors of a batch to the part.
    fn vectors(&mut self, batch: &RecordBatch) -> Result<()> {
        let (config, column) = (self.columns.config, &self.columns.options.vector);
        let what = format!("column {column:?}");
        let array = find(batch, column, "the vectors")?;
        let out = &mut self.part.vectors;
        let start = out.len();
        each_run(&what, config.dim, array, self.row as usize, |run| {
            if let VectorData::F32(floats) = run.data() {
                out.extend_from_slice(floats);
                return Ok(());
            }
            let at = out.len();
            out.resize(at + run.rows() * config.dim, 0.0);
            for (row, out) in out[at..].chunks_exact_mut(config.dim).enumerate() {
                run.copy_row(row, out);
            }
            Ok(())
        })?;
        for (row, vector) in out[start..].chunks_exact(config.dim).enumerate() {
            let place = || format!("{what}, row {}", self.row + row as u64);
            // Without a way out of the loop: several at a time.
            let is_finite = vector.iter().fold(true, |all, x| all & x.is_finite());
            if !is_finite && let Some(found) = vector.iter().find(|x| !x.is_finite()) {
                let found = found.to_string();
                return Err(Error::invalid(place(), "finite numbers", found, "drop the query"));
            }
            if config.metric == Metric::Cosine && vector.iter().all(|x| *x == 0.0) {
                let expected = "a vector with a direction, as the metric is cosine";
                return Err(Error::invalid(place(), expected, "all zeros", "drop the query"));
            }
        }
        Ok(())
    }

    fn take_users(
        &mut self,
        names: Vec<Name>,
        vectors: &[f32],
        exclude: Option<Vec<Option<Ids>>>,
        weights: Option<Vec<f64>>,
    ) -> Result<()> {
        let mut exclude = exclude.into_iter().flatten();
        let mut weights = weights.into_iter().flatten();
        for (name, vector) in names.into_iter().zip(vectors.chunks_exact(self.columns.config.dim)) {
            let user = self.users.entry(name.clone()).or_default();
            user.vectors.extend_from_slice(vector);
            user.weights.extend(weights.next());
            if let Some(ids) = exclude.next().flatten() {
                user.exclude = Some(match user.exclude.take() {
                    Some(all) => all.joined(ids),
                    None => ids,
                });
            }
            let left = self.members.as_mut().and_then(|members| members.get_mut(&name));
            let Some(left) = left.filter(|left| **left > 0) else {
                let fix = "let nobody write the file while it is read";
                return Err(Error::invalid("the users", "those of before", "another", fix));
            };
            *left -= 1;
            if *left > 0 {
                continue;
            }
            if let Entry::Occupied(user) = self.users.entry(name) {
                let (name, user) = user.remove_entry();
                self.finish_user(name, user);
            }
        }
        Ok(())
    }

    fn finish_user(&mut self, name: Name, user: User) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let part = &mut self.part;
        part.vectors.extend(user.vectors);
        part.weights.extend(user.weights);
        part.ends.push(part.vectors.len() / self.columns.config.dim);
        if self.columns.has_conditions() {
            part.conditions.push(self.columns.condition(&name, user.exclude));
        }
        part.names.push(name);
    }
}

impl Iterator for Intake<'_> {
    type Item = Result<Part>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended && self.part.names.len() < self.lists {
            match self.rows() {
                None => self.ended = true,
                Some(rows) => {
                    if let Err(error) = rows.and_then(|rows| self.take(&rows)) {
                        self.ended = true;
                        self.part = Part::default();
                        return Some(Err(error));
                    }
                }
            }
        }
        let part = std::mem::take(&mut self.part);
        self.lists = (2 * self.lists).min(self.most);
        (part.rows > 0).then_some(Ok(part))
    }
}

/// The ids of each list of a column; nothing for a null.
fn excluded(
    column: &str,
    id_type: IdType,
    array: &ArrayRef,
    first: u64,
) -> Result<Vec<Option<Ids>>> {
    let what = format!("column {column:?}");
    let wrong = |found: String| wrong_id_type(&what, id_type, &found);
    let lists = ListRows::new(array).ok_or_else(|| {
        Error::invalid(&what, "lists of ids", array.data_type().to_string(), "convert the column")
    })?;
    let values = unpack(lists.values())?;
    let ids = match id_type {
        IdType::U64 if values.data_type().is_integer() => {
            // What doesn't fit, the negative ones, names no point.
            let cast = arrow_cast::cast(&*values, &DataType::UInt64);
            let cast = cast.map_err(|error| wrong(error.to_string()))?;
            let numbers = cast.as_primitive::<arrow_array::types::UInt64Type>().iter();
            Ids::U64(numbers.map(|id| id.unwrap_or(u64::MAX)).collect())
        }
        IdType::Str => {
            let texts = strings(&*values).ok_or_else(|| wrong(values.data_type().to_string()))?;
            Ids::Str(texts.map(|id| id.unwrap_or_default().to_owned()).collect())
        }
        IdType::U64 => return Err(wrong(values.data_type().to_string())),
    };
    let of_row = |row: usize| {
        let Some(items) = lists.get(row) else { return Ok(None) };
        let part = match &ids {
            Ids::U64(ids) => ids.get(items).map(|ids| Ids::U64(ids.to_vec())),
            Ids::Str(ids) => ids.get(items).map(|ids| Ids::Str(ids.to_vec())),
        };
        let place = || format!("{what}, row {}", first + row as u64);
        part.map(Some).ok_or_else(|| Error::invalid(place(), "a list of ids", "none", ""))
    };
    (0..array.len()).map(of_row).collect()
}

/// Numbers above 0.
fn weights(column: &str, array: &ArrayRef, first: u64) -> Result<Vec<f64>> {
    let what = format!("column {column:?}");
    let numbers = arrow_cast::cast(&*unpack(array)?, &DataType::Float64).ok();
    let numbers = numbers.filter(|_| array.data_type().is_numeric()).ok_or_else(|| {
        Error::invalid(&what, "numbers", array.data_type().to_string(), "convert the column")
    })?;
    let weight = |(row, weight): (usize, Option<f64>)| {
        weight.filter(|weight| weight.is_finite() && *weight > 0.0).ok_or_else(|| {
            let place = format!("{what}, row {}", first + row as u64);
            let found = weight.map_or_else(|| "null".to_owned(), |weight| weight.to_string());
            Error::invalid(place, "a weight above 0", found, "")
        })
    };
    numbers.as_primitive::<Float64Type>().iter().enumerate().map(weight).collect()
}

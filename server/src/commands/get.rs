//! `nearfield get`: points by id.

use std::path::PathBuf;

use arrow_array::RecordBatch;
use nearfield::{AttributeType, Points, Schema};
use serde_json::{Value, json};

use super::{Error, Result, args, open};
use crate::cell::Cell;
use crate::output::{Layout, Output};
use crate::vectors;

const EXAMPLE: &str = "\
Example:
  nearfield get posts.nf t3_v7w6z t3_1b9ftp
  nearfield get posts.nf t3_v7w6z --with-vectors --json

An id that names no point is an error, after the others are written.";

/// Show points by id
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// Ids of the points
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Write the vectors too
    #[arg(long)]
    with_vectors: bool,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let collection = open(&args.path)?;
    let config = collection.config();
    let ids = args::ids(&args.ids, config.id_type)?;
    let points = collection.get(&ids, args.with_vectors)?;
    if out.is_json() {
        out.json(&to_json(&args.ids, &points, &config.schema))?;
    } else if points.found.contains(&true) {
        write_table(&args.ids, &points, &config.schema, out)?;
    }
    match args.ids.iter().zip(&points.found).find(|(_, found)| !**found) {
        Some((id, _)) => {
            Err(Error::Core(nearfield::Error::NotFound { what: "id", id: id.clone() }))
        }
        None => Ok(()),
    }
}

fn to_json(ids: &[String], points: &Points, schema: &Schema) -> Value {
    let rows = ids.iter().zip(&points.found).enumerate().map(|(row, (id, found))| {
        if !found {
            return json!({ "id": id, "found": false });
        }
        let attributes = schema
            .columns()
            .iter()
            .map(|(name, _)| (name.clone(), cell(&points.batch, name, row).json()));
        let mut point = json!({
            "id": id,
            "found": true,
            "attributes": attributes.collect::<serde_json::Map<_, _>>(),
        });
        if let Some(vector) = vectors::of_row(&points.batch, row) {
            point["vector"] = json!(vector);
        }
        point
    });
    json!({ "points": rows.collect::<Vec<_>>() })
}

fn write_table(ids: &[String], points: &Points, schema: &Schema, out: &Output) -> Result<()> {
    let with_vectors = points.batch.column_by_name("vector").is_some();
    let mut columns = vec![("id", Layout::Left)];
    columns.extend(schema.columns().iter().map(|(name, kind)| (name.as_str(), layout(*kind))));
    columns.extend(with_vectors.then_some(("vector", Layout::Flexible)));
    let found = ids.iter().zip(&points.found).enumerate().filter(|(_, (_, found))| **found);
    let rows = found.map(|(row, (id, _))| {
        let mut line = vec![id.clone()];
        let attributes = schema.columns().iter();
        line.extend(attributes.map(|(name, _)| cell(&points.batch, name, row).text()));
        if with_vectors {
            let vector = vectors::of_row(&points.batch, row).unwrap_or_default();
            line.push(vector.iter().map(f32::to_string).collect::<Vec<_>>().join(","));
        }
        line
    });
    Ok(out.table(&columns, rows.collect())?)
}

/// How a column of this type is laid out in a table.
pub fn layout(kind: AttributeType) -> Layout {
    match kind {
        AttributeType::I64 | AttributeType::F64 => Layout::Right,
        AttributeType::Bool | AttributeType::Timestamp => Layout::Left,
        AttributeType::Keyword | AttributeType::KeywordList | AttributeType::Text => {
            Layout::Flexible
        }
    }
}

fn cell(batch: &RecordBatch, name: &str, row: usize) -> Cell {
    batch.column_by_name(name).map_or(Cell::Null, |column| Cell::of(column, row))
}

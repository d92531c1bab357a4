//! `nearfield update`: new attribute values of points.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use nearfield::{AttributeType, Schema};
use serde_json::json;

use super::{Error, Result, args, open_to_write};
use crate::output::Output;

const EXAMPLE: &str = "\
Example:
  nearfield update posts.nf t3_v7w6z --set score=12 --set 'title=A new title'
  nearfield update posts.nf t3_v7w6z t3_1b9ftp --set over_18=true --null flair

Other columns and the vectors stay. Items of a keyword[] are separated by commas; a timestamp is like
2013-08-19T14:15:23Z. An id that names no point is an error, and nothing is changed then.";

/// Replace attribute values of points
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Directory of the collection
    path: PathBuf,
    /// Ids of the points
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// A column and its new value
    #[arg(long, value_name = "COLUMN=VALUE", required_unless_present = "null")]
    set: Vec<String>,
    /// A column that is to have no value
    #[arg(long, value_name = "COLUMN")]
    null: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args, out: &Output) -> Result<()> {
    let mut values = Vec::new();
    for text in &args.set {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Error::Usage(format!("--set: expected COLUMN=VALUE, found {text:?}")))?;
        values.push((name, Some(value)));
    }
    values.extend(args.null.iter().map(|name| (name.as_str(), None)));
    let collection = open_to_write(&args.path)?;
    let config = collection.config();
    let ids = args::ids(&args.ids, config.id_type)?;
    let columns: Result<Vec<(&str, ArrayRef)>> = values
        .into_iter()
        .map(|(name, value)| Ok((name, column(&config.schema, name, value, ids.len())?)))
        .collect();
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns?.into_iter().map(|(name, column)| (name, column, true)),
    )
    .map_err(|error| Error::Failed(error.to_string()))?;
    collection.update(&ids, &batch)?;
    collection.close()?;
    if out.is_json() {
        return Ok(out.json(&json!({ "updated": ids.len() }))?);
    }
    Ok(out.line(&format!("updated {} points", ids.len()))?)
}

/// So many rows of one value.
fn column(schema: &Schema, name: &str, value: Option<&str>, rows: usize) -> Result<ArrayRef> {
    let known = schema.columns().iter().find(|(known, _)| known == name);
    let Some(kind) = known.map(|(_, kind)| *kind) else {
        // Core names the columns that there are.
        return Ok(Arc::new(StringArray::from(vec![value.unwrap_or_default(); rows])));
    };
    let Some(text) = value else { return Ok(new_null_array(&kind.arrow(), rows)) };
    let wrong = |expected: &str| {
        Error::Failed(format!("column {name:?}: expected {expected}, found {text:?}"))
    };
    Ok(match kind {
        AttributeType::Keyword | AttributeType::Text => {
            Arc::new(StringArray::from(vec![text; rows]))
        }
        AttributeType::KeywordList => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for _ in 0..rows {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                lists.append_value(items.map(Some));
            }
            Arc::new(lists.finish())
        }
        AttributeType::I64 => {
            let value = text.parse::<i64>().map_err(|_| wrong("an integer"))?;
            Arc::new(Int64Array::from(vec![value; rows]))
        }
        AttributeType::F64 => {
            let value = text.parse::<f64>().map_err(|_| wrong("a number"))?;
            Arc::new(Float64Array::from(vec![value; rows]))
        }
        AttributeType::Bool => {
            let value = text.parse::<bool>().map_err(|_| wrong("true or false"))?;
            Arc::new(BooleanArray::from(vec![value; rows]))
        }
        AttributeType::Timestamp => {
            let value = args::time_us(text).map_err(|expected| wrong(&expected))?;
            Arc::new(TimestampMicrosecondArray::from(vec![value; rows]).with_timezone("UTC"))
        }
    })
}

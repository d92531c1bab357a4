//! The arguments of `create`, `import_hnsw_rs` and `open`.

use nearfield::{CollectionConfig, Error, ImportOptions, Mode, OpenOptions, Result, Schema};
use pyo3::prelude::*;

/// What a new collection is, as the Python package hands it over: names as strings.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct CreateArguments {
    dim: usize,
    metric: String,
    id_type: String,
    schema: Vec<(String, String)>,
    space: Option<String>,
    dtype: String,
    profile: String,
    index: String,
    durability: String,
    memory: String,
    seed: u64,
}

impl CreateArguments {
    /// Parses every name.
    pub fn parse(self) -> Result<CollectionConfig> {
        let mut config = CollectionConfig::new(self.dim, self.metric.parse()?);
        config.id_type = self.id_type.parse()?;
        config.schema = schema(self.schema)?;
        config.space = self.space.as_deref().map(str::parse).transpose()?;
        config.dtype = self.dtype.parse()?;
        config.profile = self.profile.parse()?;
        config.index = self.index.parse()?;
        config.durability = self.durability.parse()?;
        config.memory = self.memory.parse()?;
        config.seed = self.seed;
        Ok(config)
    }
}

/// What is said about an imported collection beside its dump: names as strings.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct ImportArguments {
    metric: Option<String>,
    schema: Vec<(String, String)>,
    space: Option<String>,
    profile: String,
    durability: String,
    memory: String,
    seed: u64,
}

impl ImportArguments {
    /// Parses every name.
    pub fn parse(self) -> Result<ImportOptions> {
        Ok(ImportOptions {
            metric: self.metric.as_deref().map(str::parse).transpose()?,
            schema: schema(self.schema)?,
            space: self.space.as_deref().map(str::parse).transpose()?,
            profile: self.profile.parse()?,
            durability: self.durability.parse()?,
            memory: self.memory.parse()?,
            seed: self.seed,
        })
    }
}

fn schema(columns: Vec<(String, String)>) -> Result<Schema> {
    let parsed = columns.into_iter().map(|(name, kind)| {
        let parsed = kind.parse().map_err(|error| in_column(error, &name))?;
        Ok((name, parsed))
    });
    Schema::new(parsed.collect::<Result<Vec<_>>>()?)
}

/// Names the column in the error about its type.
fn in_column(error: Error, name: &str) -> Error {
    match error {
        Error::InvalidArgument { expected, found, fix, .. } => {
            Error::invalid(format!("schema column {name:?}"), expected, found, fix)
        }
        other => other,
    }
}

/// Parses the arguments of `open`.
pub fn open_options(mode: &str, memory: Option<&str>) -> Result<OpenOptions> {
    let mode = match mode {
        "r" => Mode::Read,
        "r+" => Mode::Write,
        other => {
            return Err(Error::invalid("mode", "\"r\" or \"r+\"", format!("{other:?}"), ""));
        }
    };
    Ok(OpenOptions { mode, memory: memory.map(str::parse).transpose()? })
}

//! What requests do to the data directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearfield::{Collection, CollectionConfig, Error};
use tonic::{Code, Status};

use super::open::served;
use super::{Catalog, Served, check_name};
use crate::service::status::{refused, status};

impl Catalog {
    /// Makes an empty collection.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`, `INVALID_ARGUMENT`, `FAILED_PRECONDITION` without a data directory.
    pub fn create(&self, name: &str, config: CollectionConfig) -> Result<Arc<Served>, Status> {
        let name = check_name("collection", name)?;
        let _changing = self.change();
        let path = self.free(name)?;
        let collection = Collection::create(&path, config).map_err(|error| status(&error))?;
        Ok(self.add(name, &path, collection))
    }

    /// Makes a collection of a snapshot.
    ///
    /// # Errors
    /// As [`create`](Self::create); `NOT_FOUND`, `DATA_LOSS`.
    pub fn restore(&self, snapshot: &str, name: &str) -> Result<Arc<Served>, Status> {
        let from = self.snapshot_path(snapshot)?;
        let name = check_name("collection", name)?;
        let _changing = self.change();
        let path = self.free(name)?;
        Collection::restore(from, &path).map_err(|error| match error {
            Error::CollectionNotFound { .. } => {
                let message = format!("snapshot: there is none called {snapshot:?}");
                refused(Code::NotFound, "SNAPSHOT_NOT_FOUND", message)
            }
            error => status(&error),
        })?;
        self.open(name, &path).map_err(|error| status(&error)).inspect(|served| {
            self.publish(|table| {
                table.collections.insert(name.to_owned(), Arc::clone(served));
            });
        })
    }

    /// Writes a copy of a collection.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`, `INVALID_ARGUMENT`.
    pub fn snapshot(&self, served: &Served, snapshot: &str) -> Result<(), Status> {
        let path = self.snapshot_path(snapshot)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed("create the directory", error))?;
        }
        served.collection.snapshot(path).map_err(|error| match error {
            Error::AlreadyExists { .. } => taken("snapshot", snapshot),
            error => status(&error),
        })
    }

    /// Removes a collection with its files, or an alias.
    ///
    /// # Errors
    /// `NOT_FOUND`; `FAILED_PRECONDITION` where another process writes to it.
    pub fn remove(&self, name: &str) -> Result<(), Status> {
        let name = name.strip_suffix(".nf").unwrap_or(name);
        let data = self.data()?;
        let _changing = self.change();
        let table = self.table();
        if table.aliases.contains_key(name) {
            fs::remove_file(data.join(format!("{name}.nf")))
                .or_else(|_| fs::remove_file(data.join(name)))
                .map_err(|error| failed("remove the alias", error))?;
            self.publish(|table| drop(table.aliases.remove(name)));
            return Ok(());
        }
        let Some(served) = table.collections.get(name) else {
            let message = format!("collection: there is none called {name:?}");
            return Err(refused(Code::NotFound, "COLLECTION_NOT_FOUND", message));
        };
        if !served.collection.is_writable() {
            return Err(status(&Error::ReadOnly { operation: "drop" }));
        }
        let aliases = table.aliases_of(name);
        if !aliases.is_empty() {
            let message = format!("the aliases {} lead to it; move them first", aliases.join(", "));
            return Err(refused(Code::FailedPrecondition, "HAS_ALIASES", message));
        }
        // Out of the way in one step; what is left after a crash has no name to serve it by.
        let gone = data.join(format!(".dropped-{}-{name}", std::process::id()));
        fs::rename(&served.path, &gone).map_err(|error| failed("move it away", error))?;
        self.publish(|table| drop(table.collections.remove(name)));
        if let Err(error) = served.collection.close() {
            tracing::debug!(%error, "closing what was dropped");
        }
        fs::remove_dir_all(&gone).map_err(|error| failed("remove its files", error))
    }

    /// Makes a name lead to a collection.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` where the name is a collection's.
    pub fn set_alias(&self, alias: &str, served: &Served) -> Result<(), Status> {
        let alias = check_name("alias", alias)?;
        let data = self.data()?;
        let _changing = self.change();
        if self.table().collections.contains_key(alias) {
            return Err(taken("collection", alias));
        }
        Collection::set_alias(data.join(format!("{alias}.nf")), &served.path)
            .map_err(|error| status(&error))?;
        self.publish(|table| {
            table.aliases.insert(alias.to_owned(), served.name.clone());
        });
        Ok(())
    }

    /// The path of a collection of this name, which nothing has yet. The lock of changes is held.
    fn free(&self, name: &str) -> Result<PathBuf, Status> {
        let data = self.data()?;
        let table = self.table();
        let path = data.join(format!("{name}.nf"));
        let exists = path.symlink_metadata().is_ok() || data.join(name).symlink_metadata().is_ok();
        if table.collections.contains_key(name) || table.aliases.contains_key(name) || exists {
            return Err(taken("collection", name));
        }
        let data = data.canonicalize().map_err(|error| failed("find the data directory", error))?;
        Ok(data.join(format!("{name}.nf")))
    }

    fn add(&self, name: &str, path: &Path, collection: Collection) -> Arc<Served> {
        let served = Arc::new(served(name, path, collection));
        self.publish(|table| {
            table.collections.insert(name.to_owned(), Arc::clone(&served));
        });
        served
    }

    fn snapshot_path(&self, snapshot: &str) -> Result<PathBuf, Status> {
        let name = check_name("snapshot", snapshot)?;
        match &self.options.snapshots {
            Some(snapshots) => Ok(snapshots.join(name)),
            None => Ok(self.data()?.join("snapshots").join(name)),
        }
    }
}

fn taken(what: &str, name: &str) -> Status {
    let message = format!("{what}: {name:?} is taken; choose another name");
    refused(Code::AlreadyExists, "ALREADY_EXISTS", message)
}

pub(super) fn failed(operation: &'static str, error: io::Error) -> Status {
    status(&Error::io(PathBuf::new(), operation, error))
}

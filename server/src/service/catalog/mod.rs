//! The collections that are served, by name, and the names that lead to them.
//!
//! Requests take what a name leads to at their beginning and keep it; a change swaps the whole
//! table, so every request sees the state before it or after it. Changes are made one at a time:
//! by requests ([`change`]), and by looking at the data directory ([`scan`]), into which other
//! processes may have put collections and aliases.

mod change;
mod names;
mod open;
mod scan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use nearfield::Collection;
use tonic::{Code, Status};

use super::caller::{Caller, Scope};
use super::status::refused;

pub use names::check_name;

/// A collection that is open.
#[derive(Debug)]
pub struct Served {
    /// What requests call it.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// The open collection.
    pub collection: Collection,
    /// When it was opened.
    pub opened: SystemTime,
    /// Tells its directory from another one put in its place.
    identity: Option<(u64, u64)>,
}

/// What names lead to, at one moment.
#[derive(Debug, Default, Clone)]
pub struct Table {
    /// Collections by their names.
    pub collections: BTreeMap<String, Arc<Served>>,
    /// Aliases, each with the name of its collection.
    pub aliases: BTreeMap<String, String>,
}

impl Table {
    /// What a name leads to.
    pub fn find(&self, name: &str) -> Option<&Arc<Served>> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.collections.get(name)
    }

    /// Names that lead to a collection.
    pub fn aliases_of(&self, collection: &str) -> Vec<String> {
        let ours = self.aliases.iter().filter(|(_, target)| *target == collection);
        ours.map(|(alias, _)| alias.clone()).collect()
    }
}

/// How collections are opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The directory whose collections are served; new ones are made there.
    pub data: Option<PathBuf>,
    /// The directory of snapshots.
    pub snapshots: Option<PathBuf>,
    /// Opens everything for reading only.
    pub read_only: bool,
}

/// The collections of a server.
#[derive(Debug)]
pub struct Catalog {
    options: Options,
    table: RwLock<Arc<Table>>,
    /// Held while the table or the data directory changes.
    changing: Mutex<()>,
}

impl Catalog {
    /// An empty one.
    pub fn new(options: Options) -> Self {
        Self { options, table: RwLock::default(), changing: Mutex::default() }
    }

    /// The table of this moment.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a request calls `name`, if the caller may do this with it.
    ///
    /// # Errors
    /// `NOT_FOUND`, naming what there is; `PERMISSION_DENIED`.
    pub fn find(&self, caller: &Caller, name: &str, scope: Scope) -> Result<Arc<Served>, Status> {
        let table = self.table();
        let name = name.strip_suffix(".nf").unwrap_or(name);
        let found = table.find(name);
        let known = found.map_or(name, |served| served.name.as_str());
        if !caller.may(scope, name) && !caller.may(scope, known) {
            return Err(caller.denied(scope, name));
        }
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = table.collections.keys().chain(table.aliases.keys()).collect();
            let names: Vec<_> = names
                .into_iter()
                .filter(|name| caller.may(Scope::Read, name))
                .map(String::as_str)
                .collect();
            let message =
                format!("collection: expected one of {}, found {name:?}", names.join(", "));
            refused(Code::NotFound, "COLLECTION_NOT_FOUND", message)
        })
    }

    /// Closes every collection: what was acknowledged is on disk when it returns.
    pub fn close(&self) {
        let _changing = self.change();
        for served in self.table().collections.values() {
            if let Err(error) = served.collection.close() {
                tracing::error!(collection = served.name, %error, "closing failed");
            }
        }
    }

    /// Where its collections are, if it has a directory of its own.
    pub fn data_directory(&self) -> Option<&Path> {
        self.options.data.as_deref()
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another table in place. The lock of changes is held.
    fn publish(&self, edit: impl FnOnce(&mut Table)) {
        let mut table = Table::clone(&self.table());
        edit(&mut table);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    fn data(&self) -> Result<&Path, Status> {
        self.options.data.as_deref().ok_or_else(|| {
            let message = "the server was started without --data: it has no directory of its own";
            refused(Code::FailedPrecondition, "NO_DATA_DIRECTORY", message)
        })
    }
}

//! The data directory as it is now: collections and aliases that others put there are served, those
//! that others took away are not. Collections that another process writes to are read anew.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearfield::{Collection, Error, Mode, OpenOptions, Result};

use super::names::name_of;
use super::open::{identity, served};
use super::{Catalog, Served};

impl Catalog {
    /// Serves the collections at these paths, whose names differ.
    ///
    /// # Errors
    /// The first that can't be opened, or whose name is taken.
    pub fn serve_paths(&self, paths: &[PathBuf]) -> Result<()> {
        let _changing = self.change();
        for path in paths {
            let path = Collection::alias_target(path).unwrap_or_else(|| path.clone());
            let full = path.canonicalize().map_err(|_| Error::CollectionNotFound {
                path: path.clone(),
                reason: "there is no such directory".to_owned(),
            })?;
            let name = name_of(&full).ok_or_else(|| {
                let expected = "a directory name in UTF-8, to call the collection by";
                Error::invalid("path", expected, full.display().to_string(), "rename it")
            })?;
            if self.table().collections.contains_key(&name) {
                let found = format!("another one, {}", full.display());
                let fix = "rename one of the directories";
                return Err(Error::invalid(format!("collection {name:?}"), "one", found, fix));
            }
            let opened = self.open(&name, &full)?;
            self.publish(|table| drop(table.collections.insert(name, opened)));
        }
        Ok(())
    }

    /// Serves what is in the data directory now.
    ///
    /// # Errors
    /// When the directory can't be listed. A collection that can't be opened is logged, and tried
    /// again the next time.
    pub fn scan(&self) -> io::Result<()> {
        let Some(data) = &self.options.data else {
            self.renew_all();
            return Ok(());
        };
        let _changing = self.change();
        let (directories, files) = list(data)?;
        let mut found: BTreeMap<String, Arc<Served>> = BTreeMap::new();
        let table = self.table();
        for (name, path) in directories {
            let known = table.collections.get(&name);
            let same = known.filter(|known| known.identity == identity(&path));
            let served = match same {
                Some(known) => Some(self.renew(known)),
                None => self.open_found(&name, &path).or_else(|| known.cloned()),
            };
            if let Some(served) = served {
                found.insert(name, served);
            }
        }
        let mut aliases = BTreeMap::new();
        for (alias, path) in files {
            let target = Collection::alias_target(&path).and_then(|to| to.canonicalize().ok());
            let Some(target) = target else { continue };
            let of = found.values().find(|served| served.path == target);
            let of = of.map(|served| served.name.clone()).or_else(|| {
                // One that is elsewhere is called by its alias.
                let known = table.collections.get(&alias).filter(|known| known.path == target);
                let served = known.cloned().or_else(|| self.open_found(&alias, &target))?;
                found.insert(alias.clone(), served);
                None
            });
            if let Some(of) = of {
                aliases.insert(alias, of);
            }
        }
        for name in found.keys().filter(|name| !table.collections.contains_key(*name)) {
            tracing::info!(collection = name, "serving");
        }
        self.publish(|table| {
            table.collections = found;
            table.aliases = aliases;
        });
        Ok(())
    }

    /// Opens what is in a directory; `None` where it is no collection, or can't be opened now.
    fn open_found(&self, name: &str, path: &Path) -> Option<Arc<Served>> {
        match self.open(name, path) {
            Ok(opened) => Some(opened),
            Err(Error::CollectionNotFound { .. }) => None,
            Err(error) => {
                tracing::error!(collection = name, %error, "cannot open");
                None
            }
        }
    }

    /// Reads anew what others write, and writes where others have stopped to.
    fn renew(&self, known: &Arc<Served>) -> Arc<Served> {
        if known.collection.is_writable() {
            return Arc::clone(known);
        }
        if !self.options.read_only {
            let options = OpenOptions { mode: Mode::Write, ..OpenOptions::default() };
            if let Ok(collection) = Collection::open(&known.path, options) {
                return Arc::new(served(&known.name, &known.path, collection));
            }
        }
        if let Err(error) = known.collection.refresh() {
            tracing::warn!(collection = known.name, %error, "cannot read it anew");
        }
        Arc::clone(known)
    }

    fn renew_all(&self) {
        let _changing = self.change();
        let known: HashSet<String> = self.table().collections.keys().cloned().collect();
        for name in known {
            if let Some(served) = self.table().collections.get(&name) {
                let renewed = self.renew(served);
                self.publish(|table| drop(table.collections.insert(name, renewed)));
            }
        }
    }
}

type Named = Vec<(String, PathBuf)>;

/// Directories that may be collections, and files that may be aliases, by name.
fn list(data: &Path) -> io::Result<(Named, Named)> {
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    let data = data.canonicalize()?;
    for entry in fs::read_dir(&data)? {
        let path = entry?.path();
        let Some(name) = name_of(&path) else { continue };
        if path.is_dir() {
            // Through a link it is what it leads to.
            if path.join("CURRENT").exists() {
                directories.push((name, path.canonicalize()?));
            }
        } else {
            files.push((name, path));
        }
    }
    directories.sort();
    directories.dedup_by(|a, b| a.0 == b.0);
    files.sort();
    Ok((directories, files))
}

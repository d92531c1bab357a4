//! Aliases: small files that say where a collection is, so that a name can be moved from one to
//! another in one step. No symbolic links: an alias is replaced by renaming another file over it.
//!
//! ```text
//!  nearfield alias\n
//!  <path, absolute or from the directory of the alias>\n
//! ```
//!
//! Whoever has the collection open that an alias named keeps it.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::state::require_collection;
use crate::error::{Error, Result};
use crate::vfs::{Directory, OsVfs, Vfs};

const HEAD: &str = "nearfield alias\n";
/// Longest file that is an alias.
const BYTES_MAX: u64 = 8192;

/// The collection that a path leads to: another one if it is an alias, else itself.
pub(super) fn resolve<'a>(vfs: &dyn Vfs, path: &'a Path) -> Cow<'a, Path> {
    match read(vfs, path) {
        Some(target) => Cow::Owned(target),
        None => Cow::Borrowed(path),
    }
}

/// Where an alias leads; `None` if it is none.
pub(super) fn target(path: &Path) -> Option<PathBuf> {
    read(&OsVfs, path)
}

fn read(vfs: &dyn Vfs, path: &Path) -> Option<PathBuf> {
    let file = vfs.read(path, BYTES_MAX).ok()?;
    let target = std::str::from_utf8(&file).ok()?.strip_prefix(HEAD)?.strip_suffix('\n')?;
    Some(path.parent().unwrap_or(Path::new("")).join(target))
}

/// Makes `alias` lead to a collection, whatever it led to before.
pub(super) fn set(alias: &Path, target: &Path) -> Result<()> {
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    let target = resolve(&*vfs, target);
    require_collection(&Directory::new(Arc::clone(&vfs), &*target))?;
    let name = alias.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| unfit("alias", alias))?;
    if std::fs::symlink_metadata(alias).is_ok() && read(&*vfs, alias).is_none() {
        return Err(Error::AlreadyExists { path: alias.to_owned() });
    }
    let text = format!("{HEAD}{}\n", relative(alias, &target)?);
    let parent = alias.parent().unwrap_or(Path::new(""));
    let parent = if parent == Path::new("") { Path::new(".") } else { parent };
    let directory = Directory::new(vfs, parent);
    // Of this process, so that two who move it at once don't write one file.
    let fresh = format!(".{name}.{}.new", std::process::id());
    directory.write_bytes(&fresh, text.as_bytes())?;
    if let Err(error) = directory.rename(&fresh, name) {
        directory.remove_if_there(&fresh);
        return Err(error);
    }
    directory.sync("")
}

fn unfit(argument: &str, path: &Path) -> Error {
    let expected = "a path of UTF-8 without line breaks that ends in a name";
    Error::invalid(argument, expected, format!("{}", path.display()), "")
}

/// The target as the alias says it: from its own directory where that leads down, else absolute.
fn relative(alias: &Path, target: &Path) -> Result<String> {
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|e| Error::io(path, "find the absolute path of", e))
    };
    let (alias, target) = (absolute(alias)?, absolute(target)?);
    let from = alias.parent().unwrap_or(Path::new("/"));
    let plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    let told = match target.strip_prefix(from) {
        Ok(below) if plain(below) => below,
        _ => &target,
    };
    let told = told.to_str().filter(|text| !text.contains('\n') && text.len() < 4096);
    told.map(str::to_owned).ok_or_else(|| unfit("path", &target))
}

//! Names of collections, aliases, snapshots and streams: of a few characters only, so that they are
//! always the name of one file and never a path.

use std::path::Path;

use tonic::Status;

use super::super::status::bad_field;

/// Longest name, in bytes.
const NAME_MAX: usize = 128;

/// A name as it may be, without the ending `.nf`.
///
/// # Errors
/// `INVALID_ARGUMENT` naming the field.
pub fn check_name<'a>(field: &str, name: &'a str) -> Result<&'a str, Status> {
    let name = name.strip_suffix(".nf").unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('.')
        && name != "snapshots"
    {
        return Ok(name);
    }
    let shown: String = name.chars().take(NAME_MAX).collect();
    Err(bad_field(
        field,
        format!(
            "expected 1 to {NAME_MAX} of A-Z a-z 0-9 . _ - not beginning with a dot, and not \
             \"snapshots\"; found {shown:?}"
        ),
    ))
}

/// What the collection at a path is called: its directory without the ending `.nf`.
pub(super) fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".nf").unwrap_or(name);
    (!name.is_empty() && !name.starts_with('.')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_paths() {
        for name in ["posts", "posts.nf", "posts-v7.2_b", "a"] {
            check_name("collection", name).expect(name);
        }
        let long = "a".repeat(129);
        let bad =
            ["", ".", "..", "../posts", "a/b", "a\\b", ".hidden", "a b", "é", "a\0", &long, ".nf"];
        for name in bad {
            check_name("collection", name).expect_err(name);
        }
    }
}

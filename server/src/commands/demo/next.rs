//! What the demo says to try next: lines that work as they are, pasted into a shell.

use std::env;
use std::path::Path;

use super::searches::POST;
use crate::commands::Result;
use crate::output::Output;

/// Writes the lines for the collections in `dir`.
pub fn write(dir: &Path, out: &Output) -> Result<()> {
    let me = quoted(&program());
    let posts = quoted(&dir.join("posts.nf").to_string_lossy());
    let all = quoted(&dir.to_string_lossy());
    let lines = [
        String::new(),
        "Try next".into(),
        format!("  {me} search {posts} --like {POST} -k 20 --with subreddit,title"),
        format!("  {me} stats {posts}"),
        format!("  {me} serve --data {all}"),
        String::new(),
        "or in Python (`make test` builds the package into .venv)".into(),
        "  import nearfield as nf".into(),
        format!("  posts = nf.open({:?})", dir.join("posts.nf").to_string_lossy()),
        format!("  query = posts.get([{POST:?}])[\"vector\"][0]"),
        "  hits = posts.search(query, k=5, with_attributes=[\"title\"])".into(),
        "  print(*hits.attributes[\"title\"], sep=\"\\n\")".into(),
    ];
    for line in lines {
        out.line(&line)?;
    }
    Ok(())
}

/// How the shell can start this program again.
fn program() -> String {
    match env::args().next() {
        Some(given) if given.contains('/') => given,
        _ => "nearfield".into(),
    }
}

/// For a shell: in single quotes unless it is made of plain characters.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_split_is_quoted() {
        assert_eq!(quoted("/tmp/a-b.nf"), "/tmp/a-b.nf");
        assert_eq!(quoted("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}

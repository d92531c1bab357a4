//! Who may call: bearer tokens, of which the file holds hashes only.
//!
//! One line a token; `#` begins a comment:
//!
//! ```text
//! NAME  SHA256-OF-THE-TOKEN-IN-HEX  SCOPE  [collections=A,B]  [expires=2027-01-01T00:00:00Z]
//! ```
//!
//! A token has at least 32 random bytes, so a plain hash can't be turned back and needs no salt.
//! Every line is compared, in constant time, whichever fits.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};

use super::caller::{Caller, Scope};
use super::status::refused;

/// Longest token that is looked at, in bytes.
const TOKEN_MAX: usize = 512;

/// Tokens of a file, read again when asked.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    entries: RwLock<Arc<Vec<Entry>>>,
}

struct Entry {
    hash: [u8; 32],
    caller: Arc<Caller>,
    expires: Option<SystemTime>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Those of a file.
    ///
    /// # Errors
    /// A text that names the file and the line, and says what was expected.
    pub fn open(path: &Path) -> Result<Self, String> {
        let entries = read(path)?;
        Ok(Self { path: path.to_owned(), entries: RwLock::new(Arc::new(entries)) })
    }

    /// Reads the file again; the old tokens stay where it can't be used.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reload(&self) -> Result<(), String> {
        let entries = read(&self.path)?;
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
        Ok(())
    }

    /// Who the headers of a request say is calling.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Status> {
        let unknown = |reason: &str, message: &str| refused(Code::Unauthenticated, reason, message);
        let mut given = headers.get_all("authorization").iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            let message = "expected one header `authorization: Bearer TOKEN`";
            return Err(unknown("NO_TOKEN", message));
        };
        let value = value.as_bytes();
        let token = match value.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
            _ => return Err(unknown("NO_TOKEN", "expected `authorization: Bearer TOKEN`")),
        };
        if token.len() > TOKEN_MAX {
            return Err(unknown("BAD_TOKEN", "the token is not known"));
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let entries = Arc::clone(&self.entries.read().unwrap_or_else(PoisonError::into_inner));
        // One past the end, unless an entry fits.
        let mut found = entries.len() as u64;
        for (place, entry) in entries.iter().enumerate() {
            let fits = entry.hash.ct_eq(&hash);
            found = u64::conditional_select(&found, &(place as u64), fits);
        }
        let Some(entry) = entries.get(found as usize) else {
            return Err(unknown("BAD_TOKEN", "the token is not known"));
        };
        if entry.expires.is_some_and(|time| SystemTime::now() >= time) {
            return Err(unknown("EXPIRED_TOKEN", "the token has expired"));
        }
        Ok(Arc::clone(&entry.caller))
    }
}

fn read(path: &Path) -> Result<Vec<Entry>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot read the tokens: {error}", path.display()))?;
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        if line.trim().is_empty() {
            continue;
        }
        // Nothing of the line is repeated: somebody may have put a token into it.
        let entry = entry(line).map_err(|expected| {
            format!("{}, line {}: expected {expected}", path.display(), number + 1)
        })?;
        entries.push(entry);
    }
    if entries.is_empty() {
        return Err(format!("{}: expected tokens, found none", path.display()));
    }
    Ok(entries)
}

fn entry(line: &str) -> Result<Entry, &'static str> {
    const SHAPE: &str = "NAME SHA256 SCOPE [collections=A,B] [expires=TIME]";
    let mut words = line.split_whitespace();
    let (Some(name), Some(hash), Some(scope)) = (words.next(), words.next(), words.next()) else {
        return Err(SHAPE);
    };
    let mut caller = Caller {
        name: name.to_owned(),
        scope: match scope {
            "read" => Scope::Read,
            "write" => Scope::Write,
            "admin" => Scope::Admin,
            _ => return Err("a scope: read, write or admin"),
        },
        collections: None,
    };
    let mut expires = None;
    for word in words {
        match word.split_once('=') {
            Some(("collections", list)) if !list.is_empty() => {
                caller.collections = Some(list.split(',').map(str::to_owned).collect());
            }
            Some(("expires", time)) => {
                let time = chrono::DateTime::parse_from_rfc3339(time);
                let time = time.map_err(|_| "a time like 2027-01-01T00:00:00Z after expires=")?;
                let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
                expires = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            }
            _ => return Err(SHAPE),
        }
    }
    let hash = unhex(hash).ok_or("a SHA-256 hash: 64 hexadecimal digits")?;
    Ok(Entry { hash, caller: Arc::new(caller), expires })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        let digit = |c: u8| (c as char).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(hash)
}

/// The hash of a token as the file has it.
pub fn hash(token: &str) -> String {
    use std::fmt::Write;
    let hash: [u8; 32] = Sha256::digest(token).into();
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value.parse().expect("a header"));
        headers
    }

    fn tokens(text: &str) -> Result<Tokens, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Tokens::open(file.path())
    }

    #[test]
    fn tokens_are_known_by_their_hashes() {
        let text = format!(
            "# who\nfeed {} read collections=posts,live # the feed\nops {} admin\nold {} admin \
             expires=2020-01-01T00:00:00Z\n",
            hash("the-feed"),
            hash("the-ops").to_uppercase(),
            hash("the-old")
        );
        let tokens = tokens(&text).expect("tokens");
        let feed = tokens.caller(&headers("Bearer the-feed")).expect("known");
        assert_eq!((feed.name.as_str(), feed.scope), ("feed", Scope::Read));
        assert!(feed.may(Scope::Read, "posts") && !feed.may(Scope::Read, "users"));
        assert!(!feed.may(Scope::Write, "posts"));
        let ops = tokens.caller(&headers("bearer the-ops")).expect("known");
        assert!(ops.may(Scope::Admin, "anything"));
        for value in ["Bearer the-old", "Bearer x", "Bearer ", "Basic the-feed", "the-feed", "é"] {
            let status = tokens.caller(&headers(value)).expect_err(value);
            assert_eq!(status.code(), Code::Unauthenticated, "{value}");
            assert!(!status.message().contains("the-feed"));
        }
        tokens.caller(&HeaderMap::new()).expect_err("no header");
        assert!(!format!("{tokens:?}").contains(&hash("the-feed")));
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named_but_not_repeated() {
        let hash = hash("x");
        let short = "feed secret-token-in-the-wrong-place read";
        for text in ["", "feed", short, &format!("feed {hash} all"), &format!("a {hash} read x=1")]
        {
            let error = tokens(text).expect_err(text);
            assert!(!error.contains("secret"), "{error}");
        }
        let error = tokens(&format!("a {hash} read\nb {hash} read expires=soon")).expect_err("no");
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_bad_file_leaves_the_old_tokens() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!("a {} read", hash("one"))).expect("written");
        let tokens = Tokens::open(file.path()).expect("tokens");
        std::fs::write(file.path(), "nonsense").expect("written");
        tokens.reload().expect_err("nonsense");
        tokens.caller(&headers("Bearer one")).expect("still known");
        std::fs::write(file.path(), format!("a {} read", hash("two"))).expect("written");
        tokens.reload().expect("tokens");
        tokens.caller(&headers("Bearer one")).expect_err("not any more");
        tokens.caller(&headers("Bearer two")).expect("known");
    }
}

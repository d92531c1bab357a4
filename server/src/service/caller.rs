//! Who calls, what they may do, and until when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearfield::Progress;
use tonic::{Code, Request, Status};

use super::budget::Held;
use super::status::{refused, too_late};

/// What a caller may do. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Search, fetch, look.
    Read,
    /// Change points and exclusion sets.
    Write,
    /// Make, name, copy, optimise and remove collections.
    Admin,
}

impl Scope {
    /// The word in a file of tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name of the token, for the log; never the token.
    pub name: String,
    /// What they may do.
    pub scope: Scope,
    /// With which collections and aliases; `None` is all.
    pub collections: Option<Vec<String>>,
}

impl Caller {
    /// Anyone, where the server asks for no token.
    pub fn anyone() -> Self {
        Self { name: "anyone".to_owned(), scope: Scope::Admin, collections: None }
    }

    /// Whether they may do this with a collection.
    pub fn may(&self, scope: Scope, collection: &str) -> bool {
        let named = |list: &Vec<String>| list.iter().any(|name| name == collection);
        self.scope >= scope && self.collections.as_ref().is_none_or(named)
    }

    /// The answer to what they may not.
    pub fn denied(&self, scope: Scope, collection: &str) -> Status {
        let message = format!(
            "the token {:?} does not have the scope {} for the collection {collection:?}",
            self.name,
            scope.name()
        );
        refused(Code::PermissionDenied, "SCOPE", message)
    }
}

/// One call: put into the request by [`Front`](super::front), which alone lets requests in.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// When the answer is of no use any more.
    pub deadline: Option<Instant>,
    /// Cancelled when the caller is gone.
    pub stop: Progress,
    /// The memory of its request.
    pub held: Arc<Held>,
}

impl Call {
    /// That of a request. One that did not come through the front is nobody's.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| refused(Code::Unauthenticated, "NO_CALLER", "the request has no caller"))
    }

    /// What is left of its time; `None` where there is no end.
    ///
    /// # Errors
    /// `DEADLINE_EXCEEDED` where nothing is.
    pub fn time_left(&self) -> Result<Option<Duration>, Status> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_late()) } else { Ok(Some(left)) }
    }
}

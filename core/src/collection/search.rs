//! Search over a view.

use super::Collection;
use crate::config::SearchRequest;
use crate::error::{Error, Result};
use crate::results::SearchResults;
use crate::types::Vectors;

impl Collection {
    /// The nearest points to each query.
    pub fn search(&self, queries: &Vectors<'_>, request: &SearchRequest) -> Result<SearchResults> {
        let view = self.view("search")?;
        let _ = (queries, request, view);
        Err(Error::Closed { operation: "search" })
    }
}

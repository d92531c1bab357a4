//! That the server stops, told to whoever works for long.

use std::sync::Arc;

use tokio::sync::watch;

/// Set once, for good.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }
}

impl Stop {
    /// The server stops.
    pub fn set(&self) {
        self.0.send_replace(true);
    }

    /// Whether it does.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when it does.
    pub async fn wait(&self) {
        let mut changed = self.0.subscribe();
        // The sender lives as long as this does.
        let _ = changed.wait_for(|set| *set).await;
    }
}

//! A damaged file must not take the process down with a decoder's panic.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a decoder; its error or its panic comes back as text.
///
/// The caller must not use what the decoder was changing after a failure; every reader here ends
/// with its first error.
pub(crate) fn decode<T, E: Display>(run: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(panic) => Err(describe(panic.as_ref())),
    }
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("the decoder failed").to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn panics_and_errors_become_text() {
        let ok: Result<u8, String> = super::decode(|| Ok::<_, String>(1));
        assert_eq!(ok, Ok(1));
        assert_eq!(super::decode(|| Err::<u8, _>("no")), Err("no".into()));
        let text = super::decode(|| -> Result<u8, String> { panic!("at {}", 3) });
        assert_eq!(text, Err("at 3".into()));
    }
}

//! Bugs on purpose, so that the tests can be tested. A test process plays the one that the
//! environment variable [`VARIABLE`] names; `crash_tests::canaries` starts such processes. Outside
//! of tests there are none: the question is a constant.

/// Names the bug.
#[cfg(test)]
pub(crate) const VARIABLE: &str = "NEARFIELD_TEST_CANARY";

/// Whether this process plays this bug.
#[cfg(test)]
pub(crate) fn sings(name: &str) -> bool {
    static PLAYED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    PLAYED.get_or_init(|| std::env::var(VARIABLE).ok()).as_deref() == Some(name)
}

/// Never.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn sings(_name: &str) -> bool {
    false
}

//! How much memory this process may still take: what the machine has left, what the control
//! group allows, what `NEARFIELD_MEMORY_LIMIT` says.

use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::variable;
use crate::error::{Error, Result};

/// Bounds the memory of a build.
pub(crate) const LIMIT: &str = "NEARFIELD_MEMORY_LIMIT";
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// What may still be taken; `None` where nothing says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// What was allowed.
    limit: Option<u64>,
    /// What is free.
    free: Option<u64>,
}

impl Room {
    /// As it is now.
    pub(crate) fn now() -> Result<Self> {
        let free = [machine(), control_group()].into_iter().flatten().min();
        Ok(Self { limit: limit()?, free })
    }

    pub(crate) fn available(&self) -> Option<u64> {
        [self.limit, self.free].into_iter().flatten().min()
    }

    /// What there is, if it is clearly less than a need of which `spare` bytes give way.
    pub(crate) fn lacks(&self, needed: u64, spare: u64) -> Option<u64> {
        let needed = needed.saturating_sub(spare);
        // An estimate is an upper bound: what is free may turn out to be enough.
        let likely = needed - needed / 8;
        let free = self.free.filter(|free| *free < likely);
        [self.limit.filter(|limit| *limit < needed), free].into_iter().flatten().min()
    }
}

/// Refuses variables that can't be used.
pub(crate) fn check() -> Result<()> {
    limit().map(drop)
}

/// A number of bytes as a person reads it.
pub(crate) fn readable(bytes: u64) -> String {
    let unit = UNITS.into_iter().rfind(|(_, shift)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(name, shift)| format!("{:.1} {name}", bytes as f64 / (1_u64 << shift) as f64),
    )
}

fn limit() -> Result<Option<u64>> {
    let Some(text) = variable(LIMIT)? else { return Ok(None) };
    parse(&text).map(Some).ok_or_else(|| {
        let expected = "bytes, or a number with KiB, MiB, GiB or TiB";
        Error::invalid(LIMIT, expected, format!("{text:?}"), "for example 8GiB")
    })
}

fn parse(text: &str) -> Option<u64> {
    let unit = UNITS.into_iter().find_map(|(name, shift)| Some((text.strip_suffix(name)?, shift)));
    let (number, shift) = unit.unwrap_or((text, 0));
    let number: u64 = number.trim().parse().ok()?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

fn machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The tightest of this process's group and those above it (version 2).
fn control_group() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let root = Path::new("/sys/fs/cgroup");
    let group = root.join(path.trim().trim_start_matches('/'));
    group.ancestors().take_while(|path| path.starts_with(root)).filter_map(left_in).min()
}

/// What a group has left; cached files give way.
fn left_in(group: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(PathBuf::from(group).join(name)).ok();
    let max: u64 = read("memory.max")?.trim().parse().ok()?;
    let current: u64 = read("memory.current")?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let cached: u64 = ["inactive_file ", "active_file "]
        .iter()
        .filter_map(|name| stat.lines().find_map(|line| line.strip_prefix(name)))
        .filter_map(|bytes| bytes.trim().parse::<u64>().ok())
        .sum();
    Some(max.saturating_sub(current.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_bytes_with_or_without_a_unit() {
        let known = [("1", 1), ("4096", 4096), ("3KiB", 3 << 10), ("8 GiB", 8 << 30)];
        for (text, bytes) in known {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "0", "-1", "8GB", "1.5GiB", "GiB", "99999999TiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable(1000), "1000 bytes");
        assert_eq!(readable(1536), "1.5 KiB");
        assert_eq!(readable(9 << 30), "9.0 GiB");
    }

    #[test]
    fn a_limit_is_exact_and_what_is_free_is_not() {
        let room = |limit, free| Room { limit, free };
        assert_eq!(room(None, None).lacks(u64::MAX, 0), None);
        assert_eq!(room(Some(100), None).lacks(101, 0), Some(100));
        assert_eq!(room(Some(100), None).lacks(120, 20), None);
        assert_eq!(room(None, Some(100)).lacks(110, 0), None);
        assert_eq!(room(Some(150), Some(100)).lacks(200, 0), Some(100));
    }

    #[test]
    fn a_machine_with_memory_says_so() {
        if cfg!(target_os = "linux") {
            assert!(Room::now().unwrap().available().unwrap() > 1 << 20);
        }
    }
}

//! A walk over a Parquet footer (Thrift, compact protocol), of which only the shape is looked at.
//!
//! It proves that no list, map or string claims more elements than there are bytes left, that no
//! node of the schema claims more children than follow, and that nothing is nested deeper than
//! [`DEPTH_MAX`]: a decoder that takes memory or stack by these counts stays within bounds.

/// Real footers nest six levels, real schemas of vectors three.
const DEPTH_MAX: u8 = 32;

const STOP: u8 = 0;
const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
/// Number of the field that holds the schema, in the footer.
const SCHEMA: u64 = 2;
/// Number of the field that counts the children, in a node of the schema.
const CHILDREN: u64 = 5;

/// Checks a whole footer; an error is the offset where the walk stopped.
pub(crate) fn check_footer(bytes: &[u8]) -> Result<(), usize> {
    let mut walk = Walk { bytes, at: 0 };
    let walked = walk.fields(DEPTH_MAX, &mut |walk, id, kind, depth| match (id, kind) {
        (SCHEMA, LIST) => walk.schema(depth),
        _ => walk.value(kind, depth),
    });
    walked.ok_or(walk.at)
}

/// What is done with a field: its number, its type, the depth left.
type Visit<'a, 'b> = &'b mut dyn FnMut(&mut Walk<'a>, u64, u8, u8) -> Option<()>;

/// The walk; `None` is a failure.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn left(&self) -> u64 {
        self.bytes.len().saturating_sub(self.at) as u64
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A zigzag integer that is not negative.
    fn natural(&mut self) -> Option<u64> {
        self.varint().filter(|value| value & 1 == 0).map(|value| value >> 1)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        if count > self.left() {
            return None;
        }
        self.at += usize::try_from(count).ok()?;
        Some(())
    }

    /// The fields of a struct, up to its stop byte.
    fn fields(&mut self, depth: u8, visit: Visit<'a, '_>) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let mut id = 0u64;
        loop {
            let header = self.byte()?;
            let kind = header & 0x0f;
            if kind == STOP {
                return Some(());
            }
            id = match header >> 4 {
                0 => self.natural()?,
                delta => id.checked_add(u64::from(delta))?,
            };
            // In a field, the type of a boolean is its value.
            if kind > 2 {
                visit(self, id, kind, depth)?;
            }
        }
    }

    fn value(&mut self, kind: u8, depth: u8) -> Option<()> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            LIST | 10 => {
                let (count, kind) = self.list_header()?;
                let depth = depth.checked_sub(1)?;
                (0..count).try_for_each(|_| self.value(kind, depth))
            }
            11 => self.map(depth),
            STRUCT => self.fields(depth, &mut |walk, _, kind, depth| walk.value(kind, depth)),
            13 => self.skip(16),
            _ => None,
        }
    }

    /// Count and type of the elements; every element takes at least a byte.
    fn list_header(&mut self) -> Option<(u64, u8)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        (count <= self.left()).then_some((count, header & 0x0f))
    }

    fn map(&mut self, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let count = self.varint()?;
        if count == 0 {
            return Some(());
        }
        if count > self.left() {
            return None;
        }
        let kinds = self.byte()?;
        (0..count).try_for_each(|_| {
            self.value(kinds >> 4, depth)?;
            self.value(kinds & 0x0f, depth)
        })
    }

    /// The nodes of the schema, parents before children.
    fn schema(&mut self, depth: u8) -> Option<()> {
        let (count, kind) = self.list_header()?;
        if kind != STRUCT {
            return None;
        }
        // Children still to come, of each node that is open.
        let mut open: Vec<u64> = Vec::new();
        for node in 0..count {
            let mut children = 0;
            self.fields(depth, &mut |walk, id, kind, depth| {
                if (id, kind) == (CHILDREN, I32) {
                    children = walk.natural()?;
                    return Some(());
                }
                walk.value(kind, depth)
            })?;
            if let Some(parent) = open.last_mut() {
                *parent -= 1;
            }
            if children > count - node - 1 || open.len() >= usize::from(DEPTH_MAX) {
                return None;
            }
            open.push(children);
            while open.last() == Some(&0) {
                open.pop();
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::check_footer;

    #[test]
    fn sound_structs_are_walked() {
        // i32; a schema of a root with one child; list of 2 i64, true, list of one struct, stop.
        let sound = [
            0x15, 2, 0x19, 0x2c, 0x55, 2, 0, 0x48, 1, b'a', 0, 0x19, 0x26, 2, 4, 0x11, 0x19, 0x1c,
            0, 0,
        ];
        assert_eq!(check_footer(&sound), Ok(()));
        for cut in 0..sound.len() {
            assert!(check_footer(&sound[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn counts_beyond_the_end_are_refused() {
        // A list of 2^31 - 1 structs, then a binary of 2^63 bytes.
        assert!(check_footer(&[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0]).is_err());
        let long = [0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0];
        assert!(check_footer(&long).is_err());
        // A root of 63 children with none to follow.
        assert!(check_footer(&[0x29, 0x1c, 0x55, 126, 0, 0]).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| {
            let mut bytes = vec![0x1c; levels];
            bytes.resize(2 * levels + 1, 0);
            check_footer(&bytes)
        };
        assert_eq!(nested(20), Ok(()));
        assert!(nested(1000).is_err());
        // Nodes of a schema, each the only child of the one before.
        let chain = |nodes: u8| {
            let mut bytes = vec![0x29, 0xfc, nodes];
            for node in 1..=nodes {
                bytes.extend([0x55, if node == nodes { 0 } else { 2 }, 0]);
            }
            bytes.push(0);
            check_footer(&bytes)
        };
        assert_eq!(chain(20), Ok(()));
        assert!(chain(100).is_err());
    }
}

//! A plan over a segment: the slots for which it is true, dead ones among them.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::number::{Keys, Order, covers};
use super::plan::{Bound, ColumnRef, Leaf, Node, Test};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::segment::{Column, IdRef, Ranked, SegmentHandle, float_key};
use crate::types::AttributeType;

/// Segments of fewer rows are read row by row: putting them in order would not pay.
const FEW_ROWS: u32 = 512;

impl Bound<'_> {
    /// The slots of a segment for which the filter is true.
    pub(crate) fn evaluate(&self, handle: &SegmentHandle) -> Result<Bitmap> {
        Evaluation { handle, now_us: self.now_us }.node(&self.plan.root)
    }
}

struct Evaluation<'a> {
    handle: &'a SegmentHandle,
    now_us: i64,
}

impl Evaluation<'_> {
    fn rows(&self) -> u32 {
        self.handle.segment.rows()
    }

    fn node(&self, node: &Node) -> Result<Bitmap> {
        match node {
            Node::Leaf(leaf) => self.leaf(leaf),
            Node::All(parts) => {
                let Some((first, rest)) = parts.split_first() else {
                    return Ok(Bitmap::all(self.rows()));
                };
                let mut out = self.node(first)?;
                for part in rest {
                    if out.is_empty() {
                        break;
                    }
                    out.intersect(&self.node(part)?);
                }
                Ok(out)
            }
            Node::Any(parts) => {
                let Some((first, rest)) = parts.split_first() else {
                    return Ok(Bitmap::none(self.rows()));
                };
                let mut out = self.node(first)?;
                for part in rest {
                    out.unite(&self.node(part)?);
                }
                Ok(out)
            }
        }
    }

    fn leaf(&self, leaf: &Leaf) -> Result<Bitmap> {
        let ColumnRef::Attribute { position, kind } = leaf.column else { return self.ids(leaf) };
        let column = self.handle.attribute(position, kind)?;
        let keys = leaf.test.keys(self.now_us);
        let passes = |slot| passes(leaf, &keys, &column, slot);
        if self.rows() < FEW_ROWS {
            let mut out = Bitmap::none(self.rows());
            (0..self.rows()).filter(|slot| passes(*slot)).for_each(|slot| out.insert(slot));
            return Ok(out);
        }
        let mut out = match self.handle.segment.ranked(position)? {
            Some(ranked) => whole(leaf, &keys, &ranked),
            // Added later: all null.
            None if leaf.test == Test::Null && !leaf.negated => Bitmap::all(self.rows()),
            None => Bitmap::none(self.rows()),
        };
        for slot in column.replaced_slots() {
            out.set(slot, passes(slot));
        }
        Ok(out)
    }

    fn ids(&self, leaf: &Leaf) -> Result<Bitmap> {
        let mut out = Bitmap::none(self.rows());
        if let Test::Ids(ids) = &leaf.test {
            let finder = self.handle.segment.finder()?;
            let slots = (0..ids.len()).filter_map(|row| finder.find(IdRef::at(ids, row)?));
            slots.for_each(|slot| out.insert(slot));
        }
        if leaf.negated {
            out.invert();
        }
        Ok(out)
    }
}

/// The slots of a segment's own values that pass.
fn whole(leaf: &Leaf, keys: &[Keys], ranked: &Ranked<'_>) -> Bitmap {
    let mut out = match &leaf.test {
        Test::Null => {
            let mut out = ranked.known();
            if !leaf.negated {
                out.invert();
            }
            return out;
        }
        Test::True => ranked.trues(),
        Test::Keys(_) | Test::Now(..) => ranked.keys(keys),
        Test::Words(words) => ranked.words(words),
        Test::Side(order, word) => {
            let next = format!("{word}\0");
            match order {
                Order::Less => ranked.between(None, Some(word), None),
                Order::AtMost => ranked.between(None, Some(&next), None),
                Order::Equal => ranked.between(Some(word), Some(&next), None),
                Order::AtLeast => ranked.between(Some(word), None, None),
                Order::More => ranked.between(Some(&next), None, None),
            }
        }
        Test::Like(pattern) => {
            let prefix = pattern.prefix();
            // Keywords with a prefix are neighbours; behind the last there is no simple end.
            let matches = |word: &str| pattern.matches(word);
            let end = after(&prefix);
            ranked.between(Some(&prefix), end.as_deref(), Some(&matches))
        }
        Test::Ids(_) => Bitmap::none(0),
    };
    if leaf.negated {
        let mut known = ranked.known();
        known.remove(out.words());
        out = known;
    }
    out
}

/// A text above all that begin with this one, if there is a simple one.
fn after(prefix: &str) -> Option<String> {
    let mut chars = prefix.chars();
    let next = char::from_u32(u32::from(chars.next_back()?) + 1)?;
    Some(format!("{}{next}", chars.as_str()))
}

/// Whether the value of a slot passes.
fn passes(leaf: &Leaf, keys: &[Keys], column: &Column<'_>, slot: u32) -> bool {
    let passed = match (&leaf.test, column.kind()) {
        (Test::Null, kind) => Some(is_null(column, kind, slot)),
        (Test::True, _) => column.bool(slot),
        (Test::Keys(_) | Test::Now(..), AttributeType::F64) => {
            column.f64(slot).map(|value| covers(keys, float_key(value)))
        }
        (Test::Keys(_) | Test::Now(..), _) => column.i64(slot).map(|value| covers(keys, value)),
        (Test::Words(words), AttributeType::KeywordList) => {
            column.keywords(slot).map(|items| items.iter().any(|item| is_one_of(item, words)))
        }
        (Test::Words(words), _) => column.keyword(slot).map(|item| is_one_of(item, words)),
        (Test::Side(order, word), _) => column.keyword(slot).map(|item| match order {
            Order::Less => item < word.as_str(),
            Order::AtMost => item <= word.as_str(),
            Order::Equal => item == word,
            Order::AtLeast => item >= word.as_str(),
            Order::More => item > word.as_str(),
        }),
        (Test::Like(pattern), _) => column.keyword(slot).map(|item| pattern.matches(item)),
        (Test::Ids(_), _) => None,
    };
    passed.is_some_and(|passed| passed != leaf.negated)
}

fn is_one_of(item: &str, words: &[String]) -> bool {
    words.binary_search_by(|word| word.as_str().cmp(item)).is_ok()
}

fn is_null(column: &Column<'_>, kind: AttributeType, slot: u32) -> bool {
    match kind {
        AttributeType::Keyword => column.keyword(slot).is_none(),
        AttributeType::KeywordList => column.keywords(slot).is_none(),
        AttributeType::I64 | AttributeType::Timestamp => column.i64(slot).is_none(),
        AttributeType::F64 => column.f64(slot).is_none(),
        AttributeType::Bool => column.bool(slot).is_none(),
        // No filter gets as far as here.
        AttributeType::Text => true,
    }
}

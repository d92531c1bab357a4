//! What is compared with what: types are checked here, and values become what a column keeps.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use sqlparser::ast::{Expr, Ident};

use super::fault::{Checked, Fault};
use super::like::Pattern;
use super::names::nearest;
use super::number::{Mark, Order, merged};
use super::operand::{Given, Operand, moment, operand};
use super::plan::{ColumnRef, Leaf, Node, Test};
use crate::types::{AttributeType, IdType, Ids, Schema};

/// Column names that a message lists.
const NAMES_SHOWN: usize = 12;

/// Checks comparisons against a schema.
pub(super) struct Comparer<'a> {
    pub(super) schema: &'a Schema,
    pub(super) id_type: IdType,
    /// Whether `now()` occurred.
    pub(super) uses_now: bool,
}

impl Comparer<'_> {
    /// A column by itself: a `bool` that is true.
    pub(super) fn bare(&self, name: &Ident, negated: bool) -> Checked<Node> {
        let column = self.find(name)?;
        if is_kind(column, AttributeType::Bool) {
            return Ok(leaf(column, Test::True, negated));
        }
        let found = format!("{:?} alone, {}", name.value, self.kind_of(column));
        let expected = "a comparison; a column by itself must be a bool";
        Err(Fault::expected(name.span, expected, found))
    }

    pub(super) fn null(&self, name: &Ident, negated: bool) -> Checked<Node> {
        match self.find(name)? {
            // No point is without an id.
            ColumnRef::Id => Ok(if negated { Node::always() } else { Node::never() }),
            column @ ColumnRef::Attribute { .. } => Ok(leaf(column, Test::Null, negated)),
        }
    }

    /// A column on one side of a value.
    pub(super) fn ordered(
        &mut self,
        name: &Ident,
        order: Order,
        value: &Expr,
        negated: bool,
    ) -> Checked<Node> {
        let column = self.find(name)?;
        let given = operand(value, self.schema)?;
        if is_list(column) {
            return Err(Fault::new(
                name.span,
                format!(
                    "expected HAS or HAS ANY, as {:?} is a keyword[] column; for example {} HAS 'x'",
                    name.value, name.value
                ),
            ));
        }
        if matches!(given.operand, Operand::Null) {
            return Ok(Node::never());
        }
        let wrong = || Err(self.mismatch(name, column, &given));
        let test = match (column, &given.operand) {
            (ColumnRef::Id, _) if order != Order::Equal => {
                let message = "expected =, != or IN after id; ids have no other comparison";
                return Err(Fault::new(name.span, message));
            }
            (ColumnRef::Id, operand) => match id(self.id_type, operand) {
                Some(ids) => Test::Ids(ids),
                None => return wrong(),
            },
            (ColumnRef::Attribute { kind, .. }, operand) => match (kind, operand) {
                (AttributeType::Keyword, Operand::Text(text)) if order == Order::Equal => {
                    Test::Words(vec![text.clone()])
                }
                (AttributeType::Keyword, Operand::Text(text)) => Test::Side(order, text.clone()),
                (AttributeType::Bool, Operand::Bool(truth)) if order == Order::Equal => {
                    return Ok(leaf(column, Test::True, negated == *truth));
                }
                (AttributeType::Bool, Operand::Bool(_)) => {
                    let message = "expected = or !=; true and false have no order";
                    return Err(Fault::new(name.span.union(&given.span), message));
                }
                (AttributeType::Timestamp, Operand::Now(offset)) => {
                    self.uses_now = true;
                    Test::Now(order, *offset)
                }
                _ => match mark(*kind_ref(&column), &given)? {
                    Some(mark) => Test::Keys(mark.keys(order).into_iter().collect()),
                    None => return wrong(),
                },
            },
        };
        Ok(leaf(column, test, negated))
    }

    /// IN: one of several values. A NULL among them is equal to nothing, and keeps NOT IN from
    /// ever being true.
    pub(super) fn one_of(&mut self, name: &Ident, values: &[Expr], negated: bool) -> Checked<Node> {
        let column = self.find(name)?;
        let (mut words, mut keys, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        let mut has_null = false;
        for value in values {
            match self.ordered(name, Order::Equal, value, negated)? {
                Node::Leaf(Leaf { test: Test::Words(mut more), .. }) => words.append(&mut more),
                Node::Leaf(Leaf { test: Test::Keys(mut more), .. }) => keys.append(&mut more),
                Node::Leaf(Leaf { test: Test::Ids(Ids::U64(mut more)), .. }) => {
                    numbers.append(&mut more);
                }
                Node::Leaf(Leaf { test: Test::Ids(Ids::Str(mut more)), .. }) => {
                    texts.append(&mut more);
                }
                other @ Node::Leaf(_) => others.push(other),
                _ => has_null = true,
            }
        }
        if has_null && negated {
            return Ok(Node::never());
        }
        let test = match column {
            ColumnRef::Id if self.id_type == IdType::U64 => {
                Some(Test::Ids(Ids::U64(distinct(numbers))))
            }
            ColumnRef::Id => Some(Test::Ids(Ids::Str(distinct(texts)))),
            ColumnRef::Attribute { kind: AttributeType::Keyword, .. } => {
                Some(Test::Words(distinct(words)))
            }
            ColumnRef::Attribute { kind: AttributeType::Bool, .. } => None,
            ColumnRef::Attribute { .. } => Some(Test::Keys(merged(keys))),
        };
        others.extend(test.map(|test| leaf(column, test, negated)));
        Ok(match others.pop() {
            Some(only) if others.is_empty() => only,
            last => {
                others.extend(last);
                if negated { Node::All(others) } else { Node::Any(others) }
            }
        })
    }

    pub(super) fn like(&mut self, name: &Ident, value: &Expr, negated: bool) -> Checked<Node> {
        let column = self.find(name)?;
        let given = operand(value, self.schema)?;
        if !is_kind(column, AttributeType::Keyword) {
            let found = format!("{:?}, {}", name.value, self.kind_of(column));
            return Err(Fault::expected(name.span, "a keyword column before LIKE", found));
        }
        match &given.operand {
            Operand::Null => Ok(Node::never()),
            Operand::Text(text) => Ok(leaf(column, Test::Like(Pattern::new(text)), negated)),
            _ => {
                let expected = "a text after LIKE, such as 'ask%'";
                Err(Fault::expected(given.span, expected, given.describe()))
            }
        }
    }

    /// HAS, and HAS ANY, which comes as a tuple.
    pub(super) fn has(&mut self, name: &Ident, value: &Expr, negated: bool) -> Checked<Node> {
        let column = self.find(name)?;
        if !is_list(column) {
            let found = format!("{:?}, {}; use = or IN", name.value, self.kind_of(column));
            return Err(Fault::expected(name.span, "a keyword[] column before HAS", found));
        }
        let values = match value {
            Expr::Tuple(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let (mut words, mut has_null) = (Vec::new(), false);
        for value in values {
            let given = operand(value, self.schema)?;
            match given.operand {
                Operand::Null => has_null = true,
                Operand::Text(text) => words.push(text),
                _ => {
                    let expected = "a text in single quotes";
                    return Err(Fault::expected(given.span, expected, given.describe()));
                }
            }
        }
        if has_null && (negated || words.is_empty()) {
            return Ok(Node::never());
        }
        Ok(leaf(column, Test::Words(distinct(words)), negated))
    }

    /// The column of a name.
    fn find(&self, name: &Ident) -> Checked<ColumnRef> {
        if name.value == "id" {
            return Ok(ColumnRef::Id);
        }
        let columns = self.schema.columns();
        let Some(position) = self.schema.position(&name.value) else {
            return Err(Fault::new(name.span, self.unknown(name)));
        };
        match columns.get(position) {
            Some((_, AttributeType::Text)) => Err(Fault::new(
                name.span,
                format!(
                    "expected a column to filter by, found {:?}, a text column, which is stored and \
                 returned only; keep what filters need in a keyword column",
                    name.value
                ),
            )),
            Some((_, kind)) => Ok(ColumnRef::Attribute { position, kind: *kind }),
            None => Err(Fault::new(name.span, self.unknown(name))),
        }
    }

    fn unknown(&self, name: &Ident) -> String {
        let names = || self.schema.columns().iter().map(|(n, _)| n.as_str()).chain(["id"]);
        let found = format!("unknown column {:?}", name.value);
        if let Some(near) = nearest(&name.value, names()) {
            return format!("{found}; did you mean {near:?}?");
        }
        let mut listed: Vec<&str> = names().take(NAMES_SHOWN).collect();
        if names().count() > listed.len() {
            listed.push("...");
        }
        let quotes = if name.quote_style.is_some() { "; a text goes in single quotes" } else { "" };
        format!("{found}; the columns are {}{quotes}", listed.join(", "))
    }

    fn kind_of(&self, column: ColumnRef) -> String {
        match column {
            ColumnRef::Id => format!("the id, of type {}", self.id_type),
            ColumnRef::Attribute { kind, .. } => kind.column(),
        }
    }

    fn mismatch(&self, name: &Ident, column: ColumnRef, given: &Given) -> Fault {
        let wanted = match column {
            ColumnRef::Id if self.id_type == IdType::U64 => "an integer",
            ColumnRef::Id => "a text in single quotes",
            ColumnRef::Attribute { kind, .. } => match kind {
                AttributeType::I64 | AttributeType::F64 => "a number",
                AttributeType::Bool => "TRUE or FALSE",
                AttributeType::Timestamp => "a time such as TIMESTAMP '2013-01-31 14:15:00'",
                _ => "a text in single quotes",
            },
        };
        let expected = format!("{wanted}, as {:?} is {}", name.value, self.kind_of(column));
        Fault::expected(given.span, &expected, given.describe())
    }
}

fn kind_ref(column: &ColumnRef) -> &AttributeType {
    match column {
        ColumnRef::Attribute { kind, .. } => kind,
        ColumnRef::Id => &AttributeType::Text,
    }
}

fn leaf(column: ColumnRef, test: Test, negated: bool) -> Node {
    Node::Leaf(Leaf { column, test, negated })
}

fn distinct<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// The id that equals a value, if any can; `None` for a value of another type.
fn id(id_type: IdType, operand: &Operand) -> Option<Ids> {
    match (id_type, operand) {
        (IdType::U64, Operand::Number(number)) => {
            let Mark { floor, exact } = number.among_integers()?;
            let id = u64::try_from(floor).ok().filter(|_| exact);
            Some(Ids::U64(id.into_iter().collect()))
        }
        (IdType::Str, Operand::Text(text)) => Some(Ids::Str(vec![text.clone()])),
        _ => None,
    }
}

fn is_kind(column: ColumnRef, wanted: AttributeType) -> bool {
    matches!(column, ColumnRef::Attribute { kind, .. } if kind == wanted)
}

fn is_list(column: ColumnRef) -> bool {
    is_kind(column, AttributeType::KeywordList)
}

/// Where a value lies among the keys of a numeric column; `None` for a value of another type.
fn mark(kind: AttributeType, given: &Given) -> Checked<Option<Mark>> {
    Ok(match (kind, &given.operand) {
        (AttributeType::I64, Operand::Number(number)) => number.among_integers(),
        (AttributeType::F64, Operand::Number(number)) => number.among_floats(),
        (AttributeType::Timestamp, Operand::Time(mark)) => Some(*mark),
        (AttributeType::Timestamp, Operand::Text(text)) => Some(moment(text, given.span)?),
        _ => None,
    })
}

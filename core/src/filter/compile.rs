//! From the parsed expression to a plan: AND, OR and NOT. What is compared with what is in
//! [`super::compare`].

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use sqlparser::ast::{BinaryOperator, Expr, Ident, InTarget, Spanned, UnaryOperator, Value};

use super::compare::Comparer;
use super::dialect::{bare, what};
use super::fault::{Checked, Fault};
use super::number::Order;
use super::parse::parse;
use super::plan::{Node, Plan};
use crate::error::Result;
use crate::types::{IdType, Schema};

/// Checks a filter against a schema.
///
/// # Errors
/// [`crate::Error::Filter`], which shows where.
pub(crate) fn compile(text: &str, schema: &Schema, id_type: IdType) -> Result<Plan> {
    let mut compiler = Compiler { compare: Comparer { schema, id_type, uses_now: false } };
    let root = parse(text).and_then(|expr| compiler.condition(&expr, false));
    let root = root.map_err(|fault| fault.of(text))?;
    Ok(Plan { root, uses_now: compiler.compare.uses_now })
}

struct Compiler<'a> {
    compare: Comparer<'a>,
}

/// What joins conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    And,
    Or,
}

impl Compiler<'_> {
    /// The rows for which a condition is true or, negated, false.
    fn condition(&mut self, expr: &Expr, negated: bool) -> Checked<Node> {
        match expr {
            Expr::Nested(inner) => self.condition(inner, negated),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.condition(expr, !negated),
            Expr::BinaryOp { op: BinaryOperator::And, .. } => self.join(expr, Join::And, negated),
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => self.join(expr, Join::Or, negated),
            Expr::BinaryOp { left, op, right } => self.binary(expr, (left, op, right), negated),
            Expr::Identifier(name) => self.compare.bare(name, negated),
            Expr::Value(value) => match &value.value {
                Value::Boolean(truth) if *truth != negated => Ok(Node::always()),
                Value::Boolean(_) | Value::Null => Ok(Node::never()),
                other => Err(Fault::expected(value.span, "a condition", format!("{other}"))),
            },
            Expr::IsNull(column) => self.compare.null(column_of(column)?, negated),
            Expr::IsNotNull(column) => self.compare.null(column_of(column)?, !negated),
            Expr::Like { negated: not, expr, pattern, .. } => {
                self.compare.like(column_of(expr)?, pattern, negated != *not)
            }
            Expr::Between { expr, negated: not, low, high } => {
                let column = column_of(expr)?;
                let negated = negated != *not;
                let low = self.compare.ordered(column, Order::AtLeast, low, negated)?;
                let high = self.compare.ordered(column, Order::AtMost, high, negated)?;
                Ok(if negated { Node::Any(vec![low, high]) } else { Node::All(vec![low, high]) })
            }
            Expr::In { expr, target: InTarget::List(values), negated: not, .. } => {
                self.compare.one_of(column_of(expr)?, values, negated != *not)
            }
            _ => Err(Fault::expected(expr.span(), "a condition", what(expr))),
        }
    }

    /// A chain of AND or of OR, however long, without recursion along it.
    fn join(&mut self, expr: &Expr, join: Join, negated: bool) -> Checked<Node> {
        let mut parts = Vec::new();
        let mut rest = expr;
        loop {
            match rest {
                Expr::BinaryOp { left, op: BinaryOperator::And, right } if join == Join::And => {
                    parts.push(&**right);
                    rest = left;
                }
                Expr::BinaryOp { left, op: BinaryOperator::Or, right } if join == Join::Or => {
                    parts.push(&**right);
                    rest = left;
                }
                _ => break,
            }
        }
        parts.push(rest);
        let parts = parts.into_iter().rev().map(|part| self.condition(part, negated));
        let parts = parts.collect::<Checked<Vec<Node>>>()?;
        // De Morgan's laws hold for three values, too.
        Ok(if (join == Join::And) == negated { Node::Any(parts) } else { Node::All(parts) })
    }

    fn binary(
        &mut self,
        whole: &Expr,
        (left, op, right): (&Expr, &BinaryOperator, &Expr),
        negated: bool,
    ) -> Checked<Node> {
        if let BinaryOperator::Custom(_) = op {
            return self.compare.has(column_of(left)?, right, negated);
        }
        let (order, negated) = match op {
            BinaryOperator::Eq => (Order::Equal, negated),
            BinaryOperator::NotEq => (Order::Equal, !negated),
            BinaryOperator::Lt => (Order::Less, negated),
            BinaryOperator::LtEq => (Order::AtMost, negated),
            BinaryOperator::Gt => (Order::More, negated),
            BinaryOperator::GtEq => (Order::AtLeast, negated),
            _ => {
                let expected = "a condition, as in score > 10";
                return Err(Fault::expected(whole.span(), expected, what(whole)));
            }
        };
        match (bare(left), bare(right)) {
            (Expr::Identifier(column), value) => {
                self.compare.ordered(column, order, value, negated)
            }
            (value, Expr::Identifier(column)) => {
                self.compare.ordered(column, order.flipped(), value, negated)
            }
            (left, _) => {
                let found = format!("{} on either", what(left));
                Err(Fault::expected(whole.span(), "a column on one side", found))
            }
        }
    }
}

fn column_of(expr: &Expr) -> Checked<&Ident> {
    match bare(expr) {
        Expr::Identifier(name) => Ok(name),
        other => Err(Fault::expected(other.span(), "a column", what(other))),
    }
}

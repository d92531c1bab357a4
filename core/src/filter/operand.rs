//! The value side of a comparison: literals, times, and times with intervals added.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use sqlparser::ast::{BinaryOperator, Expr, Ident, Spanned, Value};
use sqlparser::tokenizer::Span;

use super::dialect::what;
use super::fault::{Checked, Fault};
use super::number::{Mark, Number};
use super::time;
use crate::types::Schema;

/// A value of a comparison.
pub(super) enum Operand {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Time(Mark),
    /// `now()` and so many microseconds.
    Now(i128),
}

/// A value and what it is called in a message.
pub(super) struct Given {
    pub(super) operand: Operand,
    pub(super) span: Span,
}

impl Given {
    /// What it is called in a message.
    pub(super) fn describe(&self) -> String {
        match &self.operand {
            Operand::Null => "NULL".to_owned(),
            Operand::Bool(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
            Operand::Number(Number { negative, digits }) => {
                format!("the number {}{digits}", if *negative { "-" } else { "" })
            }
            Operand::Text(text) => {
                let short: String = text.chars().take(40).collect();
                format!("the text '{short}{}'", if short.len() < text.len() { "..." } else { "" })
            }
            Operand::Time(_) | Operand::Now(_) => "a time".to_owned(),
        }
    }
}

/// A value, with the intervals that are added to it.
pub(super) fn operand(expr: &Expr, schema: &Schema) -> Checked<Given> {
    let mut rest = expr;
    let mut shift = None;
    while let Expr::BinaryOp { left, op, right } = rest {
        let sign = match op {
            BinaryOperator::Plus => 1,
            BinaryOperator::Minus => -1,
            _ => return Err(Fault::expected(rest.span(), "a value", "a condition")),
        };
        let Expr::Interval(interval) = &**right else {
            let expected = "INTERVAL, such as INTERVAL '7 days', after + or -";
            return Err(Fault::expected(right.span(), expected, what(right)));
        };
        shift = Some(shift.unwrap_or(0) + sign * length(&interval.value)?);
        rest = left;
    }
    let given = single(rest, schema)?;
    let Some(shift) = shift else { return Ok(given) };
    let operand = match given.operand {
        Operand::Time(mark) => Operand::Time(mark.plus(shift)),
        Operand::Now(offset) => Operand::Now(offset.saturating_add(shift)),
        _ => {
            let expected = "now() or TIMESTAMP '...' before an interval";
            return Err(Fault::expected(given.span, expected, given.describe()));
        }
    };
    Ok(Given { operand, span: expr.span() })
}

fn single(expr: &Expr, schema: &Schema) -> Checked<Given> {
    let span = expr.span();
    let operand = match expr {
        Expr::Nested(inner) => return operand(inner, schema),
        Expr::Value(value) => match &value.value {
            Value::Null => Operand::Null,
            Value::Boolean(truth) => Operand::Bool(*truth),
            Value::SingleQuotedString(text) => Operand::Text(text.clone()),
            Value::Number(text, _) => Operand::Number(match text.strip_prefix('-') {
                Some(digits) => Number { negative: true, digits: digits.to_owned() },
                None => Number { negative: false, digits: text.clone() },
            }),
            other => return Err(Fault::expected(span, "a value", other.to_string())),
        },
        Expr::TypedString(typed) => match &typed.value.value {
            Value::SingleQuotedString(text) => Operand::Time(moment(text, typed.value.span)?),
            other => return Err(Fault::expected(span, "a time", other.to_string())),
        },
        Expr::Function(_) => Operand::Now(0),
        Expr::Interval(_) => {
            let expected = "a time; an interval is added to one, as in now() - INTERVAL '7 days'";
            return Err(Fault::expected(span, expected, "an interval alone"));
        }
        Expr::Identifier(name) => return Err(column_as_value(name, schema)),
        _ => return Err(Fault::expected(span, "a value", what(expr))),
    };
    Ok(Given { operand, span })
}

fn column_as_value(name: &Ident, schema: &Schema) -> Fault {
    let known = schema.position(&name.value).is_some() || name.value == "id";
    let message = if known {
        let expected = "a value; a column is compared with values, not with another column";
        return Fault::expected(name.span, expected, format!("the column {:?}", name.value));
    } else {
        let text = name.value.replace('\'', "''");
        format!("expected a value, found the name {name}; a text goes in single quotes: '{text}'")
    };
    Fault::new(name.span, message)
}

pub(super) fn moment(text: &str, span: Span) -> Checked<Mark> {
    time::moment(text).ok_or_else(|| {
        let short: String = text.chars().take(40).collect();
        let expected =
            "a time such as '2013-01-31 14:15:00', '2013-01-31' or '2013-01-31T14:15:00Z'";
        Fault::expected(span, expected, format!("'{short}'"))
    })
}

/// The microseconds of an interval.
fn length(value: &Expr) -> Checked<i128> {
    let found = match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => match time::span(text) {
                Some(length) => return Ok(length),
                None => text.chars().take(40).collect(),
            },
            other => other.to_string(),
        },
        other => what(other).to_owned(),
    };
    let expected =
        "a length of time such as '7 days' or '1 hour 30 minutes' (microseconds to weeks)";
    Err(Fault::expected(value.span(), expected, format!("'{found}'")))
}

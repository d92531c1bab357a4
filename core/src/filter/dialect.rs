//! What a filter is made of, told to `sqlparser`: terms, operators and their precedence, which is
//! SQL's. Everything else is refused here, where its place is known.
//!
//! ```text
//!  condition:  condition OR condition | condition AND condition | NOT condition | ( condition )
//!              | column | TRUE | FALSE | NULL
//!              | value = value     also != <> < <= > >=
//!              | column [NOT] BETWEEN value AND value
//!              | column [NOT] IN ( value, ... )
//!              | column [NOT] LIKE text
//!              | column IS [NOT] NULL
//!              | column [NOT] HAS text | column [NOT] HAS ANY ( text, ... )
//!  value:      column | number | 'text' | TRUE | FALSE | NULL | TIMESTAMP 'text' | now()
//!              | value + INTERVAL 'text' | value - INTERVAL 'text'
//!  column:     name | "name"
//! ```

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use std::cell::{Cell, RefCell};

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArgumentList, FunctionArguments, Ident,
    InTarget, Interval, ObjectName, Spanned, TimezoneInfo, TypedString, UnaryOperator, Value,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::fault::Fault;
use super::{DEPTH_MAX, INTERVALS_MAX, LIST_MAX, names};

/// The operator of `HAS`, and of `HAS ANY`.
pub(super) const HAS: &str = "HAS";

/// Words that can't be column names without quotes.
const RESERVED: [&str; 13] = [
    "and", "or", "not", "in", "is", "like", "between", "has", "null", "true", "false", "any",
    "ilike",
];

type Parsed<T> = Result<T, ParserError>;

/// The dialect of one parse, with what was refused.
#[derive(Debug, Default)]
pub(super) struct FilterDialect {
    refused: RefCell<Option<Fault>>,
    /// Parentheses and NOTs that are open.
    depth: Cell<usize>,
}

impl FilterDialect {
    /// What this dialect refused, if the parse failed in it.
    pub(super) fn refused(&self) -> Option<Fault> {
        self.refused.take()
    }

    fn refuse<T>(&self, fault: Fault) -> Parsed<T> {
        self.refused.borrow_mut().get_or_insert(fault);
        Err(ParserError::ParserError(String::new()))
    }

    fn expected<T>(&self, expected: &str, found: &TokenWithSpan) -> Parsed<T> {
        self.refuse(Fault::expected(found.span, expected, describe(&found.token)))
    }

    fn expect(&self, parser: &mut Parser, token: &Token, expected: &str) -> Parsed<Span> {
        let next = parser.next_token();
        if next.token == *token { Ok(next.span) } else { self.expected(expected, &next) }
    }

    /// What stands in parentheses or behind a NOT.
    fn nested(&self, parser: &mut Parser, precedence: u8, opened: Span) -> Parsed<Box<Expr>> {
        if self.depth.get() >= DEPTH_MAX {
            let message = format!("expected at most {DEPTH_MAX} levels of parentheses and NOT");
            return self.refuse(Fault::new(opened, message));
        }
        self.depth.set(self.depth.get() + 1);
        let inner = parser.parse_subexpr(precedence)?;
        self.depth.set(self.depth.get() - 1);
        Ok(Box::new(inner))
    }

    /// Whether a sign or a comparison can follow, which `sqlparser` reads then.
    fn check_left(&self, parser: &Parser, left: &Expr) -> Parsed<()> {
        let next = parser.peek_token_ref();
        let Some(op) = binary(&next.token) else { return Ok(()) };
        match op {
            BinaryOperator::And | BinaryOperator::Or => Ok(()),
            BinaryOperator::Plus | BinaryOperator::Minus => {
                let mut intervals = 0;
                let mut rest = left;
                while let Expr::BinaryOp { left, .. } = rest {
                    intervals += 1;
                    rest = left;
                }
                if intervals < INTERVALS_MAX {
                    return Ok(());
                }
                let message = format!("expected at most {INTERVALS_MAX} intervals");
                self.refuse(Fault::new(next.span, message))
            }
            _ => match left {
                Expr::BinaryOp { op: BinaryOperator::Plus | BinaryOperator::Minus, .. }
                | Expr::Identifier(_)
                | Expr::Value(_)
                | Expr::TypedString(_)
                | Expr::Function(_)
                | Expr::Interval(_)
                | Expr::Nested(_) => Ok(()),
                _ => self.expected("AND or OR, as a comparison has two sides", next),
            },
        }
    }

    /// A column, a value, or what NOT and parentheses begin.
    fn term(&self, parser: &mut Parser) -> Parsed<Expr> {
        let next = parser.next_token();
        match &next.token {
            Token::LParen => {
                let inner = self.nested(parser, self.prec_unknown(), next.span)?;
                self.expect(parser, &Token::RParen, "AND, OR or )")?;
                Ok(Expr::Nested(inner))
            }
            Token::Number(digits, false) => Ok(number(digits.clone(), next.span)),
            Token::Minus | Token::Plus => {
                let digits = parser.next_token();
                let Token::Number(text, false) = &digits.token else {
                    return self.expected("a number after the sign", &digits);
                };
                let sign = if next.token == Token::Minus { "-" } else { "" };
                Ok(number(format!("{sign}{text}"), next.span.union(&digits.span)))
            }
            Token::SingleQuotedString(text) => Ok(string(text.clone(), next.span)),
            Token::Word(word) if word.quote_style.is_none() => self.word(parser, word, next.span),
            Token::Word(word) => Ok(Expr::Identifier(ident(word, next.span))),
            _ => self.expected("a column or a value", &next),
        }
    }

    fn word(&self, parser: &mut Parser, word: &Word, span: Span) -> Parsed<Expr> {
        let follows = parser.peek_token();
        let value = |value: Value| Ok(Expr::Value(value.with_span(span)));
        match (&*word.value.to_lowercase(), &follows.token) {
            ("not", _) => {
                let precedence = self.prec_value(Precedence::UnaryNot);
                let expr = self.nested(parser, precedence, span)?;
                Ok(Expr::UnaryOp { op: UnaryOperator::Not, expr })
            }
            ("null", _) => value(Value::Null),
            ("true", _) => value(Value::Boolean(true)),
            ("false", _) => value(Value::Boolean(false)),
            ("timestamp", Token::SingleQuotedString(text)) => {
                parser.next_token();
                let value = Value::SingleQuotedString(text.clone());
                Ok(Expr::TypedString(TypedString {
                    data_type: DataType::Timestamp(None, TimezoneInfo::None),
                    value: value.with_span(span.union(&follows.span)),
                    uses_odbc_syntax: false,
                }))
            }
            ("interval", Token::SingleQuotedString(text)) => {
                parser.next_token();
                let text = string(text.clone(), span.union(&follows.span));
                Ok(Expr::Interval(Interval {
                    value: Box::new(text),
                    leading_field: None,
                    leading_precision: None,
                    last_field: None,
                    fractional_seconds_precision: None,
                }))
            }
            ("now", Token::LParen) => {
                parser.next_token();
                self.expect(parser, &Token::RParen, ") as now takes no argument")?;
                Ok(now(word, span))
            }
            (_, Token::LParen) if !RESERVED.contains(&&*word.value.to_lowercase()) => {
                let found = format!("a function {}", word.value);
                self.refuse(Fault::expected(span, "a column; the only function is now()", found))
            }
            (_, Token::Period) => {
                let message = "expected a column name, found one with a dot; put such a name in double quotes";
                self.refuse(Fault::new(span.union(&follows.span), message))
            }
            (lower, _) if RESERVED.contains(&lower) => {
                let found = word.value.to_uppercase();
                let expected = "a column or a value";
                self.refuse(Fault::expected(
                    span,
                    expected,
                    format!("{found}; a column of that name goes in double quotes"),
                ))
            }
            _ => Ok(Expr::Identifier(ident(word, span))),
        }
    }

    /// What follows a column: the operators that SQL spells in words.
    fn operator(&self, parser: &mut Parser, left: &Expr) -> Parsed<Expr> {
        let next = parser.next_token();
        let Expr::Identifier(column) = bare(left) else {
            let expected = format!("a column before {}", next.token.to_string().to_uppercase());
            return self.refuse(Fault::expected(left.span(), &expected, what(left)));
        };
        let left = || Box::new(Expr::Identifier(column.clone()));
        let negated = is_word(&next.token, "not");
        let word = if negated { parser.next_token() } else { next };
        let Token::Word(Word { value, quote_style: None, .. }) = &word.token else {
            return self.expected("IN, LIKE, BETWEEN or HAS after NOT", &word);
        };
        match &*value.to_lowercase() {
            "is" if !negated => {
                let next = parser.next_token();
                let not = is_word(&next.token, "not");
                let next = if not { parser.next_token() } else { next };
                if !is_word(&next.token, "null") {
                    return self.expected("NULL or NOT NULL after IS", &next);
                }
                Ok(if not { Expr::IsNotNull(left()) } else { Expr::IsNull(left()) })
            }
            "in" => {
                let target = InTarget::List(self.list(parser, "IN")?);
                Ok(Expr::In { expr: left(), target, negated, global: false })
            }
            "between" => {
                // Binds tighter than AND, which is part of it.
                let precedence = self.prec_value(Precedence::Between);
                let low = Box::new(parser.parse_subexpr(precedence)?);
                let next = parser.next_token();
                if !is_word(&next.token, "and") {
                    return self.expected("AND and the upper end of BETWEEN", &next);
                }
                let high = Box::new(parser.parse_subexpr(precedence)?);
                Ok(Expr::Between { expr: left(), negated, low, high })
            }
            "like" => {
                let pattern = Box::new(parser.parse_subexpr(self.prec_value(Precedence::Like))?);
                Ok(Expr::Like { negated, any: false, expr: left(), pattern, escape_char: None })
            }
            "has" => {
                let right = self.has(parser)?;
                let op = BinaryOperator::Custom(HAS.to_owned());
                let has = Expr::BinaryOp { left: left(), op, right: Box::new(right) };
                let not = |has| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(has) };
                Ok(if negated { not(has) } else { has })
            }
            "ilike" => {
                let message = "expected LIKE, found ILIKE; LIKE tells capitals from small letters, \
                               and there is no other";
                self.refuse(Fault::new(word.span, message))
            }
            _ if negated => self.expected("IN, LIKE, BETWEEN or HAS after NOT", &word),
            _ => self.expected("an operator", &word),
        }
    }

    /// A value, or ANY and a list.
    fn has(&self, parser: &mut Parser) -> Parsed<Expr> {
        if is_word(&parser.peek_token_ref().token, "any") {
            parser.next_token();
            return Ok(Expr::Tuple(self.list(parser, "HAS ANY")?));
        }
        if parser.peek_token_ref().token == Token::LParen {
            let next = parser.next_token();
            return self.expected("a text, or ANY and a list, after HAS", &next);
        }
        parser.parse_subexpr(self.prec_value(Precedence::Like))
    }

    /// Values in parentheses.
    fn list(&self, parser: &mut Parser, operator: &str) -> Parsed<Vec<Expr>> {
        let expected = format!("( and a list of values after {operator}");
        self.expect(parser, &Token::LParen, &expected)?;
        if parser.peek_token_ref().token == Token::RParen {
            let next = parser.next_token();
            return self.expected("at least one value", &next);
        }
        let mut values = Vec::new();
        loop {
            let first = parser.peek_token_ref().span;
            values.push(self.term(parser)?);
            if values.len() > LIST_MAX {
                let fault =
                    Fault::new(first, format!("expected at most {LIST_MAX} values in a list"));
                return self.refuse(fault);
            }
            let next = parser.next_token();
            match &next.token {
                Token::Comma => {}
                Token::RParen => return Ok(values),
                _ => return self.expected(", or ) in the list", &next),
            }
        }
    }
}

impl Dialect for FilterDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Parsed<Expr>> {
        Some(self.term(parser))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Parsed<Expr>> {
        if let Err(refused) = self.check_left(parser, expr) {
            return Some(Err(refused));
        }
        // Signs, AND and OR: as in SQL.
        let binary = binary(&parser.peek_token_ref().token).is_some();
        (!binary).then(|| self.operator(parser, expr))
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Parsed<u8>> {
        let precedence = |precedence| Ok(self.prec_value(precedence));
        let token = &parser.peek_token_ref().token;
        Some(match token {
            Token::Plus | Token::Minus => precedence(Precedence::PlusMinus),
            _ if is_word(token, "and") => precedence(Precedence::And),
            _ if is_word(token, "or") => precedence(Precedence::Or),
            _ if binary(token).is_some() => precedence(Precedence::Eq),
            _ if is_word(token, "is") => precedence(Precedence::Is),
            _ if ["in", "between"].iter().any(|w| is_word(token, w)) => {
                precedence(Precedence::Between)
            }
            _ if ["like", "ilike", "has"].iter().any(|w| is_word(token, w)) => {
                precedence(Precedence::Like)
            }
            // NOT IN, NOT LIKE, ...
            _ if is_word(token, "not") => precedence(Precedence::Like),
            _ => Ok(self.prec_unknown()),
        })
    }
}

fn binary(token: &Token) -> Option<BinaryOperator> {
    Some(match token {
        Token::Eq | Token::DoubleEq => BinaryOperator::Eq,
        Token::Neq => BinaryOperator::NotEq,
        Token::Lt => BinaryOperator::Lt,
        Token::LtEq => BinaryOperator::LtEq,
        Token::Gt => BinaryOperator::Gt,
        Token::GtEq => BinaryOperator::GtEq,
        Token::Plus => BinaryOperator::Plus,
        Token::Minus => BinaryOperator::Minus,
        _ if is_word(token, "and") => BinaryOperator::And,
        _ if is_word(token, "or") => BinaryOperator::Or,
        _ => return None,
    })
}

/// Whether a token is a word, in capitals or small letters, without quotes.
fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

fn ident(word: &Word, span: Span) -> Ident {
    Ident { value: word.value.clone(), quote_style: word.quote_style, span }
}

fn number(text: String, span: Span) -> Expr {
    Expr::Value(Value::Number(text, false).with_span(span))
}

fn string(text: String, span: Span) -> Expr {
    Expr::Value(Value::SingleQuotedString(text).with_span(span))
}

fn now(word: &Word, span: Span) -> Expr {
    let arguments =
        FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() };
    Expr::Function(Function {
        name: ObjectName::from(vec![ident(word, span)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(arguments),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}

/// The expression without parentheses around it.
pub(super) fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// What an expression is, in a message.
pub(super) fn what(expr: &Expr) -> &'static str {
    match bare(expr) {
        Expr::Identifier(_) => "a column",
        Expr::Value(_) => "a value",
        Expr::TypedString(_) | Expr::Function(_) => "a time",
        Expr::Interval(_) => "an interval",
        Expr::BinaryOp { op: BinaryOperator::Plus | BinaryOperator::Minus, .. } => "a sum",
        Expr::BinaryOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::In { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_) => "a condition",
        _ => "SQL that filters don't have",
    }
}

/// A token in a message.
pub(super) fn describe(token: &Token) -> String {
    /// Characters of a text that a message repeats.
    const SHOWN: usize = 40;
    match token {
        Token::EOF => "the end of the text".to_owned(),
        Token::Word(w) if w.quote_style.is_some() => format!("the name {:?}", w.value),
        Token::Word(w) => {
            let operators = ["AND", "OR", "NOT", "IN", "LIKE", "BETWEEN", "IS", "HAS"];
            match names::nearest(&w.value, operators.into_iter()) {
                Some(near) if !near.eq_ignore_ascii_case(&w.value) => {
                    format!("{}; did you mean {near}?", w.value)
                }
                _ => w.value.clone(),
            }
        }
        Token::SingleQuotedString(text) => {
            let short: String = text.chars().take(SHOWN).collect();
            let dots = if short.len() < text.len() { "..." } else { "" };
            format!("the text '{short}{dots}'")
        }
        other => {
            let text: String = other.to_string().chars().take(SHOWN).collect();
            format!("{text:?}").replace('"', "`")
        }
    }
}

//! Text to the expression that `sqlparser` makes of it, within the limits.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use sqlparser::ast::Expr;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use super::dialect::{FilterDialect, describe};
use super::fault::{Checked, Fault, end_of};
use super::{DEPTH_MAX, TEXT_BYTES_MAX, WORDS_MAX};

/// Calls of the parser that are open at most: a nesting each, the outermost, an operand and what it
/// needs itself. The dialect counts the nesting.
const CALLS: usize = DEPTH_MAX + 8;

/// Parses a filter.
pub(super) fn parse(text: &str) -> Checked<Expr> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "expected at most {TEXT_BYTES_MAX} bytes, found {}; exclude ids with an exclusion set \
             rather than a filter",
            text.len()
        );
        return Err(Fault::new(Span::empty(), message));
    }
    let dialect = FilterDialect::default();
    let mut tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| {
        let at = Span::new(error.location, error.location);
        let message = match &*error.message {
            m if m.starts_with("Unterminated string") => {
                "expected a ' at the end of the text in quotes; a quote inside is written ''"
            }
            m if m.starts_with("Expected close delimiter") => {
                "expected a \" at the end of the name in quotes"
            }
            other => return Fault::new(at, format!("expected words and values: {other}")),
        };
        Fault::new(at, message)
    })?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    check_words(&tokens)?;
    if tokens.is_empty() {
        let message = "expected a condition, found nothing; leave the filter out to have all";
        return Err(Fault::new(Span::empty(), message));
    }
    let end = end_of(text);
    tokens.push(TokenWithSpan::new(Token::EOF, end));
    let mut parser =
        Parser::new(&dialect).with_tokens_with_locations(tokens).with_recursion_limit(CALLS);
    let parsed = parser.parse_expr();
    let here = parser.peek_token();
    match parsed {
        Ok(expr) if here.token == Token::EOF => Ok(expr),
        Ok(_) => {
            let found = describe(&here.token);
            Err(Fault::expected(here.span, "an operator, AND or OR", found))
        }
        Err(ParserError::RecursionLimitExceeded) => {
            let message = format!("expected at most {DEPTH_MAX} levels of parentheses and NOT");
            Err(Fault::new(here.span, message))
        }
        Err(_) => Err(dialect.refused().unwrap_or_else(|| {
            let expected = "a column, a value or an operator";
            Fault::expected(here.span, expected, describe(&here.token))
        })),
    }
}

/// A chain of operators is as deep as it is long for the parser's tree: bounded here. The values of
/// lists aren't counted.
fn check_words(tokens: &[TokenWithSpan]) -> Checked<()> {
    let mut after = &Token::EOF;
    let mut counted = 0;
    for TokenWithSpan { token, span } in tokens {
        let in_list = match token {
            Token::Comma | Token::RParen => true,
            Token::Number(..) | Token::SingleQuotedString(_) => {
                matches!(after, Token::Comma | Token::LParen)
            }
            _ => false,
        };
        counted += usize::from(!in_list);
        after = token;
        if counted > WORDS_MAX {
            let message = format!(
                "expected at most {WORDS_MAX} words and operators; compare with many values by IN (...)"
            );
            return Err(Fault::new(*span, message));
        }
    }
    Ok(())
}

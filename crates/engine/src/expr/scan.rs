//! The words of an expression: where they are, and whether there are too many of them.
//!
//! The parser recurses, and so does all that comes after it. [`scan`] goes over the text first, without recursion, and
//! refuses what could exhaust the stack: it bounds the depth of the tree that any parse of the text could have.

use std::ops::Range;

use super::ExprError;

/// Length of an expression.
pub(super) const BYTES_MAX: usize = 16 * 1024;
/// Words of an expression.
pub(super) const TOKENS_MAX: usize = 2000;
/// Levels of an expression's tree: brackets in brackets, and operators that are chained without `&&`, `||` or `,` between.
pub(super) const DEPTH_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Number,
    Text,
    Symbol,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

/// The tokens of an expression, each bracket with its counterpart.
#[derive(Debug)]
pub(super) struct Tokens<'s> {
    pub(super) source: &'s str,
    pub(super) list: Vec<Token>,
    /// Brackets in brackets.
    pub(super) nesting: usize,
}

impl Tokens<'_> {
    pub(super) fn text(&self, index: usize) -> &str {
        self.list
            .get(index)
            .map_or("", |token| &self.source[token.span.clone()])
    }

    /// The token that starts at or covers a byte.
    pub(super) fn at(&self, byte: usize) -> Option<usize> {
        let after = self.list.partition_point(|token| token.span.start <= byte);
        after.checked_sub(1).filter(|index| self.list[*index].span.end > byte)
    }

    /// The bracket that closes the one at `open`.
    pub(super) fn closing(&self, open: usize) -> usize {
        let mut depth = 0;
        for index in open..self.list.len() {
            match self.text(index) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return index;
            }
        }
        self.list.len() - 1
    }
}

/// The expression without the values that stand in it, for the log: they are data.
pub(crate) fn without_values(source: &str) -> String {
    let Ok(tokens) = scan(source) else {
        return String::new();
    };
    let mut text = String::with_capacity(source.len());
    let mut end = 0;
    for token in &tokens.list {
        if token.span.start > end && end > 0 {
            text.push(' ');
        }
        text.push_str(match token.kind {
            TokenKind::Text | TokenKind::Number => "?",
            TokenKind::Word | TokenKind::Symbol => &source[token.span.clone()],
        });
        end = token.span.end;
    }
    text
}

/// Splits into words, and refuses what is too long, too deep or not closed.
pub(super) fn scan(source: &str) -> Result<Tokens<'_>, ExprError> {
    if source.len() > BYTES_MAX && !unlimited!(ExpressionBytes) {
        return Err(ExprError::new(
            0..source.len(),
            format!("the expression is longer than {BYTES_MAX} bytes"),
        ));
    }
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(next) = source[at..].chars().next() {
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        if source[at..].starts_with("//") {
            at += source[at..].find('\n').unwrap_or(source.len() - at);
            continue;
        }
        let token = token(source, at)?;
        at = token.span.end;
        list.push(token);
        if list.len() > TOKENS_MAX && !unlimited!(ExpressionWords) {
            return Err(ExprError::new(
                at - 1..at,
                format!("the expression has more than {TOKENS_MAX} words and signs"),
            ));
        }
    }
    let mut tokens = Tokens {
        source,
        list,
        nesting: 0,
    };
    tokens.nesting = check_depth(&tokens)?;
    check_slips(&tokens)?;
    Ok(tokens)
}

fn token(source: &str, at: usize) -> Result<Token, ExprError> {
    let rest = &source[at..];
    let made = |kind, length| Token {
        kind,
        span: at..at + length,
    };
    let first = rest.chars().next().unwrap_or(' ');
    let prefix = rest
        .find(|c: char| !matches!(c, 'r' | 'R' | 'b' | 'B'))
        .filter(|length| PREFIXES.contains(&rest[..*length].to_ascii_lowercase().as_str()))
        .unwrap_or(0);
    if rest[prefix..].starts_with(['\'', '"']) {
        let raw = rest[..prefix].contains(['r', 'R']);
        return match text_length(&rest[prefix..], raw) {
            Ok(length) => Ok(made(TokenKind::Text, prefix + length)),
            Err(Unclosed::Open) => Err(ExprError::new(at..source.len(), "the text has no closing quote")),
            Err(Unclosed::Escape(place)) => {
                let place = at + prefix + place;
                Err(
                    ExprError::new(place..place + 1, "a backslash stands before what it can't escape")
                        .help("write `\\\\` for a backslash"),
                )
            }
        };
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        return Ok(made(TokenKind::Word, length));
    }
    if first.is_ascii_digit() {
        return Ok(made(TokenKind::Number, number_length(rest)));
    }
    for symbol in ["==", "!=", "<=", ">=", "&&", "||"] {
        if rest.starts_with(symbol) {
            return Ok(made(TokenKind::Symbol, 2));
        }
    }
    if "()[]{}.,:?!<>+-*/%=&|".contains(first) {
        return Ok(made(TokenKind::Symbol, 1));
    }
    Err(ExprError::new(
        at..at + first.len_utf8(),
        format!("`{first}` means nothing here"),
    ))
}

/// What may stand before a quote: bytes, raw, or both in this order.
const PREFIXES: [&str; 4] = ["", "b", "r", "br"];

/// Why a text has no end.
enum Unclosed {
    Open,
    /// Where the backslash is.
    Escape(usize),
}

/// Length of a quoted text with its quotes. Exactly what the parser takes for a text must be one here: what it would read
/// as something else, brackets in it included, has to be counted.
fn text_length(rest: &str, raw: bool) -> Result<usize, Unclosed> {
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let (closing, multi_line) = if rest.starts_with(&triple) {
        (triple.as_str(), true)
    } else {
        (quote, false)
    };
    let mut at = closing.len();
    loop {
        let tail = &rest[at..];
        if tail.starts_with(closing) {
            return Ok(at + closing.len());
        }
        let next = tail.chars().next().ok_or(Unclosed::Open)?;
        if matches!(next, '\n' | '\r') && !multi_line {
            return Err(Unclosed::Open);
        }
        at += match next {
            '\\' if !raw => escape_length(tail).ok_or(Unclosed::Escape(at))?,
            other => other.len_utf8(),
        };
    }
}

/// Length of an escape, its backslash included; `None` for what is none.
fn escape_length(tail: &str) -> Option<usize> {
    let digits = |from: usize, count: usize, radix: u32| {
        let digits = tail.get(from..from + count)?;
        digits
            .chars()
            .all(|digit| digit.is_digit(radix))
            .then_some(from + count)
    };
    match tail[1..].chars().next()? {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`' => Some(2),
        'x' | 'X' => digits(2, 2, 16),
        'u' => digits(2, 4, 16),
        'U' => digits(2, 8, 16),
        '0'..='3' => digits(1, 3, 8),
        _ => None,
    }
}

fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let exponent_sign = matches!(bytes[at], b'+' | b'-')
            && at > 0
            && matches!(bytes[at - 1], b'e' | b'E')
            && !rest.starts_with("0x");
        let point = bytes[at] == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !(bytes[at].is_ascii_alphanumeric() || point || exponent_sign) {
            break;
        }
        at += 1;
    }
    at
}

/// One pair of brackets that is open.
#[derive(Default)]
struct Level {
    opened_by: usize,
    /// Conditionals nest to the right for as long as the level lasts.
    conditionals: usize,
    /// Operators since the last `&&`, `||` or `,`.
    chained: usize,
    /// What the levels around add up to.
    outer: usize,
}

/// How deep brackets nest.
fn check_depth(tokens: &Tokens<'_>) -> Result<usize, ExprError> {
    let mut levels = vec![Level::default()];
    let mut nesting = 0;
    for (index, token) in tokens.list.iter().enumerate() {
        let level = levels.last_mut().expect("the outermost level is never closed");
        match tokens.text(index) {
            "(" | "[" | "{" => {
                level.chained += 1;
                let outer = level.outer + level.conditionals + level.chained;
                levels.push(Level {
                    opened_by: index,
                    outer,
                    ..Level::default()
                });
                nesting = nesting.max(levels.len() - 1);
            }
            ")" | "]" | "}" => {
                let opened = tokens.text(level.opened_by);
                if levels.len() == 1 || !matches(opened, tokens.text(index)) {
                    return Err(ExprError::new(
                        token.span.clone(),
                        format!("`{}` closes nothing", tokens.text(index)),
                    ));
                }
                levels.pop();
            }
            "&&" | "||" => level.chained = 0,
            "," => {
                level.chained = 0;
                level.conditionals = 0;
            }
            "?" => level.conditionals += 1,
            "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "." | "!" | "in" => {
                level.chained += 1;
            }
            _ => {}
        }
        let level = levels.last().expect("the outermost level is never closed");
        if level.outer + level.conditionals + level.chained > DEPTH_MAX && !unlimited!(ExpressionDepth) {
            return Err(ExprError::new(
                token.span.clone(),
                format!("the expression is more than {DEPTH_MAX} levels deep here"),
            ));
        }
    }
    match levels.last() {
        Some(open) if levels.len() > 1 => {
            let index = open.opened_by;
            Err(ExprError::new(
                tokens.list[index].span.clone(),
                format!("`{}` is never closed", tokens.text(index)),
            ))
        }
        _ => Ok(nesting),
    }
}

fn matches(open: &str, close: &str) -> bool {
    matches!((open, close), ("(", ")") | ("[", "]") | ("{", "}"))
}

/// What people write who know SQL or JavaScript better than CEL.
fn check_slips(tokens: &Tokens<'_>) -> Result<(), ExprError> {
    for (index, token) in tokens.list.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &tokens.list[before]);
        let adjoins = before.is_some_and(|before| before.span.end == token.span.start);
        let after_operand = before.is_some_and(|before| match before.kind {
            TokenKind::Symbol => matches!(tokens.text(index - 1), ")" | "]" | "}"),
            TokenKind::Word => !matches!(tokens.text(index - 1), "in" | "and" | "or"),
            TokenKind::Number | TokenKind::Text => true,
        });
        let (length, instead) = match tokens.text(index) {
            "=" if adjoins && matches!(tokens.text(index - 1), "==" | "!=") => (1, "`==` and `!=` have no longer form"),
            "=" => (1, "write `==` to compare"),
            "&" => (1, "write `&&` for both"),
            "|" => (1, "write `||` for either"),
            ">" if adjoins && tokens.text(index - 1) == "<" => (1, "write `!=`"),
            "and" | "AND" if after_operand => (3, "write `&&`"),
            "or" | "OR" if after_operand => (2, "write `||`"),
            "IN" if after_operand => (2, "write `in`"),
            "like" | "LIKE" if after_operand => (4, "write `text.contains('…')`, `startsWith` or `matches`"),
            _ => continue,
        };
        let start = token.span.start;
        let found = &tokens.source[start..start + length];
        return Err(ExprError::new(token.span.clone(), format!("`{found}` is no operator here")).help(instead));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out() {
        let check = |source: &str, expected: &str| assert_eq!(without_values(source), expected);
        check("record.a==\"x\" && b in [1, 2.5]  // why", "record.a==? && b in [?, ?]");
        check("name.startsWith(r'a\\b')", "name.startsWith(?)");
        check("'not closed", "");
    }
}

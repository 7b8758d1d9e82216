//! Where a byte of a GraphQL string's value stands in the file.
//!
//! A rule is written inside a string literal; its errors know places in the string's value. Escapes and the
//! indentation of block strings stand between the two.

use std::ops::Range;

/// The place in the file of a range of the value of the string literal at `literal`.
pub(super) fn span_in_file(source: &str, literal: Range<usize>, value: Range<usize>) -> Range<usize> {
    let pieces = pieces(&source[literal.clone()]);
    if pieces.is_empty() {
        let quotes = if source[literal.clone()].starts_with("\"\"\"") {
            3
        } else {
            1
        };
        let inside = (literal.start + quotes).min(literal.end);
        return inside..inside;
    }
    let start = locate(&pieces, value.start, Edge::Start);
    let end = locate(&pieces, value.end, Edge::End).max(start);
    literal.start + start..literal.start + end
}

/// A character of the value (its length there) and the bytes of the literal that stand for it.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    character: char,
    raw: Range<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Start,
    End,
}

fn locate(pieces: &[Piece], offset: usize, edge: Edge) -> usize {
    let mut at = 0;
    let mut last = pieces.first().map_or(0, |piece| piece.raw.start);
    for piece in pieces {
        if at >= offset {
            return if edge == Edge::Start { piece.raw.start } else { last };
        }
        at += piece.character.len_utf8();
        last = piece.raw.end;
    }
    last
}

fn pieces(literal: &str) -> Vec<Piece> {
    match literal.strip_prefix("\"\"\"") {
        Some(rest) => block(rest.strip_suffix("\"\"\"").unwrap_or(rest), 3),
        None => {
            let inner = literal.strip_prefix('"').unwrap_or(literal);
            plain(inner.strip_suffix('"').unwrap_or(inner), 1)
        }
    }
}

/// An ordinary string: escapes. `from` is where `inner` begins in the literal.
fn plain(inner: &str, from: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(first) = inner[at..].chars().next() {
        let (character, length) = if first == '\\' {
            escape(&inner[at..])
        } else {
            (first, first.len_utf8())
        };
        pieces.push(Piece {
            character,
            raw: from + at..from + at + length,
        });
        at += length;
    }
    pieces
}

/// The character that an escape stands for, and its length. The parser has refused malformed ones.
fn escape(text: &str) -> (char, usize) {
    let simple = match text[1..].chars().next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode_escape(text),
        Some(other) => other,
        None => '\\',
    };
    (simple, text.len().min(1 + simple.len_utf8()))
}

fn unicode_escape(text: &str) -> (char, usize) {
    let hex = |digits: Option<&str>| {
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .unwrap_or(0xFFFD)
    };
    let decode = |code: u32| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    if let Some(rest) = text.strip_prefix("\\u{") {
        let digits = rest.find('}').unwrap_or(rest.len());
        return (decode(hex(rest.get(..digits))), (4 + digits).min(text.len()));
    }
    let lead = hex(text.get(2..6));
    if (0xD800..0xDC00).contains(&lead) {
        let trail = hex(text.get(8..12));
        let code = 0x10000 + ((lead - 0xD800) << 10) + trail.wrapping_sub(0xDC00);
        return (decode(code), 12.min(text.len()));
    }
    (decode(lead), 6.min(text.len()))
}

/// A block string: common indentation and blank outer lines go, `\"""` is `"""`.
fn block(inner: &str, from: usize) -> Vec<Piece> {
    let lines = lines(inner);
    let blank = |line: &Range<usize>| inner[line.clone()].chars().all(is_white);
    let indent = lines
        .iter()
        .skip(1)
        .filter(|line| !blank(line))
        .map(|line| indentation(&inner[(*line).clone()]));
    let indent = indent.min().unwrap_or(0);
    let Some(first) = lines.iter().position(|line| !blank(line)) else {
        return Vec::new();
    };
    let last = lines.iter().rposition(|line| !blank(line)).unwrap_or(first);
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        if index > first {
            let previous = lines[index - 1].end;
            pieces.push(Piece {
                character: '\n',
                raw: from + previous..from + line.start,
            });
        }
        let cut = if index == 0 { 0 } else { indent.min(line.len()) };
        block_line(inner, line.start + cut..line.end, from, &mut pieces);
    }
    pieces
}

fn block_line(inner: &str, line: Range<usize>, from: usize, pieces: &mut Vec<Piece>) {
    let mut at = line.start;
    while let Some(first) = inner[at..line.end].chars().next() {
        let quotes = inner[at..line.end].starts_with("\\\"\"\"");
        let (character, count) = if quotes { ('"', 3) } else { (first, 1) };
        at += usize::from(quotes);
        for _ in 0..count {
            let start = at;
            at += character.len_utf8();
            pieces.push(Piece {
                character,
                raw: from + start..from + at,
            });
        }
    }
}

fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(is_white).len()
}

/// Lines as GraphQL has them: ended by `\n`, `\r\n` or `\r`.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut rest = text;
    while let Some(end) = rest.find(['\r', '\n']) {
        lines.push(start..start + end);
        let ending = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        start += end + ending;
        rest = &text[start..];
    }
    lines.push(start..text.len());
    lines
}

#[cfg(test)]
mod tests {
    use apollo_compiler::ast::{Definition, Document};
    use proptest::prelude::*;

    use super::*;

    /// The parser's own idea of a literal's value.
    fn parsed(literal: &str) -> Option<String> {
        let document = Document::parse(format!("scalar X @x(y: {literal})"), "x").ok()?;
        let Definition::ScalarTypeDefinition(scalar) = &document.definitions[0] else {
            return None;
        };
        scalar.directives.0[0].arguments[0].value.as_str().map(str::to_owned)
    }

    fn check(literal: &str, part: &str, expected: &str) {
        let value = parsed(literal).expect("a literal");
        let start = value.find(part).expect("a part of the value");
        let span = span_in_file(literal, 0..literal.len(), start..start + part.len());
        assert_eq!(&literal[span], expected, "{literal}");
    }

    #[test]
    fn finds_parts() {
        check(r#""record.author == auth.id""#, "auth.id", "auth.id");
        check(r#""size(\u00e9) \"a\" == x""#, "== x", "== x");
        check(r#""size(\u{1F600}) \\d""#, "\\d", "\\\\d");
        check("\"\"\"\n    a &&\n      bc\n    d\n\"\"\"", "bc\nd", "bc\n    d");
        check(r#""""say \""" now""""#, "now", "now");
        check("\"\"\"\r\n  one\r\n  two\r\n\"\"\"", "two", "two");
    }

    #[test]
    fn the_end_is_a_place_too() {
        let literal = r#""a &&""#;
        assert_eq!(span_in_file(literal, 0..6, 4..4), 5..5);
        assert_eq!(span_in_file("\"\"", 0..2, 0..0), 1..1);
    }

    proptest! {
        #[test]
        fn agrees_with_the_parser(inner in r#"([ab \t\n]|\\[nt"\\/]|\\u00e9|\\u\{1F600\}|\\uD83D\\uDE00|é){0,12}"#) {
            let literal = format!("\"{inner}\"");
            if let Some(value) = parsed(&literal) {
                let ours: String = pieces(&literal).iter().map(|piece| piece.character).collect();
                prop_assert_eq!(ours, value);
            }
        }

        #[test]
        fn agrees_on_block_strings(inner in r#"([ab \t\n\r]|\\"""|\\n|é|  \n){0,16}"#) {
            let literal = format!("\"\"\"{inner}\"\"\"");
            if let Some(value) = parsed(&literal) {
                let ours: String = pieces(&literal).iter().map(|piece| piece.character).collect();
                prop_assert_eq!(ours, value);
            }
        }
    }
}

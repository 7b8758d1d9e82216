//! `CHECK (column IN ('a', 'b'))`, found in a definition.

/// The texts that a column is restricted to, and what is left of other checks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Checks {
    pub(super) values: Vec<(String, Vec<String>)>,
    /// Conditions that the schema can't say.
    pub(super) others: Vec<String>,
}

impl Checks {
    pub(super) fn of(definition: &str) -> Self {
        let tokens = tokens(definition);
        let mut checks = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            let opens = tokens[at].is_word("check") && tokens.get(at + 1).is_some_and(|next| next.text == "(");
            if !opens {
                at += 1;
                continue;
            }
            let end = closing(&tokens, at + 1);
            let inside = &tokens[at + 2..end.min(tokens.len())];
            match one_of(inside) {
                Some(found) => checks.values.push(found),
                None => {
                    let first = inside.first().map_or(0, |token| token.start);
                    let last = inside.last().map_or(first, |token| token.end);
                    checks.others.push(definition[first..last].to_owned());
                }
            }
            at = end + 1;
        }
        checks
    }
}

/// `column IN ('a', 'b')`.
fn one_of(tokens: &[Token]) -> Option<(String, Vec<String>)> {
    let [column, is_in, open, items @ .., close] = tokens else {
        return None;
    };
    let well = column.is_name() && is_in.is_word("in") && open.text == "(" && close.text == ")";
    if !well {
        return None;
    }
    let mut values = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match (index % 2, &item.kind) {
            (0, Kind::Text) => values.push(item.text.clone()),
            (1, Kind::Sign) if item.text == "," => {}
            _ => return None,
        }
    }
    (items.len() % 2 == 1).then(|| (column.text.clone(), values))
}

/// The place of the bracket that closes the one at `open`, or the end.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match (&token.kind, token.text.as_str()) {
            (Kind::Sign, "(") => depth += 1,
            (Kind::Sign, ")") => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

#[derive(Debug, PartialEq)]
enum Kind {
    Word,
    /// In double quotes, backticks or brackets.
    Quoted,
    /// In single quotes.
    Text,
    Sign,
}

#[derive(Debug)]
struct Token {
    kind: Kind,
    /// Without quotes.
    text: String,
    start: usize,
    end: usize,
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql.char_indices().peekable();
    while let Some((start, letter)) = rest.next() {
        if letter.is_whitespace() {
            continue;
        }
        let closes = match letter {
            '\'' | '"' | '`' => Some(letter),
            '[' => Some(']'),
            _ => None,
        };
        let (kind, text) = if let Some(closes) = closes {
            let mut text = String::new();
            while let Some((_, inner)) = rest.next() {
                if inner != closes {
                    text.push(inner);
                } else if closes != ']' && rest.next_if(|(_, next)| *next == closes).is_some() {
                    text.push(closes);
                } else {
                    break;
                }
            }
            let kind = if letter == '\'' { Kind::Text } else { Kind::Quoted };
            (kind, text)
        } else if letter == '-' && rest.next_if(|(_, next)| *next == '-').is_some() {
            while rest.next_if(|(_, next)| *next != '\n').is_some() {}
            continue;
        } else if letter == '/' && rest.next_if(|(_, next)| *next == '*').is_some() {
            let mut before = ' ';
            for (_, inner) in rest.by_ref() {
                if before == '*' && inner == '/' {
                    break;
                }
                before = inner;
            }
            continue;
        } else if letter.is_alphanumeric() || letter == '_' {
            let mut text = String::from(letter);
            while let Some((_, next)) = rest.next_if(|(_, next)| next.is_alphanumeric() || *next == '_') {
                text.push(next);
            }
            (Kind::Word, text)
        } else {
            (Kind::Sign, String::from(letter))
        };
        let end = rest.peek().map_or(sql.len(), |(at, _)| *at);
        tokens.push(Token { kind, text, start, end });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_found_where_they_stand() {
        let check = |sql: &str, values: &[(&str, &[&str])], others: &[&str]| {
            let owned = |(column, values): &(&str, &[&str])| {
                let values = values.iter().map(|value| (*value).to_owned()).collect();
                ((*column).to_owned(), values)
            };
            let expected = Checks {
                values: values.iter().map(owned).collect(),
                others: others.iter().map(|other| (*other).to_owned()).collect(),
            };
            assert_eq!(Checks::of(sql), expected, "{sql}");
        };
        check("CREATE TABLE t (a TEXT)", &[], &[]);
        check(
            "CREATE TABLE t (a TEXT CHECK (a IN ('x', 'it''s')), b INT CHECK(b > (1 + 2)), CONSTRAINT c check ( \"b c\" in ('q') ))",
            &[("a", &["x", "it's"]), ("b c", &["q"])],
            &["b > (1 + 2)"],
        );
        check(
            "CREATE TABLE t (a TEXT DEFAULT 'CHECK (a IN (1))') -- CHECK (x)\n/* CHECK (y) */",
            &[],
            &[],
        );
        check(
            "CREATE TABLE \"check\" ([check] TEXT, a CHECK (a IN (1, 2)))",
            &[],
            &["a IN (1, 2)"],
        );
        check("CHECK (a IN ('x'", &[], &["a IN ('x'"]);
        check("CHECK (a IN ())", &[], &["a IN ()"]);
        check("CHECK (a IN ('x') OR b)", &[], &["a IN ('x') OR b"]);
    }
}

//! The regular expressions that mean the same on every engine.
//!
//! Literals, `.`, classes, groups, `|`, `^`, `$` and the quantifiers `* + ? {m,n}`. `\d`, `\w` and `\s` are ASCII, as in
//! CEL, and are written out as classes, so that no engine has its own idea of them.

use regex::{Regex, RegexBuilder};

const BYTES_MAX: usize = 1000;
const REPEAT_MAX: u32 = 255;
const PROGRAM_BYTES_MAX: usize = 256 * 1024;

/// The regular expression with shorthands written out, or what is wrong with it.
pub(crate) fn portable(source: &str) -> Result<Regex, String> {
    compiled(&plain(source)?)
}

/// As [`portable`], of the whole text. Judged by itself first: `a)|(?:b` would make sense between anchors, and undo them.
pub(crate) fn portable_whole(source: &str) -> Result<Regex, String> {
    let plain = plain(source)?;
    compiled(&plain)?;
    compiled(&format!("^(?:{plain})$"))
}

fn plain(source: &str) -> Result<String, String> {
    if source.len() > BYTES_MAX && !unlimited!(PatternBytes) {
        return Err(format!("the pattern is longer than {BYTES_MAX} bytes"));
    }
    written_out(source)
}

fn compiled(plain: &str) -> Result<Regex, String> {
    RegexBuilder::new(plain)
        .size_limit(if unlimited!(PatternSize) {
            usize::MAX
        } else {
            PROGRAM_BYTES_MAX
        })
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the pattern repeats too much".to_owned(),
            _ => "the pattern is no regular expression".to_owned(),
        })
}

fn written_out(source: &str) -> Result<String, String> {
    let mut out = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next().ok_or("the pattern ends in a backslash")?;
                escape(escaped, in_class, &mut out)?;
                continue;
            }
            '[' if in_class => return Err("escape a `[` inside of a class".into()),
            '[' => in_class = true,
            ']' => in_class = false,
            '&' | '~' | '-' if in_class && chars.peek() == Some(&c) => {
                return Err(format!("`{c}{c}` in a class is not portable"));
            }
            '(' if !in_class && chars.peek() == Some(&'?') => {
                let rest: String = chars.clone().take(2).collect();
                if rest != "?:" {
                    return Err(format!("`({rest}` is not portable: only `(?:` is"));
                }
            }
            '{' if !in_class => repeat(&chars.clone().take_while(|c| *c != '}').collect::<String>())?,
            '*' | '+' | '?' | '}' if !in_class && matches!(chars.peek(), Some('?' | '+')) => {
                return Err("lazy and possessive quantifiers are not portable".into());
            }
            '\0' => return Err("a pattern has no NUL".into()),
            _ => {}
        }
        out.push(c);
    }
    Ok(out)
}

fn escape(escaped: char, in_class: bool, out: &mut String) -> Result<(), String> {
    let (inside, negated) = match escaped {
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        'w' => ("0-9A-Za-z_", false),
        'W' => ("0-9A-Za-z_", true),
        's' => ("\\t\\n\\f\\r ", false),
        'S' => ("\\t\\n\\f\\r ", true),
        't' | 'n' | 'r' | 'f' => {
            out.push('\\');
            out.push(escaped);
            return Ok(());
        }
        _ if escaped.is_ascii_punctuation() => {
            out.push('\\');
            out.push(escaped);
            return Ok(());
        }
        _ => return Err(format!("`\\{escaped}` is not portable")),
    };
    match (in_class, negated) {
        (true, true) => return Err(format!("`\\{escaped}` inside of a class is not portable")),
        (true, false) => out.push_str(inside),
        (false, true) => out.push_str(&format!("[^{inside}]")),
        (false, false) => out.push_str(&format!("[{inside}]")),
    }
    Ok(())
}

fn repeat(inside: &str) -> Result<(), String> {
    let bounds_fit = inside.split(',').all(|bound| {
        bound.is_empty()
            || bound
                .parse::<u32>()
                .is_ok_and(|bound| bound <= REPEAT_MAX || unlimited!(PatternRepeat))
    });
    if bounds_fit && !inside.starts_with(',') && !inside.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "`{{{inside}}}` is no repetition of at most {REPEAT_MAX}; escape a `{{` that is meant"
        ))
    }
}

//! What is wrong with a schema file, and where: every error of the file, in its order.

use std::fmt;
use std::ops::Range;

/// Most diagnostics that a rendering shows; it says how many more there are.
const SHOWN_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Where in the file. Lines and columns start at 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// Bytes of the file.
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub message: String,
    pub place: Place,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// "did you mean", if there is something near.
    pub(crate) fn suggest(&mut self, near: Option<&str>) -> &mut Self {
        match near {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// All that is to be said about one file, by place.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    file: String,
    source: String,
    /// Where each line begins.
    lines: Vec<usize>,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn new(source: &str, file: &str) -> Self {
        Self {
            file: file.to_owned(),
            source: source.to_owned(),
            lines: std::iter::once(0)
                .chain(source.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
            items: Vec::new(),
        }
    }

    pub(crate) fn error(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, span, message.into())
    }

    pub(crate) fn warning(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, span, message.into())
    }

    fn push(&mut self, severity: Severity, span: Range<usize>, message: String) -> &mut Diagnostic {
        let place = self.place(span);
        self.items.push(Diagnostic {
            severity,
            message,
            place,
            help: None,
        });
        self.items.last_mut().expect("just pushed")
    }

    fn place(&self, span: Range<usize>) -> Place {
        let start = self.source.floor_char_boundary(span.start);
        let end = self.source.floor_char_boundary(span.end.max(start));
        let line = self.lines.partition_point(|begin| *begin <= start);
        Place {
            line,
            column: self.source[self.lines[line - 1]..start].chars().count() + 1,
            span: start..end,
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn sort(&mut self) {
        self.items
            .sort_by_key(|item| (item.place.span.start, item.place.span.end));
        self.items.dedup();
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// For people: message, place, the line with a caret, help. With colours for a terminal.
    pub fn render(&self, coloured: bool) -> String {
        let paint = Paint { coloured };
        let mut out: Vec<String> = self
            .items
            .iter()
            .take(SHOWN_MAX)
            .map(|item| self.render_one(item, paint))
            .collect();
        if self.items.len() > SHOWN_MAX {
            out.push(format!("... and {} more\n", self.items.len() - SHOWN_MAX));
        }
        out.join("\n")
    }

    fn render_one(&self, item: &Diagnostic, paint: Paint) -> String {
        let Place { line, column, .. } = item.place;
        let margin = " ".repeat(line.to_string().len());
        let hue = match item.severity {
            Severity::Error => Paint::RED,
            Severity::Warning => Paint::YELLOW,
        };
        let (text, caret) = self.underlined(&item.place);
        let bar = paint.over(Paint::BLUE, "|");
        let mut out = format!(
            "{severity}{message}\n{margin}{arrow} {file}:{line}:{column}\n{margin} {bar}\n{number} {bar} {text}\n{margin} {bar} {caret}\n",
            severity = paint.over(hue, item.severity.name()),
            message = paint.over(Paint::BOLD, &format!(": {}", item.message)),
            arrow = paint.over(Paint::BLUE, "-->"),
            file = self.file,
            number = paint.over(Paint::BLUE, &line.to_string()),
            caret = paint.over(hue, &caret),
        );
        if let Some(help) = &item.help {
            out.push_str(&format!(
                "{margin} {} {}: {help}\n",
                paint.over(Paint::BLUE, "="),
                paint.over(Paint::BOLD, "help")
            ));
        }
        out
    }

    /// The line of a place and the carets below it. Tabs become one space, so that carets stay aligned.
    fn underlined(&self, place: &Place) -> (String, String) {
        let start = self.lines[place.line - 1];
        let rest = &self.source[start..];
        let line = rest.lines().next().unwrap_or_default();
        let end = place.span.end.min(start + line.len()).max(place.span.start);
        let width = self.source[place.span.start..end].chars().count().max(1);
        let caret = format!("{}{}", " ".repeat(place.column - 1), "^".repeat(width));
        (line.replace('\t', " "), caret)
    }
}

/// Plain, as [`Diagnostics::render`] without colours.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// ANSI colours, or none.
#[derive(Clone, Copy)]
struct Paint {
    coloured: bool,
}

impl Paint {
    const BOLD: &'static str = "1";
    const RED: &'static str = "1;31";
    const YELLOW: &'static str = "1;33";
    const BLUE: &'static str = "1;34";

    fn over(self, code: &str, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

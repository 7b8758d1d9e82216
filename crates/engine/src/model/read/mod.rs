//! Reading `schema.graphql`.
//!
//! Two passes. The first reads structure: it gives every name its meaning and every collection its fields, and
//! notes the rules it meets. The second types and compiles those rules against the structure. Both go on after an
//! error, so that one run reports them all; a rule that mentions a name already reported is left in peace.

mod collection;
mod collisions;
mod constraints;
mod declare;
mod default;
mod directives;
mod embedded;
mod field;
mod index;
mod key;
mod literal;
pub(super) mod names;
mod relation;
mod rules;
mod system;

use std::collections::HashSet;

use apollo_compiler::ast::Document;
use apollo_compiler::diagnostic::ToCliReport;
use apollo_compiler::parser::Parser;
use sha2::{Digest, Sha256};

use self::declare::Declared;
use self::directives::{Applied, Span, Text};
use super::diagnostic::Diagnostics;
use super::limits::SCHEMA_BYTES_MAX;
use super::{CollectionId, Epoch, FieldId, Model};

impl Model {
    /// Reads a schema; `file` is its name in diagnostics.
    ///
    /// # Errors
    /// Every error of the file.
    pub fn read(source: &str, file: &str) -> Result<Self, Diagnostics> {
        let (model, report) = Self::examine(source, file);
        model.ok_or(report)
    }

    /// As [`Model::read`], with what is said of a schema that is well: warnings.
    pub fn examine(source: &str, file: &str) -> (Option<Self>, Diagnostics) {
        let mut report = Diagnostics::new(source, file);
        let model = parse(source, &mut report).map(|document| {
            let declared = Declared::read(&document, &mut report);
            let mut reader = Reader::new(declared, &mut report);
            reader.read_structure();
            let Reader {
                mut model,
                rules,
                broken,
                report,
                ..
            } = reader;
            rules::compile(&mut model, rules, &broken, report);
            model.epoch = epoch(source);
            model
        });
        report.sort();
        (model.filter(|_| !report.has_errors()), report)
    }
}

/// The same for the same source, on every node and in every version of the reader.
fn epoch(source: &str) -> Epoch {
    let hash: [u8; 32] = Sha256::digest(source).into();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    Epoch(u64::from_be_bytes(first))
}

fn parse(source: &str, report: &mut Diagnostics) -> Option<Document> {
    if source.len() > SCHEMA_BYTES_MAX {
        report.error(0..0, format!("the schema is larger than {SCHEMA_BYTES_MAX} bytes"));
        return None;
    }
    let says_nothing = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if source.lines().all(says_nothing) {
        return Some(Document::new());
    }
    match Parser::new().parse_ast(source, report.file()) {
        Ok(document) => Some(document),
        Err(failed) => {
            for diagnostic in failed.errors.iter() {
                let location = diagnostic.error.location();
                let span = location.map_or(0..0, |location| location.offset()..location.end_offset());
                report.error(span, in_signs(&diagnostic.error.to_string()));
            }
            None
        }
    }
}

/// The parser's message with its names of tokens as they are written.
fn in_signs(message: &str) -> String {
    let signs = [
        ("R_CURLY", "`}`"),
        ("L_CURLY", "`{`"),
        ("R_PAREN", "`)`"),
        ("L_PAREN", "`(`"),
        ("R_BRACK", "`]`"),
        ("L_BRACK", "`[`"),
        ("COLON", "`:`"),
        ("EOF", "the end of the file"),
    ];
    signs
        .iter()
        .fold(message.to_owned(), |message, (name, sign)| message.replace(name, sign))
}

/// Where a rule belongs.
#[derive(Debug, Clone, PartialEq)]
enum RuleSite {
    Read,
    Create,
    Update,
    Delete,
    FieldRead(FieldId),
    FieldWrite(FieldId),
    Check { field: Option<FieldId>, message: String },
    Default(FieldId),
    IndexCondition(usize),
}

/// A rule that the second pass compiles.
struct PendingRule<'a> {
    collection: CollectionId,
    site: RuleSite,
    text: Text<'a>,
}

/// An `@inverse` whose field is looked up when all fields are known.
struct PendingInverse<'a> {
    collection: CollectionId,
    field: FieldId,
    target: CollectionId,
    name: Text<'a>,
}

/// The first pass at work.
struct Reader<'a, 'r> {
    report: &'r mut Diagnostics,
    declared: Declared<'a>,
    model: Model,
    /// The directives of each collection.
    heads: Vec<Applied<'a>>,
    rules: Vec<PendingRule<'a>>,
    inverses: Vec<PendingInverse<'a>>,
    /// Names whose errors are reported: what fails because of them is no news.
    broken: HashSet<String>,
    /// Database names and where they come from, for collisions.
    tables: Vec<TableName>,
    /// Names of indexes, in lower case.
    indexes: HashSet<String>,
}

/// A table's name and who wants it.
struct TableName {
    table: String,
    owner: String,
    span: Span,
}

impl<'a, 'r> Reader<'a, 'r> {
    fn new(declared: Declared<'a>, report: &'r mut Diagnostics) -> Self {
        Self {
            report,
            declared,
            model: Model::default(),
            heads: Vec::new(),
            rules: Vec::new(),
            inverses: Vec::new(),
            broken: HashSet::new(),
            tables: Vec::new(),
            indexes: HashSet::new(),
        }
    }

    fn read_structure(&mut self) {
        self.read_enums();
        self.read_documents();
        self.read_collections();
        self.read_keys();
        self.resolve_inverses();
        self.read_indexes();
        self.check_collisions();
        self.model.referrers = relation::referrers(&self.model);
    }
}

#[cfg(test)]
mod tests;

//! The directives of the schema language, and what is written where.
//!
//! [`Applied::read`] checks every use against [`SPECS`]; whoever asks an [`Applied`] afterwards meets arguments of
//! the right type only. `docs/schema.md` describes the same table for people.

use std::ops::Range;

use apollo_compiler::ast::{Argument, Directive, DirectiveList, Value as Literal};
use apollo_compiler::{Name, Node};

use super::super::diagnostic::Diagnostics;
use crate::model::closest;

pub(super) type Span = Range<usize>;

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    Collection,
    Embedded,
    Field,
    EmbeddedField,
    Enum,
    EnumValue,
}

impl Site {
    fn describe(self) -> &'static str {
        match self {
            Self::Collection => "a collection",
            Self::Embedded => "an embedded type (one without @collection)",
            Self::Field => "a field of a collection",
            Self::EmbeddedField => "a field of an embedded type",
            Self::Enum => "an enum",
            Self::EnumValue => "an enum value",
        }
    }
}

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Flag,
    /// A whole number from 0.
    Count,
    /// A number, or its digits as text.
    Number,
    Names,
    Choice(&'static [&'static str]),
    /// Any literal; checked against the field's type.
    Literal,
}

impl Takes {
    fn describe(self) -> String {
        match self {
            Self::Text => "a string".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Count => "a whole number from 0 to 4294967295".to_owned(),
            Self::Number => "a number, or one in a string".to_owned(),
            Self::Names => "a list of strings".to_owned(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
            Self::Literal => "a value".to_owned(),
        }
    }

    fn accepts(self, value: &Literal) -> bool {
        match (self, value) {
            (Self::Text, Literal::String(_)) | (Self::Flag, Literal::Boolean(_)) => true,
            (Self::Count, Literal::Int(int)) => int.as_str().parse::<u32>().is_ok(),
            (Self::Number, Literal::Int(_) | Literal::Float(_) | Literal::String(_)) => true,
            (Self::Names, Literal::List(items)) => items.iter().all(|item| matches!(&**item, Literal::String(_))),
            (Self::Choice(choices), Literal::Enum(name)) => choices.contains(&name.as_str()),
            (Self::Literal, value) => !matches!(value, Literal::Variable(_)),
            _ => false,
        }
    }
}

pub(super) struct ArgumentSpec {
    name: &'static str,
    takes: Takes,
    required: bool,
}

pub(super) struct Spec {
    pub(super) name: &'static str,
    sites: &'static [Site],
    repeatable: bool,
    arguments: &'static [ArgumentSpec],
}

const fn optional(name: &'static str, takes: Takes) -> ArgumentSpec {
    ArgumentSpec {
        name,
        takes,
        required: false,
    }
}

const fn required(name: &'static str, takes: Takes) -> ArgumentSpec {
    ArgumentSpec {
        name,
        takes,
        required: true,
    }
}

const fn spec(name: &'static str, sites: &'static [Site], arguments: &'static [ArgumentSpec]) -> Spec {
    Spec {
        name,
        sites,
        repeatable: false,
        arguments,
    }
}

const fn repeatable(spec: Spec) -> Spec {
    Spec {
        repeatable: true,
        ..spec
    }
}

const FIELD: &[Site] = &[Site::Field];
const ANY_FIELD: &[Site] = &[Site::Field, Site::EmbeddedField];

/// Every directive there is; `access` and `table` once for each place, for their arguments differ.
pub(super) const SPECS: [Spec; 19] = [
    spec(
        "collection",
        &[Site::Collection, Site::Embedded],
        &[
            optional("path", Takes::Text),
            optional("auth", Takes::Flag),
            optional("signUp", Takes::Choice(&["OPEN", "INVITE", "CLOSED"])),
            optional("key", Takes::Names),
            optional("created", Takes::Flag),
            optional("updated", Takes::Flag),
            optional("version", Takes::Flag),
            optional("readOnly", Takes::Flag),
        ],
    ),
    spec(
        "access",
        &[Site::Collection],
        &[
            optional("read", Takes::Text),
            optional("create", Takes::Text),
            optional("update", Takes::Text),
            optional("delete", Takes::Text),
        ],
    ),
    spec(
        "access",
        FIELD,
        &[optional("read", Takes::Text), optional("write", Takes::Text)],
    ),
    spec(
        "table",
        &[Site::Collection],
        &[required("name", Takes::Text), optional("managed", Takes::Flag)],
    ),
    spec(
        "table",
        FIELD,
        &[
            required("name", Takes::Text),
            optional("source", Takes::Text),
            optional("target", Takes::Text),
        ],
    ),
    spec("column", FIELD, &[required("name", Takes::Text)]),
    spec(
        "renamed",
        &[Site::Collection, Site::Field],
        &[required("from", Takes::Text)],
    ),
    repeatable(spec(
        "index",
        &[Site::Collection],
        &[
            required("fields", Takes::Names),
            optional("unique", Takes::Flag),
            optional("where", Takes::Text),
            optional("name", Takes::Text),
        ],
    )),
    repeatable(spec(
        "check",
        &[Site::Collection, Site::Field],
        &[required("rule", Takes::Text), required("message", Takes::Text)],
    )),
    spec("unique", FIELD, &[]),
    spec(
        "length",
        ANY_FIELD,
        &[optional("min", Takes::Count), optional("max", Takes::Count)],
    ),
    spec(
        "range",
        ANY_FIELD,
        &[optional("min", Takes::Number), optional("max", Takes::Number)],
    ),
    spec("pattern", ANY_FIELD, &[required("regex", Takes::Text)]),
    spec("immutable", FIELD, &[]),
    spec("private", FIELD, &[]),
    spec("default", FIELD, &[required("value", Takes::Literal)]),
    spec("generated", FIELD, &[optional("always", Takes::Flag)]),
    spec(
        "relation",
        FIELD,
        &[required(
            "onDelete",
            Takes::Choice(&["CASCADE", "RESTRICT", "SET_NULL"]),
        )],
    ),
    spec("inverse", FIELD, &[required("field", Takes::Text)]),
];

pub(super) fn span_of<T: ?Sized>(node: &Node<T>) -> Span {
    node.location()
        .map_or(0..0, |location| location.offset()..location.end_offset())
}

pub(super) fn name_span(name: &Name) -> Span {
    name.location()
        .map_or(0..0, |location| location.offset()..location.end_offset())
}

/// One well-formed use of a directive.
pub(super) struct Use<'a> {
    pub(super) name: &'static str,
    pub(super) span: Span,
    arguments: Vec<(&'static str, &'a Node<Literal>)>,
}

/// A string of the schema, and where its literal stands.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) span: Span,
}

impl<'a> Use<'a> {
    pub(super) fn argument(&self, name: &str) -> Option<&'a Node<Literal>> {
        self.arguments
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    pub(super) fn text(&self, name: &str) -> Option<Text<'a>> {
        let node = self.argument(name)?;
        node.as_str().map(|text| Text {
            text,
            span: span_of(node),
        })
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.argument(name)
            .is_some_and(|node| matches!(**node, Literal::Boolean(true)))
    }

    /// As it was given, or `otherwise`.
    pub(super) fn flag_or(&self, name: &str, otherwise: bool) -> bool {
        match self.argument(name).map(|node| &**node) {
            Some(Literal::Boolean(flag)) => *flag,
            _ => otherwise,
        }
    }

    pub(super) fn count(&self, name: &str) -> Option<u32> {
        match &**self.argument(name)? {
            Literal::Int(int) => int.as_str().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn choice(&self, name: &str) -> Option<&'a str> {
        match &**self.argument(name)? {
            Literal::Enum(choice) => Some(choice.as_str()),
            _ => None,
        }
    }

    pub(super) fn names(&self, name: &str) -> Vec<Text<'a>> {
        let items = self.argument(name).and_then(|node| node.as_list()).unwrap_or_default();
        let text = |item: &'a Node<Literal>| {
            item.as_str().map(|text| Text {
                text,
                span: span_of(item),
            })
        };
        items.iter().filter_map(text).collect()
    }
}

/// The well-formed directives of one place.
pub(super) struct Applied<'a>(Vec<Use<'a>>);

impl<'a> Applied<'a> {
    pub(super) fn read(list: &'a DirectiveList, site: Site, report: &mut Diagnostics) -> Self {
        let mut uses: Vec<Use<'a>> = Vec::new();
        for directive in &list.0 {
            let Some(spec) = find(directive, site, report) else {
                continue;
            };
            if !spec.repeatable && uses.iter().any(|earlier| earlier.name == spec.name) {
                report.error(span_of(directive), format!("@{} stands here twice", spec.name));
                continue;
            }
            if let Some(arguments) = read_arguments(directive, spec, report) {
                uses.push(Use {
                    name: spec.name,
                    span: span_of(directive),
                    arguments,
                });
            }
        }
        Self(uses)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Use<'a>> {
        debug_assert!(SPECS.iter().any(|spec| spec.name == name));
        self.0.iter().find(|used| used.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Use<'a>> {
        self.0.iter().filter(move |used| used.name == name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Use<'a>> {
        self.0.iter()
    }
}

/// Whether a type is stored, or was meant to be: a slip in `@collection` is one error, not one for each use of the type.
pub(super) fn is_collection(list: &DirectiveList) -> bool {
    let known = |name: &str| SPECS.iter().any(|spec| spec.name == name);
    list.0.iter().any(|directive| {
        let name = directive.name.as_str();
        name == "collection" || (!known(name) && closest(name, ["collection"]).is_some())
    })
}

fn find(directive: &Node<Directive>, site: Site, report: &mut Diagnostics) -> Option<&'static Spec> {
    let name = directive.name.as_str();
    let span = name_span(&directive.name);
    let named = || SPECS.iter().filter(|spec| spec.name == name);
    if let Some(spec) = named().find(|spec| spec.sites.contains(&site)) {
        return Some(spec);
    }
    let sites: Vec<&str> = named()
        .flat_map(|spec| spec.sites)
        .map(|site| site.describe())
        .collect();
    if sites.is_empty() {
        let near = closest(name, SPECS.iter().map(|spec| spec.name)).map(|near| format!("@{near}"));
        report
            .error(span, format!("there is no directive @{name}"))
            .suggest(near.as_deref());
        return None;
    }
    report
        .error(span, format!("@{name} can't stand on {}", site.describe()))
        .help(format!("it belongs on {}", sites.join(" or ")));
    None
}

/// `None` if one of them is wrong: a directive is taken whole or not at all.
fn read_arguments<'a>(
    directive: &'a Node<Directive>,
    spec: &'static Spec,
    report: &mut Diagnostics,
) -> Option<Vec<(&'static str, &'a Node<Literal>)>> {
    let mut arguments: Vec<(&'static str, &'a Node<Literal>)> = Vec::new();
    let mut well = true;
    for argument in &directive.arguments {
        match read_argument(argument, spec, report) {
            Some((known, _)) if arguments.iter().any(|(earlier, _)| *earlier == known) => {
                report.error(span_of(argument), format!("`{known}` is given twice"));
                well = false;
            }
            Some(found) => arguments.push(found),
            None => well = false,
        }
    }
    for missing in spec.arguments.iter().filter(|known| known.required) {
        if !directive.arguments.iter().any(|argument| argument.name == missing.name) {
            report
                .error(span_of(directive), format!("@{} needs `{}`", spec.name, missing.name))
                .help(format!("it takes {}", missing.takes.describe()));
            well = false;
        }
    }
    well.then_some(arguments)
}

fn read_argument<'a>(
    argument: &'a Node<Argument>,
    spec: &'static Spec,
    report: &mut Diagnostics,
) -> Option<(&'static str, &'a Node<Literal>)> {
    let name = argument.name.as_str();
    let Some(known) = spec.arguments.iter().find(|known| known.name == name) else {
        let names: Vec<&str> = spec.arguments.iter().map(|known| known.name).collect();
        let error = report.error(
            name_span(&argument.name),
            format!("@{} has no argument `{name}`", spec.name),
        );
        match closest(name, names.iter().copied()) {
            Some(near) => error.suggest(Some(near)),
            None if names.is_empty() => error.help("it takes none"),
            None => error.help(format!("it takes {}", names.join(", "))),
        };
        return None;
    };
    if known.takes.accepts(&argument.value) {
        return Some((known.name, &argument.value));
    }
    let error = report.error(
        span_of(&argument.value),
        format!("`{name}` takes {}", known.takes.describe()),
    );
    if let (Takes::Choice(choices), Literal::Enum(written)) = (known.takes, &*argument.value) {
        error.suggest(closest(written, choices.iter().copied()));
    }
    None
}

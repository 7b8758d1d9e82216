//! Random schemas: a few collections with fields of any type, and relations among them in any direction.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use engine::Model;
use engine::model::Collection;
use proptest::prelude::*;

/// A schema, as text and read. Shown as text.
pub struct Schema {
    pub source: String,
    pub model: Arc<Model>,
}

impl Schema {
    fn read(source: &str) -> Arc<Self> {
        match Model::read(source, "schema.graphql") {
            Ok(model) => Arc::new(Self {
                source: source.to_owned(),
                model: Arc::new(model),
            }),
            Err(diagnostics) => panic!("{diagnostics}\n{source}"),
        }
    }

    /// The collection that conditions are about: the last.
    pub fn root(&self) -> &Collection {
        self.model.collections.last().expect("a schema has collections")
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.source)
    }
}

/// A schema with a field of every type and relation.
pub fn rich() -> Arc<Schema> {
    static RICH: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::read(include_str!("schema.graphql")));
    RICH.clone()
}

/// The rich one now and then, else one that nobody thought of.
pub fn schemas() -> impl Strategy<Value = Arc<Schema>> {
    let collections = prop::collection::vec(prop::collection::vec(field(), 2..10), 1..4);
    let random = (
        collections,
        prop::collection::vec(field(), 4..16),
        prop::collection::vec(field(), 1..6),
    );
    let random = random.prop_map(|(mut collections, root, document)| {
        collections.push(root);
        Schema::read(&written(&collections, &document))
    });
    prop_oneof![1 => Just(()).prop_map(|()| rich()), 4 => random]
}

/// What is decided about a field by chance.
#[derive(Debug, Clone)]
struct Draft {
    kind: Kind,
    required: bool,
    item_required: bool,
    /// Which collection a relation leads to, counted around.
    target: usize,
    /// Whether a relation has its other end, or a column a name of its own.
    other: bool,
    index: Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar(&'static str),
    List(&'static str),
    Document,
    One,
    Many,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    None,
    Whole,
    Partial,
}

const SCALARS: &[&str] = &[
    "String", "Int", "Long", "Float", "Decimal", "Boolean", "DateTime", "Date", "State", "Size", "JSON", "Bytes", "URL",
];
const ITEMS: &[&str] = &["String", "Int", "State", "Size", "Long", "Float"];
/// The first is the accounts'. Some are words of SQL.
const TYPES: &[&str] = &["Person", "Order", "Group", "Index", "Table"];
const FIELDS: &[&str] = &[
    "select", "name", "from", "orderBy", "key", "value", "group", "table", "limit", "a", "aA", "user", "x_1", "values",
    "not", "desc",
];
const ENUMS: &str = "enum State { DRAFT LIVE DONE }\nenum Size { S M L LIVE }\n";

fn field() -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![
        8 => prop::sample::select(SCALARS).prop_map(Kind::Scalar),
        2 => prop::sample::select(ITEMS).prop_map(Kind::List),
        1 => Just(Kind::Document),
        3 => Just(Kind::One),
        2 => Just(Kind::Many),
    ];
    let index = prop_oneof![4 => Just(Index::None), 1 => Just(Index::Whole), 1 => Just(Index::Partial)];
    (kind, any::<bool>(), any::<bool>(), 0..TYPES.len(), any::<bool>(), index).prop_map(
        |(kind, required, item_required, target, other, index)| Draft {
            kind,
            required,
            item_required,
            target,
            other,
            index,
        },
    )
}

fn written(collections: &[Vec<Draft>], document: &[Draft]) -> String {
    let mut text = ENUMS.to_owned();
    text.push_str("type Part {\n");
    for (draft, name) in document.iter().zip(FIELDS) {
        let ty = match draft.kind {
            Kind::Scalar("JSON" | "Bytes") | Kind::Document | Kind::One | Kind::Many => "Int".to_owned(),
            Kind::Scalar(scalar) => scalar.to_owned(),
            Kind::List(item) => list(item, draft),
        };
        let _ = writeln!(text, "  {name}: {ty}{}", mark(draft.required));
    }
    text.push_str("}\n");
    let inverses = inverses(collections);
    for (place, drafts) in collections.iter().enumerate() {
        let accounts = if place == 0 { "(auth: true, signUp: OPEN)" } else { "" };
        let _ = write!(text, "type {} @collection{accounts}", TYPES[place]);
        for index in indexes(drafts) {
            let _ = write!(text, " {index}");
        }
        text.push_str(" {\n");
        for (index, (draft, name)) in drafts.iter().zip(FIELDS).enumerate() {
            let described = described(draft, (place, index), collections.len());
            let _ = writeln!(text, "  {name}: {described}");
        }
        for (number, (_, source, field)) in inverses.iter().filter(|(target, ..)| *target == place).enumerate() {
            let _ = writeln!(
                text,
                "  back{number}: [{}!]! @inverse(field: \"{field}\")",
                TYPES[*source]
            );
        }
        text.push_str("}\n");
    }
    text
}

fn mark(required: bool) -> &'static str {
    if required { "!" } else { "" }
}

fn list(item: &str, draft: &Draft) -> String {
    format!("[{item}{}]", mark(draft.item_required))
}

fn described(draft: &Draft, (place, index): (usize, usize), collections: usize) -> String {
    let target = draft.target % collections;
    let required = mark(draft.required);
    let column = if draft.other {
        format!(" @column(name: \"c{index}\")")
    } else {
        String::new()
    };
    match draft.kind {
        Kind::Scalar(scalar) => format!("{scalar}{required}"),
        Kind::List(item) => format!("{}{required}", list(item, draft)),
        Kind::Document => format!("Part{required}"),
        // A record can only require one that can be there before it.
        Kind::One => format!("{}{}{column}", TYPES[target], mark(draft.required && target < place)),
        Kind::Many => format!("[{}!]!", TYPES[target]),
    }
}

/// `(target, source, field)` of relations that have another end.
fn inverses(collections: &[Vec<Draft>]) -> Vec<(usize, usize, &'static str)> {
    let mut inverses = Vec::new();
    for (source, drafts) in collections.iter().enumerate() {
        for (draft, name) in drafts.iter().zip(FIELDS) {
            if matches!(draft.kind, Kind::One | Kind::Many) && draft.other {
                inverses.push((draft.target % collections.len(), source, *name));
            }
        }
    }
    inverses
}

fn indexes(drafts: &[Draft]) -> BTreeSet<String> {
    let mut indexes = BTreeSet::new();
    for (draft, name) in drafts.iter().zip(FIELDS) {
        let condition = match (draft.kind, draft.index) {
            (Kind::Scalar("JSON" | "Bytes") | Kind::List(_) | Kind::Document | Kind::Many, _) | (_, Index::None) => {
                continue;
            }
            (Kind::Scalar("Boolean"), Index::Partial) => format!("record.{name} == true"),
            (Kind::Scalar("State"), Index::Partial) => format!("record.{name} == 'LIVE'"),
            (Kind::Scalar("Int"), Index::Partial) => format!("record.{name} > 1"),
            (_, Index::Partial) if !draft.required => format!("record.{name} != null"),
            _ => {
                indexes.insert(format!("@index(fields: [\"{name}\"])"));
                continue;
            }
        };
        indexes.insert(format!("@index(fields: [\"{name}\"], where: \"{condition}\")"));
    }
    indexes
}

//! Conditions that are well-typed by construction, as text.
//!
//! Each level is made of the one below it; an iteration's body is made of the level below with one more name in scope.

use engine::model::{CollectionId, EnumId};
use proptest::prelude::*;

use super::Schema;
use super::vocabulary::{Kind, Vocabulary};

type Text = BoxedStrategy<String>;

/// Which names there are, as what they stand for.
#[derive(Clone)]
pub(super) struct Names {
    vocabulary: Vocabulary,
    records: Vec<(String, CollectionId)>,
    texts: Vec<String>,
    ints: Vec<String>,
}

/// Conditions on a `record` of the schema's root.
pub fn conditions(schema: &Schema) -> BoxedStrategy<String> {
    level(3, &Names::of(Vocabulary::of(&schema.model), "record", schema.root().id)).condition
}

/// Expressions of each type.
#[derive(Clone)]
pub(super) struct Level {
    pub(super) condition: Text,
    int: Text,
    float: Text,
    decimal: Text,
    text: Text,
    moment: Text,
    day: Text,
    duration: Text,
    enums: Vec<(EnumId, Text)>,
    records: Vec<(CollectionId, Text)>,
}

fn one_of(choices: Vec<String>) -> Text {
    prop::sample::select(choices).boxed()
}

/// Made only where it is chosen: what an iteration's body is made of is as much as all around it.
fn lazily(make: impl Fn() -> Text + 'static) -> Text {
    Just(()).prop_flat_map(move |()| make()).boxed()
}

fn any_of(choices: Vec<Text>) -> Option<Text> {
    (!choices.is_empty()).then(|| prop::strategy::Union::new(choices).boxed())
}

fn ground(names: &Names) -> Level {
    let leaves = |kind, variables: &[String], constants: &[&str]| {
        let fields = names.fields(kind);
        // Fields are worth more than constants.
        let mut all = [fields.clone(), fields, variables.to_vec()].concat();
        all.extend(constants.iter().map(|constant| (*constant).to_owned()));
        one_of(all)
    };
    let enums = names.vocabulary.enums().filter_map(|id| {
        let fields = names.fields(Kind::Enum(id));
        (!fields.is_empty()).then(|| (id, one_of(fields)))
    });
    let records = names.vocabulary.collections().filter_map(|id| {
        let mut found = names.fields(Kind::One(id));
        found.extend(
            names
                .records
                .iter()
                .filter(|(name, of)| *of == id && name.starts_with('v'))
                .map(|(name, _)| name.clone()),
        );
        if names.vocabulary.model.accounts == Some(id) {
            found.extend(["auth.id", "auth.user"].map(str::to_owned));
        }
        (!found.is_empty()).then(|| (id, one_of(found)))
    });
    Level {
        condition: leaves(Kind::Bool, &[], &["true", "false"]),
        int: leaves(Kind::Int, &names.ints, &["0", "1", "2", "-1"]),
        float: leaves(Kind::Float, &[], &["0.0", "1.5", "-2.0"]),
        decimal: leaves(Kind::Decimal, &[], &["decimal('1.5')", "decimal('0')"]),
        text: leaves(
            Kind::Text,
            &names.texts,
            &["'a'", "'ab'", "''", "'LIVE'", "string(auth.claims.tenant)"],
        ),
        moment: leaves(Kind::Moment, &[], &["now", "timestamp('2024-05-01T12:00:00Z')"]),
        day: leaves(Kind::Day, &[], &["date('2024-05-01')"]),
        duration: one_of(
            ["duration('1h')", "duration('-36h')", "duration('87000000h')"]
                .map(str::to_owned)
                .to_vec(),
        ),
        enums: enums.collect(),
        records: records.collect(),
    }
}

pub(super) fn level(depth: usize, names: &Names) -> Level {
    let ground = ground(names);
    if depth == 0 {
        return ground;
    }
    let below = level(depth - 1, names);
    let condition = conditions_of(depth, names, &below, &ground);
    let records = ground
        .records
        .into_iter()
        .zip(&below.records)
        .map(|((id, ground), (_, deeper))| {
            let chosen = choice(&below.condition, deeper);
            (id, prop_oneof![4 => ground, 1 => chosen].boxed())
        });
    Level {
        condition,
        int: prop_oneof![3 => ground.int, 3 => ints(&below), 1 => sizes(depth, names)].boxed(),
        float: prop_oneof![2 => ground.float, 1 => floats(&below)].boxed(),
        decimal: prop_oneof![2 => ground.decimal, 1 => decimals(&below)].boxed(),
        text: prop_oneof![2 => ground.text, 1 => texts(&below)].boxed(),
        moment: prop_oneof![3 => ground.moment, 1 => moments(&below)].boxed(),
        day: prop_oneof![3 => ground.day, 1 => below.moment.clone().prop_map(|moment| format!("date({moment})"))]
            .boxed(),
        duration: prop_oneof![3 => ground.duration, 1 => durations(&below)].boxed(),
        enums: ground.enums,
        records: records.collect(),
    }
}

fn choice(condition: &Text, of: &Text) -> Text {
    (condition.clone(), of.clone(), of.clone())
        .prop_map(|(condition, then, otherwise)| format!("({condition} ? {then} : {otherwise})"))
        .boxed()
}

fn pair(left: &Text, operators: &'static [&'static str], right: &Text) -> Text {
    (left.clone(), prop::sample::select(operators), right.clone())
        .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
        .boxed()
}

fn apply(of: &Text, forms: &'static [&'static str]) -> Text {
    (of.clone(), prop::sample::select(forms))
        .prop_map(|(of, form)| form.replace('_', &of))
        .boxed()
}

const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%"];
const ORDER: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
const EQUALITY: &[&str] = &["==", "!="];

fn ints(below: &Level) -> Text {
    prop_oneof![
        6 => pair(&below.int, ARITHMETIC, &below.int),
        1 => below.int.clone().prop_map(|int| format!("(-({int}))")),
        1 => apply(&below.text, &["size(_)"]),
        1 => apply(&below.float, &["int(_)"]),
        1 => apply(&below.decimal, &["int(_)"]),
        2 => apply(&below.moment, &["_.getFullYear()", "_.getMonth()", "_.getDate()", "_.getDayOfMonth()", "_.getDayOfWeek()", "_.getDayOfYear()", "_.getHours()", "_.getMinutes()", "_.getSeconds()", "_.getMilliseconds()"]),
        1 => apply(&below.day, &["_.getFullYear()", "_.getDate()"]),
        1 => apply(&below.duration, &["_.getHours()", "_.getSeconds()"]),
        1 => choice(&below.condition, &below.int),
    ]
    .boxed()
}

fn floats(below: &Level) -> Text {
    prop_oneof![
        3 => pair(&below.float, &["+", "-", "*", "/"], &below.float),
        1 => below.float.clone().prop_map(|float| format!("(-({float}))")),
        1 => apply(&below.int, &["double(_)"]),
        1 => apply(&below.decimal, &["double(_)"]),
    ]
    .boxed()
}

fn decimals(below: &Level) -> Text {
    prop_oneof![
        2 => pair(&below.decimal, &["+", "-", "*", "/"], &below.decimal),
        1 => pair(&below.decimal, &["*", "/"], &below.int),
        1 => apply(&below.int, &["decimal(_)"]),
        1 => apply(&below.decimal, &["(-(_))"]),
    ]
    .boxed()
}

fn texts(below: &Level) -> Text {
    let records = below.records.iter().map(|(_, text)| text);
    let named = records.chain(below.enums.iter().map(|(_, text)| text)).cloned();
    let named = any_of(named.collect()).unwrap_or_else(|| below.int.clone());
    prop_oneof![
        2 => pair(&below.text, &["+"], &below.text),
        2 => apply(&below.text, &["_.lowerAscii()", "_.upperAscii()", "_.trim()"]),
        1 => apply(&below.int, &["string(_)"]),
        2 => apply(&named, &["string(_)"]),
        1 => choice(&below.condition, &below.text),
    ]
    .boxed()
}

fn moments(below: &Level) -> Text {
    prop_oneof![
        2 => pair(&below.moment, &["+", "-"], &below.duration),
        1 => apply(&below.day, &["timestamp(_)"]),
    ]
    .boxed()
}

fn durations(below: &Level) -> Text {
    prop_oneof![
        1 => pair(&below.moment, &["-"], &below.moment),
        1 => pair(&below.duration, &["+", "-"], &below.duration),
        1 => apply(&below.duration, &["(-(_))"]),
    ]
    .boxed()
}

fn conditions_of(depth: usize, names: &Names, below: &Level, ground: &Level) -> Text {
    let null = Just("null".to_owned()).boxed();
    let nullable = [below.int.clone(), below.text.clone()].into_iter();
    let nullable = nullable.chain(below.records.iter().map(|(_, text)| text.clone()));
    let nullable = nullable.chain(ground.enums.iter().map(|(_, text)| text.clone()));
    let nullable = any_of(nullable.collect()).expect("two at least");
    let records = any_of(
        below
            .records
            .iter()
            .map(|(_, text)| pair(text, EQUALITY, text))
            .collect(),
    );
    let enums = below
        .enums
        .iter()
        .map(|(id, text)| pair(text, EQUALITY, &names.values(*id)));
    let comparisons = prop_oneof![
        4 => pair(&below.int, ORDER, &below.int),
        2 => pair(&below.float, ORDER, &below.float),
        2 => pair(&below.decimal, ORDER, &below.decimal),
        4 => pair(&below.text, ORDER, &below.text),
        2 => pair(&below.moment, ORDER, &below.moment),
        1 => pair(&below.day, ORDER, &below.day),
        1 => pair(&below.duration, ORDER, &below.duration),
        5 => records.unwrap_or_else(|| pair(&below.text, EQUALITY, &below.text)),
        1 => any_of(enums.collect()).unwrap_or_else(|| pair(&below.int, EQUALITY, &below.int)),
        1 => pair(&below.condition, EQUALITY, &below.condition),
        1 => pair(&nullable, EQUALITY, &null),
    ];
    let logic = prop_oneof![
        2 => pair(&below.condition, &["&&", "||"], &below.condition),
        1 => apply(&below.condition, &["!(_)"]),
        1 => choice(&below.condition, &below.condition),
    ];
    let tests = prop_oneof![
        (
            below.text.clone(),
            prop::sample::select(&["startsWith", "endsWith", "contains"][..]),
            below.text.clone()
        )
            .prop_map(|(text, test, needle)| format!("{text}.{test}({needle})")),
        apply(
            &below.text,
            &["_.matches('^a+$')", "_.matches(r'[a-c]|Ä')", "_.matches(r'\\s\\w?')"]
        ),
    ];
    prop_oneof![
        2 => ground.condition.clone(),
        6 => comparisons,
        4 => logic,
        2 => tests,
        3 => memberships(depth, names, below),
        2 => json(names, below),
        4 => iterations(depth, names),
    ]
    .boxed()
}

fn memberships(depth: usize, names: &Names, below: &Level) -> Text {
    let members = |item: &Text, range: &Text| {
        (item.clone(), range.clone())
            .prop_map(|(item, range)| format!("({item} in {range})"))
            .boxed()
    };
    let literal = (below.int.clone(), below.int.clone()).prop_map(|(one, other)| format!("[{one}, {other}, 2]"));
    let constants = Just("['a', 'LIVE', 'x']".to_owned()).boxed();
    let mut choices = vec![
        members(&below.int, &literal.boxed()),
        members(&below.text, &constants),
        members(&below.text, &text_lists(names)),
    ];
    if let Some(lists) = names.some(Kind::Ints) {
        let item = prop_oneof![3 => below.int.clone(), 1 => Just("null".to_owned())].boxed();
        choices.push(members(&item, &lists));
    }
    for (id, item) in &below.enums {
        choices.extend(names.some(Kind::Enums(*id)).map(|lists| members(item, &lists)));
    }
    for (id, item) in &below.records {
        choices.extend(set_of(*id, depth, names).map(|set| members(item, &set)));
    }
    prop::strategy::Union::new(choices).boxed()
}

fn json(names: &Names, below: &Level) -> Text {
    let Some(fields) = names.some(Kind::Json) else {
        return below.condition.clone();
    };
    let part = apply(&fields, &["_.a", "_.b", "_.a.b", "_"]);
    prop_oneof![
        pair(&part, ORDER, &below.int),
        pair(&part, ORDER, &below.text),
        pair(&part, EQUALITY, &below.condition),
        pair(&part, EQUALITY, &Just("null".to_owned()).boxed()),
    ]
    .boxed()
}

/// Lists of texts.
fn text_lists(names: &Names) -> Text {
    let fields = names.fields(Kind::Texts);
    let mut lists = [fields.clone(), fields].concat();
    lists.extend(["['a', 'b']", "[]", "auth.roles"].map(str::to_owned));
    one_of(lists)
}

/// Sets of records of a collection.
fn set_of(id: CollectionId, depth: usize, names: &Names) -> Option<Text> {
    let plain = names.some(Kind::Many(id))?;
    if depth < 2 || names.variables() >= 2 {
        return Some(plain);
    }
    let inner = names.with_record(depth, id);
    let body = lazily(move || level(depth - 2, &inner).condition);
    let name = names.variable(depth);
    let filtered = (plain.clone(), body).prop_map(move |(set, body)| format!("{set}.filter({name}, {body})"));
    Some(prop_oneof![3 => plain, 1 => filtered].boxed())
}

fn sets(depth: usize, names: &Names) -> Vec<(CollectionId, Text)> {
    let all = names.vocabulary.collections();
    all.filter_map(|id| Some((id, set_of(id, depth, names)?))).collect()
}

fn sizes(depth: usize, names: &Names) -> Text {
    let sets = sets(depth, names).into_iter().map(|(_, set)| set);
    let choices = std::iter::once(text_lists(names)).chain(sets).collect();
    apply(&any_of(choices).expect("one at least"), &["size(_)", "_.size()"])
}

const QUANTIFIERS: &[&str] = &["exists", "all", "exists_one"];

fn iterations(depth: usize, names: &Names) -> Text {
    if names.variables() >= 2 {
        return level(0, names).condition;
    }
    let quantified = |range: Text, names: &Names, inner: Names| {
        let name = names.variable(depth);
        let body = lazily(move || level(depth - 1, &inner).condition);
        (range, prop::sample::select(QUANTIFIERS), body)
            .prop_map(move |(range, kind, body)| format!("{range}.{kind}({name}, {body})"))
            .boxed()
    };
    let mut choices = vec![
        quantified(text_lists(names), names, names.with_text(depth)),
        quantified(one_of(vec!["[0, 1, 2]".into()]), names, names.with_int(depth)),
    ];
    choices.extend(
        names
            .some(Kind::Ints)
            .map(|lists| quantified(lists, names, names.with_int(depth))),
    );
    for (id, set) in sets(depth, names) {
        let (name, inner) = (names.variable(depth), names.with_record(depth, id));
        let mapped = {
            let inner = inner.clone();
            (set.clone(), lazily(move || level(0, &inner).text))
        };
        let mapped = mapped.prop_map(move |(set, body)| format!("('a' in {set}.map({name}, {body}))"));
        choices.push(quantified(set, names, inner));
        choices.push(mapped.boxed());
    }
    prop::strategy::Union::new(choices).boxed()
}

impl Names {
    pub(super) fn of(vocabulary: Vocabulary, record: &str, collection: CollectionId) -> Self {
        Self {
            vocabulary,
            records: vec![(record.to_owned(), collection)],
            texts: Vec::new(),
            ints: Vec::new(),
        }
    }

    fn fields(&self, kind: Kind) -> Vec<String> {
        self.vocabulary.find(&self.records, kind)
    }

    fn some(&self, kind: Kind) -> Option<Text> {
        let fields = self.fields(kind);
        (!fields.is_empty()).then(|| one_of(fields))
    }

    /// What an enum's fields may be compared with.
    fn values(&self, id: EnumId) -> Text {
        let values = self.vocabulary.model.enumeration(id).values.iter();
        one_of(values.map(|value| format!("'{}'", value.name)).collect())
    }

    /// A name that no level above uses.
    fn variable(&self, depth: usize) -> String {
        format!("v{depth}")
    }

    fn variables(&self) -> usize {
        let records = self.records.iter().map(|(name, _)| name);
        let all = records.chain(&self.texts).chain(&self.ints);
        all.filter(|name| name.starts_with('v')).count()
    }

    fn with_record(&self, depth: usize, collection: CollectionId) -> Self {
        let mut inner = self.clone();
        inner.records.push((self.variable(depth), collection));
        inner
    }

    fn with_text(&self, depth: usize) -> Self {
        let mut inner = self.clone();
        inner.texts.push(self.variable(depth));
        inner
    }

    fn with_int(&self, depth: usize) -> Self {
        let mut inner = self.clone();
        inner.ints.push(self.variable(depth));
        inner
    }
}

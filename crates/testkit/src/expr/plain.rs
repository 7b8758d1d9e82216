//! The part of the language that any CEL implementation has: no relations, no types of our own.

use engine::model::{CollectionId, Value};
use engine::query::Image;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{model, world};

/// A condition, and the task that it is about.
#[derive(Debug, Clone)]
pub struct PlainCase {
    pub source: String,
    pub record: Image,
}

/// Fields of `Task` that plain CEL has types for.
const FIELDS: &[&str] = &[
    "title", "note", "priority", "effort", "big", "total", "ratio", "rate", "done", "flag", "due", "closed", "tags",
    "marks",
];

impl PlainCase {
    /// The record as another implementation is told of it: `{"name": {"type": value}}`.
    pub fn record_json(&self) -> Json {
        let model = model();
        let collection = model.collection(task());
        let fields = FIELDS.iter().map(|name| {
            let field = collection.field_named(name).expect("the schema has it");
            let slot = collection.slot(field.id).expect("it is stored");
            ((*name).to_owned(), typed(&self.record.0[slot]))
        });
        Json::Object(fields.collect())
    }
}

fn typed(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => json!({ "bool": truth }),
        Value::Int(int) => json!({ "int": int.to_string() }),
        Value::Float(float) => json!({ "double": float }),
        Value::Text(text) => json!({ "string": text }),
        Value::DateTime(moment) => json!({ "timestamp": moment.to_string() }),
        Value::Json(list) => json!({ "list": serde_json::from_str::<Json>(list).unwrap_or(Json::Null) }),
        _ => Json::Null,
    }
}

fn task() -> CollectionId {
    model().by_name("Task").expect("the schema has it").id
}

pub fn plain_cases() -> impl Strategy<Value = PlainCase> {
    let model = model();
    let collection = model.collection(task());
    let floats: Vec<usize> = ["ratio", "rate"]
        .iter()
        .filter_map(|name| collection.slot(collection.by_name[*name]))
        .collect();
    let marks = collection.slot(collection.by_name["marks"]).expect("it is stored");
    let flag = collection.slot(collection.by_name["flag"]).expect("it is stored");
    // Without the magnitudes that we refuse to calculate with, and without lists and conditions that are null, which
    // cel-python has its own ideas of.
    let record = world::image(&model, collection, 0).prop_map(move |mut record| {
        for slot in &floats {
            if let Value::Float(float) = &mut record.0[*slot] {
                *float = (*float % 1000.0 * 4.0).round() / 4.0;
            }
        }
        if record.0[marks].is_null() {
            record.0[marks] = Value::Json("[]".into());
        }
        if record.0[flag].is_null() {
            record.0[flag] = Value::Bool(false);
        }
        record
    });
    (level(3, &Names::default()).condition, record).prop_map(|(source, record)| PlainCase { source, record })
}

#[derive(Debug, Clone, Default)]
struct Names {
    texts: Vec<String>,
    ints: Vec<String>,
}

type Text = BoxedStrategy<String>;

#[derive(Clone)]
struct Level {
    condition: Text,
    int: Text,
    float: Text,
    text: Text,
    moment: Text,
    duration: Text,
}

fn one_of(choices: &[&str], more: &[String]) -> Text {
    let choices: Vec<String> = choices
        .iter()
        .map(|choice| (*choice).to_owned())
        .chain(more.iter().cloned())
        .collect();
    prop::sample::select(choices).boxed()
}

fn pair(left: &Text, operators: &'static [&'static str], right: &Text) -> Text {
    (left.clone(), prop::sample::select(operators), right.clone())
        .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
        .boxed()
}

fn apply(of: &Text, forms: &'static [&'static str]) -> Text {
    (of.clone(), prop::sample::select(forms))
        .prop_map(|(of, form)| form.replace('@', &of))
        .boxed()
}

fn choice(condition: &Text, of: &Text) -> Text {
    (condition.clone(), of.clone(), of.clone())
        .prop_map(|(condition, then, otherwise)| format!("({condition} ? {then} : {otherwise})"))
        .boxed()
}

fn ground(names: &Names) -> Level {
    Level {
        condition: one_of(&["record.done", "record.flag", "true", "false"], &[]),
        int: one_of(
            &[
                "record.priority",
                "record.effort",
                "record.big",
                "record.total",
                "0",
                "1",
                "2",
                "-1",
            ],
            &names.ints,
        ),
        float: one_of(&["record.ratio", "record.rate", "0.0", "1.5", "-2.0"], &[]),
        text: one_of(&["record.title", "record.note", "'a'", "'ab'", "''"], &names.texts),
        moment: one_of(
            &["record.due", "record.closed", "timestamp('2024-05-01T12:00:00Z')"],
            &[],
        ),
        duration: one_of(&["duration('1h')", "duration('-36h')", "duration('90s')"], &[]),
    }
}

const ORDER: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

fn level(depth: usize, names: &Names) -> Level {
    let ground = ground(names);
    if depth == 0 {
        return ground;
    }
    let below = level(depth - 1, names);
    let int = prop_oneof![
        4 => pair(&below.int, &["+", "-", "*", "/", "%"], &below.int),
        1 => below.int.clone().prop_map(|int| format!("(-({int}))")),
        1 => apply(&below.text, &["size(@)", "@.size()"]),
        1 => apply(&below.float, &["int(@)"]),
        1 => apply(&below.moment, &["@.getFullYear()", "@.getMonth()", "@.getDate()", "@.getDayOfMonth()", "@.getDayOfWeek()", "@.getDayOfYear()", "@.getHours()", "@.getMinutes()", "@.getSeconds()"]),
        1 => one_of(&["size(record.tags)", "record.marks.size()"], &[]),
        1 => choice(&below.condition, &below.int),
    ];
    let float = prop_oneof![
        2 => pair(&below.float, &["+", "-", "*"], &below.float),
        1 => apply(&below.float, &["(@ / 2.0)"]),
        1 => apply(&below.int, &["double(@)"]),
    ];
    let text = prop_oneof![
        2 => pair(&below.text, &["+"], &below.text),
        1 => apply(&below.int, &["string(@)"]),
        1 => choice(&below.condition, &below.text),
    ];
    Level {
        condition: prop_oneof![1 => ground.condition.clone(), 5 => conditions(depth, names, &below)].boxed(),
        int: prop_oneof![2 => ground.int, 2 => int].boxed(),
        float: prop_oneof![2 => ground.float, 1 => float].boxed(),
        text: prop_oneof![2 => ground.text, 1 => text].boxed(),
        moment: prop_oneof![3 => ground.moment, 1 => pair(&below.moment, &["+", "-"], &below.duration)].boxed(),
        duration: prop_oneof![3 => ground.duration, 1 => pair(&below.moment, &["-"], &below.moment)].boxed(),
    }
}

fn conditions(depth: usize, names: &Names, below: &Level) -> Text {
    let null = Just("null".to_owned()).boxed();
    let mut choices = vec![
        pair(&below.int, ORDER, &below.int),
        pair(&below.float, ORDER, &below.float),
        pair(&below.text, ORDER, &below.text),
        pair(&below.moment, ORDER, &below.moment),
        pair(&below.duration, ORDER, &below.duration),
        pair(
            &prop_oneof![below.int.clone(), below.text.clone()].boxed(),
            &["==", "!="],
            &null,
        ),
        pair(&below.condition, &["&&", "||", "==", "!="], &below.condition),
        pair(&below.condition, &["&&", "||"], &below.condition),
        apply(&below.condition, &["!(@)"]),
        choice(&below.condition, &below.condition),
        apply(
            &below.text,
            &[
                "@.startsWith('a')",
                "@.endsWith('b')",
                "@.contains(' ')",
                "@.matches('^a+$')",
                "@.matches(r'[a-c]|Ä')",
            ],
        ),
        apply(&below.text, &["(@ in ['a', 'LIVE'])", "(@ in record.tags)"]),
        apply(&below.int, &["(@ in [0, 1, 7])", "(@ in record.marks)"]),
    ];
    if names.texts.is_empty() && names.ints.is_empty() {
        let variable = "x".to_owned();
        let texts = Names {
            texts: vec![variable.clone()],
            ..Names::default()
        };
        let ints = Names {
            ints: vec![variable],
            ..Names::default()
        };
        for (range, names) in [("record.tags", &texts), ("record.marks", &ints), ("[0, 1, 2]", &ints)] {
            let body = level(depth - 1, names).condition;
            let forms = &[
                "exists(x, @)",
                "all(x, @)",
                "exists_one(x, @)",
                "filter(x, @).size() == 1",
            ];
            choices.push(
                apply(&body, forms)
                    .prop_map(move |form| format!("({range}.{form})"))
                    .boxed(),
            );
        }
    }
    prop::strategy::Union::new(choices).boxed()
}

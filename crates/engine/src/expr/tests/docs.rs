//! The reference page keeps its promises.

use super::*;
use crate::query::Bindings;
use crate::query::functions::json_scalar;
use crate::query::interpret::{Interpreter, Records, Relations};

const PAGE: &str = include_str!("../../../../../docs/expressions.md");

const ORDER: Uuid = Uuid::from_u128(0x17);
const BOB: Uuid = Uuid::from_u128(0xb0b);

/// The fenced blocks in a language, joined.
fn blocks(language: &str) -> String {
    let fence = format!("```{language}\n");
    PAGE.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

/// The page's order with what belongs to it.
struct Shop {
    model: Model,
    order: Image,
}

impl Shop {
    fn open() -> Self {
        let model = match Model::read(&blocks("graphql"), "expressions.md") {
            Ok(model) => model,
            Err(diagnostics) => panic!("{diagnostics}"),
        };
        let given: serde_json::Value = serde_json::from_str(&blocks("json")).unwrap();
        let collection = model.by_name("Order").unwrap();
        let value = |field: &crate::model::Field| match (&field.kind, field.name.as_str()) {
            (_, "id") => Value::Id(ORDER),
            (FieldKind::Reference { .. }, "customer") => Value::Id(ANN),
            (FieldKind::Value(ValueType::Scalar(scalar)), name) => json_scalar(&given[name], *scalar),
            (FieldKind::Value(ValueType::Enum(_)), name) => json_scalar(&given[name], Scalar::String),
            (_, name) => json_scalar(&given[name], Scalar::Json),
        };
        let order = Image(collection.stored().map(value).collect());
        Self { model, order }
    }

    fn row(&self, collection: CollectionId, given: &[(&str, Value)]) -> Image {
        let collection = self.model.collection(collection);
        let value = |name: &str| {
            given
                .iter()
                .find(|(given, _)| *given == name)
                .map(|(_, value)| value.clone())
        };
        Image(
            collection
                .stored()
                .map(|field| value(&field.name).unwrap_or(Value::Null))
                .collect(),
        )
    }

    fn outcome(&self, source: &str) -> String {
        let scope = Scope {
            record: self.model.by_name("Order").map(|order| order.id),
            before: true,
            bare_fields: false,
        };
        let compiled = match Expression::compile(source, scope, Expects::Condition, &self.model) {
            Ok(compiled) => compiled,
            Err(errors) => {
                assert_eq!(errors.len(), 1, "{source}");
                return format!("refused: {}", errors[0]);
            }
        };
        let principal = Principal::User {
            id: ANN,
            roles: Arc::from(["buyer".into()]),
            claims: Arc::default(),
        };
        let related = Relations {
            model: &self.model,
            records: self,
        };
        let input = Input {
            model: &self.model,
            facts: facts(&principal),
            record: Some(&self.order),
            before: None,
            related: Some(&related),
        };
        let outcome = match compiled.evaluate(input) {
            Ok(Value::Bool(truth)) => truth.to_string(),
            Ok(other) => panic!("{source}: {other:?}"),
            Err(_) => "error".into(),
        };
        self.agrees(&compiled, &principal, outcome == "true");
        outcome
    }

    /// The other back end says the same.
    fn agrees(&self, compiled: &Expression, principal: &Principal, expected: bool) {
        let mut aliases = Aliases::default();
        let mut lowering = Lowering {
            model: &self.model,
            facts: facts(principal),
            root: Alias::ROOT,
            aliases: &mut aliases,
            visibility: None,
            before: Before::Record,
        };
        let pred = compiled.predicate(&mut lowering).unwrap();
        let bindings = Bindings {
            auth_id: Value::Id(ANN),
            auth_roles: Value::List(vec![Value::text("buyer")]),
            now: Timestamp(NOW),
        };
        let order = self.model.by_name("Order").unwrap().id;
        let holds = Interpreter::new(&self.model, self, &bindings).holds(&pred, order, &self.order);
        assert_eq!(holds, expected, "{}", compiled.source());
    }
}

impl Records for Shop {
    fn record(&self, collection: CollectionId, key: &Value) -> Option<Image> {
        let id = key.as_id()?;
        let price = |scaled| Value::Decimal(crate::model::Decimal(scaled));
        let line = |count, scaled| {
            let given = [
                ("id", key.clone()),
                ("order", Value::Id(ORDER)),
                ("count", Value::Int(count)),
                ("price", price(scaled)),
            ];
            self.row(collection, &given)
        };
        let person = |name: &str, manager| {
            self.row(
                collection,
                &[("id", key.clone()), ("name", Value::text(name)), ("manager", manager)],
            )
        };
        match (self.model.collection(collection).name.as_str(), id.as_u128()) {
            ("Person", 0xa1) => Some(person("Ann", Value::Id(BOB))),
            ("Person", 0xb0b) => Some(person("Bob", Value::Null)),
            ("Order", 0x17) => Some(self.order.clone()),
            ("Line", 1) => Some(line(2, 40_000_000)),
            ("Line", 2) => Some(line(1, 19_900_000)),
            _ => None,
        }
    }

    fn links(&self, _collection: CollectionId, _field: FieldId, _key: &Value) -> Vec<Value> {
        vec![Value::Id(BOB)]
    }

    fn linked_from(&self, _collection: CollectionId, _field: FieldId, _target: &Value) -> Vec<Value> {
        Vec::new()
    }

    fn referencing(&self, _collection: CollectionId, _field: FieldId, _target: &Value) -> Vec<Value> {
        vec![Value::Id(Uuid::from_u128(1)), Value::Id(Uuid::from_u128(2))]
    }
}

#[test]
fn every_example_is_true_to_its_word() {
    let shop = Shop::open();
    let examples = blocks("cel");
    let mut count = 0;
    for line in examples.lines().filter(|line| !line.is_empty()) {
        let (source, expected) = line
            .split_once(" // ")
            .unwrap_or_else(|| panic!("no outcome is given: {line}"));
        assert_eq!(shop.outcome(source.trim_end()), expected, "{source}");
        count += 1;
    }
    assert!(count > 60, "only {count} examples were found");
}

/// What the page lists is what there is.
#[test]
fn the_limits_are_the_ones_in_the_code() {
    for (row, limit) in [
        ("| length | 16 KiB;", super::super::scan::BYTES_MAX == 16 * 1024),
        ("| words and signs | 2000 |", super::super::scan::TOKENS_MAX == 2000),
        ("`,` | 64 |", super::super::scan::DEPTH_MAX == 64),
        (
            "| relations on the way to a value | 8 |",
            super::super::check::RELATION_DEPTH_MAX == 8,
        ),
        (
            "| iterations in iterations | 3 |",
            super::super::check::EACH_DEPTH_MAX == 3,
        ),
    ] {
        assert!(limit && PAGE.contains(row), "{row}");
    }
}

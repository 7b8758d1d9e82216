//! Parts of documents and items of lists as values of a type: what `engine::query::functions::json_scalar` means, as
//! expressions.

use engine::model::Scalar;
use mongodb::bson::{Bson, bson};

use super::predicate::bound;

const MOMENT: &str = "%Y-%m-%dT%H:%M:%S.%LZ";
const DAY: &str = "%Y-%m-%d";
const IDENTITY: &str = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}(?![\\s\\S])";

/// What the path leads to, as a value of the type; null where it leads nowhere or to something else.
pub(super) fn part(of: Bson, path: &[Box<str>], ty: Scalar) -> Bson {
    let mut at = of;
    for name in path {
        at = bound([("v", at)], |[within]| {
            let field = bson!({ "$getField": { "field": { "$literal": &**name }, "input": within.clone() } });
            bson!({ "$cond": [{ "$eq": [{ "$type": within }, "object"] }, field, Bson::Null] })
        });
    }
    scalar(at, ty)
}

/// The items of what may be a list, as values of the type.
pub(super) fn items(list: Bson, ty: Scalar) -> Bson {
    let items = bound(
        [("l", list)],
        |[list]| bson!({ "$cond": [{ "$isArray": [list.clone()] }, list, []] }),
    );
    match ty {
        // Nothing else is in a list of these, and nothing is written in another way.
        Scalar::String | Scalar::Email | Scalar::Url | Scalar::File | Scalar::Boolean | Scalar::Int => items,
        _ => bson!({ "$map": { "input": items, "as": "item", "in": scalar(Bson::String("$$item".to_owned()), ty) } }),
    }
}

pub(super) fn scalar(json: Bson, ty: Scalar) -> Bson {
    if ty == Scalar::Json {
        return bson!({ "$ifNull": [json, Bson::Null] });
    }
    bound([("j", json)], |[json]| {
        let kind = bson!({ "$type": json.clone() });
        let is_text = bson!({ "$eq": [kind.clone(), "string"] });
        let is_whole = bson!({ "$in": [kind.clone(), ["long", "int"]] });
        let of_text = |value: Bson| bson!({ "$cond": [is_text.clone(), value, Bson::Null] });
        match ty {
            Scalar::String | Scalar::Email | Scalar::Url | Scalar::File | Scalar::Bytes => of_text(json),
            Scalar::Int => bson!({ "$cond": [is_whole, json, Bson::Null] }),
            Scalar::Long => {
                let parsed = convert(json.clone(), "long");
                bson!({ "$cond": [is_whole, json, of_text(parsed)] })
            }
            Scalar::Float => {
                let number = bson!({ "$toDouble": json.clone() });
                bson!({ "$cond": [{ "$isNumber": json }, number, Bson::Null] })
            }
            Scalar::Boolean => bson!({ "$cond": [{ "$eq": [kind, "bool"] }, json, Bson::Null] }),
            Scalar::Decimal => of_text(convert(json, "decimal")),
            Scalar::DateTime => of_text(parsed(json, MOMENT)),
            Scalar::Date => of_text(parsed(json, DAY)),
            Scalar::Id => {
                let lower = bson!({ "$toLower": json.clone() });
                let text = of_text(json);
                bson!({ "$cond": [{ "$regexMatch": { "input": text, "regex": IDENTITY } }, lower, Bson::Null] })
            }
            Scalar::Json => json,
        }
    })
}

/// Null where it can't be done.
pub(super) fn convert(value: Bson, to: &str) -> Bson {
    bson!({ "$convert": { "input": value, "to": to, "onError": Bson::Null, "onNull": Bson::Null } })
}

fn parsed(text: Bson, format: &str) -> Bson {
    bson!({ "$dateFromString": { "dateString": text, "format": format, "onError": Bson::Null, "onNull": Bson::Null } })
}

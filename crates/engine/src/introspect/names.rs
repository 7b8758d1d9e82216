//! From a database's names to the schema's.

use std::collections::HashSet;

use crate::model::{plural, snake_case};

/// Words that a type can't be called: scalars, and what GraphQL and its tools mean something else by.
const TYPES_TAKEN: [&str; 17] = [
    "ID",
    "String",
    "Int",
    "Long",
    "Float",
    "Decimal",
    "Boolean",
    "DateTime",
    "Date",
    "Bytes",
    "JSON",
    "Email",
    "URL",
    "File",
    "Query",
    "Mutation",
    "Subscription",
];
/// Words of CEL.
const FIELDS_TAKEN: [&str; 4] = ["in", "true", "false", "null"];
/// Words in -ies whose singular isn't in -y.
const IES: [&str; 6] = ["calories", "cookies", "movies", "pies", "ties", "zombies"];

/// Names that are given out once each, compared without case.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// `wanted`, with a number behind it if it is taken.
    pub(super) fn take(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2;
        while !self.0.insert(name.to_ascii_lowercase()) {
            name = format!("{wanted}{number}");
            number += 1;
        }
        name
    }
}

/// `order_details` → `OrderDetail`.
pub(super) fn type_name(table: &str) -> String {
    let words = words(table);
    let mut name = String::new();
    for (index, word) in words.iter().enumerate() {
        let word = if index + 1 == words.len() {
            singular(word)
        } else {
            word.clone()
        };
        name.push_str(&capitalised(&word));
    }
    let name = startable(name, "T");
    if TYPES_TAKEN.contains(&name.as_str()) {
        format!("{name}Record")
    } else {
        name
    }
}

/// The name of a type of values, which is no table: `mpaa_rating` → `MpaaRating`.
pub(super) fn enum_name(name: &str) -> String {
    let name: String = words(name).iter().map(|word| capitalised(word)).collect();
    let name = startable(name, "E");
    if TYPES_TAKEN.contains(&name.as_str()) {
        format!("{name}Value")
    } else {
        name
    }
}

/// `UnitPrice` → `unitPrice`.
pub(super) fn field_name(column: &str) -> String {
    let mut name = String::new();
    for (index, word) in words(column).iter().enumerate() {
        name.push_str(&if index == 0 { word.clone() } else { capitalised(word) });
    }
    let name = startable(name, "f");
    if FIELDS_TAKEN.contains(&name.as_str()) {
        format!("{name}Value")
    } else {
        name
    }
}

/// A relation is called what its column is, without the word for a key: `AlbumId` → `album`.
pub(super) fn relation_name(column: &str, target: &str) -> String {
    let name = field_name(column);
    let without = ["Id", "Fk", "No", "Code"].iter().find_map(|end| name.strip_suffix(end));
    match without {
        Some(rest) if !rest.is_empty() && rest != "f" => rest.to_owned(),
        _ if name == "id" => field_name(target),
        _ => name,
    }
}

/// `OrderLine` → `orderLines`.
pub(super) fn plural_name(type_name: &str) -> String {
    let words = words(type_name);
    let Some((last, first)) = words.split_last() else {
        return "records".to_owned();
    };
    let many: Vec<String> = first.iter().cloned().chain([plural(last)]).collect();
    field_name(&many.join("_"))
}

/// A name that GraphQL takes.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !text.starts_with("__")
}

/// Lower-case words of ASCII letters and digits; what is neither stands between words.
fn words(name: &str) -> Vec<String> {
    let plain: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
        .collect();
    snake_case(&plain)
        .split('_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn startable(name: String, prefix: &str) -> String {
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name
    } else {
        format!("{prefix}{name}")
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The word whose plural it is, if there is one that we know.
fn singular(word: &str) -> String {
    let keeps = ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) || (plural(word) == word && word != "people");
    if keeps {
        return word.to_owned();
    }
    let stem = |end: &str, instead: &str| word.strip_suffix(end).map(|stem| format!("{stem}{instead}"));
    let by_rule = [
        stem("ies", "y").filter(|_| !IES.contains(&word)),
        stem("people", "person"),
        stem("children", "child"),
        stem("men", "man"),
        stem("indexes", "index"),
        stem("ves", "f"),
        stem("ves", "fe"),
        stem("es", "").filter(|stem| takes_es(stem)),
        stem("s", ""),
        stem("es", ""),
    ];
    let fits = |candidate: &String| candidate.len() > 1 && plural(candidate) == word;
    by_rule
        .into_iter()
        .flatten()
        .find(fits)
        .unwrap_or_else(|| word.to_owned())
}

/// Of `addresses` the singular is `address`, of `houses` it is `house`: by far most words with these ends have no -e.
fn takes_es(stem: &str) -> bool {
    ["ss", "sh", "ch", "x", "tus", "bus"]
        .iter()
        .any(|end| stem.ends_with(end))
        && stem != "cach"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types() {
        let check = |table: &str, expected: &str| assert_eq!(type_name(table), expected);
        check("Album", "Album");
        check("albums", "Album");
        check("order_details", "OrderDetail");
        check("Order Details", "OrderDetail");
        check("categories", "Category");
        check("movies", "Movie");
        check("addresses", "Address");
        check("status", "Status");
        check("statuses", "Status");
        check("warehouses", "Warehouse");
        check("purchases", "Purchase");
        check("branches", "Branch");
        check("caches", "Cache");
        check("news", "News");
        check("people", "Person");
        check("shelves", "Shelf");
        check("files", "FileRecord");
        check("2fa_codes", "T2faCode");
        check("größe", "GrE");
        check("日本", "T");
    }

    #[test]
    fn names_of_fields() {
        let check = |column: &str, expected: &str| assert_eq!(field_name(column), expected);
        check("UnitPrice", "unitPrice");
        check("unit_price", "unitPrice");
        check("EmployeeID", "employeeId");
        check("id", "id");
        check("in", "inValue");
        check("1st", "f1st");
        let check = |column: &str, expected: &str| assert_eq!(relation_name(column, "customer"), expected);
        check("AlbumId", "album");
        check("artist_id", "artist");
        check("ReportsTo", "reportsTo");
        check("id", "customer");
        check("CustomerID", "customer");
    }

    #[test]
    fn names_of_sets() {
        let check = |name: &str, expected: &str| assert_eq!(plural_name(name), expected);
        check("Album", "albums");
        check("OrderLine", "orderLines");
        check("Category", "categories");
    }
}

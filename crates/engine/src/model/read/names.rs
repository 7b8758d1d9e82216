//! From the schema's names to those of databases and paths.

/// Longest identifier that every database takes (PostgreSQL's limit).
pub(super) const IDENTIFIER_BYTES_MAX: usize = 63;

/// `OrderLine` → `order_line`, `HTTPServer` → `http_server`, `userID` → `user_id`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (index, &letter) in chars.iter().enumerate() {
        let previous = index.checked_sub(1).map(|before| chars[before]);
        let starts_word = letter.is_ascii_uppercase()
            && previous.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && chars.get(index + 1).is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The path segment of a type: its plural in kebab-case. `OrderLine` → `order-lines`.
pub(crate) fn path_of(type_name: &str) -> String {
    let snake = snake_case(type_name);
    let words: Vec<&str> = snake.split('_').filter(|word| !word.is_empty()).collect();
    let Some((last, first)) = words.split_last() else {
        return String::new();
    };
    let plural = plural(last);
    first
        .iter()
        .copied()
        .chain([plural.as_str()])
        .collect::<Vec<_>>()
        .join("-")
}

/// Words whose plural no rule gives.
const IRREGULAR: [(&str, &str); 18] = [
    ("person", "people"),
    ("child", "children"),
    ("man", "men"),
    ("woman", "women"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("goose", "geese"),
    ("mouse", "mice"),
    ("ox", "oxen"),
    ("index", "indexes"),
    ("datum", "data"),
    ("medium", "media"),
    ("criterion", "criteria"),
    ("phenomenon", "phenomena"),
    ("quiz", "quizzes"),
    ("photo", "photos"),
    ("piano", "pianos"),
    ("stomach", "stomachs"),
];

/// Words that are their own plural.
const UNCHANGED: [&str; 15] = [
    "data",
    "equipment",
    "feedback",
    "fish",
    "information",
    "media",
    "metadata",
    "money",
    "news",
    "people",
    "series",
    "sheep",
    "software",
    "species",
    "staff",
];

/// Words in -f and -fe that become -ves, and in -o that become -oes.
const VES: [&str; 10] = [
    "calf", "half", "knife", "leaf", "life", "loaf", "self", "shelf", "thief", "wolf",
];
const OES: [&str; 6] = ["echo", "hero", "potato", "tomato", "torpedo", "veto"];

/// The English plural of a lower-case word.
pub(crate) fn plural(word: &str) -> String {
    if UNCHANGED.contains(&word) {
        return word.to_owned();
    }
    if let Some((_, plural)) = IRREGULAR.iter().find(|(singular, _)| *singular == word) {
        return (*plural).to_owned();
    }
    if VES.contains(&word) {
        return format!("{}ves", word.trim_end_matches('e').trim_end_matches('f'));
    }
    let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
    if let Some(stem) = word.strip_suffix("sis") {
        return format!("{stem}ses");
    }
    if let Some(stem) = word.strip_suffix('y')
        && stem.ends_with(|letter: char| letter.is_ascii_alphabetic() && !"aeiou".contains(letter))
    {
        return format!("{stem}ies");
    }
    if ends(&["s", "x", "z", "ch", "sh"]) || OES.contains(&word) {
        return format!("{word}es");
    }
    format!("{word}s")
}

/// Whether a database can be made to use it on every engine.
pub(super) fn is_identifier(name: &str) -> bool {
    name.len() <= IDENTIFIER_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Whether something that is in a database already can have the name.
pub(super) fn is_existing(name: &str) -> bool {
    (1..=128).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Lower-case words of letters and digits, joined by hyphens.
pub(super) fn is_path_segment(path: &str) -> bool {
    path.len() <= IDENTIFIER_BYTES_MAX
        && path.split('-').all(|word| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_database() {
        let check = |name: &str, expected: &str| assert_eq!(snake_case(name), expected);
        check("Room", "room");
        check("OrderLine", "order_line");
        check("HTTPServer", "http_server");
        check("userID", "user_id");
        check("line2", "line2");
        check("line2Total", "line2_total");
        check("snake_case", "snake_case");
        check("_hidden", "_hidden");
    }

    #[test]
    fn paths() {
        let check = |name: &str, expected: &str| assert_eq!(path_of(name), expected);
        check("Room", "rooms");
        check("OrderLine", "order-lines");
        check("Category", "categories");
        check("Day", "days");
        check("Person", "people");
        check("SalesPerson", "sales-people");
        check("Box", "boxes");
        check("Address", "addresses");
        check("Status", "statuses");
        check("Match", "matches");
        check("Dish", "dishes");
        check("Analysis", "analyses");
        check("Shelf", "shelves");
        check("Knife", "knives");
        check("Roof", "roofs");
        check("Hero", "heroes");
        check("Photo", "photos");
        check("News", "news");
        check("Quiz", "quizzes");
        check("Order_Line", "order-lines");
        check("Wifi6", "wifi6s");
    }

    #[test]
    fn what_databases_and_paths_take() {
        assert!(is_identifier("order_line") && is_identifier("Orders") && is_identifier("_x1"));
        assert!(!is_identifier("1x") && !is_identifier("a-b") && !is_identifier("") && !is_identifier(&"x".repeat(64)));
        assert!(is_path_segment("order-lines") && is_path_segment("v2"));
        assert!(
            !is_path_segment("Orders") && !is_path_segment("a--b") && !is_path_segment("") && !is_path_segment("a/b")
        );
    }
}

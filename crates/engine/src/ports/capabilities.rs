//! What a schema may ask for and not every kind of database has.
//!
//! All else is the same on every database; the conformance suite sees to that. What is lacking here is refused when the
//! application starts, so that no answer is ever different for it.

use crate::Model;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// As its documentation writes it.
    pub database: &'static str,
    /// Tables and views that others made: `@table(managed: false)`.
    pub mapped_tables: bool,
}

impl Capabilities {
    /// What the model asks for in vain, a sentence each.
    pub fn lacking(&self, model: &Model) -> Vec<String> {
        if self.mapped_tables {
            return Vec::new();
        }
        let mapped = model.collections.iter().filter(|collection| !collection.managed);
        mapped
            .map(|collection| {
                format!(
                    "{} is a table that others made (`managed: false`), which {} has none of",
                    collection.name, self.database
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_named() {
        let schema = "type A @collection { x: Int } \
                      type B @collection(key: [\"id\"]) @table(name: \"b\", managed: false) { id: Int! }";
        let model = Model::read(schema, "schema.graphql").unwrap();
        let database = |mapped_tables| Capabilities {
            database: "MongoDB",
            mapped_tables,
        };
        assert_eq!(database(true).lacking(&model), Vec::<String>::new());
        let lacking = database(false).lacking(&model);
        assert_eq!(
            lacking,
            ["B is a table that others made (`managed: false`), which MongoDB has none of"]
        );
    }
}

//! Texts that may be a schema.

use engine::Model;
use engine::model::Structure;

/// Reading ends with a model or with diagnostics that can be shown; a model has a sound structure.
///
/// # Panics
/// Where it doesn't.
pub fn schema(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Model::read(text, "schema.graphql") {
        Ok(model) => {
            let structure = Structure::of(&model);
            assert_eq!(
                structure.check(),
                Ok(()),
                "a model that was read has a structure that can be made"
            );
            assert!(structure.same_as(&Structure::of(&model)));
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "a refusal says why");
            assert!(!diagnostics.render(false).is_empty());
        }
    }
}

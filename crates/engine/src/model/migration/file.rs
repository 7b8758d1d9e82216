//! One migration as a file: TOML that a person can review.
//!
//! ```toml
//! # add field User.phone: String
//! [[step]]
//! action = "add_field"
//! collection = "User"
//! field = { name = "phone", column = "phone", type = "String" }
//! ```

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::step::Step;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Whoever reviewed it means the data to go that its steps destroy.
    #[serde(default)]
    pub allow_destructive: bool,
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

impl Migration {
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// As [`Migration::parse`] reads it, with a sentence before each step.
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# Read this before you keep it, and change it if you must. Once a database has run it, it may not change.\n",
        );
        if self.allow_destructive {
            text.push_str("\nallow_destructive = true\n");
        }
        for step in &self.steps {
            let _ = write!(text, "\n# {step}");
            if let Some(lost) = step.destroys() {
                let _ = write!(text, "; destroys {lost}");
            }
            text.push_str("\n[[step]]\n");
            let json = serde_json::to_value(step).expect("a step is plain data");
            for (key, value) in json.as_object().into_iter().flatten() {
                let _ = writeln!(text, "{key} = {}", top_level(value));
            }
        }
        text
    }
}

/// Lists of tables take a line for each item.
fn top_level(value: &Value) -> String {
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let lines = items.iter().map(|item| format!("  {},\n", inline(item)));
            format!("[\n{}]", lines.collect::<String>())
        }
        other => inline(other),
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key} = {}", inline(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        // Steps leave out what they don't say, so null never gets here.
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

//! The reference page's examples mean what it says.

use super::*;

const PAGE: &str = include_str!("../../../../../../docs/schema.md");

/// Fenced blocks: what follows the fence, and what is inside.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    while let Some(start) = rest.find("```") {
        let (info, after) = rest[start + 3..].split_once('\n').expect("a fence ends its line");
        let end = after.find("```").expect("every fence is closed");
        blocks.push((info, &after[..end]));
        rest = &after[end + 3..];
    }
    blocks
}

#[test]
fn every_example_reads() {
    let examples: Vec<_> = blocks().into_iter().filter(|(info, _)| *info == "graphql").collect();
    assert!(examples.len() >= 10);
    for (_, source) in examples {
        read(source);
        let said = Model::examine(source, "schema.graphql").1;
        assert!(said.is_empty(), "{said}");
    }
}

#[test]
fn the_example_applications_read() {
    let chat = include_str!("../../../../../../examples/chat/schema.graphql");
    let said = Model::examine(chat, "schema.graphql").1;
    assert!(said.is_empty(), "{said}");
}

#[test]
fn every_error_is_what_is_said() {
    let blocks = blocks();
    let mut wrong = 0;
    for (index, (info, source)) in blocks.iter().enumerate() {
        if *info != "graphql error" {
            continue;
        }
        wrong += 1;
        let (expected_info, expected) = blocks[index + 1];
        assert_eq!(expected_info, "text", "what is said follows the example:\n{source}");
        let said = Model::examine(source, "schema.graphql").1.to_string();
        assert_eq!(said, expected, "\n<<{said}>>");
    }
    assert!(wrong > 5);
}

/// Each directive and scalar is on the page.
#[test]
fn nothing_is_left_out() {
    for spec in &super::super::directives::SPECS {
        assert!(PAGE.contains(&format!("@{}", spec.name)), "@{}", spec.name);
    }
    for scalar in Scalar::ALL {
        assert!(PAGE.contains(&format!("| `{}` |", scalar.name())), "{}", scalar.name());
    }
}

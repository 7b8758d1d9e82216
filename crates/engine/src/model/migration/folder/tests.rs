use super::*;
use crate::model::Model;

fn target(schema: &str) -> Target {
    Target::of(&Model::read(schema, "schema.graphql").unwrap())
}

const ONE: &str = "type User @collection { name: String! }";
const TWO: &str = "type User @collection { name: String! age: Int }";

#[track_caller]
fn check(files: &[(&str, &str)], expected: &str) {
    let texts = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let error = Folder::of(texts).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_is_written_is_read_back() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("migrations");
    assert!(Folder::read(&path).unwrap().is_empty());
    for (name, schema, file) in [
        ("Initial!", ONE, "0001_initial.toml"),
        ("add age", TWO, "0002_add_age.toml"),
    ] {
        let folder = Folder::read(&path).unwrap();
        let missing = folder.missing(&target(schema));
        let written = folder.write_next(&path, name, &missing).unwrap();
        assert_eq!(written, path.join(file));
    }
    fs::write(path.join("README.md"), "not ours").unwrap();
    let folder = Folder::read(&path).unwrap();
    assert!(folder.structure().same_as(&target(TWO).structure));
    assert!(folder.missing(&target(TWO)).steps.is_empty());
    assert_eq!(folder.files()[1].id.number, 2);
}

#[test]
fn a_file_is_never_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let migration = Migration::default();
    Folder::default().write_next(place.path(), "a", &migration).unwrap();
    let error = Folder::default().write_next(place.path(), "a", &migration).unwrap_err();
    assert!(matches!(error, FolderError::Io { .. }), "{error}");
}

#[test]
fn a_broken_folder_says_what_to_do() {
    check(
        &[("first.toml", "")],
        "first.toml is not a migration's name: write a number and a name",
    );
    check(&[("1_first.toml", "")], "1_first.toml is not a migration's name");
    check(&[("0001_a.toml", ""), ("0001_b.toml", "")], "have the same number");
    check(&[("0001_a.toml", "[[step]]\naction = \"fly\"")], "0001_a.toml: ");
    let unknown = "[[step]]\naction = \"remove_index\"\ncollection = \"User\"\nindex = \"x\"";
    check(
        &[("0001_a.toml", unknown)],
        "0001_a.toml, step 1: there is no collection User",
    );
    check(
        &[("0001_a.toml", "[[step]]\naction = \"run\"\nsqlight = \"SELECT 1\"")],
        "`sqlight` is no engine: there are sqlite, postgres, mysql, mongodb",
    );
    let typo = "[[step]]\naction = \"remove_collection\"\ncolection = \"User\"";
    check(&[("0001_a.toml", typo)], "unknown field `colection`");
    let dangling = r#"
        [[step]]
        action = "add_collection"
        name = "A"
        table = "a"
        key = ["id"]
        fields = [{ name = "id", column = "id", type = "ID" }, { name = "b", column = "b", type = "ID", refers = "B" }]
    "#;
    check(
        &[("0001_a.toml", dangling)],
        "0001_a.toml, step 1: A.b refers to B, which is not there",
    );
}

/// The files of the guide are files, and lead where it says.
#[test]
fn the_guide_is_right() {
    let guide = include_str!("../../../../../../docs/migrations.md");
    let blocks = guide
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let texts = blocks.map(|text| {
        let name = text.lines().next().unwrap().trim_start_matches("# migrations/");
        (name.to_owned(), text.to_owned())
    });
    let folder = Folder::of(texts).unwrap();
    let end = target("type User @collection { first: String! last: String }");
    assert_eq!(folder.missing(&end).steps, []);
    for file in folder.files() {
        assert_eq!(Migration::parse(&file.migration.to_toml()).unwrap(), file.migration);
    }
}

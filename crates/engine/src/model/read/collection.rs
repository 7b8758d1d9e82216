//! Collections: names, fields, access, checks.

use std::collections::HashMap;

use apollo_compiler::Node;
use apollo_compiler::ast::ObjectTypeDefinition;

use super::super::{Access, Collection, CollectionId, FieldId, SignUp};
use super::declare::type_span;
use super::directives::{Applied, Site, Text, Use, name_span};
use super::embedded::doc;
use super::system::Own;
use super::{PendingRule, Reader, RuleSite, TableName, names, system};

/// Paths that mean something else.
const RESERVED_PATHS: [&str; 1] = ["batch"];
/// What tables of Ninefold and of SQLite itself start with.
const RESERVED_TABLES: [&str; 2] = ["_ninefold", "sqlite_"];

impl<'a> Reader<'a, '_> {
    pub(super) fn read_collections(&mut self) {
        let nodes = self.declared.collections.clone();
        // All heads first: a relation's join table is named after both tables.
        for (index, node) in nodes.iter().enumerate() {
            let directives = Applied::read(&node.directives, Site::Collection, self.report);
            let id = CollectionId(u16::try_from(index).expect("types are bounded"));
            self.read_head(id, node, &directives);
            self.note_rules(id, &directives);
            self.heads.push(directives);
        }
        for (index, node) in nodes.into_iter().enumerate() {
            let id = CollectionId(u16::try_from(index).expect("types are bounded"));
            self.read_fields(id, node);
        }
    }

    fn read_head(&mut self, id: CollectionId, node: &'a Node<ObjectTypeDefinition>, applied: &Applied<'a>) {
        let name = node.name.as_str();
        let head = applied.get("collection");
        let auth = head.is_some_and(|head| head.flag("auth"));
        let managed = applied.get("table").is_none_or(|table| table.flag_or("managed", true));
        let own = Own::of(head, managed);
        let fields = system::fields(own);
        let account = auth.then(|| system::account_fields(&fields, sign_up(head)));
        if auth {
            self.claim_accounts(id, node);
            let read_only = head.is_some_and(|head| head.flag("readOnly"));
            if let Some(head) = head.filter(|_| !own.is_complete() || !managed || read_only) {
                self.report
                    .error(head.span.clone(), "accounts are a collection of Ninefold's own")
                    .help(
                        "`key`, `created`, `updated`, `version`, `readOnly` and `managed` don't go with `auth: true`",
                    );
            }
        } else if let Some(head) = head.filter(|head| head.argument("signUp").is_some()) {
            self.report
                .error(head.span.clone(), "signUp needs `auth: true`")
                .help("only a collection of accounts can be signed up to");
        }
        let (path, path_span) = self.path(node, head);
        let table = self.table(node, applied, managed);
        let renamed = applied.get("renamed").and_then(|renamed| renamed.text("from"));
        self.model.by_name.insert(name.to_owned(), id);
        self.claim_path(id, &path, path_span);
        self.model.collections.push(Collection {
            id,
            name: name.to_owned(),
            path,
            table,
            doc: doc(node.description.as_ref()),
            key: Vec::from_iter(system::find(&fields, "id")),
            created: system::find(&fields, "created"),
            updated: system::find(&fields, "updated"),
            version: system::find(&fields, "version"),
            fields,
            account,
            managed,
            read_only: head.is_some_and(|head| head.flag("readOnly")),
            indexes: Vec::new(),
            checks: Vec::new(),
            access: Access::default(),
            renamed_from: renamed.map(|from| from.text.to_owned()),
            by_name: HashMap::new(),
        });
    }

    fn claim_accounts(&mut self, id: CollectionId, node: &'a Node<ObjectTypeDefinition>) {
        match self.model.accounts {
            None => self.model.accounts = Some(id),
            Some(first) => {
                let first = self.model.collection(first).name.clone();
                self.report
                    .error(type_span(node), format!("`{first}` already holds the accounts"))
                    .help("one collection has `auth: true`; tell kinds of users apart by roles");
            }
        }
    }

    fn path(&mut self, node: &'a Node<ObjectTypeDefinition>, head: Option<&Use<'a>>) -> (String, super::Span) {
        let Some(written) = head.and_then(|head| head.text("path")) else {
            return (names::path_of(&node.name), type_span(node));
        };
        if !names::is_path_segment(written.text) {
            self.report
                .error(written.span.clone(), format!("`{}` can't be a path", written.text))
                .help("lower-case letters and digits, words joined by `-`: `order-lines`");
        }
        (written.text.to_owned(), written.span)
    }

    fn claim_path(&mut self, id: CollectionId, path: &str, span: super::Span) {
        if RESERVED_PATHS.contains(&path) {
            self.report
                .error(span, format!("the path `{path}` is reserved"))
                .help("choose another: @collection(path: \"...\")");
        } else if let Some(other) = self.model.by_path.get(path) {
            let other = self.model.collection(*other).name.clone();
            self.report
                .error(span, format!("`{other}` already has the path `{path}`"))
                .help("choose another: @collection(path: \"...\")");
        } else {
            self.model.by_path.insert(path.to_owned(), id);
        }
    }

    fn table(&mut self, node: &'a Node<ObjectTypeDefinition>, applied: &Applied<'a>, managed: bool) -> String {
        let written = applied.get("table").and_then(|table| table.text("name"));
        let (table, span) = match written {
            Some(written) => (written.text.to_owned(), written.span),
            None => (names::snake_case(&node.name), type_span(node)),
        };
        self.claim_table(&table, node.name.to_string(), managed, span);
        table
    }

    /// Notes a table's name for collisions, and refuses impossible ones.
    pub(super) fn claim_table(&mut self, table: &str, owner: String, managed: bool, span: super::Span) {
        let lower = table.to_ascii_lowercase();
        if RESERVED_TABLES.iter().any(|reserved| lower.starts_with(reserved)) {
            self.report
                .error(span.clone(), format!("the table name `{table}` is reserved"))
                .help("choose another: @table(name: \"...\")");
        } else if managed && !names::is_identifier(table) {
            self.report
                .error(span.clone(), format!("`{table}` can't be the name of a table"))
                .help("letters, digits and `_`, at most 63, not starting with a digit: @table(name: \"...\")");
        } else if !names::is_existing(table) {
            self.report
                .error(span.clone(), format!("{table:?} can't be the name of a table"))
                .help("1 to 128 bytes, none of them a control character");
        }
        self.tables.push(TableName {
            table: lower,
            owner,
            span,
        });
    }

    fn read_fields(&mut self, id: CollectionId, node: &'a Node<ObjectTypeDefinition>) {
        let auth = self.model.collection(id).account.is_some();
        for field in &node.fields {
            let fields = &self.model.collection(id).fields;
            if fields.iter().any(|earlier| {
                !system::is_system(self.model.collection(id), earlier.id) && earlier.name == field.name.as_str()
            }) {
                self.report
                    .error(name_span(&field.name), format!("`{}` stands here twice", field.name));
                continue;
            }
            let field_id = FieldId(u16::try_from(fields.len()).expect("fields are bounded"));
            if let Some(field) = self.read_field(id, field_id, field, auth) {
                self.model.collections[usize::from(id.0)].fields.push(field);
            }
        }
        let collection = &mut self.model.collections[usize::from(id.0)];
        collection.by_name = collection
            .fields
            .iter()
            .map(|field| (field.name.clone(), field.id))
            .collect();
    }

    fn note_rules(&mut self, id: CollectionId, applied: &Applied<'a>) {
        if let Some(access) = applied.get("access") {
            let writes = ["create", "update", "delete"].map(|name| access.text(name));
            if self.model.collection(id).read_only
                && let Some(rule) = writes.into_iter().flatten().next()
            {
                self.report
                    .error(rule.span, "nobody writes what is read only")
                    .help("take the rule out, or `readOnly: true`");
            }
            let sites = [
                ("read", RuleSite::Read),
                ("create", RuleSite::Create),
                ("update", RuleSite::Update),
                ("delete", RuleSite::Delete),
            ];
            for (argument, site) in sites {
                if let Some(text) = access.text(argument) {
                    self.note(id, site, text);
                }
            }
        }
        for check in applied.all("check") {
            self.note_check(id, None, check);
        }
        if let Some(account) = self.model.collection(id).account {
            let own = Text {
                text: system::OWN_ACCOUNT,
                span: 0..0,
            };
            for field in [account.email, account.verified, account.roles] {
                self.note(id, RuleSite::FieldRead(field), own.clone());
            }
        }
    }

    pub(super) fn note_check(&mut self, collection: CollectionId, field: Option<FieldId>, check: &Use<'a>) {
        if let (Some(rule), Some(message)) = (check.text("rule"), check.text("message")) {
            let message = message.text.to_owned();
            self.note(collection, RuleSite::Check { field, message }, rule);
        }
    }

    pub(super) fn note(&mut self, collection: CollectionId, site: RuleSite, text: Text<'a>) {
        self.rules.push(PendingRule { collection, site, text });
    }
}

fn sign_up(head: Option<&Use<'_>>) -> SignUp {
    match head.and_then(|head| head.choice("signUp")) {
        Some("OPEN") => SignUp::Open,
        Some("INVITE") => SignUp::Invite,
        _ => SignUp::Closed,
    }
}

//! The fields that every collection has, and those of accounts.

use super::super::{AccountFields, DefaultValue};
use super::super::{Collection, Field, FieldId, FieldKind, FieldRule, Scalar, SignUp, Value, ValueType};
use super::directives::Use;

/// What the owner and administrators alone may read of an account.
pub(super) const OWN_ACCOUNT: &str = "record.id == auth.id";

/// What `POST /auth/sign-up` takes beside the fields of the record.
const OF_SIGN_UP: [&str; 2] = ["password", "invitation"];

/// A field of an account that signing up couldn't set.
pub(super) fn is_of_sign_up(name: &str) -> bool {
    OF_SIGN_UP.contains(&name)
}

/// Which of the system fields a collection has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    id: bool,
    created: bool,
    updated: bool,
    version: bool,
    auth: bool,
}

impl Own {
    /// All of them, but for what `@collection` takes away. A table that isn't Ninefold's has none that it isn't said to have.
    pub(super) fn of(head: Option<&Use<'_>>, managed: bool) -> Self {
        let flag = |name| head.map_or(managed, |head| head.flag_or(name, managed));
        Self {
            id: managed && head.is_none_or(|head| head.argument("key").is_none()),
            created: flag("created"),
            updated: flag("updated"),
            version: flag("version"),
            auth: head.is_some_and(|head| head.flag("auth")),
        }
    }

    pub(super) fn is_complete(self) -> bool {
        self.id && self.created && self.updated && self.version
    }
}

/// Whether the collection has it by itself. System fields stand first, and are all there is when this is asked.
pub(super) fn is_system(collection: &Collection, id: FieldId) -> bool {
    let field = collection.field(id);
    let of_account = |account: AccountFields| [account.email, account.verified, account.roles].contains(&id);
    field.system || collection.account.is_some_and(of_account)
}

/// Where the fields of accounts stand.
pub(super) fn account_fields(fields: &[Field], sign_up: SignUp) -> AccountFields {
    let place = |name| find(fields, name).expect("accounts have their fields");
    AccountFields {
        email: place("email"),
        verified: place("verified"),
        roles: place("roles"),
        sign_up,
    }
}

pub(super) fn find(fields: &[Field], name: &str) -> Option<FieldId> {
    fields.iter().find(|field| field.name == name).map(|field| field.id)
}

pub(super) fn fields(wanted: Own) -> Vec<Field> {
    let moment = ValueType::Scalar(Scalar::DateTime);
    let mut fields = Vec::new();
    if wanted.id {
        let id = own("id", "Identifies the record: a UUIDv7.", ValueType::Scalar(Scalar::Id));
        fields.push(Field { immutable: true, ..id });
    }
    if wanted.created {
        let created = own("created", "When the record was created.", moment.clone());
        fields.push(Field {
            immutable: true,
            ..created
        });
    }
    if wanted.updated {
        fields.push(own("updated", "When the record last changed.", moment));
    }
    if wanted.version {
        fields.push(own(
            "version",
            "Counts the record's changes, from 1.",
            ValueType::Scalar(Scalar::Long),
        ));
    }
    if wanted.auth {
        let mut email = of_account(
            "email",
            "The address to sign in with.",
            ValueType::Scalar(Scalar::Email),
        );
        email.unique = true;
        let mut verified = of_account(
            "verified",
            "Whether the address was shown to be the user's.",
            ValueType::Scalar(Scalar::Boolean),
        );
        verified.default = Some(DefaultValue::Constant(Value::Bool(false)));
        let list = ValueType::List {
            item: Box::new(ValueType::Scalar(Scalar::String)),
            required: true,
        };
        let mut roles = of_account("roles", "What rules know as `auth.roles`.", list);
        roles.default = Some(DefaultValue::Constant(Value::Json("[]".into())));
        fields.extend([email, verified, roles]);
    }
    for (index, field) in fields.iter_mut().enumerate() {
        field.id = FieldId(u16::try_from(index).expect("seven at most"));
    }
    fields
}

fn own(name: &str, doc: &str, ty: ValueType) -> Field {
    let mut field = plain(name, FieldKind::Value(ty));
    field.doc = Some(doc.to_owned());
    field.required = true;
    field.system = true;
    field
}

fn of_account(name: &str, doc: &str, ty: ValueType) -> Field {
    let mut field = plain(name, FieldKind::Value(ty));
    field.doc = Some(doc.to_owned());
    field.required = true;
    field.write = FieldRule::Administrators;
    field
}

/// A field that nothing is said about.
pub(super) fn plain(name: &str, kind: FieldKind) -> Field {
    Field {
        id: FieldId(0),
        name: name.to_owned(),
        column: super::names::snake_case(name),
        doc: None,
        kind,
        required: false,
        unique: false,
        immutable: false,
        private: false,
        system: false,
        length: None,
        range: None,
        pattern: None,
        default: None,
        generated: None,
        read: FieldRule::Inherit,
        write: FieldRule::Inherit,
        renamed_from: None,
    }
}

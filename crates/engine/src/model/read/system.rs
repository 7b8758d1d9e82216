//! The fields that every collection has, and those of accounts.

use super::super::{AccountFields, DefaultValue};
use super::super::{Field, FieldId, FieldKind, FieldRule, Scalar, SignUp, Value, ValueType};

/// `id`, `created`, `updated`, `version`; of accounts also `email`, `verified`, `roles`.
const OF_ALL: [&str; 4] = ["id", "created", "updated", "version"];
const OF_ACCOUNTS: [&str; 3] = ["email", "verified", "roles"];

/// What the owner and administrators alone may read of an account.
pub(super) const OWN_ACCOUNT: &str = "record.id == auth.id";

/// What `POST /auth/sign-up` takes beside the fields of the record.
const OF_SIGN_UP: [&str; 2] = ["password", "invitation"];

/// A field of an account that signing up couldn't set.
pub(super) fn is_of_sign_up(name: &str) -> bool {
    OF_SIGN_UP.contains(&name)
}

pub(super) fn is_system(name: &str, auth: bool) -> bool {
    OF_ALL.contains(&name) || (auth && OF_ACCOUNTS.contains(&name))
}

/// Where the system fields stand; they come first.
pub(super) const ID: FieldId = FieldId(0);
pub(super) const CREATED: FieldId = FieldId(1);
pub(super) const UPDATED: FieldId = FieldId(2);
pub(super) const VERSION: FieldId = FieldId(3);

pub(super) fn account_fields(sign_up: SignUp) -> AccountFields {
    AccountFields {
        email: FieldId(4),
        verified: FieldId(5),
        roles: FieldId(6),
        sign_up,
    }
}

pub(super) fn fields(auth: bool) -> Vec<Field> {
    let moment = ValueType::Scalar(Scalar::DateTime);
    let mut fields = vec![
        own("id", "Identifies the record: a UUIDv7.", ValueType::Scalar(Scalar::Id)),
        own("created", "When the record was created.", moment.clone()),
        own("updated", "When the record last changed.", moment),
        own(
            "version",
            "Counts the record's changes, from 1.",
            ValueType::Scalar(Scalar::Long),
        ),
    ];
    for field in &mut fields[..2] {
        field.immutable = true;
    }
    if auth {
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
        read: FieldRule::Inherit,
        write: FieldRule::Inherit,
        renamed_from: None,
    }
}

//! All that a database holds, part by part, as it is stored: for taking it to another database.
//!
//! Contract:
//! - Rows are positional, and the same on every engine; see [`Part`]. A part is read in the order of its key.
//! - From [`Relocation::begin`] to [`Relocation::finish`] a database is incomplete: nobody else can open it, in this process
//!   or another, before or after a crash. Relations may name records that are still to come.
//! - [`Relocation::put`] takes away, keeps its rows and the mark in one step. A process that died goes on behind the mark that it finds.
//!   Of two that go on at once one finds another mark than its own, and does nothing.
//! - [`Relocation::finish`] refuses a database whose relations name what isn't there. What it leaves there says that it was moved.
//! - What is written to a served database can be followed by a [`ChangeLog`], where it keeps one.

use async_trait::async_trait;

use crate::model::{CollectionId, Field, FieldId, FieldKind, Model, Scalar, Value};
use crate::ports::change_log::ChangeLog;
use crate::ports::store::StoreError;

/// The right to read and write everything, idle for everybody but an administrator.
#[derive(Debug)]
pub struct Relocate {
    /// Somebody may serve the database meanwhile: then it is read, and not written to.
    pub is_served: bool,
}

/// One kind of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A value for each stored field, in the model's order.
    Records(CollectionId),
    /// Two keys for each member of a to-many field: of the record that has it, and of the member.
    Links(CollectionId, FieldId),
    /// See [`Reserved::fields`].
    Reserved(Reserved),
}

/// What is identity's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    Credentials,
    Sessions,
    OneTimeTokens,
    Administrators,
    SigningKeys,
    Secrets,
}

impl Reserved {
    pub const ALL: [Self; 6] = [
        Self::Credentials,
        Self::Sessions,
        Self::OneTimeTokens,
        Self::Administrators,
        Self::SigningKeys,
        Self::Secrets,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Sessions => "sessions",
            Self::OneTimeTokens => "one-time tokens",
            Self::Administrators => "administrators",
            Self::SigningKeys => "signing keys",
            Self::Secrets => "secrets",
        }
    }

    /// What a row holds, in order. A `kind` says what the subject is: `user` or `administrator`. Moments are milliseconds.
    pub fn fields(self) -> &'static [(&'static str, Scalar)] {
        use Scalar::{Bytes, Id, Long, String as Text};
        match self {
            Self::Credentials => &[("kind", Text), ("subject", Id), ("hash", Text)],
            Self::Sessions => &[
                ("id", Id),
                ("kind", Text),
                ("subject", Id),
                ("created", Long),
                ("expires", Long),
                ("idle_until", Long),
                ("generation", Long),
                ("rotated", Long),
                ("user_agent", Text),
            ],
            Self::OneTimeTokens => &[
                ("hash", Bytes),
                ("purpose", Text),
                ("kind", Text),
                ("subject", Id),
                ("email", Text),
                ("expires", Long),
            ],
            Self::Administrators => &[("id", Id), ("email", Text), ("created", Long)],
            Self::SigningKeys => &[("id", Text), ("seed", Bytes), ("starts", Long), ("expires", Long)],
            Self::Secrets => &[("name", Text), ("value", Bytes)],
        }
    }

    /// How many of the fields, from the first, are the key.
    pub fn key_fields(self) -> usize {
        match self {
            Self::Credentials => 2,
            Self::Sessions | Self::OneTimeTokens | Self::Administrators | Self::SigningKeys | Self::Secrets => 1,
        }
    }
}

impl Part {
    /// All parts of an application's data.
    pub fn all(model: &Model) -> Vec<Self> {
        let records = model.collections.iter().map(|collection| Self::Records(collection.id));
        let links = model.collections.iter().flat_map(|collection| {
            let fields = collection
                .fields
                .iter()
                .filter(|field| matches!(field.kind, FieldKind::Links { .. }));
            fields.map(|field| Self::Links(collection.id, field.id))
        });
        let reserved = Reserved::ALL.into_iter().map(Self::Reserved);
        records.chain(links).chain(reserved).collect()
    }

    /// For people; different for each.
    pub fn name(self, model: &Model) -> String {
        match self {
            Self::Records(collection) => model.collection(collection).path.clone(),
            Self::Links(collection, field) => {
                let collection = model.collection(collection);
                format!("{}.{}", collection.path, collection.field(field).name)
            }
            Self::Reserved(reserved) => reserved.name().to_owned(),
        }
    }

    /// Where its rows are, and what each holds, in order: another text for each that differs.
    pub fn layout(self, model: &Model) -> String {
        match self {
            Self::Records(collection) => {
                let collection = model.collection(collection);
                let field =
                    |field: &Field| format!("{} {} {:?} {}", field.name, field.column, field.kind, field.required);
                let fields: Vec<_> = collection.stored().map(field).collect();
                format!("{} {:?} ({})", collection.table, collection.key, fields.join(", "))
            }
            Self::Links(collection, field) => format!("{:?}", model.collection(collection).field(field).kind),
            Self::Reserved(reserved) => format!("{:?}", reserved.fields()),
        }
    }

    /// The key of a row.
    pub fn key(self, model: &Model, row: &[Value]) -> Vec<Value> {
        match self {
            Self::Records(collection) => {
                let collection = model.collection(collection);
                let slots = collection.key.iter().filter_map(|field| collection.slot(*field));
                slots.map(|slot| row[slot].clone()).collect()
            }
            Self::Links(..) => row.to_vec(),
            Self::Reserved(reserved) => row[..reserved.key_fields()].to_vec(),
        }
    }
}

/// From one mark to the next, which is another one each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub from: String,
    pub to: String,
}

#[async_trait]
pub trait Relocation: Send {
    /// # Errors
    /// Others are connected to the database, as far as it tells that: [`StoreError::Unavailable`], with a sentence for people.
    async fn alone(&mut self) -> Result<(), StoreError>;

    async fn count(&mut self, part: Part) -> Result<u64, StoreError>;

    /// Rows behind the key `after`, or the first, by key.
    async fn read(&mut self, part: Part, after: Option<Vec<Value>>, limit: u32) -> Result<Vec<Vec<Value>>, StoreError>;

    /// The rows with these keys, as far as they are there, in no order.
    async fn find(&mut self, part: Part, keys: Vec<Vec<Value>>) -> Result<Vec<Vec<Value>>, StoreError>;

    /// What says which rows change while the database is served; `None` where nothing does.
    fn change_log(&mut self) -> Option<&mut dyn ChangeLog>;

    /// The mark of the move that fills this database; `None` of one that is complete.
    async fn mark(&mut self) -> Result<Option<String>, StoreError>;

    /// Another text when a server that was started since has written to the database.
    async fn position(&mut self) -> Result<String, StoreError>;

    /// What the end of a move has left here.
    async fn moved(&mut self) -> Result<Option<String>, StoreError>;

    /// Makes the database incomplete. Answers whether it had no mark.
    async fn begin(&mut self, mark: String) -> Result<bool, StoreError>;

    /// Takes away the rows with the keys `gone`, if they are there, and then keeps `rows`. Answers whether the mark was the one
    /// that the turn begins with; nothing is done where it isn't.
    ///
    /// # Errors
    /// Also where a row, or what is unique in it, is there already: [`StoreError::UniqueViolation`].
    async fn put(
        &mut self,
        part: Part,
        gone: Vec<Vec<Value>>,
        rows: Vec<Vec<Value>>,
        turn: Turn,
    ) -> Result<bool, StoreError>;

    /// Makes the database complete, durably, and leaves `moved` there. Answers whether the mark was this one; nothing is done where it
    /// isn't.
    async fn finish(&mut self, mark: &str, moved: String) -> Result<bool, StoreError>;
}

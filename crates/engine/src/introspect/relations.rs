//! Foreign keys as relations, join tables as to-many relations, indexes; and every field's final name.

use super::choose::{Chosen, CollectionChosen, FieldKind, IndexChosen, SetChosen, SetKind, shown};
use super::names;
use super::{ColumnDefault, Database, ForeignKey, Note, Table};
use crate::model::{Generated, OnDelete, Scalar};

/// As the schema bounds it.
const INDEX_FIELDS_MAX: usize = 8;

pub(super) fn relate(database: &Database, chosen: &mut Chosen<'_>, notes: &mut Vec<Note>) {
    let joins = take_joins(database, chosen, notes);
    to_one(chosen, notes);
    for collection in &mut chosen.collections {
        name_fields(collection);
    }
    for join in joins {
        to_many(chosen, &join);
    }
    inverses(chosen);
    for collection in &mut chosen.collections {
        indexes(collection, notes);
    }
}

/// A table of pairs.
struct Join {
    table: String,
    /// Names of the types, and of the columns that lead to them.
    ends: [(String, String); 2],
}

/// Takes out the tables that are nothing but pairs of other tables' keys.
fn take_joins(database: &Database, chosen: &mut Chosen<'_>, notes: &mut Vec<Note>) -> Vec<Join> {
    let mut joins = Vec::new();
    let mut places = Vec::new();
    for (place, collection) in chosen.collections.iter().enumerate() {
        let Some(ends) = ends(chosen, collection) else { continue };
        let is_referred_to = |table: &Table| table.foreign_keys.iter().any(|key| key.table == collection.table.name);
        if database.tables.iter().any(is_referred_to) {
            continue;
        }
        let others = collection.table.columns.iter();
        let others = others.filter(|column| !collection.table.key.contains(&column.name));
        for column in others {
            let what = format!("{}.{}", collection.table.name, column.name);
            notes.push(Note::new(
                what,
                "left out: its table is a relation of two others, and has no records of its own",
            ));
        }
        places.push(place);
        joins.push(Join {
            table: collection.table.name.clone(),
            ends,
        });
    }
    for place in places.into_iter().rev() {
        chosen.collections.remove(place);
    }
    joins
}

/// The two keys that a join table's own key is made of.
fn ends(chosen: &Chosen<'_>, collection: &CollectionChosen<'_>) -> Option<[(String, String); 2]> {
    let table = collection.table;
    let [first, second] = table.key.as_slice() else {
        return None;
    };
    let end = |column: &String| {
        let key = table.foreign_keys.iter().find(|key| key.columns == [column.clone()])?;
        let target = target(chosen, key)?;
        Some((chosen.collections[target].name.clone(), column.clone()))
    };
    let ends = [end(first)?, end(second)?];
    // A moment of its last change is nothing that a record would be for.
    let mut others = table.columns.iter().filter(|column| !table.key.contains(&column.name));
    let first = others.next();
    let is_no_loss = first.is_none_or(|column| {
        let is_moment = column.kind == super::Kind::Scalar(Scalar::DateTime);
        is_moment && (column.default.is_some() || !column.required)
    });
    (is_no_loss && others.next().is_none() && !table.is_view).then_some(ends)
}

/// The place of the collection that a foreign key leads to, if a relation can.
fn target(chosen: &Chosen<'_>, key: &ForeignKey) -> Option<usize> {
    let place = chosen
        .collections
        .iter()
        .position(|collection| collection.table.name.eq_ignore_ascii_case(&key.table) && !collection.table.is_view)?;
    let single = chosen.collections[place].single_key()?;
    let fits = key.targets.is_empty() || matches!(key.targets.as_slice(), [only] if only.eq_ignore_ascii_case(single));
    fits.then_some(place)
}

fn to_one(chosen: &mut Chosen<'_>, notes: &mut Vec<Note>) {
    for place in 0..chosen.collections.len() {
        let table = chosen.collections[place].table;
        for key in &table.foreign_keys {
            let what = format!("{}.{}", table.name, key.columns.join(", "));
            let found = match key.columns.as_slice() {
                [column] => target(chosen, key).map(|target| (column, target)),
                _ => None,
            };
            let Some((column, target)) = found else {
                let reason = format!(
                    "its foreign key to {} is no relation: that leads to a key of one column",
                    key.table
                );
                notes.push(Note::new(what, reason));
                continue;
            };
            if leads_back(chosen, place, column, target) {
                notes.push(Note::new(
                    what,
                    "its foreign key is no relation: the two keys would be made of each other",
                ));
                continue;
            }
            let target_name = chosen.collections[target].name.clone();
            let fields = &mut chosen.collections[place].fields;
            let Some(field) = fields.iter_mut().find(|field| field.column.name == *column) else {
                continue;
            };
            if matches!(field.kind, FieldKind::Relation(..)) {
                let reason = format!(
                    "its foreign key to {} is no relation: it is one to another table already",
                    key.table
                );
                notes.push(Note::new(what, reason));
                continue;
            }
            let on_delete = match key.on_delete {
                OnDelete::SetNull if field.required => OnDelete::Restrict,
                other => other,
            };
            field.kind = FieldKind::Relation(target, on_delete);
            field.name = names::relation_name(column, &target_name);
            if field.default.take().is_some() {
                field.generated = Some(Generated::ByDefault);
            } else if field.column.default == Some(ColumnDefault::Serial) {
                // A number of its own would be nobody's key.
                field.generated = None;
            }
            field.pattern = None;
        }
    }
}

/// Whether the target's key would be made of the key that the column is.
fn leads_back(chosen: &Chosen<'_>, place: usize, column: &str, mut target: usize) -> bool {
    if chosen.collections[place].single_key() != Some(column) {
        return false;
    }
    for _ in 0..=chosen.collections.len() {
        if target == place {
            return true;
        }
        let next = &chosen.collections[target];
        let key = next.single_key().and_then(|key| next.field(key));
        match key.map(|field| &field.kind) {
            Some(FieldKind::Relation(next, _)) => target = *next,
            _ => return false,
        }
    }
    true
}

/// Two columns may have come to one name. The key has the first choice, then plain fields.
fn name_fields(collection: &mut CollectionChosen<'_>) {
    let rank = |collection: &CollectionChosen<'_>, place: usize| {
        let field = &collection.fields[place];
        let is_key = collection.table.key.contains(&field.column.name);
        (!is_key, matches!(field.kind, FieldKind::Relation(..)), place)
    };
    let mut order: Vec<usize> = (0..collection.fields.len()).collect();
    order.sort_by_key(|place| rank(collection, *place));
    for place in order {
        let wanted = collection.fields[place].name.clone();
        collection.fields[place].name = collection.taken.take(&wanted);
    }
}

fn to_many(chosen: &mut Chosen<'_>, join: &Join) {
    let [(source, source_column), (target, target_column)] = &join.ends;
    let wanted = if source == target {
        names::field_name(&join.table)
    } else {
        names::plural_name(target)
    };
    let Some(owner) = chosen.collections.iter_mut().find(|owner| owner.name == *source) else {
        return;
    };
    let name = owner.taken.take(&wanted);
    owner.sets.push(SetChosen {
        name: name.clone(),
        target: target.clone(),
        kind: SetKind::Links {
            table: join.table.clone(),
            source: source_column.clone(),
            target: target_column.clone(),
        },
    });
    let wanted = if source == target {
        format!("{wanted}Inverse")
    } else {
        names::plural_name(source)
    };
    if let Some(other) = chosen.collections.iter_mut().find(|other| other.name == *target) {
        let inverse = other.taken.take(&wanted);
        other.sets.push(SetChosen {
            name: inverse,
            target: source.clone(),
            kind: SetKind::Inverse(name),
        });
    }
}

/// The other ends of to-one relations. Where several lead from one table to another, they are told apart by their fields.
fn inverses(chosen: &mut Chosen<'_>) {
    let mut found = Vec::new();
    for collection in &chosen.collections {
        for field in &collection.fields {
            if let FieldKind::Relation(target, _) = field.kind {
                found.push((target, collection.name.clone(), field.name.clone()));
            }
        }
    }
    for (target, source, field) in &found {
        let several = found
            .iter()
            .filter(|other| other.0 == *target && other.1 == *source)
            .count()
            > 1;
        let many = names::plural_name(source);
        let wanted = if several {
            names::field_name(&format!("{many}_by_{}", crate::model::snake_case(field)))
        } else {
            many
        };
        let other = &mut chosen.collections[*target];
        let name = other.taken.take(&wanted);
        other.sets.push(SetChosen {
            name,
            target: source.clone(),
            kind: SetKind::Inverse(field.clone()),
        });
    }
}

fn indexes(collection: &mut CollectionChosen<'_>, notes: &mut Vec<Note>) {
    let table = collection.table;
    for index in &table.indexes {
        let shown_name = index.name.clone().unwrap_or_else(|| {
            let columns: Vec<&str> = index.columns.iter().flatten().map(String::as_str).collect();
            columns.join(", ")
        });
        let what = format!("index {shown_name} of {}", shown(table));
        let mut refuse = |reason: &str| notes.push(Note::new(&what, format!("not in the schema: {reason}")));
        let columns: Option<Vec<&String>> = index.columns.iter().map(Option::as_ref).collect();
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
            refuse("it is over an expression");
            continue;
        };
        if index.partial {
            refuse("it has a condition");
            continue;
        }
        if columns.len() > INDEX_FIELDS_MAX {
            refuse("it has more than 8 columns");
            continue;
        }
        let places: Option<Vec<usize>> = columns
            .iter()
            .map(|column| collection.fields.iter().position(|field| field.column.name == **column))
            .collect();
        let is_comparable = |place: &usize| !matches!(collection.fields[*place].kind, FieldKind::Scalar(Scalar::Json));
        let Some(places) = places.filter(|places| places.iter().all(is_comparable)) else {
            refuse("one of its columns is not, or can't be compared");
            continue;
        };
        let fields: Vec<String> = places
            .iter()
            .map(|place| collection.fields[*place].name.clone())
            .collect();
        match places.as_slice() {
            [only] if index.unique => {
                let is_key = collection.single_key() == Some(&collection.fields[*only].column.name);
                collection.fields[*only].unique = !is_key;
            }
            [only] if collection.fields[*only].unique => {}
            _ if collection.indexes.iter().any(|known| known.fields == fields) => {}
            _ => collection.indexes.push(IndexChosen {
                name: index.name.clone(),
                fields,
                unique: index.unique,
            }),
        }
    }
    let unique: Vec<String> = collection
        .fields
        .iter()
        .filter(|field| field.unique)
        .map(|field| field.name.clone())
        .collect();
    collection
        .indexes
        .retain(|index| !matches!(index.fields.as_slice(), [only] if unique.contains(only)));
}

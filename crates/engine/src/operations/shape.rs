//! `fields` and `expand`, as a projection that holds only what the caller may read.

use std::collections::BTreeMap;

use crate::access::{Grants, Operation};
use crate::error::Error;
use crate::expr::Aliases;
use crate::model::{Collection, CollectionId, Field, FieldId, FieldKind};
use crate::operations::ShapeRequest;
use crate::pipeline::Limits;
use crate::query::{Alias, Item, Nested, Pred, Projection, Shape};

/// Longest `fields` or `expand`, in bytes.
const PARAMETER_BYTES_MAX: usize = 4 * 1024;

/// A projection, and whether it is the collection's plain one: all fields, all readable, nothing expanded. Only then is
/// the record's version a tag of the answer.
pub(crate) struct Shaped {
    pub(crate) projection: Projection,
    pub(crate) plain: bool,
}

/// What is asked for at one level, by field name.
#[derive(Default)]
struct Wanted<'r> {
    /// All that is in an answer when nothing is said.
    defaults: bool,
    /// Put the record in the key's place.
    expanded: bool,
    fields: BTreeMap<&'r str, Wanted<'r>>,
}

pub(crate) fn shape(
    grants: &Grants<'_>,
    limits: &Limits,
    collection: &Collection,
    request: &ShapeRequest,
) -> Result<Shaped, Error> {
    let wanted = Wanted::parse(request, limits)?;
    let mut shaper = Shaper {
        grants,
        limits,
        plain: request.fields.is_none() && request.expand.is_none(),
    };
    let projection = shaper.projection(collection, &wanted)?;
    Ok(Shaped {
        projection,
        plain: shaper.plain,
    })
}

impl<'r> Wanted<'r> {
    fn parse(request: &'r ShapeRequest, limits: &Limits) -> Result<Self, Error> {
        let mut root = Wanted {
            defaults: request.fields.is_none(),
            ..Self::default()
        };
        for path in paths("fields", request.fields.as_deref())? {
            let mut level = &mut root;
            for (depth, name) in path.split('.').enumerate() {
                check_depth("fields", path, depth, limits)?;
                level.expanded |= depth > 0;
                if name == "*" {
                    level.defaults = true;
                    break;
                }
                level = level.fields.entry(name).or_default();
            }
        }
        for path in paths("expand", request.expand.as_deref())? {
            let mut level = &mut root;
            for (depth, name) in path.split('.').enumerate() {
                check_depth("expand", path, depth + 1, limits)?;
                level = level.fields.entry(name).or_default();
                // `fields` may already have named what the expanded record is to hold.
                level.defaults |= level.fields.is_empty();
                level.expanded = true;
            }
        }
        Ok(root)
    }
}

/// The parts of a comma-separated parameter.
fn paths<'r>(parameter: &'static str, text: Option<&'r str>) -> Result<Vec<&'r str>, Error> {
    let Some(text) = text else { return Ok(Vec::new()) };
    if text.len() > PARAMETER_BYTES_MAX && !unlimited!(ShapeBytes) {
        return Err(Error::parameter(
            parameter,
            "too_long",
            format!("at most {PARAMETER_BYTES_MAX} bytes"),
        ));
    }
    let paths: Vec<_> = text.split(',').map(str::trim).collect();
    if paths.iter().any(|path| path.split('.').any(str::is_empty)) {
        return Err(Error::parameter(
            parameter,
            "malformed",
            "names separated by commas, paths joined with dots",
        ));
    }
    Ok(paths)
}

fn check_depth(parameter: &'static str, path: &str, depth: usize, limits: &Limits) -> Result<(), Error> {
    if depth > limits.expand_depth_max as usize {
        let limit = limits.expand_depth_max;
        return Err(Error::parameter(
            parameter,
            "too_deep",
            format!("`{path}` goes deeper than {limit} relations"),
        ));
    }
    Ok(())
}

struct Shaper<'a> {
    grants: &'a Grants<'a>,
    limits: &'a Limits,
    plain: bool,
}

impl Shaper<'_> {
    fn projection(&mut self, collection: &Collection, wanted: &Wanted<'_>) -> Result<Projection, Error> {
        if let Some(unknown) = wanted.fields.keys().find(|name| askable(collection, name).is_none()) {
            return Err(unknown_field("fields", collection, unknown));
        }
        let mut items = Vec::with_capacity(collection.fields.len());
        for field in &collection.fields {
            let named = wanted.fields.get(field.name.as_str());
            if field.private || named.is_none() && !(wanted.defaults && field.is_stored()) {
                continue;
            }
            // Aliases are counted anew for each record of a row: its masks share them.
            let visible = self
                .grants
                .field_guard(collection, field.id, Alias::ROOT, &mut Aliases::default())?;
            self.plain &= visible == Pred::Const(true);
            if visible != Pred::Const(false) {
                items.push(Item {
                    field: field.id,
                    visible,
                    shape: self.item(field, named)?,
                });
            }
        }
        Ok(Projection {
            collection: collection.id,
            items,
        })
    }

    fn item(&mut self, field: &Field, wanted: Option<&Wanted<'_>>) -> Result<Shape, Error> {
        let expanded = wanted.filter(|wanted| wanted.expanded);
        match (&field.kind, expanded) {
            (FieldKind::Value(_), Some(_)) => Err(Error::parameter(
                "expand",
                "not_a_relation",
                format!("`{}` is not a relation", field.name),
            )),
            (FieldKind::Value(_) | FieldKind::Reference { .. }, None) => Ok(Shape::Value),
            (FieldKind::Reference { target, .. }, Some(wanted)) => {
                Ok(Shape::One(Box::new(self.nested(*target, Some(wanted), 1)?)))
            }
            (FieldKind::Links { target, .. } | FieldKind::Inverse { target, .. }, expanded) => Ok(Shape::Many(
                Box::new(self.nested(*target, expanded, self.limits.related_max)?),
            )),
        }
    }

    fn nested(&mut self, target: CollectionId, wanted: Option<&Wanted<'_>>, limit: u32) -> Result<Nested, Error> {
        let target = self.grants.model.collection(target);
        let guard = if mutant!(ExpansionGuard) {
            Pred::Const(true)
        } else {
            self.grants
                .predicate(target, Operation::Read, Alias::ROOT, &mut Aliases::default())?
        };
        let projection = wanted.map(|wanted| self.projection(target, wanted)).transpose()?;
        let is_key = projection.is_none() && target.key.len() > 1;
        Ok(Nested {
            guard,
            projection: projection.or_else(|| is_key.then(|| key_of(target))),
            is_key,
            limit,
        })
    }
}

/// What a record with a key of several fields is known by.
fn key_of(collection: &Collection) -> Projection {
    let item = |field: &FieldId| Item {
        field: *field,
        visible: Pred::Const(true),
        shape: Shape::Value,
    };
    Projection {
        collection: collection.id,
        items: collection.key.iter().map(item).collect(),
    }
}

/// A field that a caller may name: private ones are as good as absent.
pub(crate) fn askable<'m>(collection: &'m Collection, name: &str) -> Option<&'m Field> {
    collection.field_named(name).filter(|field| !field.private)
}

pub(crate) fn unknown_field(parameter: &'static str, collection: &Collection, name: &str) -> Error {
    let mut message = format!("{} has no field `{name}`", collection.name);
    let names = collection
        .fields
        .iter()
        .filter(|field| !field.private)
        .map(|field| field.name.as_str());
    if let Some(close) = crate::model::closest(name, names) {
        message.push_str(&format!("; did you mean `{close}`?"));
    }
    Error::parameter(parameter, "unknown_field", message)
}

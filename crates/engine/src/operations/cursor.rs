//! Where a page ended, as an authenticated token.
//!
//! A cursor is `base64url(mac ‖ sort values)`. The MAC covers the collection, filter, sort, model and caller too, so
//! that a cursor made for another question is refused rather than misread.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::access::Principal;
use crate::error::Error;
use crate::model::{Date, Epoch, Scalar, Timestamp, Value};
use crate::operations::ListRequest;
use crate::query::codec::{self, Reader};

const MAC_BYTES: usize = 16;
/// Longest cursor that is looked at.
const CURSOR_BYTES_MAX: usize = 64 * 1024;

/// What a cursor is bound to.
pub(crate) struct Binding<'a> {
    pub(crate) key: &'a [u8; 32],
    pub(crate) epoch: Epoch,
    pub(crate) principal: &'a Principal,
    pub(crate) request: &'a ListRequest,
}

impl Binding<'_> {
    fn mac(&self, payload: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key).expect("HMAC takes a key of any length");
        mac.update(&self.epoch.0.to_le_bytes());
        if !mutant!(CursorBinding) {
            let caller = match self.principal {
                Principal::Anonymous => "nobody".to_owned(),
                Principal::User { id, .. } => format!("user {id}"),
                Principal::Administrator { id } => format!("administrator {id}"),
            };
            let request = self.request;
            for part in [
                Some(&caller),
                Some(&request.collection),
                request.filter.as_ref(),
                request.sort.as_ref(),
            ] {
                let part = part.map_or("", String::as_str);
                mac.update(&(part.len() as u64).to_le_bytes());
                mac.update(part.as_bytes());
            }
        }
        mac.update(payload);
        let full = mac.finalize().into_bytes();
        let mut short = [0; MAC_BYTES];
        short.copy_from_slice(&full[..MAC_BYTES]);
        short
    }

    pub(crate) fn seal(&self, position: &[Value]) -> String {
        let mut payload = Vec::with_capacity(64);
        position.iter().for_each(|value| codec::write(&mut payload, value));
        self.seal_payload(&payload)
    }

    fn seal_payload(&self, payload: &[u8]) -> String {
        let mut bytes = self.mac(payload).to_vec();
        bytes.extend(payload);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The sort values of the last record seen, of these types.
    pub(crate) fn open(&self, cursor: &str, types: &[Scalar]) -> Result<Vec<Value>, Error> {
        self.read(cursor, types).ok_or_else(|| {
            Error::parameter(
                "cursor",
                "bad_cursor",
                "not a cursor of this collection, filter, sort and caller; start again without one",
            )
        })
    }

    fn read(&self, cursor: &str, types: &[Scalar]) -> Option<Vec<Value>> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (mac, payload) = bytes.split_at_checked(MAC_BYTES)?;
        if !constant_time_eq(mac, &self.mac(payload)) {
            return None;
        }
        let mut reader = Reader(payload);
        let values = types
            .iter()
            .map(|ty| reader.value().ok().filter(|value| fits(value, *ty)));
        let values = values.collect::<Option<Vec<_>>>()?;
        reader.is_empty().then_some(values)
    }
}

#[cfg(feature = "mutants")]
impl crate::Engine {
    /// A cursor that is taken for one of ours, around any content: for tests of what reads it.
    pub fn forge_cursor(&self, principal: &Principal, request: &ListRequest, payload: &[u8]) -> String {
        let binding = Binding {
            key: self.cursor_key(),
            epoch: self.model().epoch,
            principal,
            request,
        };
        binding.seal_payload(payload)
    }
}

/// Whether a store can hold the value against its own: a seal says who made a cursor, not that it was made well.
fn fits(value: &Value, ty: Scalar) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) => ty == Scalar::Boolean,
        Value::Int(_) => matches!(ty, Scalar::Int | Scalar::Long),
        Value::Float(float) => ty == Scalar::Float && float.is_finite(),
        Value::Decimal(_) => ty == Scalar::Decimal,
        Value::Text(text) => {
            matches!(ty, Scalar::String | Scalar::Email | Scalar::Url | Scalar::File) && !text.contains('\0')
        }
        Value::Bytes(_) => ty == Scalar::Bytes,
        Value::DateTime(moment) => ty == Scalar::DateTime && (Timestamp::MIN..=Timestamp::MAX).contains(moment),
        Value::Date(day) => ty == Scalar::Date && (Date::MIN..=Date::MAX).contains(day),
        Value::Id(_) => ty == Scalar::Id,
        Value::Json(_) => ty == Scalar::Json,
        Value::Duration(_) | Value::List(_) | Value::Record(_) | Value::Hidden => false,
    }
}

/// Compares without telling by time how far two are alike.
fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Row;

    fn check(values: &[Value], types: &[Scalar], expected: bool) {
        let (principal, request) = (Principal::Anonymous, ListRequest::default());
        let binding = Binding {
            key: &[7; 32],
            epoch: Epoch(1),
            principal: &principal,
            request: &request,
        };
        let opened = binding.open(&binding.seal(values), types);
        assert_eq!(opened.is_ok(), expected, "{values:?} as {types:?}");
    }

    #[test]
    fn values_are_those_that_are_sorted_by() {
        check(&[], &[], true);
        check(&[Value::Null, Value::Int(1)], &[Scalar::String, Scalar::Long], true);
        check(&[Value::Int(1)], &[Scalar::Long, Scalar::Id], false);
        check(&[Value::DateTime(Timestamp::MAX)], &[Scalar::DateTime], true);
        check(&[Value::DateTime(Timestamp(i64::MAX))], &[Scalar::DateTime], false);
        check(&[Value::Int(1), Value::Int(2)], &[Scalar::Long], false);
        check(&[Value::Int(1)], &[Scalar::String], false);
        check(&[Value::Float(f64::NAN)], &[Scalar::Float], false);
        check(&[Value::Hidden], &[Scalar::String], false);
        check(&[Value::List(vec![Value::Int(1)])], &[Scalar::Json], false);
        check(&[Value::Record(Arc::new(Row(Vec::new())))], &[Scalar::Json], false);
    }
}

//! Values in PostgreSQL's binary format, by the type that the server gives a column or a parameter.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use engine::model::{Date, Decimal, Timestamp, Value, ValueRef};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, Kind as TypeKind, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::compile::Kind;

/// PostgreSQL counts from 2000-01-01; from 1970-01-01 until then.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MS: i64 = 10_957 * 86_400_000;

type Failure = Box<dyn Error + Sync + Send>;

/// A value as it is stored.
#[derive(Debug)]
pub(crate) struct Bound<'a>(pub(crate) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let ty = base(ty);
        if let (Value::List(items), TypeKind::Array(of)) = (self.0, ty.kind()) {
            put_array(items, of, out)?;
            return Ok(IsNull::No);
        }
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Bool(truth) if *ty == Type::BOOL => out.put_u8(u8::from(*truth)),
            Value::Int(number) | Value::Duration(number) => put_int(*number, ty, out)?,
            Value::Decimal(number) if *ty == Type::NUMERIC => put_numeric(*number, out),
            Value::Float(number) if *ty == Type::FLOAT8 => out.put_f64(*number),
            #[expect(clippy::cast_possible_truncation, reason = "the column holds no more")]
            Value::Float(number) if *ty == Type::FLOAT4 => out.put_f32(*number as f32),
            Value::DateTime(moment) if *ty == Type::TIMESTAMPTZ || *ty == Type::TIMESTAMP => {
                out.put_i64((moment.0 - EPOCH_MS) * 1000);
            }
            Value::Date(date) if *ty == Type::DATE => out.put_i32(date.0 - EPOCH_DAYS),
            Value::Text(text) => out.put_slice(text.as_bytes()),
            Value::Json(text) => {
                if *ty == Type::JSONB {
                    out.put_u8(1);
                }
                out.put_slice(text.as_bytes());
            }
            Value::Bytes(bytes) if *ty == Type::BYTEA => out.put_slice(bytes),
            Value::Id(id) if *ty == Type::UUID => out.put_slice(id.as_bytes()),
            value => return Err(format!("{:?} was bound to a {ty}", Kind::of_value(value)).into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn put_int(number: i64, ty: &Type, out: &mut BytesMut) -> Result<(), Failure> {
    match *ty {
        Type::INT8 => out.put_i64(number),
        Type::INT4 => out.put_i32(i32::try_from(number)?),
        Type::INT2 => out.put_i16(i16::try_from(number)?),
        _ => return Err(format!("a whole number was bound to a {ty}").into()),
    }
    Ok(())
}

/// One dimension that begins at 1: its number, whether there are nulls, the items' type; then its length, and each item
/// behind its own.
fn put_array(items: &[Value], of: &Type, out: &mut BytesMut) -> Result<(), Failure> {
    out.put_i32(1);
    out.put_i32(items.iter().any(Value::is_null).into());
    out.put_u32(of.oid());
    out.put_i32(i32::try_from(items.len())?);
    out.put_i32(1);
    for item in items {
        let start = out.len();
        out.put_i32(-1);
        if let IsNull::No = Bound(item).to_sql(of, out)? {
            let length = i32::try_from(out.len() - start - 4)?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(())
}

/// What a row holds at a place. `None`: no value of this kind.
pub(crate) fn value(row: &Row, place: usize, kind: Kind) -> Option<ValueRef<'_>> {
    let ty = row.columns().get(place)?.type_();
    let raw = row.try_get::<_, Raw<'_>>(place).ok()?;
    // Few columns are of a domain, so what it is made of is asked second. Any type is read as text.
    match raw.value(ty, kind) {
        None => raw.value(base(ty), kind),
        value => value,
    }
}

/// A column of a result as the server sent it; `None` for null.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'a> Raw<'a> {
    fn value(&self, ty: &Type, kind: Kind) -> Option<ValueRef<'a>> {
        let Some(raw) = self.0 else {
            return Some(ValueRef::Null);
        };
        Some(match kind {
            Kind::Null => ValueRef::Null,
            Kind::Bool if *ty == Type::BOOL => ValueRef::Bool(raw.first()? != &0),
            Kind::Int => ValueRef::Int(int(ty, raw)?),
            Kind::Duration => ValueRef::Duration(int(ty, raw)?),
            Kind::Float if *ty == Type::FLOAT8 => ValueRef::Float(f64::from_be_bytes(array(raw)?)),
            Kind::Float if *ty == Type::FLOAT4 => ValueRef::Float(f32::from_be_bytes(array(raw)?).into()),
            Kind::Decimal if *ty == Type::NUMERIC => ValueRef::Decimal(numeric(raw)?),
            Kind::Text => ValueRef::Text(std::str::from_utf8(raw).ok()?),
            Kind::Bytes if *ty == Type::BYTEA => ValueRef::Bytes(raw),
            Kind::DateTime if *ty == Type::TIMESTAMPTZ || *ty == Type::TIMESTAMP => {
                let micros = i64::from_be_bytes(array(raw)?);
                ValueRef::DateTime(Timestamp(micros.div_euclid(1000) + EPOCH_MS))
            }
            Kind::Date if *ty == Type::DATE => ValueRef::Date(Date(i32::from_be_bytes(array(raw)?) + EPOCH_DAYS)),
            Kind::Id if *ty == Type::UUID => ValueRef::Id(Uuid::from_slice(raw).ok()?),
            Kind::Json => {
                let text = if *base(ty) == Type::JSONB { raw.get(1..)? } else { raw };
                ValueRef::Json(std::str::from_utf8(text).ok()?)
            }
            _ => return None,
        })
    }
}

/// What a domain is made of.
fn base(ty: &Type) -> &Type {
    match ty.kind() {
        TypeKind::Domain(inner) => base(inner),
        _ => ty,
    }
}

fn array<const N: usize>(raw: &[u8]) -> Option<[u8; N]> {
    raw.try_into().ok()
}

fn int(ty: &Type, raw: &[u8]) -> Option<i64> {
    Some(match *ty {
        Type::INT8 => i64::from_be_bytes(array(raw)?),
        Type::INT4 => i32::from_be_bytes(array(raw)?).into(),
        Type::INT2 => i16::from_be_bytes(array(raw)?).into(),
        _ => return None,
    })
}

/// Decimal digits of `numeric` come in fours; so many of those behind the point are more than the six digits that we
/// keep.
const FRACTION_GROUPS: i32 = 2;
/// From millionths to the last of those groups.
const SHIFT: i128 = 100;
const NEGATIVE: u16 = 0x4000;

fn put_numeric(number: Decimal, out: &mut BytesMut) {
    let mut left = i128::from(number.0).unsigned_abs() * SHIFT.unsigned_abs();
    let mut groups = Vec::new();
    while left > 0 {
        groups.push(u16::try_from(left % 10_000).expect("less than 10000"));
        left /= 10_000;
    }
    let count = i16::try_from(groups.len()).expect("64 bits have few digits");
    out.put_i16(count);
    out.put_i16(count - 1 - FRACTION_GROUPS as i16);
    out.put_u16(if number.0 < 0 { NEGATIVE } else { 0 });
    out.put_u16(6);
    for group in groups.into_iter().rev() {
        out.put_u16(group);
    }
}

/// Cut off behind the sixth digit; `None` beyond 64 bits of millionths.
fn numeric(raw: &[u8]) -> Option<Decimal> {
    let field = |place: usize| Some(u16::from_be_bytes(array(raw.get(2 * place..2 * place + 2)?)?));
    let (count, weight, sign) = (field(0)?, field(1)?.cast_signed(), field(2)?);
    if sign != 0 && sign != NEGATIVE {
        return None;
    }
    let mut sum = 0_i128;
    for place in 0..count {
        let exponent = i32::from(weight) - i32::from(place) + FRACTION_GROUPS;
        if let Ok(exponent) = u32::try_from(exponent) {
            let group = i128::from(field(4 + usize::from(place))?);
            sum = sum.checked_add(group.checked_mul(10_000_i128.checked_pow(exponent)?)?)?;
        }
    }
    let millionths = if sign == NEGATIVE { -sum } else { sum } / SHIFT;
    i64::try_from(millionths).ok().map(Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_and_read() {
        for number in [
            0,
            1,
            -1,
            999_999,
            1_000_000,
            -12_500_000,
            123_456_789_012,
            i64::MAX,
            i64::MIN,
        ] {
            let mut out = BytesMut::new();
            put_numeric(Decimal(number), &mut out);
            assert_eq!(numeric(&out), Some(Decimal(number)), "{number}");
        }
    }
}

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
use crate::model::{Epoch, Value};
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
        let mut bytes = self.mac(&payload).to_vec();
        bytes.extend(payload);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The sort values of the last record seen; `length` of them.
    pub(crate) fn open(&self, cursor: &str, length: usize) -> Result<Vec<Value>, Error> {
        self.read(cursor, length).ok_or_else(|| {
            Error::parameter(
                "cursor",
                "bad_cursor",
                "not a cursor of this collection, filter, sort and caller; start again without one",
            )
        })
    }

    fn read(&self, cursor: &str, length: usize) -> Option<Vec<Value>> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (mac, payload) = bytes.split_at_checked(MAC_BYTES)?;
        if !constant_time_eq(mac, &self.mac(payload)) {
            return None;
        }
        let mut reader = Reader(payload);
        let values = (0..length).map(|_| reader.value().ok()).collect::<Option<Vec<_>>>()?;
        reader.is_empty().then_some(values)
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

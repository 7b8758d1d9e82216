//! Conditional requests, idempotency keys and the form of an answer: what headers ask for.

use engine::model::Timestamp;
use engine::operations::{IdempotencyRequest, Precondition};
use engine::{Error, ErrorCode};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sha2::{Digest, Sha256};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Until when a caller has written: said by the answer to a write, and said again with a read through another node.
pub(crate) const WRITTEN: HeaderName = HeaderName::from_static("ninefold-written");
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Which preconditions make sense for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// There is no one record yet that they could be about.
    None,
    Match,
    /// `If-None-Match: *` as well.
    MatchOrAbsent,
}

impl Conditions {
    /// # Errors
    /// 400 for one that is malformed or makes no sense here: a precondition that isn't checked must not look as if it were.
    pub(crate) fn read(self, headers: &HeaderMap) -> Result<Precondition, Error> {
        let required = tags(headers, header::IF_MATCH)?;
        let excluded = tags(headers, header::IF_NONE_MATCH)?;
        match (required, excluded) {
            (None, None) => Ok(Precondition::None),
            (Some(_), _) if self == Self::None => Err(pointless("If-Match", "there is no record to match yet")),
            (Some(Tags::Any), None) => Ok(Precondition::MatchAny),
            (Some(Tags::These(tags)), None) => Ok(Precondition::Match(tags)),
            (None, Some(Tags::Any)) if self == Self::MatchOrAbsent => Ok(Precondition::NoneMatchAny),
            (None, Some(_)) => Err(pointless("If-None-Match", "writes take it on PUT only, and there as *")),
            (Some(_), Some(_)) => Err(pointless("If-None-Match", "send it or If-Match, not both")),
        }
    }
}

fn pointless(name: &str, message: &str) -> Error {
    Error::parameter(name, "not_supported", message)
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Without quotes.
    These(Vec<String>),
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, Error> {
    if !headers.contains_key(&name) {
        return Ok(None);
    }
    let lines = headers.get_all(&name).iter().map(|line| line.to_str().ok());
    let malformed = || Error::parameter(name.as_str(), "malformed", MALFORMED_TAGS);
    listed(lines).map(Some).ok_or_else(malformed)
}

const MALFORMED_TAGS: &str = "send * or entity tags in quotes, such as \"3\"";

/// Weak tags count as strong ones: proxies that compress weaken them on their way, and ours name a version.
fn listed<'a>(lines: impl Iterator<Item = Option<&'a str>>) -> Option<Tags> {
    let mut tags = Vec::new();
    for line in lines {
        let mut rest = line?.trim();
        if rest == "*" {
            return tags.is_empty().then_some(Tags::Any);
        }
        while !rest.is_empty() {
            let opened = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
            let (tag, after) = opened.split_once('"')?;
            tags.push(tag.to_owned());
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.is_empty() => after,
                None => return None,
            };
        }
    }
    (!tags.is_empty()).then_some(Tags::These(tags))
}

/// What stands in a header `If-Match`, from a place in a body.
///
/// # Errors
/// What was expected instead.
pub(crate) fn matching(text: &str) -> Result<Precondition, &'static str> {
    match listed(std::iter::once(Some(text))) {
        Some(Tags::Any) => Ok(Precondition::MatchAny),
        Some(Tags::These(tags)) => Ok(Precondition::Match(tags)),
        None => Err(MALFORMED_TAGS),
    }
}

/// Whether the client has what it asks for already (RFC 9110 §13.1.2).
///
/// # Errors
/// 400 when the header is malformed.
pub(crate) fn is_unchanged(headers: &HeaderMap, etag: &str) -> Result<bool, Error> {
    Ok(match tags(headers, header::IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(tags)) => tags.iter().any(|tag| tag == etag),
    })
}

/// Until when the caller says that it has written.
///
/// # Errors
/// 400 when the header is malformed.
pub(crate) fn written(headers: &HeaderMap) -> Result<Option<Timestamp>, Error> {
    let newest = |newest: Option<Timestamp>, line: &HeaderValue| {
        let moment = line.to_str().ok().and_then(|text| Timestamp::parse(text.trim()));
        let moment = moment.ok_or_else(|| {
            let message = "send what the answer to the last write had under this name";
            Error::parameter("Ninefold-Written", "malformed", message)
        })?;
        Ok(newest.max(Some(moment)))
    };
    headers.get_all(WRITTEN).iter().try_fold(None, newest)
}

/// A tag as it stands in a header.
pub(crate) fn quoted(etag: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(format!("\"{etag}\"")).map_err(Error::internal)
}

/// The key of a write that can be repeated, and what it stands for. `template` is the path's.
///
/// # Errors
/// 400 for a key that is none.
pub(crate) fn idempotency(parts: &Parts, template: &str, body: &[u8]) -> Result<Option<IdempotencyRequest>, Error> {
    let mut lines = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let wrong = || {
        let message = format!("send one key of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters");
        Error::parameter("Idempotency-Key", "malformed", message)
    };
    let key = line.to_str().map_err(|_| wrong())?;
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    let is_long = key.len() > IDEMPOTENCY_KEY_BYTES_MAX && !unlimited!(KeyBytes);
    let are_many = lines.next().is_some() && !unlimited!(KeyOnce);
    if !visible || key.is_empty() || is_long || are_many {
        return Err(wrong());
    }
    Ok(Some(IdempotencyRequest {
        key: key.to_owned(),
        route: format!("{} {template}", parts.method),
        fingerprint: fingerprint(parts, body),
    }))
}

/// Each part ends with what it can't contain, so that none can pass for another's beginning.
fn fingerprint(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(parts.uri.path());
    hash.update([0]);
    hash.update(parts.uri.query().unwrap_or_default());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

/// Whether a read asks for a stream of events instead of one answer.
pub(crate) fn wants_events(method: &Method, headers: &HeaderMap) -> bool {
    let accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut ranges = accepted
        .flat_map(|line| line.split(','))
        .filter_map(|range| range.split(';').next());
    *method == Method::GET && ranges.any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// # Errors
/// 400: the path takes no idempotency key.
pub(crate) fn refuse_idempotency(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(Error::new(
            ErrorCode::BadRequest,
            "this path takes no Idempotency-Key; leave it out",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

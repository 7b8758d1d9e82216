//! The query string, read strictly: a parameter that isn't known, stands twice or is empty is a refusal.

use std::borrow::Cow;

use engine::Error;
use engine::model::closest;
use percent_encoding::percent_decode;

/// The parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(&'static str, String)>,
}

impl Params {
    /// # Errors
    /// 400 for whatever isn't one of `known`, once, with a value, in UTF-8.
    pub(crate) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, Error> {
        let mut params = Self::default();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| Error::parameter("query", "not_utf8", "a name is not UTF-8"))?;
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(unknown(&name, known));
            };
            if params.get(known).is_some() {
                return Err(Error::parameter(
                    known,
                    "repeated",
                    "stands more than once; give it once",
                ));
            }
            let value = decode(value).ok_or_else(|| Error::parameter(known, "not_utf8", "is not UTF-8"))?;
            if value.is_empty() {
                return Err(Error::parameter(
                    known,
                    "empty",
                    "has no value; give it one or leave it out",
                ));
            }
            params.pairs.push((known, value.into_owned()));
        }
        Ok(params)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|pair| pair.0 == name)
            .map(|pair| pair.1.as_str())
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let place = self.pairs.iter().position(|pair| pair.0 == name)?;
        Some(self.pairs.swap_remove(place).1)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Error> {
        let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let wrong = || {
            if mutant!(CallersMistake) {
                return Error::internal(format!("{name} is no number"));
            }
            Error::parameter(name, "wrong_type", "must be a whole number, such as 30")
        };
        let parse = |text: &str| {
            Some(text)
                .filter(digits)
                .and_then(|text| text.parse().ok())
                .or_else(|| mutant!(StrictParameter).then_some(1))
                .ok_or_else(wrong)
        };
        self.get(name).map(parse).transpose()
    }

    /// False where it isn't given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::parameter(name, "wrong_type", "must be true or false")),
        }
    }
}

/// `application/x-www-form-urlencoded`: a plus is a space.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return percent_decode(spaced.as_bytes())
            .decode_utf8()
            .ok()
            .map(|text| Cow::Owned(text.into_owned()));
    }
    percent_decode(text.as_bytes()).decode_utf8().ok()
}

fn unknown(name: &str, known: &[&'static str]) -> Error {
    /// Enough to recognise it by.
    const NAME_CHARS_MAX: usize = 64;
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let hint = match (closest(&name, known.iter().copied()), known) {
        (Some(close), _) => format!("did you mean `{close}`?"),
        (None, []) => "this path takes no parameters".to_owned(),
        (None, known) => format!("this path takes {}", known.join(", ")),
    };
    Error::parameter(
        &name,
        "unknown_parameter",
        format!("there is no such parameter; {hint}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["filter", "limit", "count"];

    #[test]
    fn reads_what_is_known() {
        let mut params = Params::parse(Some("filter=body+%3D%3D+%22%C3%A4%2B%22&limit=5&count=true"), KNOWN).unwrap();
        assert_eq!(params.number("limit").unwrap(), Some(5));
        assert!(params.flag("count").unwrap());
        assert_eq!(params.text("filter").unwrap(), "body == \"ä+\"");
        assert_eq!(params.text("filter"), None);
        assert!(Params::parse(None, KNOWN).unwrap().pairs.is_empty());
        assert!(Params::parse(Some("&&"), &[]).unwrap().pairs.is_empty());
    }

    #[test]
    fn refuses_the_rest() {
        let check = |query: &str, code: &str, message: &str| {
            let error = Params::parse(Some(query), KNOWN).unwrap_err();
            assert_eq!(error.fields[0].code, code, "{query}");
            assert!(error.message.contains(message), "{query}: {}", error.message);
        };
        check("filtre=1", "unknown_parameter", "did you mean `filter`?");
        check("wholly=1", "unknown_parameter", "this path takes filter, limit, count");
        check("limit=1&limit=1", "repeated", "once");
        check("limit=", "empty", "leave it out");
        check("limit", "empty", "leave it out");
        check("filter=%ff", "not_utf8", "UTF-8");
        check("%ff=1", "not_utf8", "UTF-8");
    }

    #[test]
    fn numbers_and_flags_are_strict() {
        let check = |query: &str, good: bool| {
            let params = Params::parse(Some(query), KNOWN).unwrap();
            assert_eq!(
                params.number("limit").is_ok() && params.flag("count").is_ok(),
                good,
                "{query}"
            );
        };
        check("limit=0", true);
        check("limit=-1", false);
        check("limit=%2B1", false);
        check("limit=1.5", false);
        check("limit=99999999999", false);
        check("count=false", true);
        check("count=1", false);
        check("count=TRUE", false);
    }
}

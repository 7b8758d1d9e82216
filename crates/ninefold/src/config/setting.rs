//! The types that a key can have: how each is read from TOML and from text, and how the reference page shows it.

use engine::ports::Secret;

/// A value as a source gave it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// From the file, with its TOML type.
    Toml(toml::Value),
    /// From the environment or a flag, which know only text.
    Text(String),
}

/// A type that a key can have.
pub(super) trait Setting: Sized {
    /// As the reference page names it: `whole number`.
    const KIND: &'static str;

    /// # Errors
    /// What was expected instead.
    fn read(raw: &Raw) -> Result<Self, String>;

    /// The value as TOML text; `None` when it is unset.
    fn show(&self) -> Option<String>;
}

fn expected<T>(what: &str, raw: &Raw) -> Result<T, String> {
    let found = match raw {
        Raw::Toml(value) => value.to_string(),
        Raw::Text(text) => format!("{text:?}"),
    };
    Err(format!("expected {what}, found {found}"))
}

macro_rules! whole_numbers {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            const KIND: &'static str = "whole number";

            fn read(raw: &Raw) -> Result<Self, String> {
                let number = match raw {
                    Raw::Toml(toml::Value::Integer(number)) => Some(*number),
                    Raw::Toml(_) => None,
                    Raw::Text(text) => text.trim().replace('_', "").parse().ok(),
                };
                match number.map(Self::try_from) {
                    Some(Ok(number)) => Ok(number),
                    _ => expected(&format!("a whole number from 0 to {}", Self::MAX), raw),
                }
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+};
}

whole_numbers!(u32, u64, usize);

impl Setting for bool {
    const KIND: &'static str = "true or false";

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Toml(toml::Value::Boolean(truth)) => Ok(*truth),
            Raw::Text(text) if text == "true" => Ok(true),
            Raw::Text(text) if text == "false" => Ok(false),
            _ => expected(Self::KIND, raw),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for String {
    const KIND: &'static str = "text";

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Toml(toml::Value::String(text)) | Raw::Text(text) => Ok(text.clone()),
            Raw::Toml(_) => expected(Self::KIND, raw),
        }
    }

    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl Setting for Secret<String> {
    const KIND: &'static str = "secret text";

    fn read(raw: &Raw) -> Result<Self, String> {
        // The message of a secret that can't be read must not hold it.
        String::read(raw)
            .map(Secret::new)
            .map_err(|_| "expected text".to_owned())
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl<T: Setting> Setting for Option<T> {
    const KIND: &'static str = T::KIND;

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            // An environment can set a variable to nothing more easily than unset it.
            Raw::Text(text) if text.is_empty() => Ok(None),
            _ => T::read(raw).map(Some),
        }
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }
}

impl Setting for Vec<String> {
    const KIND: &'static str = "list of text";

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Toml(toml::Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| "expected a list of text, found a list of something else".to_owned()),
            // The value isn't shown: an address may hold a password.
            Raw::Toml(value) => Err(format!("expected a list of text, found a {}", value.type_str())),
            Raw::Text(text) => Ok(text
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect()),
        }
    }

    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

/// Declares an enum whose values are words in the file.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant),+
        }

        impl Setting for $name {
            const KIND: &'static str = concat!("one of", $(" `", $word, "`"),+);

            fn read(raw: &Raw) -> Result<Self, String> {
                match String::read(raw)?.as_str() {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!("expected {}, found {other:?}", Self::KIND)),
                }
            }

            fn show(&self) -> Option<String> {
                Some(match self {
                    $(Self::$variant => format!("{:?}", $word)),+
                })
            }
        }
    };
}

pub(super) use choice;

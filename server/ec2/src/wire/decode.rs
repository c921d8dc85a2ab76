//! Parameters as requests: a serde deserializer over their tree.
//!
//! A request is a struct with `#[derive(Deserialize)]` and
//! `#[serde(rename_all = "PascalCase", deny_unknown_fields)]`. Lists are `Vec`s with
//! `#[serde(default)]`, since an empty list cannot be sent; what need not be there is an `Option`, and
//! an empty value is there. Do not use `flatten` or untagged enums: they lose where an error was.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::error::{ParamError, short};
use super::tree::{Part, Tree};

/// Reads a request.
///
/// # Errors
///
/// The first thing that is wrong, with the whole name of its parameter.
pub fn decode<'de, T: Deserialize<'de>>(tree: &'de Tree) -> Result<T, ParamError> {
    T::deserialize(Node(tree))
}

impl Error for ParamError {
    fn custom<T: std::fmt::Display>(why: T) -> ParamError {
        ParamError::invalid("", "", why.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> ParamError {
        ParamError::custom(format_args!("It should be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> ParamError {
        ParamError::custom(format_args!("It should be {expected}"))
    }

    fn unknown_variant(given: &str, allowed: &'static [&'static str]) -> ParamError {
        ParamError::invalid("", given, format!("Allowed values are: {}", allowed.join(", ")))
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> ParamError {
        ParamError::Unknown(short(name))
    }

    fn missing_field(name: &'static str) -> ParamError {
        ParamError::Missing(name.into())
    }

    fn duplicate_field(name: &'static str) -> ParamError {
        ParamError::Twice(name.into())
    }
}

/// A place in the tree.
struct Node<'de>(&'de Tree);

impl<'de> Node<'de> {
    fn value(&self) -> Result<&'de str, ParamError> {
        if self.0.parts.is_empty() {
            return self.0.value.as_deref().ok_or_else(|| ParamError::Missing(String::new()));
        }
        // `Size.X` where `Size` is a value.
        let below = Tree { value: None, parts: self.0.parts.clone() };
        Err(ParamError::Unknown(below.first()))
    }

    fn parts(&self) -> Result<&'de [(Part, Tree)], ParamError> {
        match self.0.value {
            // `Placement` where it should be `Placement.X`.
            Some(_) => Err(ParamError::Unknown(String::new())),
            None => Ok(&self.0.parts),
        }
    }

    fn list(&self) -> Result<List<'de>, ParamError> {
        let parts = self.parts()?;
        match parts.iter().find(|(part, _)| !part.is_number()) {
            Some((part, below)) => Err(ParamError::Unknown(below.first()).within(part.text())),
            None => Ok(List(parts.iter())),
        }
    }
}

/// Completes an error from below with what is known here.
fn placed(error: ParamError, part: &Part, below: &Tree) -> ParamError {
    let error = match (error, &below.value) {
        (ParamError::Invalid { name, value, why }, Some(given)) if name.is_empty() && value.is_empty() => {
            ParamError::invalid(name, given, why)
        }
        (error, _) => error,
    };
    error.within(part.text())
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
            let text = self.value()?;
            // `+5` is a number for Rust and for nobody else here.
            let number = text.parse::<$type>().ok().filter(|_| !text.starts_with('+'));
            let why = || format!("It should be an integer from {} to {}", <$type>::MIN, <$type>::MAX);
            visitor.$visit(number.ok_or_else(|| ParamError::custom(why()))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = ParamError;

    numbers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        let text = self.value()?;
        if text == "1" || text.eq_ignore_ascii_case("true") {
            visitor.visit_bool(true)
        } else if text == "0" || text.eq_ignore_ascii_case("false") {
            visitor.visit_bool(false)
        } else {
            Err(ParamError::custom("It should be true or false"))
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_borrowed_str(self.value()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &str, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.value()?))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        // A list of one may come without a number.
        if self.0.value.is_some() && self.0.parts.is_empty() {
            return visitor.visit_seq(Single(Some(self)));
        }
        visitor.visit_seq(self.list()?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_map(Fields { rest: self.parts()?.iter(), current: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        self.deserialize_map(visitor)
    }

    /// A value is a text, numbered parts are a list, and others a map.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.0.parts.first() {
            None if self.0.value.is_some() => self.deserialize_str(visitor),
            Some((part, _)) if part.is_number() => self.deserialize_seq(visitor),
            _ => self.deserialize_map(visitor),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Single<'de>(Option<Node<'de>>);

impl<'de> SeqAccess<'de> for Single<'de> {
    type Error = ParamError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ParamError> {
        self.0.take().map(|node| seed.deserialize(node)).transpose()
    }
}

struct List<'de>(std::slice::Iter<'de, (Part, Tree)>);

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = ParamError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ParamError> {
        let Some((part, below)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Node(below)).map(Some).map_err(|error| placed(error, part, below))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Fields<'de> {
    rest: std::slice::Iter<'de, (Part, Tree)>,
    current: Option<&'de (Part, Tree)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = ParamError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ParamError> {
        self.current = self.rest.next();
        let Some((part, below)) = self.current else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(part.text())).map(Some).map_err(|error| match error {
            // A whole parameter is unknown, not only how it begins.
            ParamError::Unknown(_) => ParamError::Unknown(below.first()).within(part.text()),
            error => error,
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ParamError> {
        let Some((part, below)) = self.current.take() else {
            return Err(ParamError::custom("a value was asked for before its name"));
        };
        seed.deserialize(Node(below)).map_err(|error| placed(error, part, below))
    }
}

#[cfg(test)]
mod tests;

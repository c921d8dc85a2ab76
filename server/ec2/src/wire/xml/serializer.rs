//! Structs as elements.

use std::fmt::{Display, Write};

use serde::ser::{Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::text::{element, escape};

/// A type that has no form in XML: a mistake in a response's definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not to be written as XML: {0}")]
pub struct XmlError(String);

impl serde::ser::Error for XmlError {
    fn custom<T: Display>(what: T) -> XmlError {
        XmlError(what.to_string())
    }
}

fn no_form<T>(what: &str) -> Result<T, XmlError> {
    Err(XmlError(what.into()))
}

/// Writes an element for each field of a struct, and nothing around them.
pub struct Fields<'a>(pub &'a mut String);

/// Writes a value as `<name>…</name>`; for a list that for each of its items, and for `None` nothing.
struct Element<'a> {
    out: &'a mut String,
    name: &'static str,
}

/// The fields of a struct within its tags.
struct Inside<'a> {
    out: &'a mut String,
    name: &'static str,
    /// Where the opening tag ends, to see whether anything came after it.
    begun: usize,
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = XmlError;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), XmlError> {
        value.serialize(Element { out: self.0, name })
    }

    fn end(self) -> Result<(), XmlError> {
        Ok(())
    }
}

impl SerializeStruct for Inside<'_> {
    type Ok = ();
    type Error = XmlError;

    fn serialize_field<T: ?Sized + Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), XmlError> {
        value.serialize(Element { out: self.out, name })
    }

    fn end(self) -> Result<(), XmlError> {
        if self.out.len() == self.begun {
            // `<x>` becomes `<x/>`.
            self.out.truncate(self.begun - 1);
            self.out.push_str("/>");
        } else {
            self.out.extend(["</", self.name, ">"]);
        }
        Ok(())
    }
}

impl SerializeSeq for Element<'_> {
    type Ok = ();
    type Error = XmlError;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), XmlError> {
        value.serialize(Element { out: self.out, name: self.name })
    }

    fn end(self) -> Result<(), XmlError> {
        Ok(())
    }
}

/// What neither of the two can write.
macro_rules! no_form {
    ($($method:ident($($type:ty),*);)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<(), XmlError> {
            no_form(stringify!($method))
        }
    )*};
}

macro_rules! no_form_of_many {
    () => {
        type SerializeTuple = Impossible<(), XmlError>;
        type SerializeTupleStruct = Impossible<(), XmlError>;
        type SerializeTupleVariant = Impossible<(), XmlError>;
        type SerializeMap = Impossible<(), XmlError>;
        type SerializeStructVariant = Impossible<(), XmlError>;

        fn serialize_newtype_variant<T: ?Sized + Serialize>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<(), XmlError> {
            no_form("an enum with data")
        }

        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, XmlError> {
            no_form("a tuple")
        }

        fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, XmlError> {
            no_form("a tuple")
        }

        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant, XmlError> {
            no_form("an enum with data")
        }

        /// Fields that are flattened come this way too.
        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, XmlError> {
            no_form("a map")
        }

        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeStructVariant, XmlError> {
            no_form("an enum with data")
        }

        no_form! { serialize_bytes(&[u8]); serialize_f32(f32); serialize_f64(f64); }
    };
}

impl<'a> Serializer for Fields<'a> {
    type Ok = ();
    type Error = XmlError;
    type SerializeSeq = Impossible<(), XmlError>;
    type SerializeStruct = Fields<'a>;

    no_form_of_many! {}

    no_form! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_char(char);
        serialize_str(&str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_none(self) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), XmlError> {
        value.serialize(self)
    }

    /// An answer without fields.
    fn serialize_unit(self) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), XmlError> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, XmlError> {
        no_form("a list without a name")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, XmlError> {
        Ok(self)
    }
}

/// Numbers need no escaping.
macro_rules! numbers {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<(), XmlError> {
            let (out, name) = (self.out, self.name);
            write!(out, "<{name}>{value}</{name}>").map_err(serde::ser::Error::custom)
        }
    )*};
}

impl<'a> Serializer for Element<'a> {
    type Ok = ();
    type Error = XmlError;
    type SerializeSeq = Element<'a>;
    type SerializeStruct = Inside<'a>;

    no_form_of_many! {}

    numbers! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
    }

    fn serialize_char(self, value: char) -> Result<(), XmlError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), XmlError> {
        element(self.out, self.name, value);
        Ok(())
    }

    /// Ids, times and the like, without a text of their own in between.
    fn collect_str<T: ?Sized + Display>(self, value: &T) -> Result<(), XmlError> {
        struct Escaping<'a>(&'a mut String);
        impl Write for Escaping<'_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                escape(self.0, text);
                Ok(())
            }
        }
        self.out.extend(["<", self.name, ">"]);
        write!(Escaping(self.out), "{value}").map_err(serde::ser::Error::custom)?;
        self.out.extend(["</", self.name, ">"]);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), XmlError> {
        value.serialize(self)
    }

    /// An element without content.
    fn serialize_unit(self) -> Result<(), XmlError> {
        element(self.out, self.name, "");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), XmlError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), XmlError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), XmlError> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Element<'a>, XmlError> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside<'a>, XmlError> {
        self.out.extend(["<", self.name, ">"]);
        let begun = self.out.len();
        Ok(Inside { out: self.out, name: self.name, begun })
    }
}

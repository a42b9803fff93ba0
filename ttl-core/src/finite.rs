//! A serializer that writes nothing and refuses values that `serde_json` mishandles: NaN and infinity, which
//! it turns into `null`, and unbounded nesting, which overflows its stack.

use std::cell::Cell;
use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use crate::codec::Misfit;
use crate::{Error, ErrorKind, Result as CoreResult};

/// The maximum nesting of a field's value: `[]` is one level, `[[]]` is two, a number is none.
pub const MAX_DEPTH: usize = 30;

/// More levels than a record may have. The exact limit is checked on the normal form; this one protects the
/// stack. An `Option` and a newtype are levels here, but not in JSON.
const MAX_LEVELS: usize = 4 * MAX_DEPTH;

/// Checks that a value contains only finite numbers and integers of at most 64 bits, and that its nesting is
/// bounded.
pub(crate) fn check(value: &(impl Serialize + ?Sized)) -> Result<ReadBack, Refusal> {
    let read_back = Cell::new(ReadBack::Certain);
    value.serialize(Check { wide_integers: false, ..Check::numbers(&read_back) })?;
    Ok(read_back.get())
}

/// Whether serde can read a written value back, as far as the value shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// The value contains nothing that serde is known to lose.
    Certain,
    /// The value contains map keys that are not text, or 128-bit integers. Serde cannot read these back under
    /// `flatten` or a tag. Decode the value before it is stored.
    Uncertain,
}

/// Checks that `serde_json` preserves a value, for codecs that write JSON. All numbers must be finite (NaN
/// and infinity would become `null`). Nesting is limited to 120 levels (an `Option` or a newtype is one, a
/// struct or tuple variant is two).
///
/// # Errors
/// [`ErrorKind::Codec`], with the reason as its source.
pub fn check_json(value: &(impl Serialize + ?Sized)) -> CoreResult<ReadBack> {
    let read_back = Cell::new(ReadBack::Certain);
    value.serialize(Check::numbers(&read_back)).map(|()| read_back.get()).map_err(|refusal| {
        Error::new(ErrorKind::Codec, "the value cannot be stored as JSON; use finite numbers and flat types")
            .with_source(Misfit::new(&refusal))
    })
}

/// Checks that a value has at most 120 levels of nesting (an `Option` or a newtype is one). For codecs whose
/// serializer would overflow the stack, or write data that it cannot read back.
///
/// # Errors
/// [`ErrorKind::Codec`], with the reason as its source.
pub fn check_depth(value: &(impl Serialize + ?Sized)) -> CoreResult<ReadBack> {
    let read_back = Cell::new(ReadBack::Certain);
    let check = Check { finite: false, ..Check::numbers(&read_back) };
    value.serialize(check).map(|()| read_back.get()).map_err(|refusal| {
        Error::new(ErrorKind::Codec, "the value cannot be stored; use types of at most 120 levels")
            .with_source(Misfit::new(&refusal))
    })
}

/// The reason why a value was refused: ours, or the message of the value's own `Serialize`.
#[derive(Debug)]
pub(crate) struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl ser::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[derive(Clone, Copy)]
struct Check<'a> {
    levels_left: usize,
    wide_integers: bool,
    finite: bool,
    /// Whether this is the key of a map.
    key: bool,
    read_back: &'a Cell<ReadBack>,
}

impl<'a> Check<'a> {
    /// Creates a check for finite numbers of any width.
    const fn numbers(read_back: &'a Cell<ReadBack>) -> Self {
        Self { levels_left: MAX_LEVELS, wide_integers: true, finite: true, key: false, read_back }
    }

    /// Records a value that is neither text nor nested.
    fn scalar(self) {
        if self.key {
            self.read_back.set(ReadBack::Uncertain);
        }
    }

    fn float(self, float: f64) -> Result<(), Refusal> {
        self.scalar();
        if float.is_finite() || !self.finite {
            Ok(())
        } else {
            Err(Refusal(format!("{float} is not finite")))
        }
    }

    fn deeper(self) -> Result<Self, Refusal> {
        let levels_left = self.levels_left.checked_sub(1);
        levels_left
            .map(|levels_left| Self { levels_left, ..self })
            .ok_or_else(|| Refusal("it is nested too deeply".to_owned()))
    }

    /// Checks an integer. `serde_json` refuses integers beyond 64 bits, but rounds them if an application
    /// enables `arbitrary_precision`.
    fn integer(self, fits: bool) -> Result<(), Refusal> {
        self.read_back.set(ReadBack::Uncertain);
        if fits || self.wide_integers {
            return Ok(());
        }
        Err(Refusal("an integer is out of range of i64 and u64".to_owned()))
    }
}

macro_rules! plain {
    ($($method:ident($type:ty))*) => { $(
        fn $method(self, _: $type) -> Result<(), Refusal> { self.scalar(); Ok(()) }
    )* };
}

macro_rules! compound {
    ($($method:ident($($argument:ty),*) -> $result:ident)*) => { $(
        fn $method(self, $(_: $argument),*) -> Result<Self, Refusal> { self.deeper() }
    )* };
}

impl Serializer for Check<'_> {
    type Ok = ();
    type Error = Refusal;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    plain! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_bytes(&[u8]) serialize_unit_struct(&'static str)
    }

    fn serialize_char(self, _: char) -> Result<(), Refusal> {
        Ok(())
    }

    fn serialize_str(self, _: &str) -> Result<(), Refusal> {
        Ok(())
    }

    compound! {
        serialize_seq(Option<usize>) -> SerializeSeq
        serialize_tuple(usize) -> SerializeTuple
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct
        serialize_map(Option<usize>) -> SerializeMap
        serialize_struct(&'static str, usize) -> SerializeStruct
    }

    // A struct or tuple variant becomes a map with one name, which contains a container.
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refusal> {
        self.deeper()?.deeper()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Refusal> {
        self.deeper()?.deeper()
    }

    fn serialize_i128(self, integer: i128) -> Result<(), Refusal> {
        self.integer(i64::try_from(integer).is_ok() || u64::try_from(integer).is_ok())
    }

    fn serialize_u128(self, integer: u128) -> Result<(), Refusal> {
        self.integer(u64::try_from(integer).is_ok())
    }

    fn serialize_f32(self, float: f32) -> Result<(), Refusal> {
        self.float(f64::from(float))
    }

    fn serialize_f64(self, float: f64) -> Result<(), Refusal> {
        self.float(float)
    }

    fn serialize_none(self) -> Result<(), Refusal> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refusal> {
        value.serialize(self.deeper()?)
    }

    fn serialize_unit(self) -> Result<(), Refusal> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Refusal> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        value.serialize(self.deeper()?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refusal> {
        value.serialize(self.deeper()?)
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident($($name:ty)?))*) => { $(
        impl ser::$trait for Check<'_> {
            type Ok = ();
            type Error = Refusal;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result<(), Refusal> {
                value.serialize(*self)
            }

            fn end(self) -> Result<(), Refusal> {
                Ok(())
            }
        }
    )* };
}

elements! {
    SerializeSeq::serialize_element()
    SerializeTuple::serialize_element()
    SerializeTupleStruct::serialize_field()
    SerializeTupleVariant::serialize_field()
    SerializeStruct::serialize_field(&'static str)
    SerializeStructVariant::serialize_field(&'static str)
}

impl ser::SerializeMap for Check<'_> {
    type Ok = ();
    type Error = Refusal;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refusal> {
        key.serialize(Self { key: true, ..*self })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refusal> {
        value.serialize(*self)
    }

    fn end(self) -> Result<(), Refusal> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize)]
    struct Link(Option<Box<Link>>);

    fn chain(links: usize) -> Link {
        (0..links).fold(Link(None), |inner, _| Link(Some(Box::new(inner))))
    }

    #[test]
    fn nesting_ends_somewhere() {
        // The last link is a newtype and its `None`; each further one is a newtype and a `Some`.
        assert!(check(&chain(MAX_LEVELS / 2 - 1)).is_ok());
        assert!(check(&chain(MAX_LEVELS / 2)).is_err());
    }

    #[test]
    fn integers_beyond_64_bits_fit_json_text_and_no_record() {
        let beyond = [u128::from(u64::MAX) + 1, u128::MAX];
        assert!(check(&beyond).is_err() && check_json(&beyond).is_ok());
        assert!(check(&(i128::from(i64::MIN) - 1)).is_err());
        assert!(check(&[i128::from(i64::MIN), i128::from(u64::MAX)]).is_ok());
        assert!(check(&u128::from(u64::MAX)).is_ok());
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let refusal = check_json(&Some([1.0, f64::NAN])).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::Codec);
        assert_eq!(std::error::Error::source(&refusal).unwrap().to_string(), "NaN is not finite");
    }
}

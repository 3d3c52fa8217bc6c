//! A look at a footer before a schema is built from it: the crate builds one by recursion, whatever its depth, and
//! makes room for as many children as a group claims.
//!
//! A footer is a struct in Thrift's compact protocol. Its field 2 is the schema, a list of elements in the order of a
//! walk through the tree. Field 5 of an element is its number of children. The crate reads the value of a field that it
//! knows whatever its type, so such a field has to have its type. Of a field that occurs twice it takes the first or the
//! last, and other readers the other one, so no struct may have a field twice.

use super::varint::{varint, zigzag};
use crate::error::{Error, ErrorKind, Result};

/// Columns and groups of a schema. Tables of counts have four; more are read to be named in the refusal.
const MAX_ELEMENTS: u64 = 1000;
/// Groups within groups.
const MAX_DEPTH: usize = 16;
/// Depth of structs and lists: that of Parquet's own footers, and some more.
const MAX_NESTING: u32 = 24;

const SCHEMA: i16 = 2;
const PAIRS: i16 = 5;
const CHILDREN: i16 = 5;

// Types of Thrift's compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
/// No type: the field must not be there.
const NONE: u8 = 16;

/// A field of a struct: its number, its type, and the fields of the structs in it or in its list.
struct Field(i16, u8, &'static [Field]);

const FILE: &[Field] = &[
    Field(1, I32, &[]),
    Field(SCHEMA, LIST, ELEMENT),
    Field(3, I64, &[]),
    Field(4, LIST, GROUP),
    Field(PAIRS, LIST, PAIR),
    Field(6, BINARY, &[]),
    Field(7, LIST, &[]),
];
const ELEMENT: &[Field] = &[
    Field(1, I32, &[]),
    Field(2, I32, &[]),
    Field(3, I32, &[]),
    Field(4, BINARY, &[]),
    Field(CHILDREN, I32, &[]),
    Field(6, I32, &[]),
    Field(7, I32, &[]),
    Field(8, I32, &[]),
    Field(9, I32, &[]),
    Field(10, STRUCT, &[]),
];
const GROUP: &[Field] = &[
    Field(1, LIST, CHUNK),
    Field(2, I64, &[]),
    Field(3, I64, &[]),
    Field(4, LIST, &[]),
    Field(5, I64, &[]),
    Field(6, I64, &[]),
    Field(7, I16, &[]),
];
const CHUNK: &[Field] = &[
    Field(1, BINARY, &[]),
    Field(2, I64, &[]),
    Field(3, STRUCT, COLUMN),
    Field(4, I64, &[]),
    Field(5, I32, &[]),
    Field(6, I64, &[]),
    Field(7, I32, &[]),
    // Of an encrypted column, whose bytes the crate would take for pages.
    Field(8, NONE, &[]),
];
const COLUMN: &[Field] = &[
    Field(1, I32, &[]),
    Field(2, LIST, &[]),
    Field(3, LIST, &[]),
    Field(4, I32, &[]),
    Field(5, I64, &[]),
    Field(6, I64, &[]),
    Field(7, I64, &[]),
    Field(8, LIST, PAIR),
    Field(9, I64, &[]),
    Field(10, I64, &[]),
    Field(11, I64, &[]),
    Field(12, STRUCT, STATISTICS),
    Field(13, LIST, &[]),
    Field(14, I64, &[]),
    Field(15, I32, &[]),
    Field(16, STRUCT, &[]),
];
const STATISTICS: &[Field] = &[
    Field(1, BINARY, &[]),
    Field(2, BINARY, &[]),
    Field(3, I64, &[]),
    Field(4, I64, &[]),
    Field(5, BINARY, &[]),
    Field(6, BINARY, &[]),
];
const PAIR: &[Field] = &[Field(1, BINARY, &[]), Field(2, BINARY, &[])];

/// Refuses a schema of too many or too deep elements, and a footer that is damaged. Returns the bytes of the key-value
/// pairs.
pub(super) fn check(footer: &[u8]) -> Result<usize> {
    let mut thrift = Thrift { rest: footer };
    let (mut read, mut has_schema, mut pairs) = (ReadFields::default(), false, 0);
    while let Some((field, kind)) = thrift.field(&mut read).ok_or_else(damaged)? {
        match (field, kind) {
            (SCHEMA, LIST) => {
                has_schema = true;
                thrift.check_schema()?;
            }
            _ => {
                let before = thrift.rest.len();
                thrift.skip_field(FILE, (field, kind), MAX_NESTING).ok_or_else(damaged)?;
                if (field, kind) == (PAIRS, LIST) {
                    pairs = before - thrift.rest.len();
                }
            }
        }
    }
    if has_schema { Ok(pairs) } else { Err(damaged()) }
}

fn damaged() -> Error {
    ErrorKind::NotParquet("its footer is damaged".to_owned()).into()
}

/// The fields of a struct that were read.
#[derive(Default)]
struct ReadFields {
    last: i16,
    /// A bit for each number below 64; Parquet's own are below 20.
    numbers: u64,
}

impl ReadFields {
    /// `None` for a field that was read before.
    fn add(&mut self, number: i16) -> Option<()> {
        let bit = u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number));
        let bit = bit.unwrap_or(0);
        let is_new = self.numbers & bit == 0;
        *self = ReadFields { last: number, numbers: self.numbers | bit };
        is_new.then_some(())
    }
}

/// What is left of the footer. Every function returns `None` where it ends too early, or is not valid Thrift.
struct Thrift<'a> {
    rest: &'a [u8],
}

impl Thrift<'_> {
    fn check_schema(&mut self) -> Result<()> {
        let (elements, kind) = self.list().ok_or_else(damaged)?;
        if kind != STRUCT {
            return Err(damaged());
        }
        if elements > MAX_ELEMENTS {
            let text = format!("it has {elements} columns and groups, the limit is {MAX_ELEMENTS}");
            return Err(ErrorKind::BadTable(text).into());
        }
        // Children that still follow, for each group around the element.
        let mut around: Vec<u64> = Vec::new();
        for _ in 0..elements {
            while around.pop_if(|left| *left == 0).is_some() {}
            if let Some(left) = around.last_mut() {
                *left -= 1;
            }
            let children = self.children().ok_or_else(damaged)?;
            if children > elements {
                return Err(damaged());
            }
            if children > 0 {
                around.push(children);
            }
            if around.len() > MAX_DEPTH {
                let text = format!("its columns are nested more than {MAX_DEPTH} levels deep");
                return Err(ErrorKind::BadTable(text).into());
            }
        }
        Ok(())
    }

    /// The number of children of the element that follows.
    fn children(&mut self) -> Option<u64> {
        let (mut read, mut children) = (ReadFields::default(), 0);
        while let Some((field, kind)) = self.field(&mut read)? {
            match (field, kind) {
                (CHILDREN, I32) => {
                    let value = varint(&mut self.rest)?;
                    // Zigzag; a number of children is not negative.
                    children = (value & 1 == 0).then_some(value >> 1)?;
                }
                _ => self.skip_field(ELEMENT, (field, kind), MAX_NESTING)?,
            }
        }
        Some(children)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn bytes(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// The next field's number and type; `Some(None)` at the end of a struct.
    fn field(&mut self, read: &mut ReadFields) -> Option<Option<(i16, u8)>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let number = match byte >> 4 {
            0 => i16::try_from(zigzag(&mut self.rest)?).ok()?,
            step => read.last.checked_add(step.into())?,
        };
        read.add(number)?;
        Some(Some((number, byte & 0xf)))
    }

    /// A list's length and the type of its elements.
    fn list(&mut self) -> Option<(u64, u8)> {
        let byte = self.byte()?;
        let short = u64::from(byte >> 4);
        let length = if short == 15 { varint(&mut self.rest)? } else { short };
        Some((length, byte & 0xf))
    }

    /// Skips a field's value. Elements of lists have a byte at least, so this ends with the footer.
    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            TRUE | FALSE => {}
            BYTE => self.bytes(1)?,
            I16 | I32 | I64 => drop(varint(&mut self.rest)?),
            DOUBLE => self.bytes(8)?,
            BINARY => {
                let length = varint(&mut self.rest)?;
                self.bytes(length)?;
            }
            LIST | SET => {
                let (length, kind) = self.list()?;
                (0..length).try_for_each(|_| self.skip_element(kind, depth))?;
            }
            MAP => {
                let length = varint(&mut self.rest)?;
                let kinds = if length == 0 { 0 } else { self.byte()? };
                (0..length).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0xf, depth)
                })?;
            }
            STRUCT => self.skip_struct(&[], depth)?,
            _ => return None,
        }
        Some(())
    }

    /// Skips the fields of a struct, of which these are known.
    fn skip_struct(&mut self, known: &[Field], depth: u32) -> Option<()> {
        let mut read = ReadFields::default();
        while let Some(field) = self.field(&mut read)? {
            self.skip_field(known, field, depth)?;
        }
        Some(())
    }

    /// Skips the value of a field; `None` if it is known with another type.
    fn skip_field(&mut self, known: &[Field], (number, kind): (i16, u8), depth: u32) -> Option<()> {
        let known = known.iter().find(|Field(known, ..)| *known == number);
        let Some(Field(_, expected, inner)) = known else { return self.skip(kind, depth) };
        match (*inner, kind) {
            _ if kind != *expected => None,
            ([], _) => self.skip(kind, depth),
            (inner, LIST) => {
                let (length, element) = self.list()?;
                if length > 0 && element != STRUCT {
                    return None;
                }
                (0..length).try_for_each(|_| self.skip_struct(inner, depth))
            }
            (inner, _) => self.skip_struct(inner, depth),
        }
    }

    /// As [`Thrift::skip`], within a list, where a truth value has a byte.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Option<()> {
        let kind = if matches!(kind, TRUE | FALSE) { BYTE } else { kind };
        self.skip(kind, depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer with the number of children of each element of its schema.
    fn footer(children: &[u8]) -> Vec<u8> {
        // Version 1; the schema, its length in one byte; no rows.
        let mut bytes = vec![0x15, 2, 0x19, 0xfc, u8::try_from(children.len()).unwrap()];
        for children in children {
            // Field 4, the name; field 5.
            bytes.extend([0x48, 1, b'a', 0x15, children << 1, 0]);
        }
        bytes.extend([0x16, 0, 0]);
        bytes
    }

    fn refusal(footer: &[u8]) -> String {
        check(footer).unwrap_err().to_string()
    }

    #[test]
    fn a_schema_may_be_as_deep_as_the_limit_and_no_deeper() {
        assert!(check(&footer(&[3, 0, 0, 0])).is_ok());
        let mut deep = [1; MAX_DEPTH + 2];
        deep[MAX_DEPTH] = 0;
        assert!(check(&footer(&deep[..=MAX_DEPTH])).is_ok());
        deep[MAX_DEPTH..].copy_from_slice(&[1, 0]);
        assert!(refusal(&footer(&deep)).contains("nested more than 16 levels deep"));
        // Groups beside each other are not deep.
        let beside: Vec<u8> = std::iter::once(40).chain([1, 0].repeat(40)).collect();
        assert!(check(&footer(&beside)).is_ok());
    }

    #[test]
    fn more_elements_or_children_than_there_can_be_are_refused() {
        let mut many = vec![0x15, 2, 0x19, 0xfc, 0xe9, 0x07];
        many.extend([0; 1001]);
        assert!(refusal(&many).contains("1001 columns and groups, the limit is 1000"));
        assert!(refusal(&footer(&[60, 0])).contains("damaged"));
        let twice = [footer(&[0]).as_slice(), &footer(&[0])[2..]].concat();
        assert!(check(&twice).is_ok(), "the first struct has ended");
        let mut twice = footer(&[0]);
        twice.truncate(twice.len() - 3);
        // A field whose number stands by itself: 2 again.
        twice.extend([0x09, 4, 0x0c, 0]);
        assert!(refusal(&twice).contains("damaged"));
    }

    #[test]
    fn key_value_pairs_are_counted_apart() {
        assert_eq!(check(&footer(&[0])).unwrap(), 0);
        let mut with_pairs = footer(&[0]);
        with_pairs.truncate(with_pairs.len() - 1);
        // Field 5 after field 3: a list of one struct, whose fields 1 and 2 are a key and its value.
        with_pairs.extend([0x29, 0x1c, 0x18, 1, b'k', 0x18, 2, b'v', b'v', 0, 0]);
        assert_eq!(check(&with_pairs).unwrap(), 9);
    }

    #[test]
    fn a_schema_or_a_number_of_children_of_another_type_is_damaged() {
        let schema = [0x19, 0xfc];
        for kind in [SET, MAP, STRUCT, BINARY, I32] {
            let mut first = footer(&[1, 0]);
            assert_eq!(first[2..4], schema);
            first[2] = 0x10 | kind;
            assert!(refusal(&first).contains("damaged"), "{kind}");
            // After a schema that is in order; a field whose number stands by itself.
            let mut second = footer(&[0]);
            second.truncate(second.len() - 3);
            second.extend([kind, 4, 0x0c, 0, 0]);
            assert!(refusal(&second).contains("damaged"), "{kind}");
        }
        for kind in [I16, I64, BYTE, TRUE, FALSE] {
            let mut children = footer(&[1, 0]);
            assert_eq!(children[8], 0x10 | I32);
            children[8] = 0x10 | kind;
            assert!(refusal(&children).contains("damaged"), "{kind}");
        }
    }

    #[test]
    fn a_known_field_of_another_type_is_damaged_at_any_depth() {
        let with = |fields: &[u8]| {
            let mut bytes = footer(&[0]);
            bytes.truncate(bytes.len() - 3);
            [&bytes, fields, &[0]].concat()
        };
        // Field 3 of the file, then field 4: a row group with a column chunk of field 2, and of field 3 with a field 5.
        let group = [0x16, 8, 0x19, 0x1c, 0x19, 0x1c, 0x26, 8, 0x1c, 0x56, 8, 0, 0, 0];
        assert!(check(&with(&group)).is_ok());
        for (at, is) in [(0, 0x15), (2, 0x1a), (3, 0x16), (4, 0x1a), (6, 0x25), (9, 0x55)] {
            let mut changed = group;
            changed[at] = is;
            assert!(refusal(&with(&changed)).contains("damaged"), "{at}");
        }
        // A field twice, its second number by itself; and that of an encrypted column.
        let twice = [&group[..8], &[0x06, 4, 8], &group[8..]].concat();
        assert!(refusal(&with(&twice)).contains("damaged"));
        let encrypted = [&group[..12], &[0x5c, 0], &group[12..]].concat();
        assert!(refusal(&with(&encrypted)).contains("damaged"));
        // A field that is not known may have any type.
        assert!(check(&with(&[0xf5, 8])).is_ok() && check(&with(&[0xf6, 8])).is_ok());
    }

    #[test]
    fn a_footer_cut_anywhere_is_damaged_and_one_of_lists_in_lists_ends() {
        let whole = footer(&[1, 1, 0]);
        for end in 0..whole.len() {
            assert!(refusal(&whole[..end]).contains("damaged"), "{end}");
        }
        let lists = [[0x39].as_slice(), &[0x19; 100]].concat();
        assert!(refusal(&lists).contains("damaged"));
        let long = [0x39, 0xf3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(refusal(&long).contains("damaged"));
    }
}

//! Reads MessagePack token by token, never past the end of the bytes.

use rmp::Marker;

use crate::limits::RECORD_DEPTH;

/// Bytes that are not MessagePack, end too early, or nest too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// One value, or the head of an array or map whose elements follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool(bool),
    /// A non-negative integer of any width.
    Unsigned(u64),
    /// A negative integer of any width.
    Negative(i64),
    F32(f32),
    F64(f64),
    /// Text, not yet checked to be UTF-8.
    Str(&'a [u8]),
    Bin(&'a [u8]),
    Ext(i8, &'a [u8]),
    /// The head of this many elements.
    Array(u32),
    /// The head of this many pairs.
    Map(u32),
}

/// A position in some bytes.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the bytes that have not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads the next token.
    pub(super) fn token(&mut self) -> Result<Token<'a>, Invalid> {
        let [marker] = self.array()?;
        Ok(match Marker::from_u8(marker) {
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixPos(value) => Token::Unsigned(value.into()),
            Marker::U8 => Token::Unsigned(self.array().map(u8::from_be_bytes)?.into()),
            Marker::U16 => Token::Unsigned(self.array().map(u16::from_be_bytes)?.into()),
            Marker::U32 => Token::Unsigned(self.array().map(u32::from_be_bytes)?.into()),
            Marker::U64 => Token::Unsigned(self.array().map(u64::from_be_bytes)?),
            Marker::FixNeg(value) => signed(value.into()),
            Marker::I8 => signed(self.array().map(i8::from_be_bytes)?.into()),
            Marker::I16 => signed(self.array().map(i16::from_be_bytes)?.into()),
            Marker::I32 => signed(self.array().map(i32::from_be_bytes)?.into()),
            Marker::I64 => signed(self.array().map(i64::from_be_bytes)?),
            Marker::F32 => Token::F32(self.array().map(f32::from_be_bytes)?),
            Marker::F64 => Token::F64(self.array().map(f64::from_be_bytes)?),
            Marker::FixStr(length) => Token::Str(self.bytes(length.into())?),
            Marker::Str8 => Token::Str(self.counted::<1>()?),
            Marker::Str16 => Token::Str(self.counted::<2>()?),
            Marker::Str32 => Token::Str(self.counted::<4>()?),
            Marker::Bin8 => Token::Bin(self.counted::<1>()?),
            Marker::Bin16 => Token::Bin(self.counted::<2>()?),
            Marker::Bin32 => Token::Bin(self.counted::<4>()?),
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => self.length::<1>().and_then(|length| self.ext(length))?,
            Marker::Ext16 => self.length::<2>().and_then(|length| self.ext(length))?,
            Marker::Ext32 => self.length::<4>().and_then(|length| self.ext(length))?,
            Marker::FixArray(length) => Token::Array(length.into()),
            Marker::Array16 => Token::Array(self.length::<2>()?),
            Marker::Array32 => Token::Array(self.length::<4>()?),
            Marker::FixMap(length) => Token::Map(length.into()),
            Marker::Map16 => Token::Map(self.length::<2>()?),
            Marker::Map32 => Token::Map(self.length::<4>()?),
            Marker::Reserved => return Err(Invalid),
        })
    }

    /// Reads the next token without consuming it.
    pub(super) fn peek(&self) -> Result<Token<'a>, Invalid> {
        self.clone().token()
    }

    /// Consumes one value with all its elements, and returns its bytes.
    pub(super) fn value(&mut self) -> Result<&'a [u8], Invalid> {
        let start = self.rest;
        self.skip(RECORD_DEPTH)?;
        Ok(&start[..start.len() - self.rest.len()])
    }

    fn skip(&mut self, depth_left: usize) -> Result<(), Invalid> {
        let elements = match self.token()? {
            Token::Array(length) => u64::from(length),
            Token::Map(length) => 2 * u64::from(length),
            _ => return Ok(()),
        };
        let depth_left = depth_left.checked_sub(1).ok_or(Invalid)?;
        // An announced length costs nothing: the first missing element ends this.
        for _ in 0..elements {
            self.skip(depth_left)?;
        }
        Ok(())
    }

    fn bytes(&mut self, length: u32) -> Result<&'a [u8], Invalid> {
        let length = usize::try_from(length).map_err(|_| Invalid)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Invalid)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Invalid)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// Reads a length of `N` bytes.
    fn length<const N: usize>(&mut self) -> Result<u32, Invalid> {
        let bytes = self.array::<N>()?;
        Ok(bytes.iter().fold(0, |length, &b| length << 8 | u32::from(b)))
    }

    fn counted<const N: usize>(&mut self) -> Result<&'a [u8], Invalid> {
        let length = self.length::<N>()?;
        self.bytes(length)
    }

    fn ext(&mut self, length: u32) -> Result<Token<'a>, Invalid> {
        let kind = self.array().map(i8::from_be_bytes)?;
        Ok(Token::Ext(kind, self.bytes(length)?))
    }
}

fn signed<'a>(value: i64) -> Token<'a> {
    u64::try_from(value).map_or(Token::Negative(value), Token::Unsigned)
}

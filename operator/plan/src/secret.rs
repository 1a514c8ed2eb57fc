//! A value that cannot be printed.

use std::fmt;
use zeroize::Zeroizing;

/// A password, a seed or a private key. It has no `Display`, its `Debug` says nothing, it is not
/// serializable, and its memory is overwritten when it is dropped. Who needs the value says
/// [`Secret::reveal`], which is easy to find.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret in.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Takes in what was made of 256 random bits: 64 hexadecimal digits, or it is damaged.
    pub fn of_random(text: &str) -> Option<Self> {
        let digit = |c| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self::new(text))
    }

    /// The value itself: for the file, connection or hash that needs it, never for people or logs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

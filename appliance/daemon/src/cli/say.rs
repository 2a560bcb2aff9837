//! Words for the terminal. Whoever stops listening, as `head` does, does not stop what was begun.

use std::fmt;
use std::io::Write as _;

/// Writes to standard output; see `say!` and `say_part!`.
pub(crate) fn write(words: fmt::Arguments<'_>, end: &str) {
    let mut out = std::io::stdout().lock();
    // The reader is gone: nobody is left to be told.
    let _ = out.write_fmt(words).and_then(|()| out.write_all(end.as_bytes()));
}

/// A line.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::say::write(format_args!($($words)*), "\n") };
}

/// Something that ends its lines itself.
macro_rules! say_part {
    ($($words:tt)*) => { $crate::cli::say::write(format_args!($($words)*), "") };
}

pub(crate) use {say, say_part};

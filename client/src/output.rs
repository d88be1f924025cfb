//! Standard output and standard error.
//!
//! Either may be a pipe whose reader has gone (`| head`), a terminal that was closed, or a file on a full disk. `print!` and
//! `eprint!` panic then, which ends the process and takes with it all that it has counted: nothing here uses them.

use std::fmt;
use std::io::{self, Write};

/// Writes all of `text` to standard output. A reader that has gone has seen enough: that is no error.
///
/// # Errors
/// Every other one, such as that of a full disk.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Nobody can be told that this failed.
pub(crate) fn tell(line: impl fmt::Display) {
    draw(format_args!("{line}\n"));
}

/// The same without the line's end, for what is drawn on a terminal.
pub(crate) fn draw(text: impl fmt::Display) {
    // In one piece, so that it does not mix with what others write there.
    drop(io::stderr().lock().write_all(text.to_string().as_bytes()));
}

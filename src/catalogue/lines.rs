//! Text whose lines all end the same way.

use std::io::{BufRead, BufReader, Read};

/// Reads `\r\n` as `\n`: a CSV reader that meets the first takes the second for the begin of the next row, and counts lines
/// wrongly.
pub(super) struct UnixLines<R> {
    inner: BufReader<R>,
    /// A `\r` was read, and it is not known yet what follows it.
    held: bool,
}

impl<R: Read> UnixLines<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner: BufReader::new(inner), held: false }
    }
}

impl<R: Read> Read for UnixLines<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let mut written = 0;
        while written < out.len() {
            let available = self.inner.fill_buf()?;
            let Some(&byte) = available.first() else {
                if self.held {
                    self.held = false;
                    out[written] = b'\r';
                    written += 1;
                }
                break;
            };
            if self.held && byte != b'\n' {
                self.held = false;
                out[written] = b'\r';
                written += 1;
                continue;
            }
            self.held = byte == b'\r';
            let last = available.len() == 1;
            self.inner.consume(1);
            if !self.held {
                out[written] = byte;
                written += 1;
            }
            // What there is now is enough: the next may have to be waited for.
            if last && written > 0 {
                break;
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_one_and_everything_else_stays() {
        for (text, expected) in
            [("a\r\nb\r\n", "a\nb\n"), ("a\rb\r", "a\rb\r"), ("\r\r\n\n", "\r\n\n"), ("", ""), ("\r", "\r")]
        {
            for size in 1..5 {
                let inner = UnixLines { inner: BufReader::with_capacity(size, text.as_bytes()), held: false };
                let mut read = String::new();
                BufReader::with_capacity(size, inner).read_to_string(&mut read).unwrap();
                assert_eq!(read, expected, "{text:?} by {size}");
            }
        }
    }
}

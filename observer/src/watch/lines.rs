//! Lines out of pieces, each of at most so many bytes.

/// The longest line: etcd takes objects of 1.5 MiB.
const LONGEST: usize = 2 << 20;

/// What has come and is no whole line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// More has come.
    ///
    /// # Errors
    /// Where a line is longer than it may be.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.rest.len() + bytes.len() > LONGEST {
            return Err(format!("a line of more than {LONGEST} bytes"));
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole line, without its end.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.rest.drain(..=end).collect();
        line.pop();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_they_were_cut() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in ["o", "ne\ntw", "o\n\nth", "ree"] {
            lines.add(piece.as_bytes()).unwrap();
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        assert_eq!(found, [&b"one"[..], b"two", b""]);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 64 << 10];
        let failure = (0..100).find_map(|_| lines.add(&piece).err());
        assert_eq!(failure.as_deref(), Some("a line of more than 2097152 bytes"));
        assert!(lines.rest.len() <= LONGEST);
    }
}

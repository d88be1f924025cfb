//! The kernel's limit on open files, which every connection counts against.

use std::fs;

/// Descriptors that are open besides the connections: standard streams, epoll, signals, the ledger's file, name lookups.
const BESIDES: usize = 32;

/// Checks that `connections` may be open at the same time.
///
/// # Errors
/// One sentence with both numbers and the mend.
pub(crate) fn admit(connections: usize) -> Result<(), String> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match open_files(&limits) {
        Some(limit) if limit < connections + BESIDES => Err(format!(
            "{connections} connections need {} open files, and this process may have {limit}: \
             raise it (ulimit -n {}) or ask for fewer connections",
            connections + BESIDES,
            connections + BESIDES
        )),
        _ => Ok(()),
    }
}

/// The soft limit; none when it is unlimited or not to be read.
fn open_files(limits: &str) -> Option<usize> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             96000                96000                processes\n\
                      Max open files            1024                 1048576              files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files("Max open files  unlimited unlimited files"), None);
        assert_eq!(open_files(""), None);
    }
}

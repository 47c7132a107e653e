//! sled's errors, turned into the store's.

use std::io;

use crate::store::StoreError;

/// Turns an error of sled's into ours; `doing` is a verb for the message.
pub(crate) fn at_sled(doing: &'static str) -> impl Fn(sled::Error) -> StoreError {
    move |error| match error {
        // sled's file lacks something that sled expects in it.
        sled::Error::Io(source)
            if matches!(
                source.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
            ) =>
        {
            StoreError::DamagedFile {
                fault: format!("sled cannot {doing} its file: {source}"),
            }
        }
        sled::Error::Io(source) => StoreError::Io {
            doing,
            source: as_the_system_said_it(source),
        },
        sled::Error::Corruption { at: Some(at), .. } => StoreError::DamagedFile {
            fault: format!("sled found corrupted data at offset {}", at.lid()),
        },
        sled::Error::Corruption { at: None, .. } => StoreError::DamagedFile {
            fault: "sled found corrupted data".to_owned(),
        },
        sled::Error::Unsupported(fault) | sled::Error::ReportableBug(fault) => StoreError::DamagedFile {
            fault: format!("sled says: {fault}"),
        },
        sled::Error::CollectionNotFound(_) => StoreError::DamagedFile {
            fault: "sled has lost its tree".to_owned(),
        },
    }
}

/// The operating system's error. sled keeps the first error of a write and answers with copies of it, which have the
/// error's debug text in place of its code.
fn as_the_system_said_it(source: io::Error) -> io::Error {
    let text = source.to_string();
    let code = text
        .strip_prefix("Os { code: ")
        .and_then(|rest| rest.split_once(','))
        .and_then(|(code, _)| code.parse().ok());
    code.map_or(source, io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_disk_that_sled_has_kept_is_said_as_the_system_says_it() {
        const ENOSPC: i32 = 28;
        let first = sled::Error::Io(io::Error::from_raw_os_error(ENOSPC));
        let kept = first.clone();
        for error in [first, kept] {
            let StoreError::Io { source, .. } = at_sled("write")(error) else {
                panic!("it is no damage");
            };
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            assert_eq!(source.to_string(), "No space left on device (os error 28)");
        }
        let other = sled::Error::Io(io::Error::other("told by nobody"));
        assert!(
            matches!(at_sled("write")(other), StoreError::Io { source, .. } if source.to_string() == "told by nobody")
        );
    }
}

//! An ONNX file as the decoder reads it.

use std::fs::File;
use std::io::{self, Read};

use prost::bytes::{Buf, Bytes};

/// Bytes that are read at a time, except for the data of tensors.
const AT_ONCE: usize = 64 << 10;

/// Zeros that stand in for the rest of a file that can't be read: more than the bytes of any number.
const NOTHING: [u8; 16] = [0; 16];

/// A file's bytes. The data of each tensor get memory of their own, which can be freed before the others'.
///
/// The decoder can't be told that a read failed. It gets zeros, which are no valid message; [`finish`](Self::finish) has the error.
pub(super) struct FileBytes<R> {
    file: R,
    /// Bytes that are still in the file.
    left: usize,
    /// Bytes that were read ahead: those from `next` on.
    ahead: Vec<u8>,
    next: usize,
    failure: io::Result<()>,
}

impl FileBytes<File> {
    /// The bytes of a file, which is at its start.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::of(file, usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?))
    }
}

impl<R: Read> FileBytes<R> {
    fn of(file: R, len: usize) -> Self {
        let mut bytes = Self { file, left: len, ahead: Vec::new(), next: 0, failure: Ok(()) };
        bytes.read_ahead();
        bytes
    }

    /// The error, if the file couldn't be read.
    pub(super) fn finish(self) -> io::Result<()> {
        self.failure
    }

    fn read_ahead(&mut self) {
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.clear();
        if self.read(self.left.min(AT_ONCE), &mut ahead) {
            (self.ahead, self.next) = (ahead, 0);
        }
    }

    /// Appends as many bytes of the file; whether they could be read.
    fn read(&mut self, count: usize, to: &mut Vec<u8>) -> bool {
        let read = to.try_reserve_exact(count).map_err(io::Error::from).and_then(|()| {
            let read = self.file.by_ref().take(count as u64).read_to_end(to)?;
            if read == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        });
        self.left -= count;
        let is_read = read.is_ok();
        if let Err(error) = read {
            (self.left, self.ahead, self.next, self.failure) = (0, NOTHING.to_vec(), 0, Err(error));
        }
        is_read
    }
}

impl<R: Read> Buf for FileBytes<R> {
    fn remaining(&self) -> usize {
        self.chunk().len() + self.left
    }

    fn chunk(&self) -> &[u8] {
        &self.ahead[self.next..]
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 && self.remaining() > 0 {
            let some = count.min(self.chunk().len());
            self.next += some;
            count -= some;
            if self.chunk().is_empty() && self.left > 0 {
                self.read_ahead();
            }
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        let some = len.min(self.chunk().len());
        let mut bytes = self.chunk()[..some].to_vec();
        self.next += some;
        let rest = (len - some).min(self.left);
        if rest > 0 {
            self.read(rest, &mut bytes);
        }
        if self.chunk().is_empty() && self.left > 0 {
            self.read_ahead();
        }
        bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_in_their_order() {
        let file: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
        let mut bytes = FileBytes::of(&file[..], file.len());
        let mut expected = &file[..];
        for count in [3, 70_000, 0, 1, 65_535, 65_536, 50_000].into_iter().cycle().take(20) {
            let count = count.min(expected.len());
            assert_eq!(bytes.copy_to_bytes(count), expected.copy_to_bytes(count));
            let count = (count / 2).min(expected.len());
            bytes.advance(count);
            expected.advance(count);
            assert_eq!(bytes.remaining(), expected.remaining());
            assert!(expected.starts_with(bytes.chunk()) && bytes.chunk().is_empty() == expected.is_empty());
        }
        assert!(bytes.finish().is_ok());
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error() {
        let file = vec![1; 100_000];
        for len in [0, 1, 70_000] {
            let mut bytes = FileBytes::of(&file[..], 200_000);
            bytes.advance(len);
            bytes.copy_to_bytes(bytes.remaining());
            let left = bytes.remaining();
            (0..left).for_each(|_| assert_eq!(bytes.get_u8(), 0));
            assert_eq!(bytes.finish().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}

//! An n-dimensional array and a reverse-mode tape, replayed under any backward rule.
#![forbid(unsafe_code)]

//! Black-box tests: the real application, over HTTP or as the real binary.

mod accounts;

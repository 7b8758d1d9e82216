#![no_main]

mod application;

libfuzzer_sys::fuzz_target!(|input: &[u8]| application::REQUESTS.0.patch(input));

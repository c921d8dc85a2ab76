//! Whole requests, and whether their signatures are believed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cascina_ec2::fuzz::request(data));

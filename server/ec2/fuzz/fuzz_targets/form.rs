//! Parameters, and what the actions make of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cascina_ec2::fuzz::form(data));

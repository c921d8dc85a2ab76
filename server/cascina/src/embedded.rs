//! The policies that ship inside the program, so that a bare server works.

macro_rules! embedded {
    ($($name:literal)*) => {
        pub fn policies() -> Vec<(String, Vec<u8>)> {
            vec![$(($name.to_owned(),
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/dist/", $name, ".wasm")).to_vec())),*]
        }
    };
}

embedded! { "admission-default" "quota-tiers" "placement-pack" "placement-spread" "placement-owner" }

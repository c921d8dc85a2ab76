//! The policies that ship inside the program, so that a bare server works.

macro_rules! embedded {
    ($(#[$meta:meta])* $list:ident: $($name:literal)*) => {
        $(#[$meta])*
        fn $list() -> Vec<(String, Vec<u8>)> {
            vec![$(($name.to_owned(),
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/dist/", $name, ".wasm")).to_vec())),*]
        }
    };
}

embedded! { reference:
    "admission-default" "quota-tiers" "placement-pack" "placement-spread" "placement-owner"
    "reallocate-balance" "reallocate-consolidate" "reallocate-fairshare"
}

embedded! {
    /// What others do, to compare with.
    yardsticks: "placement-first-fit" "placement-best-fit" "placement-ganeti" "placement-opennebula"
}

/// What a server brings along.
pub fn policies() -> Vec<(String, Vec<u8>)> {
    reference()
}

/// What can be simulated.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut all = reference();
    all.extend(yardsticks());
    all
}

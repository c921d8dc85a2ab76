//! Gateway hosts on a real kernel. They need root and `ip`, `nft`, `dnsmasq`, `conntrack`, `arping` and
//! busybox: `cargo test -p cascina-drivers netns -- --ignored --test-threads=1`.

mod lab;
mod life;
mod traffic;

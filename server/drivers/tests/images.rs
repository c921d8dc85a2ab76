//! Images copied between two real libvirt daemons: whole, cut off by the death of the process, and not what
//! they should be. `tests/qemu/drivers.sh` runs it; by hand it is as `libvirt.rs` says.
#![cfg(feature = "libvirt")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascina_core::id::HostId;
use cascina_core::image::Content;
use cascina_core::policy::Digest;
use cascina_drivers::conformance::{Trial, check_images};
use cascina_drivers::libvirt::{LibvirtDriver, LibvirtSettings};
use cascina_drivers::{Copied, DriverError, GuestSpec, HostCall, HostRef, Hypervisor, Reply};
use sha2::{Digest as _, Sha256};

/// Where disks are on each host; each has its own behind the same name.
const POOL: &str = "/var/lib/libvirt/cascina-images";
/// Set in the process that is killed.
const CHILD: &str = "CASCINA_COPY_IMAGES";
const MIB: u64 = 1 << 20;

struct Lab {
    run: PathBuf,
    hosts: Vec<HostRef>,
    images: PathBuf,
}

impl Lab {
    fn new() -> Lab {
        let said =
            |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see tests/qemu/drivers.sh"));
        let hosts = said("CASCINA_QEMU_HOSTS");
        let hosts = hosts.split_whitespace().zip(1..).map(|(host, number)| {
            let (name, uri) = host.split_once('=').unwrap();
            let class = "workers".parse().unwrap();
            HostRef { id: HostId(number), name: name.parse().unwrap(), uri: uri.into(), class }
        });
        let run = PathBuf::from(said("CASCINA_QEMU_RUN"));
        let images = run.join("shared/images");
        std::fs::create_dir_all(&images).unwrap();
        Lab { hosts: hosts.collect(), run, images }
    }

    fn driver(&self) -> LibvirtDriver {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/build").canonicalize();
        let build = build.expect("make -C images first");
        let settings = serde_json::json!({
            "accelerator": "tcg",
            "cpu_shares": false,
            "unsafe_disks": true,
            "images": self.images,
            "most_image_gib": 4,
            "classes": { "workers": { "pool": POOL } },
            "router_kernel": build.join("router/vmlinuz"),
            "router_initrd": build.join("router/initrd"),
            "router": { "public": [], "domain_suffix": "cascina.internal", "mtu": 1450 },
            "consoles": "/var/log/libvirt/cascina",
        });
        if !self.images.join("micro.qcow2").exists() {
            std::fs::copy(build.join("micro/micro.qcow2"), self.images.join("micro.qcow2")).unwrap();
        }
        let settings: LibvirtSettings = serde_json::from_value(settings).unwrap();
        LibvirtDriver::new(settings, Arc::new(no_seed)).unwrap()
    }

    /// A host's pool, as this machine sees it.
    fn pool(&self, host: usize) -> PathBuf {
        self.run.join(format!("h{host}/lib/cascina-images"))
    }

    fn names(&self, host: usize) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.pool(host)) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// How much of an image is there for certain.
    fn mark(&self, host: usize) -> Option<u64> {
        self.names(host).iter().filter_map(|name| name.split_once(".at-")?.1.parse().ok()).max()
    }

    fn drop_call(image: &str, content: &Content) -> HostCall {
        HostCall::DropImage { image: image.into(), content: content.clone() }
    }
}

fn no_seed(_: &GuestSpec) -> Result<Vec<u8>, String> {
    Ok(vec![0; 512])
}

async fn content(driver: &LibvirtDriver, host: &HostRef, image: &str) -> Content {
    let check = HostCall::CheckImage { image: image.into(), sha256: None };
    let Reply::Image(content) = driver.call(host, check).await.unwrap() else { panic!("another answer") };
    *content
}

/// What each call answered until it was whole.
async fn copy(
    driver: &LibvirtDriver,
    to: &HostRef,
    from: Option<&HostRef>,
    image: &str,
    content: &Content,
) -> Result<Vec<u64>, DriverError> {
    let call = HostCall::CopyImage { image: image.into(), content: content.clone(), from: from.cloned() };
    let mut steps = Vec::new();
    loop {
        let Reply::Copied(Copied { done, whole }) = driver.call(to, call.clone()).await? else {
            panic!("another answer")
        };
        steps.push(done);
        if whole {
            return Ok(steps);
        }
    }
}

/// 600 MiB that nothing can be left out of, with 100 MiB of nothing in the middle.
fn large(path: &Path) {
    let beside = path.with_extension("new");
    let (mut from, mut to) = (File::open("/dev/urandom").unwrap(), File::create(&beside).unwrap());
    let mut room = vec![0; MIB as usize];
    for piece in 0..700 {
        if (300..400).contains(&piece) {
            room.fill(0);
        } else {
            from.read_exact(&mut room).unwrap();
        }
        to.write_all(&room).unwrap();
    }
    std::fs::rename(beside, path).unwrap();
}

fn sha256(path: &Path) -> Digest {
    let (mut hash, mut room) = (Sha256::new(), vec![0; MIB as usize]);
    let mut file = File::open(path).unwrap();
    loop {
        match file.read(&mut room).unwrap() {
            0 => return Digest(hash.finalize().into()),
            read => hash.update(&room[..read]),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn images_go_from_host_to_host() {
    let lab = Lab::new();
    let trial = Trial { patience: Duration::from_secs(120), ..Trial::example("micro", "router") };
    let violations = check_images(&lab.driver(), [&lab.hosts[0], &lab.hosts[1]], &trial).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn a_copy_that_was_cut_off_goes_on_where_it_ended() {
    let lab = Lab::new();
    let driver = lab.driver();
    let (one, two) = (&lab.hosts[0], &lab.hosts[1]);
    if std::env::var_os(CHILD).is_some() {
        let content = content(&driver, one, "large").await;
        copy(&driver, two, Some(one), "large", &content).await.unwrap();
        return;
    }
    large(&lab.images.join("large.raw"));
    let content = content(&driver, one, "large").await;
    assert_eq!((content.bytes, content.disk_bytes), (700 * MIB, 700 * MIB));
    let begun = Instant::now();
    let steps = copy(&driver, one, None, "large", &content).await.unwrap();
    println!("700 MiB from the server to h1: {:.1} s, in {} calls", begun.elapsed().as_secs_f64(), steps.len());

    // The process that copies ends in the second slice.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "a_copy_that_was_cut_off_goes_on_where_it_ended"]);
    let mut child = child.env(CHILD, "1").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let patience = Instant::now();
    while lab.mark(2).is_none() {
        assert!(patience.elapsed() < Duration::from_secs(180), "nothing was copied: {:?}", lab.names(2));
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself: {:?}", lab.names(2));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let mark = lab.mark(2).expect("it was whole before it was cut off");
    let file = lab.pool(2).join(format!("image-{}.raw", content.digest));
    assert_ne!(sha256(&file), content.digest, "the rest is missing");

    let begun = Instant::now();
    let steps = copy(&driver, two, Some(one), "large", &content).await.unwrap();
    println!(
        "cut off after {} MiB; the rest from h1 to h2: {:.1} s, after {:?} MiB",
        mark / MIB,
        begun.elapsed().as_secs_f64(),
        steps.iter().map(|done| done / MIB).collect::<Vec<_>>()
    );
    assert!(steps[0] > mark, "it began anew: {steps:?}");
    assert_eq!(sha256(&file), content.digest);
    assert_eq!(lab.mark(2), None);

    // Once more in one go, with the hole left out.
    driver.call(two, Lab::drop_call("large", &content)).await.unwrap();
    assert!(lab.names(2).iter().all(|name| !name.starts_with("image-")), "{:?}", lab.names(2));
    let begun = Instant::now();
    copy(&driver, two, Some(one), "large", &content).await.unwrap();
    println!("700 MiB from h1 to h2: {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(sha256(&file), content.digest);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&file).unwrap()) * 512;
    assert!(blocks < 640 * MIB, "{} MiB on the disk", blocks / MIB);
    for host in [one, two] {
        driver.call(host, Lab::drop_call("large", &content)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn what_was_changed_on_a_host_is_not_passed_on() {
    let lab = Lab::new();
    let driver = lab.driver();
    let (one, two) = (&lab.hosts[0], &lab.hosts[1]);
    let content = content(&driver, one, "micro").await;
    copy(&driver, one, None, "micro", &content).await.unwrap();
    let file = lab.pool(1).join(format!("image-{}.qcow2", content.digest));
    let mut changed = File::options().write(true).open(&file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&changed, b"changed", content.bytes / 2).unwrap();
    changed.flush().unwrap();
    let error = copy(&driver, two, Some(one), "micro", &content).await.unwrap_err();
    assert!(error.to_string().contains("begun anew"), "{error}");
    assert!(lab.names(2).iter().all(|name| !name.starts_with("image-")), "{:?}", lab.names(2));
    copy(&driver, two, None, "micro", &content).await.unwrap();
    for host in [one, two] {
        driver.call(host, Lab::drop_call("micro", &content)).await.unwrap();
    }
}

/// Made by QEMU itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn files_that_are_no_images_are_refused() {
    let lab = Lab::new();
    let driver = lab.driver();
    let make = |name: &str, words: &[&str]| {
        let path = lab.images.join(name);
        let done =
            Command::new("qemu-img").arg("create").arg("-q").args(words).current_dir(&lab.images).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(path.exists());
    };
    make("laid.qcow2", &["-f", "qcow2", "-b", "/etc/hostname", "-F", "raw", "laid.qcow2", "1M"]);
    make("split.qcow2", &["-f", "qcow2", "-o", "data_file=split.data", "split.qcow2", "1M"]);
    make("huge.qcow2", &["-f", "qcow2", "huge.qcow2", "5G"]);
    make("wrong.raw", &["-f", "qcow2", "wrong.raw", "1M"]);
    make("vmdk.qcow2", &["-f", "vmdk", "vmdk.qcow2", "1M"]);
    let secret = ["--object", "secret,id=s,data=secret", "-f", "qcow2"];
    let luks = ["-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", "secret.qcow2", "1M"];
    make("secret.qcow2", &[&secret[..], &luks[..]].concat());
    std::fs::write(lab.images.join("short.qcow2"), b"QFI\xfb").unwrap();
    make("sound.qcow2", &["-f", "qcow2", "sound.qcow2", "3G"]);
    for (image, why) in [
        ("laid", "laid over another file"),
        ("split", "in another file"),
        ("huge", "5 GiB; allowed: 4 GiB"),
        ("wrong", "called raw and is qcow2"),
        ("vmdk", "it is VMDK"),
        ("secret", "encrypted"),
        ("short", "header ends"),
        ("nowhere", "there is no image"),
    ] {
        let check = HostCall::CheckImage { image: image.into(), sha256: None };
        match driver.call(&lab.hosts[0], check).await {
            Err(DriverError::Refused { why: said, .. }) => assert!(said.contains(why), "{image}: {said}"),
            other => panic!("{image}: {other:?}"),
        }
    }
    assert_eq!(content(&driver, &lab.hosts[0], "sound").await.disk_bytes, 3 << 30);
}

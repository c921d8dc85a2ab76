//! The programs for which files are rendered take them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use proptest::test_runner::TestRunner;

use super::*;

/// Whether the program is installed. Without it there is nothing to test, and CI says that this is wrong.
fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        assert!(std::env::var_os("CASCINA_REQUIRE_TOOLS").is_none(), "{program} is not installed");
        eprintln!("skipped: {program} is not installed");
    }
    there
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn write(folder: &Path, files: &Files) {
    for (path, content) in files {
        std::fs::write(folder.join(path), content).unwrap();
    }
}

/// `nft` looks at the kernel even to check: it needs a network of its own, and the right to have one.
fn nft_checks(folder: &Path) -> Option<Output> {
    let ruleset = folder.join("ruleset.nft");
    let check = ["-rn", "nft", "-c", "-f", ruleset.to_str().unwrap()];
    let output = run("unshare", &check);
    let forbidden = ["Operation not permitted", "unshare failed"];
    match forbidden.iter().any(|words| said(&output).contains(words)) {
        true => {
            assert!(std::env::var_os("CASCINA_REQUIRE_TOOLS").is_none(), "{}", said(&output));
            eprintln!("skipped: {}", said(&output));
            None
        }
        false => Some(output),
    }
}

#[test]
fn nft_takes_whatever_ruleset() {
    if !installed("nft") {
        return;
    }
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let test = |draft: Draft| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &render(&RouterPlan::new(draft).unwrap(), &Target::Linux));
        if let Some(output) = nft_checks(folder.path()) {
            prop_assert!(output.status.success(), "{}", said(&output));
        }
        Ok(())
    };
    runner.run(&drafts(), test).unwrap();
}

#[test]
fn nft_refuses_what_is_no_ruleset() {
    if !installed("nft") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ruleset.nft"), "table inet router { chain c { drip } }\n").unwrap();
    if let Some(output) = nft_checks(folder.path()) {
        assert!(!output.status.success());
    }
}

#[test]
fn dnsmasq_takes_whatever_configuration() {
    if !installed("dnsmasq") {
        return;
    }
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let test = |draft: Draft| {
        let folder = tempfile::tempdir().unwrap();
        let files = render(&RouterPlan::new(draft).unwrap(), &Target::Linux);
        write(folder.path(), &files);
        let path = |option: &str, name: &str| format!("--{option}={}", folder.path().join(name).display());
        let conf = path("conf-file", "dnsmasq.conf");
        let output = run("dnsmasq", &["--test", &conf]);
        prop_assert!(output.status.success(), "{}", said(&output));
        // Read only when it serves, so it is given as options here.
        let mut options = vec!["--test".to_owned(), conf];
        options.extend(text(&files, "leases").lines().take(64).map(|line| format!("--dhcp-host={line}")));
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let output = run("dnsmasq", &options);
        prop_assert!(output.status.success(), "{}", said(&output));
        Ok(())
    };
    runner.run(&drafts(), test).unwrap();
}

#[test]
fn tar_takes_whatever_archive() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = render(&RouterPlan::new(full()).unwrap(), &Target::Linux);
    files.insert("a/b".into(), vec![7; 512]);
    files.insert("empty".into(), Vec::new());
    std::fs::write(folder.path().join("set.tar"), tar(&files)).unwrap();
    let output = Command::new("tar").args(["-xf", "set.tar"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "");
    for (path, content) in &files {
        assert_eq!(&std::fs::read(folder.path().join(path)).unwrap(), content, "{path}");
    }
    assert_eq!(tar(&files), tar(&files.clone()));
}

#[test]
fn a_disk_is_an_archive_that_begins_with_its_ports() {
    let folder = tempfile::tempdir().unwrap();
    let files = render(&RouterPlan::new(full()).unwrap(), &Target::Linux);
    let (lan, wan) = (router().mac, wan_mac(router().mac));
    let disk = disk(&files, lan, wan);
    assert_eq!(disk.len() % 512, 0);
    std::fs::write(folder.path().join("disk"), &disk).unwrap();
    let tar = |args: &[&str]| Command::new("tar").args(args).current_dir(folder.path()).output().unwrap();
    let listed = said(&tar(&["-tf", "disk"]));
    let expected: Vec<&str> = std::iter::once("cascina-router").chain(files.keys().map(String::as_str)).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
    assert_eq!(said(&tar(&["-xOf", "disk", "cascina-router"])), format!("lan {lan}\nwan {wan}\n"));
    // Whoever renders a file of that name does not get to say which port is which.
    let mut more = files;
    more.insert("cascina-router".into(), b"lan 02:00:00:00:00:01\n".to_vec());
    assert_eq!(super::disk(&more, lan, wan), disk);
}

#[test]
fn shells_take_the_script() {
    for shell in [&["sh"][..], &["busybox", "sh"], &["bash", "--posix"]] {
        if !installed(shell[0]) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("apply.sh");
        std::fs::write(&script, APPLY).unwrap();
        let output = Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{shell:?}: {}", said(&output));
    }
}

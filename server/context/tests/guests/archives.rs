//! What real cloud-init makes of archives: Debian's, and the newest there is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use cascina_context::archive::{Archive, Limits, Part, read};
use cascina_context::multi::MultiConfig;
use cascina_context::{check, report};
use cascina_core::contextualization::{ContextState, HandlerOutcome, Report};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{HERE, process, run};

const WORKER: &str = include_str!("../worker.yaml");
/// Programs that change a machine, and which of them handlers find installed.
const PROGRAMS: &str = "lsblk vgs lvs pvcreate vgcreate lvcreate blkid mkfs mkswap swapon mount umount cp wipefs dd apt-get \
    systemctl puppet useradd usermod groupadd getent chpasswd chown visudo cvmfs_config";

/// A guest below a folder, and what came of an archive there.
struct Guest {
    root: tempfile::TempDir,
    said: Value,
}

fn build(text: &str) -> Vec<u8> {
    MultiConfig::parse(text).unwrap().build(&BTreeMap::new()).unwrap().archive.user_data()
}

impl Guest {
    /// Boots it with the archive. `fail`: the program that fails; `without`: one that is not installed.
    fn boot(version: &str, archive: &[u8], fail: &str, without: &str) -> Guest {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        for folder in ["stubs", "dev", "home/somebody", "etc"] {
            std::fs::create_dir_all(at.join(folder)).unwrap();
        }
        std::fs::write(at.join("dev/console"), "").unwrap();
        std::fs::write(at.join("etc/fstab"), "LABEL=root / ext4 defaults 0 1\n/dev/old /home xfs defaults 0 0\n")
            .unwrap();
        std::fs::write(at.join("release.deb"), "a package").unwrap();
        for program in PROGRAMS.split_whitespace().filter(|program| *program != without) {
            run(Command::new("install")
                .args(["-m", "755"])
                .arg(format!("{HERE}/stub.sh"))
                .arg(at.join("stubs").join(program)));
        }
        std::fs::write(at.join("archive"), archive).unwrap();
        let path = format!("{}:{}", at.join("stubs").display(), std::env::var("PATH").unwrap());
        let mut command = process(version);
        command.env("PATH", path).env("CASCINA_ROOT", at).env("CASCINA_FAIL", fail);
        // Nobody is there.
        command.env("CASCINA_METADATA", "http://127.0.0.1:9");
        let output = run(command.arg("run").arg(at.join("archive")).arg(at));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        Guest { said, root }
    }

    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.path().join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}; {:#}", self.said))
    }

    /// What was called, without the folder.
    fn calls(&self) -> String {
        self.file("calls").replace(&self.root.path().display().to_string(), "")
    }

    fn report(&self) -> Report {
        report::of_console(self.file("dev/console").as_bytes(), Some("i-1")).expect("nothing on the console").unwrap()
    }

    /// Parts that were handled, in order.
    fn handled(&self) -> Vec<String> {
        let calls = self.said["calls"].as_array().unwrap().iter();
        calls.filter(|call| !call[1].is_null()).map(|call| call[1].as_str().unwrap().to_owned()).collect()
    }
}

fn outcomes(report: &Report) -> Vec<(&str, HandlerOutcome)> {
    report.handlers.iter().map(|handler| (handler.block.as_str(), handler.outcome)).collect()
}

#[test]
#[ignore = "needs two of Debian's cloud-init, which it unpacks"]
fn a_worker_becomes_one() {
    let mut seen = Vec::new();
    for version in ["debian", "newest"] {
        let guest = Guest::boot(version, &build(WORKER), "", "");
        assert_eq!(guest.said["warnings"], serde_json::json!([]), "{version}");
        assert_eq!(guest.said["failed"], Value::Null, "{version}");
        assert_eq!(guest.handled(), ["00-manifest.sh", "localfs.yaml", "cvmfs.yaml", "zzz-cascina-report"]);
        let report = guest.report();
        assert_eq!(report.state, ContextState::Contextualized, "{report:#?}");
        assert_eq!(outcomes(&report), [("localfs", HandlerOutcome::Ok), ("cvmfs", HandlerOutcome::Ok)]);
        assert!(report.handlers[0].log.ends_with("end: ok\n"), "{}", report.handlers[0].log);
        let files = [guest.file("etc/fstab"), guest.file("etc/cvmfs/default.local")];
        seen.push((guest.calls(), files));
    }
    assert_eq!(seen[0], seen[1], "versions differ");
    insta::assert_snapshot!("worker_calls", seen[0].0);
    insta::assert_snapshot!("worker_files", seen[0].1.join("\n"));
}

#[test]
#[ignore = "needs two of Debian's cloud-init, which it unpacks"]
fn what_fails_is_said_and_nothing_else_is_kept_from_running() {
    for version in ["debian", "newest"] {
        let guest = Guest::boot(version, &build(WORKER), "lvcreate", "");
        let report = guest.report();
        assert_eq!(report.state, ContextState::Failed);
        assert_eq!(outcomes(&report), [("localfs", HandlerOutcome::Failed), ("cvmfs", HandlerOutcome::Ok)]);
        assert_eq!(report.failed(), ["localfs: lvcreate ended with 5: lvcreate: no space left on device"]);
        // cloud-init knows as well, from the last script.
        assert!(guest.said["failed"].as_str().unwrap().contains("zzz-cascina-report"), "{:#}", guest.said);
        assert!(guest.file("dev/console").contains("cascina: context failed: localfs (lvcreate ended with 5"));
        // A part of the archive that never came is missed.
        let mut reading = read(&build(WORKER), &Limits::default()).unwrap();
        reading.parts.retain(|part| part.name.as_ref().is_none_or(|name| name.as_str() != "cascina-cvmfs.py"));
        let parts = reading.parts.into_iter().map(|part| Part {
            content_type: part.content_type,
            name: part.name.unwrap(),
            body: part.body,
        });
        let guest = Guest::boot(version, &Archive { parts: parts.collect() }.user_data(), "", "");
        let report = guest.report();
        assert_eq!(outcomes(&report), [("localfs", HandlerOutcome::Ok), ("cvmfs", HandlerOutcome::Missing)]);
    }
}

/// Everything in the library, with what each is made of.
const ALL: &str = "#multiple-config
users:
- there
- {name: new, groups: [wheel, batch], ssh-keys: ['ssh-ed25519 AAAA new'], sudo: true, password-hash: '$6$x$y', uid: 1001}
files:
- {path: /etc/own/one, content: \"a\\n\", mode: '0600', owner: 'root:root'}
- {path: /etc/own/two, content: YQo=, encoding: base64}
localfs:
  extdisk: /dev/vdz
  mounts:
  - [vdb, /scratch, ext4, defaults, 0, 0]
  - [vdd, swap, swap, defaults, 0, 0]
  ephemeral: {mount: /mnt}
  swapfile: 512
cvmfs:
  install: true
  version: 2.1.19
  release: RELEASE
  local: {repositories: [a.cern.ch, b.cern.ch], cms-local-site: T2_IT}
  domain: {server: 'http://x/cvmfs/@fqrn@'}
  keys: {a.pub: KEY}
  probe: false
condor-worker: {manager: cm.example.org, token: secret, slots: 8, config: {START: 'true'}}
batch: {kind: slurm, controller: ctl.example.org, munge-key-base64: YWJj}
puppet: {master: pm.example.org, options: [onetime, verbose, 'waitforcert=60'], certname: w1}
packages: [htop]
scripts:
- {name: own.sh, content: \"#!/bin/sh\\necho own >\\\"$CASCINA_ROOT/own\\\"\\n\"}
- {name: bad.sh, content: \"#!/bin/sh\\nexit 3\\n\"}
";

#[test]
#[ignore = "needs two of Debian's cloud-init, which it unpacks"]
fn all_of_the_library() {
    let mut seen = Vec::new();
    for version in ["debian", "newest"] {
        let release = tempfile::NamedTempFile::new().unwrap();
        let text = ALL.replace("RELEASE", &format!("file://{}", release.path().display()));
        let archive = build(&text);
        assert!(archive.len() < 16 << 10, "{} bytes", archive.len());
        assert_eq!(check::check(&read(&archive, &Limits::default()).unwrap()), []);
        let guest = Guest::boot(version, &archive, "", "cvmfs_config");
        let report = guest.report();
        let failed: Vec<String> = report.failed();
        // cvmfs is "installed" by a program that does not install it.
        assert_eq!(failed, ["cvmfs: cvmfs_config is not installed", "script 001-bad.sh"], "{report:#?}");
        assert_eq!(guest.file("own"), "own\n");
        assert!(guest.said["failed"].as_str().unwrap().contains("bad.sh"), "{:#}", guest.said);
        let paths = [
            "etc/own/one",
            "etc/own/two",
            "etc/fstab",
            "etc/cvmfs/default.local",
            "etc/cvmfs/config.d/cms.cern.ch.local",
            "etc/cvmfs/domain.d/cern.ch.local",
            "etc/cvmfs/keys/a.pub",
            "etc/condor/config.d/50-cascina.conf",
            "etc/condor/tokens.d/cascina",
            "etc/default/slurmd",
            "etc/munge/munge.key",
            "etc/puppet/puppet.conf",
            "etc/sudoers.d/90-cascina-new",
            "home/new/.ssh/authorized_keys",
            "passwords",
        ];
        let files: String = paths.iter().map(|path| format!("== {path}\n{}\n", guest.file(path))).collect();
        let logs = guest.file("var/log/cascina/users.log") + &guest.file("var/log/cascina/condor-worker.log");
        assert!(!logs.contains("$6$x$y") && !logs.contains("secret"), "a secret is in a log: {logs}");
        let release = release.path().display().to_string();
        seen.push((guest.calls().replace(&release, "RELEASE"), files));
    }
    assert_eq!(seen[0], seen[1], "versions differ");
    insta::assert_snapshot!("all_calls", seen[0].0);
    insta::assert_snapshot!("all_files", seen[0].1);
}

#[test]
#[ignore = "needs two of Debian's cloud-init, which it unpacks"]
fn readers_agree() {
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n";
    let worker = build(WORKER);
    let mime = read(&worker, &Limits::default()).map(|reading| {
        let part = |part: cascina_context::archive::Found| Part {
            content_type: part.content_type,
            name: part.name.unwrap(),
            body: part.body,
        };
        Archive { parts: reading.parts.into_iter().map(part).collect() }.mime()
    });
    let mime = mime.unwrap();
    let mut inputs: Vec<Vec<u8>> = vec![
        worker,
        mime.clone(),
        b"#!/bin/sh\necho\n".to_vec(),
        b"#cloud-config\na: 1\n".to_vec(),
        b"#cloud-config-archive\n- '#!/bin/sh'\n- {type: text/x-own, content: a, filename: f}\n- 'a: 1'\n".to_vec(),
        b"nothing\n".to_vec(),
        format!("{head}--b\n\n#!/bin/sh\n--b\nContent-Type: TEXT/X-Own; charset=utf-8\nContent-Disposition: attachment; filename=\"o\"\n\ne\n\n--b--\n").into_bytes(),
        format!("{head}pre\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/cloud-config\n\na: 1\n--c--\n--b--\npost\n").into_bytes(),
        format!("From me\n{head}--b\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/x-own; name=x\n\na=3D=\nb=C3=A8 \n--b--\n").into_bytes(),
        format!("{head}--b\nContent-Type: text/x-shellscript\n\n#cloud-config\nb: 1\n--b--\n").into_bytes(),
        format!("{head}--b\r\nContent-Type: text/plain\r\n\r\n#include-once\r\n\r\n--b--\r\n").into_bytes(),
    ];
    // And what chance makes of them.
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |most: usize| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        usize::try_from(chance % most as u64).unwrap()
    };
    let seeds: Vec<Vec<u8>> = inputs.iter().skip(1).map(|seed| seed[..seed.len().min(4000)].to_vec()).collect();
    let words: [&[u8]; 12] = [
        b"--b\n",
        b"\n",
        b"\r\n",
        b"--b--",
        b"Content-Type: text/plain\n",
        b" ",
        b"\"",
        b"=",
        b";",
        b"Content-Transfer-Encoding: base64\n",
        b"#!",
        b":",
    ];
    for _ in 0..600 {
        let mut input = seeds[random(seeds.len())].clone();
        for _ in 0..=random(3) {
            let at = random(input.len().max(1));
            match random(3) {
                0 => drop(input.splice(at..at, words[random(words.len())].iter().copied())),
                1 => drop(input.drain(at..(at + random(20)).min(input.len()))),
                _ => input[at] ^= 1 << random(7),
            }
        }
        inputs.push(input);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |number: usize| folder.path().join(format!("{number:04}"));
    for (number, input) in inputs.iter().enumerate() {
        std::fs::write(path(number), input).unwrap();
    }
    for version in ["debian", "newest"] {
        let paths = (0..inputs.len()).map(path);
        let said: Value = serde_json::from_slice(&run(process(version).arg("parts").args(paths)).stdout).unwrap();
        let mut agreed = 0;
        for (number, input) in inputs.iter().enumerate() {
            let Ok(reading) = read(input, &Limits::default()) else { continue };
            // Of nothing, one part with nothing in it is made there.
            if input.is_empty() {
                continue;
            }
            let ours: Vec<[String; 3]> = reading
                .parts
                .iter()
                // Includes are fetched by the other, and empty here.
                .filter(|part| !part.content_type.is_include())
                .enumerate()
                .map(|(place, part)| {
                    let name = part.name.as_ref().map_or_else(|| format!("part-{:03}", place + 1), ToString::to_string);
                    let digest: String = Sha256::digest(&part.body).iter().map(|byte| format!("{byte:02x}")).collect();
                    [part.content_type.to_string(), name, digest]
                })
                .collect();
            let theirs = &said[format!("{number:04}")];
            // Somebody would have to be there.
            if theirs.is_string() && reading.parts.iter().any(|part| part.content_type.is_include()) {
                continue;
            }
            // YAML that its reader does not take is a list of nothing to it: it sees less, and never more.
            if *theirs == serde_json::json!([]) && input.to_ascii_lowercase().starts_with(b"#cloud-config-archive") {
                continue;
            }
            assert_eq!(serde_json::json!(ours), *theirs, "{version}: {}", String::from_utf8_lossy(input));
            agreed += 1;
        }
        assert!(agreed > 60, "{version}: only {agreed} were read");
        println!("{version}: {agreed} of {} read by both alike", inputs.len());
    }
}

#[test]
#[ignore = "needs two of Debian's cloud-init, which it unpacks"]
fn schemas_agree() {
    let cases = [
        ("users: [default, {name: a, uid: 1000}]\nwrite_files: [{path: /a, permissions: '0644'}]\n", true),
        (
            "packages: [a, [b, '1']]\nruncmd: [ls, [ls, -l]]\npower_state: {mode: poweroff, timeout: 30, condition: true}\n",
            true,
        ),
        ("write_files: [{path: /a, permissions: 0644}]\n", false),
        ("packages: secret\n", false),
        ("usrs: [a]\n", false),
        ("ntp: {enabled: maybe}\n", false),
        ("fs_setup: [{filesystem: ext4, device: /dev/vdb}]\nmounts: [[vdb, /mnt, auto, 'defaults,nofail']]\n", true),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (number, (text, _)) in cases.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}")), format!("#cloud-config\n{text}")).unwrap();
    }
    let paths = |place: &Path| (0..cases.len()).map(|number| place.join(number.to_string())).collect::<Vec<_>>();
    let said: Value =
        serde_json::from_slice(&run(process("newest").arg("schema").args(paths(folder.path()))).stdout).unwrap();
    for (number, (text, fine)) in cases.iter().enumerate() {
        let ours = check::check(&read(format!("#cloud-config\n{text}").as_bytes(), &Limits::default()).unwrap());
        let theirs = said[number.to_string()].as_array().unwrap();
        assert_eq!((ours.is_empty(), theirs.is_empty()), (*fine, *fine), "{text}: {ours:#?} {theirs:#?}");
    }
}

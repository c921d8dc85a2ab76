use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::archive::{self, read};

/// As the lab has written it for years.
pub(crate) const WORKER: &str = include_str!("../../tests/worker.yaml");

fn build(text: &str) -> Built {
    let config = MultiConfig::parse(text).unwrap_or_else(|error| panic!("{error}"));
    config.build(&BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    let config = match MultiConfig::parse(&format!("{FIRST_LINE}\n{text}")) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    config.build(&BTreeMap::new()).unwrap_err().to_string()
}

fn names(built: &Built) -> Vec<String> {
    built.archive.parts.iter().map(|part| format!("{} {}", part.content_type, part.name)).collect()
}

#[test]
fn a_worker_of_the_lab() {
    let built = build(WORKER);
    insta::assert_debug_snapshot!(names(&built), @r#"
    [
        "text/cloud-boothook 00-manifest.sh",
        "text/part-handler cascina-localfs.py",
        "text/part-handler cascina-cvmfs.py",
        "text/localfs-config localfs.yaml",
        "text/cvmfs-config cvmfs.yaml",
        "text/x-shellscript zzz-cascina-report",
    ]
    "#);
    let text = |at: usize| String::from_utf8(built.archive.parts[at].body.clone()).unwrap();
    insta::assert_snapshot!(text(3), @r#"
    localfs:
      parts:
        cvmfs: 17
        cvmfs_mount: "/var/lib/cvmfs"
        home: 58
        tmp: 8
        swap: 100
    "#);
    insta::assert_snapshot!(text(4), @r#"
    cvmfs:
      install: true
      version: 2.1.19
      local:
        repositories: "alice.cern.ch,atlas.cern.ch,sft.cern.ch"
        http-proxy: http://squid.example.org:3128
        cache-base: /var/lib/cvmfs
        quota-limit: 18000
        strict-mount: "yes"
    "#);
    let bytes = built.archive.user_data();
    // What EC2 takes.
    assert!(archive::is_compressed(&bytes) && bytes.len() < 16 << 10, "{} bytes", bytes.len());
    assert_eq!(bytes, build(WORKER).archive.user_data());
    assert_eq!(read(&bytes, &archive::Limits::default()).unwrap().parts.len(), 6);
}

#[test]
fn what_handles_comes_before_what_is_handled() {
    let own = "#part-handler\ndef list_types():\n    return ['text/own-config']\ndef handle_part(*all):\n    pass\n";
    let url = "https://example.org/handlers/cc_own.py";
    let text = format!(
        "{FIRST_LINE}\nscripts:\n- {{name: second.sh, content: \"#!/bin/sh\\n\"}}\n- {{url: 'https://example.org/a/b.sh?x', run: per-boot}}\n\
         own:\n  repo: https://example.org/files/\n  embedfiles: ['+a.conf', keys/b.conf]\n  c: yes\n\
         packages: [htop]\nruncmd:\n- [ls, -l]\ncloud-config:\n  hostname: worker\nfiles:\n  /etc/a: text\n\
         include: https://example.org/more\n\
         boothook: |\n  #cloud-boothook\n  #!/bin/sh\n  :\n\
         parthandlers: {{repo: https://example.org/handlers, modules: [cc_own.py]}}\n"
    );
    let config = MultiConfig::parse(&text).unwrap();
    let more = "#cloud-config-archive\n- '#!/bin/sh'\n- {type: text/part-handler, content: 'list_types', filename: h.py}\n- 'locale: C'\n";
    let given: BTreeMap<Reference, Vec<u8>> = config
        .references()
        .into_iter()
        .map(|from| {
            let bytes = match from.base() {
                "cc_own.py" => own,
                "more" => more,
                "b.sh" => "#!/bin/sh\n",
                other => other,
            };
            (from.clone(), bytes.as_bytes().to_vec())
        })
        .collect();
    assert!(
        given.contains_key(&Reference::Url(url.into())) && given.contains_key(&Reference::File("keys/b.conf".into()))
    );
    let built = config.build(&given).unwrap();
    insta::assert_debug_snapshot!(names(&built), @r#"
    [
        "text/cloud-boothook 00-manifest.sh",
        "text/cloud-boothook boothook",
        "text/part-handler cascina-files.py",
        "text/part-handler cc_own.py",
        "text/part-handler h.py",
        "text/own-config own.yaml",
        "text/files-config files.yaml",
        "text/cloud-config more-2",
        "text/cloud-config cloud-config.yaml",
        "text/x-shellscript 000-more-0",
        "text/x-shellscript 001-second.sh",
        "text/x-shellscript-per-boot 002-b.sh",
        "text/x-shellscript zzz-cascina-report",
    ]
    "#);
    let own = built.archive.parts.iter().find(|part| part.name.as_str() == "own.yaml").unwrap();
    insta::assert_snapshot!(String::from_utf8_lossy(&own.body), @r#"
    own:
      repo: https://example.org/files/
      c: yes
      "a.conf": "a.conf"
      "b.conf": "b.conf"
    "#);
    assert_eq!(built.embedded.len(), 5);
    let missing = config.build(&BTreeMap::new()).unwrap_err().to_string();
    assert!(missing.ends_with("was not given"), "{missing}");
}

#[test]
fn templates_and_digests() {
    let text = format!(
        "{FIRST_LINE}\nreport: false\nscripts:\n- {{content: \"#!/bin/sh\\n\", jinja: true}}\ncloud-config: |\n  ## template: jinja\n  #cloud-config\n  fqdn: '{{{{ v1.region }}}}'\n"
    );
    let built = build(&text);
    assert_eq!(names(&built), ["text/jinja2 more.yaml", "text/jinja2 000-script"]);
    assert!(built.archive.parts.iter().all(|part| part.body.starts_with(b"## template: jinja\n#")));
    let zeros = "0".repeat(64);
    let config = MultiConfig::parse(&format!("{FIRST_LINE}\nscripts:\n- {{file: a, sha256: '{zeros}'}}\n")).unwrap();
    let given = [(Reference::File("a".into()), b"#!/bin/sh".to_vec())].into();
    assert!(config.build(&given).unwrap_err().to_string().contains(&format!("and not {zeros}")));
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    for (text, said) in [
        ("localfs: {parts: {home: 80, tmp: 30}}", "line 2: parts are 110 percent together: at most 100"),
        ("localfs: {parts: {home: many}}", "line 2: home of \"many\" is no percentage: give 0 to 100"),
        ("localfs: {parts: {data: 10}}", "line 2: data needs data_mount: where it is mounted"),
        ("localfs:\n  partz: 1", "line 3: partz is not known in localfs: extdisk"),
        ("localfs: [a]", "line 2: localfs is a map, and here is a list"),
        ("mine: {a: 1}", "line 2: nothing handles mine: it is no block of the library (localfs, cvmfs,"),
        ("'a b': {}", "is no name of a block"),
        ("scripts: ['echo']", "file echo was not given"),
        ("scripts: [\"echo\\n\"]", "a script begins with #!"),
        ("scripts: [{url: 'ftp://x'}]", "a url begins with http"),
        ("scripts: [{name: ../x, content: '#!/bin/sh'}]", "is no name for a part"),
        ("scripts: [{content: '#!/bin/sh', url: 'http://x/'}]", "one of content, url and file is enough"),
        ("scripts: [{name: a}]", "one of content, url and file is missing"),
        ("scripts: [[a]]", "and here is a list"),
        ("report: maybe", "report is true or false"),
        ("parthandlers: {repo: 'http://x', header: h, modules: [a]}", "header is not known here"),
        ("parthandlers: ['#!/bin/sh']", "this is no part handler"),
        ("packages: [a]\ncloud-config: {packages: [b]}", "packages is there twice"),
        ("- a", "a map of blocks is expected"),
        ("a: [", "line 3:"),
        ("include: {content: 'hello'}", "does not say what it is"),
        ("include: {content: '#include http://x'}", "it includes others"),
    ] {
        let error = refused(text);
        assert!(error.contains(said), "{text}: {error}");
    }
    assert_eq!(MultiConfig::parse("#cloud-config\n").unwrap_err(), MultiError::FirstLine);
    let many: String = (0..100).map(|number| format!("- file{number}\n")).collect();
    assert!(refused(&format!("scripts:\n{many}")).contains("more than 64"));
    let large = format!("{FIRST_LINE}\nfiles:\n- path: /a\n  content: '{}'\n", "ab\n\n    c".repeat(50_000));
    assert!(MultiConfig::parse(&large).is_ok());
}

#[test]
fn handlers_say_the_same_as_the_library() {
    for handler in crate::handlers::LIBRARY {
        let text = handler.text();
        assert!(text.starts_with("#part-handler\n"));
        for block in handler.blocks {
            assert!(text.contains(&format!("\"{block}\"")), "{block} is not in {}", handler.name);
        }
    }
    let config = MultiConfig::parse(&format!("{FIRST_LINE}\n")).unwrap();
    assert!(format!("{config:?}").len() < 200 && config.reports());
}

proptest! {
    #[test]
    fn whatever_is_built_reads_back_in_order(
        blocks in prop::sample::subsequence(vec!["localfs", "cvmfs", "condor-worker", "batch", "puppet", "files", "users"], 0..7),
        scripts in 0_usize..4,
        packages in any::<bool>(),
    ) {
        let mut text = format!("{FIRST_LINE}\n");
        for block in &blocks {
            text.push_str(&format!("{block}: {}\n", if matches!(*block, "files" | "users") { "[]" } else { "{}" }));
        }
        if packages {
            text.push_str("packages: [a]\n");
        }
        text.push_str(&format!("scripts: [{}]\n", vec!["\"#!/bin/sh\\n\""; scripts].join(", ")));
        let built = build(&text);
        let reading = read(&built.archive.user_data(), &archive::Limits::default())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let rank = |kind: &str| match kind {
            "text/cloud-boothook" => 0,
            "text/part-handler" => 1,
            "text/cloud-config" => 3,
            "text/x-shellscript" => 4,
            _ => 2,
        };
        let ranks: Vec<i32> = reading.parts.iter().map(|part| rank(part.content_type.as_str())).collect();
        prop_assert!(ranks.is_sorted(), "{ranks:?}");
        let found: Vec<String> = reading.parts.iter().filter(|part| rank(part.content_type.as_str()) == 2)
            .map(|part| part.content_type.as_str().trim_start_matches("text/").trim_end_matches("-config").to_owned()).collect();
        prop_assert_eq!(found, blocks);
        prop_assert_eq!(reading.parts.last().and_then(|part| part.name.clone()).map(|name| name.to_string()), Some(REPORT_NAME.to_owned()));
    }

    #[test]
    fn whatever_comes_is_built_or_refused(text in "[a-c:{}\\[\\], \n'#!/-]{0,80}", key in "(localfs|cvmfs|scripts|include|files|users|boothook|cloud-config|parthandlers|own)") {
        if let Ok(config) = MultiConfig::parse(&format!("{FIRST_LINE}\n{key}: {text}\n")) {
            let _ = config.build(&BTreeMap::new());
        }
    }
}

use std::io::{Cursor, Read as _};

use fatfs::{FileSystem, FsOptions};
use proptest::prelude::*;

use super::*;

type Opened<'a> = FileSystem<Cursor<&'a mut [u8]>>;

fn open(bytes: &mut [u8]) -> Opened<'_> {
    FileSystem::new(Cursor::new(bytes), FsOptions::new()).unwrap()
}

fn read(system: &Opened<'_>, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    system.root_dir().open_file(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn file(path: &'static str, bytes: impl Into<Vec<u8>>) -> File {
    File { path, bytes: bytes.into() }
}

#[test]
fn what_is_written_is_read() {
    let files = [file("meta-data", "one"), file("openstack/latest/user_data", [0, 255, 13, 10]), file("empty", "")];
    let image = Image::new("CIDATA", &files).unwrap();
    assert_eq!(image.as_bytes().len(), 1 << 20);
    let volume = image.volume();
    let mut bytes = image.into_bytes();
    let system = open(&mut bytes);
    assert_eq!(system.volume_label(), "CIDATA");
    assert_eq!(system.read_volume_label_from_root_dir().unwrap().as_deref(), Some("CIDATA"));
    assert_eq!(system.volume_id(), volume);
    let state = system.read_status_flags().unwrap();
    assert!(!state.dirty() && !state.io_error());
    for file in files {
        assert_eq!(read(&system, file.path), file.bytes, "{}", file.path);
    }
    let names: Vec<String> = system.root_dir().iter().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["meta-data", "openstack", "empty"]);
    for entry in system.root_dir().iter() {
        let entry = entry.unwrap();
        assert_eq!(entry.modified().date, DAWN.get_current_date(), "{}", entry.file_name());
        assert_eq!(entry.created().date, DAWN.get_current_date(), "{}", entry.file_name());
    }
}

#[test]
fn folders_begin_with_their_dots() {
    let image = Image::new("CONFIG-2", &[file("openstack/latest/meta_data.json", "{}")]).unwrap();
    let starts: Vec<usize> = (0..image.as_bytes().len())
        .step_by(512)
        .filter(|at| image.as_bytes()[*at..].starts_with(b".          \x10"))
        .collect();
    assert_eq!(starts.len(), 2);
    for start in starts {
        let folder = &image.as_bytes()[start..start + 512];
        assert!(folder[32..].starts_with(b"..         \x10"));
        assert!(folder[64] == 0xe5 && folder[96] == 0xe5);
    }
}

#[test]
fn the_same_makes_the_same_and_other_things_another_volume() {
    let made = |label, path, bytes: &str| Image::new(label, &[file(path, bytes)]).unwrap();
    let first = made("CIDATA", "a", "b");
    assert_eq!(first, made("CIDATA", "a", "b"));
    for other in [made("CIDATA", "a", "c"), made("CIDATA", "ab", ""), made("CONTEXT", "a", "b")] {
        assert_ne!(first.volume(), other.volume());
    }
}

#[test]
fn only_labels_that_fat_has() {
    for label in ["", "cidata", "A LABEL", "TWELVE-CHARS", "A\n", "É"] {
        assert!(matches!(Image::new(label, &[]), Err(DiskError::Label(_))), "{label:?}");
    }
    assert!(Image::new("ELEVEN-CHAR", &[]).is_ok());
}

#[test]
fn contents_have_a_limit_and_reach_it() {
    let most = Image::new("CIDATA", &[file("user-data", vec![b'x'; MOST_CONTENT])]).unwrap();
    let mut bytes = most.into_bytes();
    assert_eq!(read(&open(&mut bytes), "user-data").len(), MOST_CONTENT);
    let more = Image::new("CIDATA", &[file("user-data", vec![b'x'; MOST_CONTENT + 1])]);
    assert!(matches!(more, Err(DiskError::Large(_))));
}

#[test]
fn a_path_that_is_a_file_and_a_folder_is_refused() {
    let twice = [file("a", ""), file("a/b", "")];
    assert!(matches!(Image::new("CIDATA", &twice), Err(DiskError::Write { path: "a/b", .. })));
}

#[test]
fn nothing_of_it_is_shown() {
    let image = Image::new("CIDATA", &[file("user-data", "secret")]).unwrap();
    assert!(!format!("{image:?} {:?}", file("user-data", "secret")).contains("secret"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_size_has_room(sizes in proptest::collection::vec(0usize..1_500_000, 3)) {
        let paths = ["meta-data", "a/b/user_data", "network-config"];
        let files: Vec<File> = paths.into_iter().zip(&sizes)
            .map(|(path, size)| file(path, vec![*size as u8 | 1; *size]))
            .collect();
        let image = Image::new("CIDATA", &files).unwrap();
        prop_assert!(image.as_bytes().len() <= sizes.iter().sum::<usize>() * 17 / 16 + OVERHEAD + STEP);
        let mut bytes = image.into_bytes();
        let system = open(&mut bytes);
        for file in files {
            prop_assert_eq!(read(&system, file.path), file.bytes);
        }
    }
}

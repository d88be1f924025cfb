//! The picture at the top of the README: the page in the middle of a rollout, as Chromium draws it. Its name has a hash of the page's
//! files, so that a picture of another page is found out without drawing one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::pods::{Pod, Service};

/// The most that a README is to make its reader load.
const MOST_BYTES: u64 = 60_000;

#[test]
fn the_picture_in_the_readme_is_of_the_page_as_it_is() {
    let picture = picture();
    let size = fs::metadata(root().join(&picture)).map(|file| file.len());
    let size = size.unwrap_or_else(|error| panic!("{picture}: {error}; the page has changed: make picture"));
    assert!(size < MOST_BYTES, "{picture} has {size} bytes");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("]({picture})")), "the README does not show {picture}: make picture");
    assert_eq!(pictures(), [picture], "one of another page is left: make picture");
}

#[test]
#[ignore = "writes docs/page-….png and its name into the README: make picture"]
fn the_picture_in_the_readme_is_drawn() {
    let old = [Pod::backend("v1", "backend-6d5f8c7b9-4kq2m"), Pod::backend("v1", "backend-6d5f8c7b9-x8w7d")];
    let new = [Pod::backend("v2", "backend-7c9b6d4f8-2hn5s"), Pod::backend("v2", "backend-7c9b6d4f8-jv9tp")];
    let service = Service::start();
    service.set_endpoints(&[&old[0], &old[1]]);
    let gateway = Pod::frontend(service.address, "frontend-5b7d9f6c4-r6z8t");
    let page = super::open(&gateway, "picture");
    page.emulate(780, 640, "light");
    page.wait("old answers", &super::answers_of(&["backend-6d5f8c7b9-4kq2m", "backend-6d5f8c7b9-x8w7d"]));
    // What the picture shows is time: the last seconds of the timeline.
    sleep(Duration::from_secs(12));
    service.set_endpoints(&[&old[1], &new[0]]);
    sleep(Duration::from_secs(6));
    service.set_endpoints(&[&new[0], &new[1]]);
    page.wait("both new pods", &super::answers_of(&["backend-7c9b6d4f8-2hn5s", "backend-7c9b6d4f8-jv9tp"]));
    sleep(Duration::from_secs(6));
    assert_eq!(page.figure("failed"), 0, "{}", page.text("log"));

    page.run("window.scrollTo(0, document.getElementById('answered').getBoundingClientRect().top - 16);");
    let png = page.screenshot();
    assert!((png.len() as u64) < MOST_BYTES, "{} bytes", png.len());
    let picture = picture();
    for other in pictures() {
        fs::remove_file(root().join(other)).unwrap();
    }
    fs::write(root().join(&picture), png).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (before, rest) = readme.split_once("](docs/page-").expect("the README shows a picture");
    let (_, after) = rest.split_once(".png)").expect("the README shows a picture");
    fs::write(root().join("README.md"), format!("{before}]({picture}){after}")).unwrap();
}

/// The name of the picture of the page as its files are.
fn picture() -> String {
    let mut files: Vec<PathBuf> =
        fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/ui")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.file_name().unwrap().as_encoded_bytes());
        hash.update([0]);
        hash.update(fs::read(&file).unwrap());
    }
    let mut name = String::from("docs/page-");
    for byte in &hash.finalize()[..6] {
        write!(name, "{byte:02x}").unwrap();
    }
    name + ".png"
}

/// The pictures that there are.
fn pictures() -> Vec<String> {
    let names =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("page-")).map(|name| format!("docs/{name}")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

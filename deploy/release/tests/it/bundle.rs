//! The package, made of the tests' binaries: its bytes, and what is in it, run as Beanstalk and Lambda would.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rts_deploy::package::{self, Architecture, Package, PackageOptions};

const HERE: Architecture = if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };

/// A directory that goes with the test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rts-deploy-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options(out: &Path, web: Option<&Path>) -> PackageOptions {
    PackageOptions {
        out: out.to_owned(),
        architecture: HERE,
        binaries: Some(rts_local::binaries().unwrap()),
        web: web.map(Path::to_owned),
        bill: None,
        // Those of tests have it, for the local cluster.
        allows_dev_login: true,
    }
}

/// Unpacks a zip with its modes, and returns these.
fn unpack(zip: &Path, to: &Path) -> BTreeMap<String, u32> {
    let mut archive = zip::ZipArchive::new(File::open(zip).unwrap()).unwrap();
    let mut modes = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let (path, mode) = (to.join(entry.name()), entry.unix_mode().unwrap() & 0o777);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        modes.insert(entry.name().to_owned(), mode);
    }
    modes
}

#[test]
fn equal_files_give_equal_bytes_and_a_gateway_with_the_login_is_refused() {
    let directory = Directory::new("bytes");
    let web = directory.0.join("app");
    fs::create_dir_all(&web).unwrap();
    fs::write(web.join("index.html"), "<p>").unwrap();
    let one = package::run(&options(&directory.0.join("one"), Some(&web))).unwrap();
    // Another time, and another checkout's modes.
    fs::remove_file(web.join("index.html")).unwrap();
    fs::write(web.join("index.html"), "<p>").unwrap();
    fs::set_permissions(web.join("index.html"), fs::Permissions::from_mode(0o777)).unwrap();
    let other = package::run(&options(&directory.0.join("other"), Some(&web))).unwrap();
    assert_eq!(one, other);
    assert_eq!(Package::read(&directory.0.join("one")).unwrap(), one);
    let bytes = |run: &str| fs::read(directory.0.join(run).join(&one.bundle.file)).unwrap();
    assert!(bytes("one") == bytes("other"));
    assert!(directory.0.join("one/debug/rts-gateway.debug").is_file());

    let modes = unpack(&directory.0.join("one").join(&one.bundle.file), &directory.0.join("app"));
    for (name, mode) in &modes {
        let is_program = name.starts_with("bin/") || Path::new(name).extension() == Some("sh".as_ref());
        assert_eq!(*mode, if is_program { 0o755 } else { 0o644 }, "{name}");
    }
    for name in ["Procfile", "bin/rts-gateway", "web/index.html", ".ebextensions/scaling.config", "metrics/agent.json"]
    {
        assert!(modes.contains_key(name), "{name}");
    }
    let strict = PackageOptions { allows_dev_login: false, ..options(&directory.0.join("strict"), None) };
    assert!(package::run(&strict).unwrap_err().to_string().contains("--no-default-features"));
}

/// A cluster of another process, whose binaries are those of the package.
struct Fixture(Child);

impl Fixture {
    fn start(binaries: &Path) -> (Self, serde_json::Value) {
        let mut command = Command::new(binaries.join("rts-local"));
        command.arg("fixture").env("RTS_BIN_DIR", binaries).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_whole_cluster_runs_from_the_package() {
    let directory = Directory::new("cluster");
    let package = package::run(&options(&directory.0, None)).unwrap();
    let (app, binaries) = (directory.0.join("app"), directory.0.join("bin"));
    unpack(&directory.0.join(&package.bundle.file), &app);
    let procfile = fs::read_to_string(app.join("Procfile")).unwrap();
    assert_eq!(procfile, "web: bin/rts-gateway\n", "the only process, which Beanstalk keeps running");
    fs::create_dir_all(&binaries).unwrap();
    fs::rename(app.join("bin/rts-gateway"), binaries.join("rts-gateway")).unwrap();
    for (artifact, name) in [(&package.messages, "chat-message-to-db"), (&package.rooms, "chat-room-to-db")] {
        let function = directory.0.join(name);
        assert_eq!(unpack(&directory.0.join(&artifact.file), &function), [("bootstrap".to_owned(), 0o755)].into());
        fs::rename(function.join("bootstrap"), binaries.join(name)).unwrap();
    }
    let tests = rts_local::binaries().unwrap();
    fs::copy(tests.join("rts-local"), binaries.join("rts-local")).unwrap();

    let (_fixture, cluster) = Fixture::start(&binaries);
    let target = cluster["balancer"].as_str().unwrap();
    let probe = ["probe", "--metrics", "none", "--for", "2s", "--every", "100ms", "--target", target];
    let output = Command::new(tests.join("loadtest")).args(probe).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
